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
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DecimalType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.SerializableConfiguration;
import scala.Function1;
import scala.collection.Iterator;
import scala.collection.immutable.Map;
import scala.collection.immutable.Seq;
import scala.runtime.AbstractFunction1;

/** Spark's ORC files, less those with a column that its declared type cannot hold: ORC reads what does not fit as NULL. */
public final class OrcFiles extends OrcFileFormat {
  private static final List<String> WHOLE = List.of("tinyint", "smallint", "int", "bigint");
  private static final List<String> REAL = List.of("float", "double");

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

  private static final class Reader extends AbstractFunction1<PartitionedFile, Iterator<InternalRow>> implements Serializable {
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

    private static TypeDescription under(TypeDescription found, String name, int place, boolean byPlace) {
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

    /** Whether each value of a type in a file is one of the declared type: of numbers, which ORC would make NULL. */
    private static boolean fits(TypeDescription found, DataType declared) {
      String from = found.getCategory().getName();
      String to = declared.sql().toLowerCase(java.util.Locale.ROOT);
      if (WHOLE.contains(from) && WHOLE.contains(to)) {
        return WHOLE.indexOf(from) <= WHOLE.indexOf(to);
      }
      if (from.equals("decimal") && declared instanceof DecimalType decimal) {
        int whole = found.getPrecision() - found.getScale();
        return found.getScale() <= decimal.scale() && whole <= decimal.precision() - decimal.scale();
      }
      if (REAL.contains(from) && REAL.contains(to)) {
        return REAL.indexOf(from) <= REAL.indexOf(to);
      }
      boolean number = WHOLE.contains(to) || REAL.contains(to) || declared instanceof DecimalType;
      boolean text = from.equals("string") || from.equals("varchar") || from.equals("char");
      boolean strict = number || to.equals("date") || to.startsWith("timestamp") || to.equals("boolean");
      if (text && strict) {
        return false;
      }
      return !(WHOLE.contains(to) && (REAL.contains(from) || from.equals("decimal") || from.startsWith("timestamp")));
    }
  }
}
