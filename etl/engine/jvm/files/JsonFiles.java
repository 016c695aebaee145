package twilight.files;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.function.BiFunction;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.io.Text;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.json.CreateJacksonParser;
import org.apache.spark.sql.catalyst.json.JSONOptions;
import org.apache.spark.sql.catalyst.json.JSONOptionsInRead;
import org.apache.spark.sql.catalyst.util.BadRecordException;
import org.apache.spark.sql.catalyst.util.FailFastMode$;
import org.apache.spark.sql.execution.datasources.CodecStreams;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import org.apache.spark.sql.execution.datasources.json.JsonFileFormat;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.sources.Filter;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;
import org.apache.spark.util.SerializableConfiguration;
import scala.Function1;
import scala.collection.Iterator;
import scala.collection.immutable.Map;
import scala.collection.immutable.Seq;
import scala.runtime.AbstractFunction1;

/**
 * Spark's JSON files, every byte of which is in a row, in a malformed one, or in an error.
 *
 * <p>Spark's own reader takes the first document of a line and drops what follows, finds names by their capitals, and takes of a
 * record only the columns that a query asks for, so that the query decides what is malformed.
 */
public final class JsonFiles extends JsonFileFormat {
  @Override
  public Function1<PartitionedFile, Iterator<InternalRow>> buildReader(
      SparkSession session, StructType data, StructType partitions, StructType asked, Seq<Filter> filters,
      Map<String, String> options, Configuration conf) {
    SQLConf settings = SQLConf.get();
    JSONOptions parsed = new JSONOptionsInRead(options, settings.sessionLocalTimeZone(), settings.columnNameOfCorruptRecord());
    return new Reader(SerializableConfiguration.broadcast(session.sparkContext(), conf), data, asked, parsed);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof JsonFiles;
  }

  @Override
  public int hashCode() {
    return JsonFiles.class.hashCode();
  }

  private static final class Reader extends AbstractFunction1<PartitionedFile, Iterator<InternalRow>> implements Serializable {
    private final Broadcast<SerializableConfiguration> conf;
    private final StructType data;
    private final StructType asked;
    private final JSONOptions options;
    private final boolean saysLocale; // the options forget what was said when they travel

    Reader(Broadcast<SerializableConfiguration> conf, StructType data, StructType asked, JSONOptions options) {
      this.conf = conf;
      this.data = data;
      this.asked = asked;
      this.options = options;
      this.saysLocale = options.parameters().contains("locale");
    }

    @Override
    public Iterator<InternalRow> apply(PartitionedFile file) {
      Columns columns = new Columns(data, asked, options.columnNameOfCorruptRecord());
      Documents documents = new Documents(columns.parsed, options, saysLocale);
      boolean fails = options.parseMode() == FailFastMode$.MODULE$;
      return options.multiLine()
          ? new OfFile(file, conf.value().value(), documents, columns, fails)
          : new OfLines(new Lines(file, options.lineSeparatorInRead(), conf.value().value()), documents, columns, fails);
    }
  }

  private static final class OfLines extends Rows {
    private static final Function1<Text, UTF8String> TEXT = new AbstractFunction1<>() {
      @Override
      public UTF8String apply(Text line) {
        return UTF8String.fromBytes(line.copyBytes());
      }
    };
    private final Lines lines;
    private final Documents documents;
    private final BiFunction<JsonFactory, Text, JsonParser> open;

    OfLines(Lines lines, Documents documents, Columns columns, boolean fails) {
      super(columns, fails);
      this.lines = lines;
      this.documents = documents;
      String encoding = encoding(documents);
      open = encoding == null ? CreateJacksonParser::text : (factory, line) -> CreateJacksonParser.text(encoding, factory, line);
    }

    @Override
    boolean advance() {
      if (!lines.hasNext()) {
        return false;
      }
      Text line = lines.next();
      try {
        Iterator<InternalRow> rows = documents.rows(line, open, TEXT).iterator();
        if (rows.hasNext()) {
          found(rows);
        } else if (line.toString().stripLeading().startsWith("[")) {
          malformed(TEXT.apply(line), "an array without a row", lines.file(), () -> lines.number(lines.count()));
        }
      } catch (BadRecordException cause) {
        UTF8String record = TEXT.apply(line);
        if (isNull(record)) {
          found(tombstone(columns));
        } else {
          malformed(record, MalformedRecord.reason(cause.cause()), lines.file(), () -> lines.number(lines.count()));
        }
      }
      return true;
    }
  }

  /** A file of one document on many lines. */
  private static final class OfFile extends Rows {
    private final PartitionedFile file;
    private final Configuration conf;
    private final Documents documents;
    private boolean read;

    OfFile(PartitionedFile file, Configuration conf, Documents documents, Columns columns, boolean fails) {
      super(columns, fails);
      this.file = file;
      this.conf = conf;
      this.documents = documents;
    }

    @Override
    boolean advance() {
      if (read) {
        return false;
      }
      read = true;
      String encoding = encoding(documents);
      BiFunction<JsonFactory, InputStream, JsonParser> open = encoding == null
          ? CreateJacksonParser::inputStream : (factory, stream) -> CreateJacksonParser.inputStream(encoding, factory, stream);
      try {
        InputStream stream = CodecStreams.createInputStreamWithCloseResource(conf, file.toPath());
        found(documents.rows(stream, open, new AbstractFunction1<>() {
          @Override
          public UTF8String apply(InputStream ignored) {
            return text();
          }
        }).iterator());
      } catch (BadRecordException cause) {
        UTF8String record = text();
        if (isNull(record)) {
          found(tombstone(columns));
        } else {
          malformed(record, MalformedRecord.reason(cause.cause()), file.urlEncodedPath(), () -> line(cause.cause()));
        }
      }
      return true;
    }

    private UTF8String text() {
      try (InputStream stream = CodecStreams.createInputStream(conf, file.toPath())) {
        return UTF8String.fromBytes(stream.readAllBytes());
      } catch (IOException cause) {
        throw new UncheckedIOException(cause);
      }
    }

    private static String line(Throwable error) {
      for (Throwable cause = error; cause != null; cause = cause.getCause()) {
        if (cause instanceof JsonProcessingException json && json.getLocation() != null) {
          return Integer.toString(json.getLocation().getLineNr());
        }
      }
      return "1";
    }
  }

  private static String encoding(Documents documents) {
    return documents.options().encoding().isDefined() ? documents.options().encoding().get() : null;
  }

  private static boolean isNull(UTF8String record) {
    return record.numBytes() < 64 && "null".equals(record.toString().strip());
  }

  /** Of a file of changes: what it says is that there is nothing any more. */
  private static InternalRow tombstone(Columns columns) {
    return new GenericInternalRow(columns.parsed.fields().length);
  }
}
