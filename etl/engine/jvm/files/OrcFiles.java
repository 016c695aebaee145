package twilight.files;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.orc.OrcFile;
import org.apache.orc.TypeDescription;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import org.apache.spark.sql.execution.datasources.orc.OrcFileFormat;
import org.apache.spark.sql.sources.Filter;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BinaryType;
import org.apache.spark.sql.types.BooleanType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DateType;
import org.apache.spark.sql.types.DecimalType;
import org.apache.spark.sql.types.DoubleType;
import org.apache.spark.sql.types.FloatType;
import org.apache.spark.sql.types.IntegralType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.types.TimestampNTZType;
import org.apache.spark.sql.types.TimestampType;
import org.apache.spark.util.SerializableConfiguration;
import scala.Function1;
import scala.collection.Iterator;
import scala.collection.immutable.Map;
import scala.collection.immutable.Seq;
import scala.runtime.AbstractFunction1;

/** Spark's ORC files, less those with a column that is not of its declared type: ORC reads what does not fit as NULL, and converts the rest in its own ways. */
public final class OrcFiles extends OrcFileFormat {
  @Override
  public Function1<PartitionedFile, Iterator<InternalRow>> buildReaderWithPartitionValues(
      SparkSession session, StructType data, StructType partitions, StructType asked, Seq<Filter> filters,
      Map<String, String> options, Configuration conf) {
    Function1<PartitionedFile, Iterator<InternalRow>> sparks =
        super.buildReaderWithPartitionValues(session, data, partitions, asked, filters, options, conf);
    return new Reader(sparks, SerializableConfiguration.broadcast(session.sparkContext(), conf), data);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof OrcFiles;
  }

  @Override
  public int hashCode() {
    return OrcFiles.class.hashCode();
  }

  static final class Reader extends AbstractFunction1<PartitionedFile, Iterator<InternalRow>> implements Serializable {
    private final Function1<PartitionedFile, Iterator<InternalRow>> sparks;
    private final Broadcast<SerializableConfiguration> conf;
    private final StructType data;

    Reader(Function1<PartitionedFile, Iterator<InternalRow>> sparks, Broadcast<SerializableConfiguration> conf, StructType data) {
      this.sparks = sparks;
      this.conf = conf;
      this.data = data;
    }

    @Override
    public Iterator<InternalRow> apply(PartitionedFile file) {
      try (org.apache.orc.Reader reader = OrcFile.createReader(file.toPath(), OrcFile.readerOptions(conf.value().value()))) {
        TypeDescription found = reader.getSchema();
        boolean byPlace = found.getFieldNames() != null && found.getFieldNames().stream().allMatch(name -> name.startsWith("_col"));
        mustFit(file, "", found, data, byPlace);
        OrcInstants.mustBeExact(file, reader, found, data, byPlace);
      } catch (IOException cause) {
        throw new UncheckedIOException(cause);
      }
      return sparks.apply(file);
    }

    private static void mustFit(PartitionedFile file, String path, TypeDescription found, DataType declared, boolean byPlace) {
      if (declared instanceof StructType struct && found.getCategory() == TypeDescription.Category.STRUCT) {
        for (int i = 0; i < struct.fields().length; i++) {
          StructField field = struct.fields()[i];
          TypeDescription below = under(found, field.name(), i, byPlace);
          if (below != null) {
            mustFit(file, path.isEmpty() ? field.name() : path + "." + field.name(), below, field.dataType(), false);
          }
        }
      } else if (declared instanceof ArrayType array && found.getCategory() == TypeDescription.Category.LIST) {
        mustFit(file, path + ".element", found.getChildren().get(0), array.elementType(), false);
      } else if (declared instanceof MapType map && found.getCategory() == TypeDescription.Category.MAP) {
        mustFit(file, path + ".key", found.getChildren().get(0), map.keyType(), false);
        mustFit(file, path + ".value", found.getChildren().get(1), map.valueType(), false);
      } else if (!fits(found, declared)) {
        throw new MalformedRecord(
            file.urlEncodedPath(), "0", "column '" + path + "' is " + found + " in the file and " + declared.sql() + " in the schema", null);
      }
    }

    static TypeDescription under(TypeDescription found, String name, int place, boolean byPlace) {
      List<String> names = found.getFieldNames();
      if (byPlace) {
        return place < names.size() ? found.getChildren().get(place) : null;
      }
      for (int i = 0; i < names.size(); i++) {
        if (names.get(i).equalsIgnoreCase(name)) {
          return found.getChildren().get(i);
        }
      }
      return null;
    }

    /** Whether each value of a type in a file is one of the declared type, the same: ORC would make NULL of others, or take them for something else. */
    private static boolean fits(TypeDescription found, DataType declared) {
      return switch (found.getCategory()) {
        case BOOLEAN -> declared instanceof BooleanType;
        case BYTE -> fits(3, 8, declared);
        case SHORT -> fits(5, 16, declared);
        case INT -> fits(10, 32, declared);
        case LONG -> fits(19, 64, declared)
            || declared instanceof TimestampNTZType && "timestamp_ntz".equals(found.getAttributeValue("spark.sql.catalyst.type"));
        case FLOAT -> declared instanceof FloatType || declared instanceof DoubleType;
        case DOUBLE -> declared instanceof DoubleType;
        case DECIMAL -> declared instanceof DecimalType decimal && found.getScale() <= decimal.scale()
            && found.getPrecision() - found.getScale() <= decimal.precision() - decimal.scale();
        case STRING -> declared instanceof StringType || declared instanceof BinaryType;
        case VARCHAR, CHAR -> declared instanceof StringType;
        case BINARY -> declared instanceof BinaryType;
        case DATE -> declared instanceof DateType;
        case TIMESTAMP, TIMESTAMP_INSTANT -> declared instanceof TimestampType;
        default -> false;
      };
    }

    private static boolean fits(int digits, int bits, DataType declared) {
      if (declared instanceof DecimalType decimal) {
        return digits <= decimal.precision() - decimal.scale();
      }
      if (declared instanceof FloatType || declared instanceof DoubleType) {
        return bits <= (declared instanceof FloatType ? 16 : 32); // whole numbers that it holds exactly
      }
      return declared instanceof IntegralType whole && bits <= 8 * whole.defaultSize();
    }
  }
}
