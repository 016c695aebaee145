package twilight.files;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.io.Text;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.csv.CSVHeaderChecker;
import org.apache.spark.sql.catalyst.csv.CSVOptions;
import org.apache.spark.sql.catalyst.csv.UnivocityParser;
import org.apache.spark.sql.catalyst.util.BadRecordException;
import org.apache.spark.sql.catalyst.util.FailFastMode$;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import org.apache.spark.sql.execution.datasources.csv.CSVFileFormat;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.sources.Filter;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.DoubleType;
import org.apache.spark.sql.types.FloatType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;
import org.apache.spark.util.SerializableConfiguration;
import scala.Function1;
import scala.Option;
import scala.collection.AbstractIterator;
import scala.collection.Iterator;
import scala.collection.immutable.Map;
import scala.collection.immutable.Nil$;
import scala.collection.immutable.Seq;
import scala.runtime.AbstractFunction1;

/**
 * Spark's csv files, every byte of which is in a row, in a malformed one, or in an error.
 *
 * <p>Spark's own reader makes two rows of a value in quotes that goes on in the next line, puts U+FFFD for bytes that are no text, and
 * takes 1e400 for infinity. Files of several lines a record (multiLine) are read by it as they are.
 */
public final class CsvFiles extends CSVFileFormat {
  private static final int FAR = 100; // a quote that closes later than so many lines is taken for one that never does

  @Override
  public Function1<PartitionedFile, Iterator<InternalRow>> buildReader(
      SparkSession session, StructType data, StructType partitions, StructType asked, Seq<Filter> filters,
      Map<String, String> options, Configuration conf) {
    SQLConf settings = SQLConf.get();
    CSVOptions parsed = new CSVOptions(
        options, settings.csvColumnPruning(), settings.sessionLocalTimeZone(), settings.columnNameOfCorruptRecord());
    if (parsed.multiLine()) {
      return super.buildReader(session, data, partitions, asked, none(), options, conf);
    }
    return new Reader(SerializableConfiguration.broadcast(session.sparkContext(), conf), data, asked, parsed);
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static Seq<Filter> none() {
    return (Seq) Nil$.MODULE$;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof CsvFiles;
  }

  @Override
  public int hashCode() {
    return CsvFiles.class.hashCode();
  }

  private static final class Reader extends AbstractFunction1<PartitionedFile, Iterator<InternalRow>> implements Serializable {
    private final Broadcast<SerializableConfiguration> conf;
    private final StructType data;
    private final StructType asked;
    private final CSVOptions options;

    Reader(Broadcast<SerializableConfiguration> conf, StructType data, StructType asked, CSVOptions options) {
      this.conf = conf;
      this.data = data;
      this.asked = asked;
      this.options = options;
    }

    @Override
    public Iterator<InternalRow> apply(PartitionedFile file) {
      Columns columns = new Columns(data, asked, options.columnNameOfCorruptRecord());
      UnivocityParser parser = new Values(columns.parsed, options);
      CSVHeaderChecker header = new CSVHeaderChecker(
          columns.parsed, options, "CSV file: " + file.urlEncodedPath(), file.start() == 0);
      Lines lines = new Lines(file, options.lineSeparatorInRead(), conf.value().value());
      boolean fails = options.parseMode() == FailFastMode$.MODULE$;
      Records records = new Records(lines, options);
      header.checkHeaderColumnNames(records.lines(), parser.tokenizer());
      return new OfRecords(records, parser, columns, fails);
    }
  }

  /** Spark's parser of csv, for which a time of day is no instant. */
  private static final class Values extends UnivocityParser {
    Values(StructType schema, CSVOptions options) {
      super(schema, schema, options, none());
    }

    @Override
    public Function1<String, Object> makeConverter(String name, DataType type, boolean nullable) {
      Function1<String, Object> sparks = super.makeConverter(name, type, nullable);
      if (!DataTypes.TimestampType.equals(type)) {
        return sparks;
      }
      return new AbstractFunction1<>() {
        @Override
        public Object apply(String text) {
          if (text != null) {
            Clock.mustHaveDate(text, options().timestampFormatInRead());
          }
          return sparks.apply(text);
        }
      };
    }
  }

  /** One line that is not empty and no comment, or all lines of a value that goes on. */
  private record Line(String text, long number, String wrong) {}

  /** The lines of a file, decoded. */
  private static final class Records {
    private final Lines lines;
    private final Quotes quotes;
    private final Charset charset;
    private final String comment;
    private final ArrayDeque<Line> ahead = new ArrayDeque<>();

    Records(Lines lines, CSVOptions options) {
      this.lines = lines;
      quotes = new Quotes(options);
      charset = Charset.forName(options.charset());
      comment = options.isCommentSet() ? String.valueOf(options.comment()) : null;
    }

    String file() {
      return lines.file();
    }

    String number(Line line) {
      return lines.number(line.number);
    }

    /** For Spark's look at the header, which takes one line at most. */
    Iterator<String> lines() {
      return new AbstractIterator<>() {
        private Line next;

        @Override
        public boolean hasNext() {
          next = next == null ? line() : next;
          if (next != null) {
            ahead.clear();
            ahead.add(next);
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
          ahead.clear();
          return text;
        }
      };
    }

    /** The next record; null where there is none. */
    Line next() {
      Line first = line();
      if (first == null || first.wrong != null || !quotes.in(first.text) || !quotes.goesOn(first.text, false)) {
        return first;
      }
      List<Line> passed = new ArrayList<>();
      StringBuilder whole = new StringBuilder(first.text);
      while (passed.size() < FAR) {
        Line more = raw();
        if (more == null) {
          break;
        }
        passed.add(more);
        whole.append('\n').append(more.text);
        if (!quotes.goesOn(more.text, true)) {
          return new Line(whole.toString(), first.number, "a value in quotes goes on in the next line, and multiLine is not set");
        }
      }
      for (int i = passed.size() - 1; i >= 0; i--) {
        ahead.addFirst(passed.get(i));
      }
      return new Line(first.text, first.number, "a quote that is never closed");
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
      if (!ahead.isEmpty()) {
        return ahead.removeFirst();
      }
      if (!lines.hasNext()) {
        return null;
      }
      Text line = lines.next();
      String text = new String(line.getBytes(), 0, line.getLength(), charset);
      boolean doubtful = text.indexOf('\uFFFD') >= 0;
      return new Line(text, lines.count(), doubtful && !isText(line) ? "bytes that are no " + charset : null);
    }

    private boolean isText(Text line) {
      try {
        charset.newDecoder().decode(ByteBuffer.wrap(line.getBytes(), 0, line.getLength()));
        return true;
      } catch (CharacterCodingException cause) {
        return false;
      }
    }
  }

  private static final class OfRecords extends Rows {
    private final Records records;
    private final Function1<String, Option<InternalRow>> parser;
    private final int[] floats;
    private final String infinities;

    OfRecords(Records records, UnivocityParser parser, Columns columns, boolean fails) {
      super(columns, fails);
      this.records = records;
      this.parser = parser.parse();
      infinities = parser.options().positiveInf() + "\u0000" + parser.options().negativeInf();
      List<Integer> found = new ArrayList<>();
      StructField[] fields = columns.parsed.fields();
      for (int i = 0; i < fields.length; i++) {
        if (fields[i].dataType() instanceof DoubleType || fields[i].dataType() instanceof FloatType) {
          found.add(i);
        }
      }
      floats = found.stream().mapToInt(Integer::intValue).toArray();
    }

    @Override
    boolean advance() {
      Line line = records.next();
      if (line == null) {
        return false;
      }
      String wrong = line.wrong;
      if (wrong == null) {
        try {
          Option<InternalRow> row = parse(line.text);
          if (row.isEmpty()) {
            return true;
          }
          if (isFinite(row.get(), line.text)) {
            found(row.get());
            return true;
          }
          wrong = "a number is beyond its column's";
        } catch (BadRecordException cause) {
          wrong = MalformedRecord.reason(cause.cause());
        }
      }
      malformed(UTF8String.fromString(line.text), wrong, records.file(), () -> records.number(line));
      return true;
    }

    private Option<InternalRow> parse(String text) throws BadRecordException {
      return parser.apply(text);
    }

    /** Whether no number of the row is infinite but where its text says so in words. */
    private boolean isFinite(InternalRow row, String text) {
      for (int i : floats) {
        if (!row.isNullAt(i)) {
          boolean infinite = columns.parsed.fields()[i].dataType() instanceof DoubleType
              ? Double.isInfinite(row.getDouble(i)) : Float.isInfinite(row.getFloat(i));
          if (infinite && !saysInfinity(text)) {
            return false;
          }
        }
      }
      return true;
    }

    private boolean saysInfinity(String text) {
      if (text.contains("Inf")) {
        return true;
      }
      for (String word : infinities.split("\u0000")) {
        if (!word.isEmpty() && text.contains(word)) {
          return true;
        }
      }
      return false;
    }
  }
}
