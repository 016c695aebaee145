package twilight.files;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongFunction;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.io.Text;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.csv.CSVHeaderChecker;
import org.apache.spark.sql.catalyst.csv.CSVOptions;
import org.apache.spark.sql.catalyst.csv.UnivocityParser;
import org.apache.spark.sql.catalyst.util.BadRecordException;
import org.apache.spark.sql.catalyst.util.CaseInsensitiveMap$;
import org.apache.spark.sql.catalyst.util.FailFastMode$;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import org.apache.spark.sql.execution.datasources.csv.CSVFileFormat;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.sources.Filter;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.DecimalType;
import org.apache.spark.sql.types.DoubleType;
import org.apache.spark.sql.types.FloatType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;
import org.apache.spark.util.SerializableConfiguration;
import scala.Function1;
import scala.Option;
import scala.collection.Iterator;
import scala.collection.immutable.Map;
import scala.collection.immutable.Nil$;
import scala.collection.immutable.Seq;
import scala.runtime.AbstractFunction1;

/**
 * Spark's csv files, every byte of which is in a row, in a malformed one, or in an error.
 *
 * <p>Spark's own reader makes two rows of a value in quotes that goes on in the next line, puts U+FFFD for bytes that are no text, and
 * takes 1e400 for infinity.
 */
public final class CsvFiles extends CSVFileFormat {
  @Override
  public Function1<PartitionedFile, Iterator<InternalRow>> buildReader(
      SparkSession session, StructType data, StructType partitions, StructType asked, Seq<Filter> filters,
      Map<String, String> options, Configuration conf) {
    SQLConf settings = SQLConf.get();
    Map<String, String> ofLines = CaseInsensitiveMap$.MODULE$.apply(options).removed("multiLine");
    return new Reader(
        SerializableConfiguration.broadcast(session.sparkContext(), conf), data, asked, parsed(options, settings), parsed(ofLines, settings));
  }

  private static CSVOptions parsed(Map<String, String> options, SQLConf settings) {
    return new CSVOptions(
        options, settings.csvColumnPruning(), settings.sessionLocalTimeZone(), settings.columnNameOfCorruptRecord());
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
    private final CSVOptions ofLines; // the same without multiLine: Spark looks at a header only in a stream of bytes, or in a line
    private final boolean saysLocale; // the options forget what was said when they travel
    private final boolean saysHandling;

    Reader(Broadcast<SerializableConfiguration> conf, StructType data, StructType asked, CSVOptions options, CSVOptions ofLines) {
      this.conf = conf;
      this.data = data;
      this.asked = asked;
      this.options = options;
      this.ofLines = ofLines;
      this.saysLocale = options.parameters().contains("locale");
      this.saysHandling = options.parameters().contains("unescapedQuoteHandling");
    }

    @Override
    public Iterator<InternalRow> apply(PartitionedFile file) {
      Columns columns = new Columns(data, asked, options.columnNameOfCorruptRecord());
      UnivocityParser parser = new Values(columns.parsed, options, saysLocale);
      CSVHeaderChecker header = new CSVHeaderChecker(
          columns.parsed, ofLines, "CSV file: " + file.urlEncodedPath(), file.start() == 0);
      boolean fails = options.parseMode() == FailFastMode$.MODULE$;
      Charset charset = Charset.forName(options.charset());
      Quotes quotes = new Quotes(options, saysHandling);
      CsvRecords records;
      LongFunction<String> numbers = Long::toString;
      if (options.multiLine()) {
        String separator = options.lineSeparator().isDefined() ? options.lineSeparator().get() : null;
        records = new CsvRecords(new WholeFile(file, conf.value().value(), charset, separator), () -> () -> null, line -> {}, quotes, options);
      } else {
        Lines lines = new Lines(file, options.lineSeparatorInRead(), conf.value().value());
        numbers = lines::number;
        Consumer<CsvRecords.Line> torn = line -> {
          String why = "a value in quotes goes on where another piece of the file begins; with multiLine the file is read as one piece";
          throw MalformedRecord.unreadable(file.urlEncodedPath(), lines.number(line.number()), why);
        };
        boolean isLast = file.start() + file.length() >= file.fileSize();
        records = new CsvRecords(
            decoded(lines, charset), () -> isLast ? () -> null : decoded(lines.beyond(), charset), torn, quotes, options);
      }
      header.checkHeaderColumnNames(records.lines(), parser.tokenizer());
      return new OfRecords(records, file.urlEncodedPath(), numbers, parser, columns, fails);
    }

    private static Supplier<CsvRecords.Line> decoded(Lines lines, Charset charset) {
      return () -> {
        if (!lines.hasNext()) {
          return null;
        }
        Text line = lines.next();
        String text = new String(line.getBytes(), 0, line.getLength(), charset);
        boolean doubtful = text.indexOf('\uFFFD') >= 0;
        return new CsvRecords.Line(text, lines.count(), "\n", doubtful && !isText(line, charset) ? "bytes that are no " + charset : null);
      };
    }

    private static boolean isText(Text line, Charset charset) {
      try {
        charset.newDecoder().decode(ByteBuffer.wrap(line.getBytes(), 0, line.getLength()));
        return true;
      } catch (CharacterCodingException cause) {
        return false;
      }
    }
  }

  /** Spark's parser of csv, for which a value is all that its text says, or none. */
  private static final class Values extends UnivocityParser {
    private final boolean saysLocale;
    private Numbers numbers; // made when it is needed: Spark makes its converters before anything here is there

    Values(StructType schema, CSVOptions options, boolean saysLocale) {
      super(schema, schema, options, none());
      this.saysLocale = saysLocale;
    }

    private Numbers numbers() {
      if (numbers == null) {
        numbers = new Numbers(options().locale(), saysLocale);
      }
      return numbers;
    }

    @Override
    public Function1<String, Object> makeConverter(String name, DataType type, boolean nullable) {
      Function1<String, Object> sparks = super.makeConverter(name, type, nullable);
      Consumer<String> check = check(type);
      if (check == null) {
        return sparks;
      }
      String nothing = options().nullValue();
      return new AbstractFunction1<>() {
        @Override
        public Object apply(String text) {
          if (text != null && !text.equals(nothing)) {
            check.accept(text);
          }
          return sparks.apply(text);
        }
      };
    }

    private Consumer<String> check(DataType type) {
      CSVOptions options = options();
      if (DataTypes.TimestampType.equals(type)) {
        return text -> Clock.mustBeInstant(text, options.timestampFormatInRead(), options.locale(), "TIMESTAMP");
      }
      if (DataTypes.TimestampNTZType.equals(type)) {
        return text -> Clock.mustBeInstant(text, options.timestampNTZFormatInRead(), options.locale(), "TIMESTAMP_NTZ");
      }
      if (DataTypes.DateType.equals(type)) {
        return text -> Clock.mustBeDay(text, options.dateFormatInRead());
      }
      if (type instanceof DecimalType decimal) {
        return text -> numbers().mustBe(decimal, text);
      }
      if (type instanceof DoubleType || type instanceof FloatType) {
        return text -> Numbers.mustBeCommon(text, type.sql());
      }
      return null;
    }
  }

  private static final class OfRecords extends Rows {
    private final CsvRecords records;
    private final String file;
    private final LongFunction<String> numbers; // of a line of the piece: which one of the file it is
    private final Function1<String, Option<InternalRow>> parser;
    private final int[] floats;
    private final String infinities;

    OfRecords(
        CsvRecords records, String file, LongFunction<String> numbers, UnivocityParser parser, Columns columns, boolean fails) {
      super(columns, fails);
      this.records = records;
      this.file = file;
      this.numbers = numbers;
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
      CsvRecords.Line line = records.next();
      if (line == null) {
        return false;
      }
      String wrong = line.wrong();
      if (wrong == null) {
        try {
          Option<InternalRow> row = parse(line.text());
          if (row.isEmpty()) {
            return true;
          }
          if (isFinite(row.get(), line.text())) {
            found(row.get());
            return true;
          }
          wrong = "a number is beyond its column's";
        } catch (BadRecordException cause) {
          wrong = MalformedRecord.reason(cause.cause());
        }
      }
      malformed(UTF8String.fromString(line.text()), wrong, file, () -> numbers.apply(line.number()));
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
