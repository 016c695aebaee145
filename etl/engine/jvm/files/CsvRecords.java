package twilight.files;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.apache.spark.sql.catalyst.csv.CSVOptions;
import scala.collection.AbstractIterator;
import scala.collection.Iterator;

/** The records of a csv file: lines that are not empty and no comment, with those in which their values in quotes go on. */
final class CsvRecords {
  private static final int FAR = 100; // without multiLine, a quote that closes later than so many lines is taken for one that never does

  /** One record, the line on which it begins, what ended its last line, and what is wrong with it. */
  record Line(String text, long number, String ending, String wrong) {
    Line with(String text, String wrong) {
      return new Line(text, number, ending, wrong);
    }
  }

  private final Supplier<Line> lines; // null where there is none
  private final Supplier<Supplier<Line>> beyond; // those of the file that come after them, which another piece of the file reads
  private final Consumer<Line> torn; // fails for a record that ends there
  private final Quotes quotes;
  private final boolean multiLine;
  private final String comment;
  private final ArrayDeque<Line> ahead = new ArrayDeque<>();

  CsvRecords(Supplier<Line> lines, Supplier<Supplier<Line>> beyond, Consumer<Line> torn, Quotes quotes, CSVOptions options) {
    this.lines = lines;
    this.beyond = beyond;
    this.torn = torn;
    this.quotes = quotes;
    multiLine = options.multiLine();
    comment = options.isCommentSet() ? String.valueOf(options.comment()) : null;
  }

  /** For Spark's look at the header, which takes one record at most. */
  Iterator<String> lines() {
    return new AbstractIterator<>() {
      private Line next;

      @Override
      public boolean hasNext() {
        if (next == null) {
          next = multiLine ? CsvRecords.this.next() : line();
          if (next != null) {
            ahead.addFirst(next);
          }
        }
        return next != null;
      }

      @Override
      public String next() {
        if (!hasNext()) {
          throw new java.util.NoSuchElementException();
        }
        String text = next.text;
        next = null;
        ahead.removeFirst();
        return text;
      }
    };
  }

  /** The next record; null where there is none. */
  Line next() {
    Line first = line();
    if (first == null || first.wrong != null || !quotes.in(first.text)) {
      return first;
    }
    Quotes.End end = quotes.end(first.text, false);
    if (end != Quotes.End.OPEN) {
      return judged(first, end);
    }
    List<Line> passed = new ArrayList<>();
    StringBuilder whole = new StringBuilder(first.text);
    String ending = first.ending;
    while (multiLine || passed.size() < FAR) {
      Line more = raw();
      if (more == null) {
        break;
      }
      passed.add(more);
      whole.append(ending).append(more.text);
      ending = more.ending;
      end = quotes.end(more.text, true);
      if (end != Quotes.End.OPEN) {
        String wrong = passed.stream().map(Line::wrong).filter(java.util.Objects::nonNull).findFirst().orElse(null);
        return multiLine && wrong == null ? judged(first.with(whole.toString(), null), end)
            : first.with(whole.toString(), wrong != null ? wrong : "a value in quotes goes on in the next line, and multiLine is not set");
      }
    }
    if (passed.size() < FAR && closesBeyond(FAR - passed.size())) {
      torn.accept(first);
    }
    for (int i = passed.size() - 1; i >= 0; i--) {
      ahead.addFirst(passed.get(i));
    }
    return first.with(first.text, "a quote that is never closed");
  }

  private Line judged(Line line, Quotes.End end) {
    if (end == Quotes.End.LOOSE) {
      return line.with(line.text, "a quote inside of quotes that is not escaped (where quotes are doubled: escape: '\"')");
    }
    return quotes.dropsNul() && line.text.indexOf('\u0000') >= 0 ? line.with(line.text, "a zero byte in a line with quotes") : line;
  }

  private boolean closesBeyond(int far) {
    if (multiLine) {
      return false;
    }
    Supplier<Line> later = beyond.get();
    for (int i = 0; i < far; i++) {
      Line line = later.get();
      if (line == null) {
        return false;
      }
      if (quotes.end(line.text, true) != Quotes.End.OPEN) {
        return true;
      }
    }
    return false;
  }

  private Line line() {
    while (true) {
      Line line = raw();
      if (line == null || !line.text.trim().isEmpty() && (comment == null || !line.text.startsWith(comment))) {
        return line;
      }
    }
  }

  private Line raw() {
    return ahead.isEmpty() ? lines.get() : ahead.removeFirst();
  }
}
