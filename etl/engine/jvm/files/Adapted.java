package twilight.files;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.mapred.FileSplit;
import org.apache.hadoop.mapreduce.TaskAttemptID;
import org.apache.hadoop.mapreduce.task.TaskAttemptContextImpl;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import org.apache.spark.sql.execution.datasources.parquet.VectorizedParquetRecordReader;
import org.apache.spark.sql.execution.vectorized.OnHeapColumnVector;
import org.apache.spark.sql.execution.vectorized.WritableColumnVector;
import org.apache.spark.sql.types.BinaryType;
import org.apache.spark.sql.types.ByteType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.DecimalType;
import org.apache.spark.sql.types.IntegerType;
import org.apache.spark.sql.types.NullType;
import org.apache.spark.sql.types.ShortType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.sql.vectorized.ColumnarBatch;
import org.apache.spark.unsafe.types.UTF8String;
import org.apache.spark.util.TaskCompletionListener;
import scala.collection.AbstractIterator;
import scala.collection.Iterator;

/** A Parquet file that has columns of other types than are declared: read as what they are, each value held against what is declared. */
final class Adapted {
  /** What a scan is asked for. */
  record Given(
      StructType data, StructType partitions, StructType asked, String corrupt, boolean fails, boolean batches, String zone, int capacity)
      implements Serializable {}

  private final PartitionedFile file;
  private final Configuration conf;
  private final Given given;
  private final java.util.Map<String, DataType> others;
  private final List<StructField> read = new ArrayList<>();
  private long rows;

  Adapted(PartitionedFile file, Configuration conf, Given given, java.util.Map<String, DataType> others) {
    this.file = file;
    this.conf = conf;
    this.given = given;
    this.others = others;
  }

  /** Batches or rows, as the scan wants them. */
  @SuppressWarnings({"unchecked", "rawtypes"})
  Iterator<InternalRow> iterator() {
    VectorizedParquetRecordReader reader = open();
    TaskContext task = TaskContext.get();
    if (task != null) {
      task.addTaskCompletionListener((TaskCompletionListener) ended -> close(reader));
    }
    Iterator<ColumnarBatch> batches = new AbstractIterator<>() {
      private ColumnarBatch next;

      @Override
      public boolean hasNext() {
        try {
          if (next == null && reader.nextKeyValue()) {
            next = adapted((ColumnarBatch) reader.getCurrentValue());
          }
        } catch (IOException cause) {
          throw new UncheckedIOException(cause);
        }
        return next != null;
      }

      @Override
      public ColumnarBatch next() {
        hasNext();
        ColumnarBatch batch = next;
        next = null;
        return batch;
      }
    };
    if (given.batches) {
      return (Iterator) batches;
    }
    return new AbstractIterator<>() {
      private java.util.Iterator<InternalRow> rows = java.util.Collections.emptyIterator();

      @Override
      public boolean hasNext() {
        while (!rows.hasNext()) {
          if (!batches.hasNext()) {
            return false;
          }
          rows = batches.next().rowIterator();
        }
        return true;
      }

      @Override
      public InternalRow next() {
        hasNext();
        return rows.next();
      }
    };
  }

  private VectorizedParquetRecordReader open() {
    boolean whole = isAsked(given.corrupt);
    for (StructField field : given.data.fields()) {
      DataType other = others.get(field.name());
      boolean wanted = whole || other != null || isAsked(field.name());
      if (wanted && !(other instanceof NullType) && !field.name().equals(given.corrupt)) {
        read.add(other == null ? field : new StructField(field.name(), other, true, field.metadata()));
      }
    }
    Configuration own = new Configuration(conf);
    own.set("org.apache.spark.sql.parquet.row.requested_schema", new StructType(read.toArray(new StructField[0])).json());
    own.setBoolean("spark.sql.legacy.parquet.nanosAsLong", true);
    VectorizedParquetRecordReader reader =
        new VectorizedParquetRecordReader(null, "CORRECTED", given.zone, "CORRECTED", given.zone, false, given.capacity);
    try {
      reader.initialize(
          new FileSplit(file.toPath(), file.start(), file.length(), new String[0]), new TaskAttemptContextImpl(own, new TaskAttemptID()));
    } catch (IOException cause) {
      throw new UncheckedIOException(cause);
    } catch (InterruptedException cause) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(cause);
    }
    reader.initBatch(given.partitions, file.partitionValues());
    reader.enableReturningBatches();
    return reader;
  }

  private boolean isAsked(String name) {
    for (StructField field : given.asked.fields()) {
      if (field.name().equals(name)) {
        return true;
      }
    }
    return false;
  }

  private static void close(VectorizedParquetRecordReader reader) {
    try {
      reader.close();
    } catch (IOException cause) {
      throw new UncheckedIOException(cause);
    }
  }

  private ColumnarBatch adapted(ColumnarBatch batch) {
    int count = batch.numRows();
    String[] wrong = new String[count];
    java.util.Map<String, ColumnVector> vectors = new java.util.HashMap<>();
    for (int i = 0; i < read.size(); i++) {
      String name = read.get(i).name();
      DataType declared = given.data.apply(name).dataType();
      vectors.put(name, others.containsKey(name) ? converted(batch.column(i), read.get(i), declared, count, wrong) : batch.column(i));
    }
    WritableColumnVector records = new OnHeapColumnVector(count, DataTypes.StringType);
    for (int row = 0; row < count; row++) {
      if (wrong[row] == null) {
        records.putNull(row);
      } else if (given.fails) {
        throw new MalformedRecord(file.urlEncodedPath(), "row " + (before() + rows + row + 1), wrong[row], text(batch, row));
      } else {
        records.putByteArray(row, text(batch, row).getBytes());
      }
    }
    rows += count;
    List<ColumnVector> asked = new ArrayList<>();
    for (StructField field : given.asked.fields()) {
      ColumnVector vector = field.name().equals(given.corrupt) ? records : vectors.get(field.name());
      asked.add(vector != null ? vector : nothing(field.dataType(), count));
    }
    for (int i = 0; i < given.partitions.fields().length; i++) {
      asked.add(batch.column(read.size() + i));
    }
    return new ColumnarBatch(asked.toArray(new ColumnVector[0]), count);
  }

  private static ColumnVector nothing(DataType type, int count) {
    WritableColumnVector vector = new OnHeapColumnVector(count, type);
    vector.putNulls(0, count);
    return vector;
  }

  private static ColumnVector converted(ColumnVector found, StructField column, DataType declared, int count, String[] wrong) {
    WritableColumnVector vector = new OnHeapColumnVector(count, declared);
    for (int row = 0; row < count; row++) {
      if (found.isNullAt(row)) {
        vector.putNull(row);
        continue;
      }
      String why = column.dataType() instanceof BinaryType ? put(vector, row, found.getBinary(row))
          : column.dataType() instanceof DecimalType
          ? put(vector, row, found.getDecimal(row, 20, 0).toJavaBigDecimal(), declared) : put(vector, row, found.getLong(row), declared);
      if (why != null) {
        vector.putNull(row);
        wrong[row] = wrong[row] != null ? wrong[row] : "column '" + column.name() + "': " + why;
      }
    }
    return vector;
  }

  private static String put(WritableColumnVector vector, int row, byte[] value) {
    if (!UTF8String.fromBytes(value).isValid()) {
      return "bytes that are no UTF-8";
    }
    vector.putByteArray(row, value);
    return null;
  }

  private static String put(WritableColumnVector vector, int row, BigDecimal value, DataType declared) {
    return value.toBigInteger().bitLength() > 63 ? value + " is no " + declared.sql() : put(vector, row, value.longValueExact(), declared);
  }

  /** Puts a value where it can be held; else tells why it cannot. */
  private static String put(WritableColumnVector vector, int row, long value, DataType declared) {
    if (declared instanceof ByteType && value == (byte) value) {
      vector.putByte(row, (byte) value);
    } else if (declared instanceof ShortType && value == (short) value) {
      vector.putShort(row, (short) value);
    } else if (declared instanceof IntegerType && value == (int) value) {
      vector.putInt(row, (int) value);
    } else if (declared.equals(DataTypes.LongType)) {
      vector.putLong(row, value);
    } else if (declared.equals(DataTypes.TimestampType) || declared.equals(DataTypes.TimestampNTZType)) {
      if (value % 1000 != 0) {
        return value + " nanoseconds are no whole microseconds";
      }
      vector.putLong(row, value / 1000);
    } else {
      return value + " is no " + declared.sql();
    }
    return null;
  }

  /** A row of the file as JSON, its numbers as they stand there. */
  private UTF8String text(ColumnarBatch batch, int row) {
    StringBuilder text = new StringBuilder("{");
    for (int i = 0; i < read.size(); i++) {
      StructField field = read.get(i);
      text.append(i == 0 ? "" : ",").append(quoted(field.name())).append(':');
      if (batch.column(i).isNullAt(row)) {
        text.append("null");
      } else {
        Object value = batch.getRow(row).get(i, field.dataType());
        value = value instanceof byte[] bytes ? java.util.HexFormat.of().withUpperCase().formatHex(bytes) : value;
        boolean bare = value instanceof Number || value instanceof Boolean || value instanceof org.apache.spark.sql.types.Decimal;
        text.append(bare && !(field.dataType() instanceof StringType) ? value.toString() : quoted(value.toString()));
      }
    }
    return UTF8String.fromString(text.append('}').toString());
  }

  private static String quoted(String text) {
    return '"' + new String(com.fasterxml.jackson.core.io.JsonStringEncoder.getInstance().quoteAsString(text)) + '"';
  }

  /** The rows of the file that lie before the piece: those of the row groups whose middle does. */
  private long before() {
    long before = 0;
    try (ParquetFileReader reader = ParquetFileReader.open(HadoopInputFile.fromPath(file.toPath(), conf))) {
      for (BlockMetaData block : reader.getFooter().getBlocks()) {
        if (block.getStartingPos() + block.getCompressedSize() / 2 < file.start()) {
          before += block.getRowCount();
        }
      }
    } catch (IOException cause) {
      throw new UncheckedIOException(cause);
    }
    return before;
  }
}
