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

  Quotes(CSVOptions options) {
    quote = options.quote();
    escape = options.escape();
    separator = options.delimiter();
    skipsSpace = options.ignoreLeadingWhiteSpaceInRead();
    untilClosed = "STOP_AT_CLOSING_QUOTE".equals(String.valueOf(options.unescapedQuoteHandling()));
  }

  /** Whether a line holds a quote at all. */
  boolean in(String line) {
    return quote != NONE && line.indexOf(quote) >= 0;
  }

  /** Whether a value in quotes goes on after the line; `within`: one went on before it. */
  boolean goesOn(String line, boolean within) {
    int at = 0;
    boolean inside = within;
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
            return false;
          }
          at = end + separator.length();
          continue;
        }
      }
      at = afterQuotes(line, at);
      if (at < 0) {
        return true;
      }
      inside = false;
      if (at >= line.length()) {
        return false;
      }
      at += separator.length();
    }
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
