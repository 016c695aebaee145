package twilight.files;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.format.converter.ParquetMetadataConverter;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.DateLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.DecimalLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.IntLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.TimeLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.TimestampLogicalTypeAnnotation;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import org.apache.spark.sql.execution.datasources.parquet.ParquetFileFormat;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.sources.Filter;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.ByteType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.DateType;
import org.apache.spark.sql.types.DecimalType;
import org.apache.spark.sql.types.DoubleType;
import org.apache.spark.sql.types.FloatType;
import org.apache.spark.sql.types.IntegerType;
import org.apache.spark.sql.types.LongType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.ShortType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.types.TimeType;
import org.apache.spark.sql.types.TimestampNTZType;
import org.apache.spark.sql.types.TimestampType;
import org.apache.spark.util.SerializableConfiguration;
import scala.Function1;
import scala.collection.Iterator;
import scala.collection.immutable.Map;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction1;

/**
 * Spark's Parquet files, their numbers never others than what stands in the file.
 *
 * <p>Spark's own reader wraps a whole number that its declared type cannot hold, takes bytes that are no text for one, a date for a number, and
 * takes neither nanoseconds nor columns that have no type because they hold nothing. Files that have such columns are read here as what they are, and each value is looked at; all other
 * files are read by Spark.
 */
public final class ParquetFiles extends ParquetFileFormat {
  @Override
  public Function1<PartitionedFile, Iterator<InternalRow>> buildReaderWithPartitionValues(
      SparkSession session, StructType data, StructType partitions, StructType asked, Seq<Filter> filters,
      Map<String, String> options, Configuration conf) {
    Function1<PartitionedFile, Iterator<InternalRow>> sparks =
        super.buildReaderWithPartitionValues(session, data, partitions, asked, filters, options, conf);
    SQLConf settings = SQLConf.get();
    boolean batches = Boolean.parseBoolean(option(options, "returning_batch"));
    Adapted.Given given = new Adapted.Given(
        data, partitions, asked, option(options, "columnNameOfCorruptRecord"), "FAILFAST".equalsIgnoreCase(option(options, "mode")),
        batches, settings.sessionLocalTimeZone(), settings.parquetVectorizedReaderBatchSize());
    return new Reader(sparks, SerializableConfiguration.broadcast(session.sparkContext(), conf), given);
  }

  /** An option, whatever the capitals of its name. */
  private static String option(Map<String, String> options, String name) {
    for (java.util.Map.Entry<String, String> option : CollectionConverters.asJava(options).entrySet()) {
      if (option.getKey().equalsIgnoreCase(name)) {
        return option.getValue();
      }
    }
    return null;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ParquetFiles;
  }

  @Override
  public int hashCode() {
    return ParquetFiles.class.hashCode();
  }

  private static final class Reader extends AbstractFunction1<PartitionedFile, Iterator<InternalRow>> implements Serializable {
    private final Function1<PartitionedFile, Iterator<InternalRow>> sparks;
    private final Broadcast<SerializableConfiguration> conf;
    private final Adapted.Given given;

    Reader(Function1<PartitionedFile, Iterator<InternalRow>> sparks, Broadcast<SerializableConfiguration> conf, Adapted.Given given) {
      this.sparks = sparks;
      this.conf = conf;
      this.given = given;
    }

    @Override
    public Iterator<InternalRow> apply(PartitionedFile file) {
      Configuration settings = conf.value().value();
      java.util.Map<String, DataType> others = others(file, schema(file, settings), given.data());
      if (others.isEmpty()) {
        return sparks.apply(file);
      }
      return new Adapted(file, settings, given, others).iterator();
    }

    private static MessageType schema(PartitionedFile file, Configuration conf) {
      try (ParquetFileReader reader = ParquetFileReader.open(
          HadoopInputFile.fromPath(file.toPath(), conf),
          org.apache.parquet.HadoopReadOptions.builder(conf).withMetadataFilter(ParquetMetadataConverter.SKIP_ROW_GROUPS).build())) {
        return reader.getFileMetaData().getSchema();
      } catch (IOException cause) {
        throw new UncheckedIOException(cause);
      }
    }

    /** The declared columns that Spark would misread, by name, each with the type to read it as; NULL where it holds nothing. */
    private static java.util.Map<String, DataType> others(PartitionedFile file, MessageType found, StructType declared) {
      java.util.Map<String, DataType> others = new LinkedHashMap<>();
      for (StructField field : declared.fields()) {
        for (Type type : found.getFields()) {
          if (type.getName().equalsIgnoreCase(field.name())) {
            DataType other = other(type, field.dataType());
            if (other != null) {
              others.put(field.name(), other);
            } else {
              mustBeReadable(file, field.name(), type, field.dataType());
            }
          }
        }
      }
      return others;
    }

    /** Inside of a column there is nothing to put in the place of a value: a type there that Spark would misread is an error. */
    private static void mustBeReadable(PartitionedFile file, String path, Type found, DataType declared) {
      if (found.isPrimitive()) {
        if (other(found, declared) != null || isMeantOtherwise(found, declared)) {
          throw new MalformedRecord(
              file.urlEncodedPath(), "0", "'" + path + "' is " + found + " in the file and " + declared.sql() + " in the schema", null);
        }
        return;
      }
      GroupType group = found.asGroupType();
      if (declared instanceof StructType struct) {
        for (StructField field : struct.fields()) {
          for (Type type : group.getFields()) {
            if (type.getName().equalsIgnoreCase(field.name())) {
              mustBeReadable(file, path + "." + field.name(), type, field.dataType());
            }
          }
        }
      } else if (group.getFieldCount() == 1) {
        Type repeated = group.getType(0); // of a list its elements, of a map its pairs
        boolean nested = !repeated.isPrimitive();
        if (declared instanceof ArrayType array) {
          boolean wrapped = nested && repeated.asGroupType().getFieldCount() == 1;
          mustBeReadable(file, path + ".element", wrapped ? repeated.asGroupType().getType(0) : repeated, array.elementType());
        } else if (declared instanceof MapType map && nested && repeated.asGroupType().getFieldCount() == 2) {
          mustBeReadable(file, path + ".key", repeated.asGroupType().getType(0), map.keyType());
          mustBeReadable(file, path + ".value", repeated.asGroupType().getType(1), map.valueType());
        }
      }
    }

    /** Whether Spark would take the bytes of a value for one of another kind: a date for a number, a number for a date, a clock's ticks for either. */
    private static boolean isMeantOtherwise(Type found, DataType declared) {
      LogicalTypeAnnotation logical = found.getLogicalTypeAnnotation();
      if (logical instanceof DateLogicalTypeAnnotation) {
        return !(declared instanceof DateType || declared instanceof TimestampNTZType || declared instanceof TimestampType);
      }
      if (logical instanceof TimeLogicalTypeAnnotation) {
        return !(declared instanceof TimeType);
      }
      if (logical instanceof TimestampLogicalTypeAnnotation) {
        return !(declared instanceof TimestampType || declared instanceof TimestampNTZType);
      }
      if (logical instanceof DecimalLogicalTypeAnnotation) {
        return !(declared instanceof DecimalType);
      }
      PrimitiveTypeName stored = found.asPrimitiveType().getPrimitiveTypeName();
      boolean whole = stored == PrimitiveTypeName.INT32 || stored == PrimitiveTypeName.INT64;
      if (whole && declared instanceof DateType) {
        return true;
      }
      boolean beyondInt = logical instanceof IntLogicalTypeAnnotation kind && !kind.isSigned() && kind.getBitWidth() >= 32;
      boolean isTheirs = stored == PrimitiveTypeName.INT64 && declared.equals(DataTypes.createDecimalType(20, 0)); // how Spark reads it
      return beyondInt && !isTheirs && (declared instanceof DoubleType || declared instanceof FloatType || declared instanceof DecimalType);
    }

    private static DataType other(Type found, DataType declared) {
      if (!found.isPrimitive()) {
        return null;
      }
      LogicalTypeAnnotation logical = found.getLogicalTypeAnnotation();
      PrimitiveTypeName stored = found.asPrimitiveType().getPrimitiveTypeName();
      if (logical != null && logical.toString().toUpperCase(Locale.ROOT).matches("UNKNOWN|NULL")) {
        return DataTypes.NullType;
      }
      if (logical instanceof TimestampLogicalTypeAnnotation time && time.getUnit() == LogicalTypeAnnotation.TimeUnit.NANOS) {
        boolean known = declared instanceof TimestampType || declared instanceof TimestampNTZType && !time.isAdjustedToUTC();
        return known ? DataTypes.LongType : null;
      }
      if (stored == PrimitiveTypeName.BINARY && logical == null && declared instanceof StringType) {
        return DataTypes.BinaryType; // bytes that nobody has called a text
      }
      boolean whole = stored == PrimitiveTypeName.INT32 || stored == PrimitiveTypeName.INT64;
      int bits = bits(declared);
      if (!whole || bits == 0 || logical != null && !(logical instanceof IntLogicalTypeAnnotation)) {
        return null;
      }
      IntLogicalTypeAnnotation kind = (IntLogicalTypeAnnotation) logical;
      int width = kind != null ? kind.getBitWidth() : stored == PrimitiveTypeName.INT32 ? 32 : 64;
      boolean signed = kind == null || kind.isSigned();
      boolean fits = signed ? width <= bits : width < bits;
      return fits ? null : signed || width < 64 ? DataTypes.LongType : DataTypes.createDecimalType(20, 0);
    }

    private static int bits(DataType type) {
      return type instanceof ByteType ? 8 : type instanceof ShortType ? 16 : type instanceof IntegerType ? 32 : type instanceof LongType ? 64 : 0;
    }
  }
}
