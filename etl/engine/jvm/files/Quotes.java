package twilight.files;

import org.apache.spark.sql.catalyst.csv.CSVOptions;

/** Where quotes begin and end in the lines of a csv file, as Spark's tokenizer takes them. */
final class Quotes {
  private static final char NONE = '\u0000';
  private final char quote;
  private final char escape;
  private final String separator;
  private final boolean skipsSpace;
  private final boolean untilClosed; // an unescaped quote inside of quotes is a character like others
  private final boolean choosesHandling; // the user has said what becomes of an unescaped quote
  private boolean loose; // the field that was looked at last has one

  /** OPEN: a value in quotes goes on in the next line. LOOSE: a quote inside of quotes is not escaped, so nobody knows where the value ends. */
  enum End { CLOSED, OPEN, LOOSE }

  Quotes(CSVOptions options, boolean choosesHandling) {
    quote = options.quote();
    escape = options.escape();
    separator = options.delimiter();
    skipsSpace = options.ignoreLeadingWhiteSpaceInRead();
    this.choosesHandling = choosesHandling;
    untilClosed = "STOP_AT_CLOSING_QUOTE".equals(String.valueOf(options.unescapedQuoteHandling()));
  }

  /** Whether a line holds a quote at all. */
  boolean in(String line) {
    return quote != NONE && line.indexOf(quote) >= 0;
  }

  /** How the quotes of a line end; `within`: a value in quotes goes on from the line before. */
  End end(String line, boolean within) {
    int at = 0;
    boolean inside = within;
    boolean isLoose = false;
    while (true) {
      if (!inside) {
        while (skipsSpace && at < line.length() && line.charAt(at) <= ' ' && !line.startsWith(separator, at)) {
          at++;
        }
        if (at < line.length() && line.charAt(at) == quote) {
          inside = true;
          at++;
        } else {
          int end = line.indexOf(separator, at);
          if (end < 0) {
            return isLoose ? End.LOOSE : End.CLOSED;
          }
          at = end + separator.length();
          continue;
        }
      }
      loose = false;
      at = afterQuotes(line, at);
      isLoose |= loose && !choosesHandling;
      if (at < 0) {
        return End.OPEN;
      }
      inside = false;
      if (at >= line.length()) {
        return isLoose ? End.LOOSE : End.CLOSED;
      }
      at += separator.length();
    }
  }

  /** Whether the parser leaves zero bytes out of values in quotes: where a quote escapes itself, zero is its sign for "nothing escapes the escape". */
  boolean dropsNul() {
    return quote != NONE && quote == escape;
  }

  /** The end of a field whose quotes are open at a place: the line's end, or its separator; -1 where they stay open. */
  private int afterQuotes(String line, int from) {
    int at = from;
    while (at < line.length()) {
      char here = line.charAt(at);
      char after = at + 1 < line.length() ? line.charAt(at + 1) : NONE;
      if (here == escape && at + 1 < line.length() && (after == quote || after == escape && escape != quote)) {
        at += 2;
      } else if (here == quote) {
        int end = at + 1;
        while (end < line.length() && line.charAt(end) <= ' ' && !line.startsWith(separator, end)) {
          end++;
        }
        if (end >= line.length() || line.startsWith(separator, end)) {
          return end;
        }
        loose = true;
        if (!untilClosed) {
          int stop = line.indexOf(separator, at);
          return stop < 0 ? line.length() : stop;
        }
        at++;
      } else {
        at++;
      }
    }
    return -1;
  }
}
