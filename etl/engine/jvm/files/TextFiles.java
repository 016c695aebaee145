package twilight.files;

import java.io.Serializable;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import org.apache.spark.sql.execution.datasources.text.TextFileFormat;
import org.apache.spark.sql.sources.Filter;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;
import scala.Function1;
import scala.collection.AbstractIterator;
import scala.collection.Iterator;
import scala.collection.immutable.Map;
import scala.collection.immutable.Seq;
import scala.runtime.AbstractFunction1;

/** Spark's text files, less those that are no text: what is no UTF-8 would go on into tables that nobody else can read. */
public final class TextFiles extends TextFileFormat {
  @Override
  public Function1<PartitionedFile, Iterator<InternalRow>> buildReader(
      SparkSession session, StructType data, StructType partitions, StructType asked, Seq<Filter> filters,
      Map<String, String> options, Configuration conf) {
    return new Reader(super.buildReader(session, data, partitions, data, filters, options, conf), asked.fields().length == 0);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TextFiles;
  }

  @Override
  public int hashCode() {
    return TextFiles.class.hashCode();
  }

  private static final class Reader extends AbstractFunction1<PartitionedFile, Iterator<InternalRow>> implements Serializable {
    private final Function1<PartitionedFile, Iterator<InternalRow>> sparks;
    private final boolean counted; // nobody asks for more than how many there are

    Reader(Function1<PartitionedFile, Iterator<InternalRow>> sparks, boolean counted) {
      this.sparks = sparks;
      this.counted = counted;
    }

    @Override
    public Iterator<InternalRow> apply(PartitionedFile file) {
      Iterator<InternalRow> rows = sparks.apply(file);
      InternalRow empty = new GenericInternalRow(0);
      return new AbstractIterator<>() {
        private long count;

        @Override
        public boolean hasNext() {
          return rows.hasNext();
        }

        @Override
        public InternalRow next() {
          InternalRow row = rows.next();
          count++;
          UTF8String text = row.getUTF8String(0);
          if (!text.isValid()) {
            String where = file.start() == 0 ? Long.toString(count) : count + " after byte " + file.start();
            throw new MalformedRecord(file.urlEncodedPath(), where, "bytes that are no UTF-8", text.makeValid());
          }
          return counted ? empty : row;
        }
      };
    }
  }
}
