package twilight.files;

import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;

/** The columns that are parsed, which are all of the file's, and those of them that are asked for. */
final class Columns {
  final StructType parsed;
  private final int[] from; // of each column that is asked for: its place among the parsed ones, or -1 for the record's text
  private final boolean asTheyAre;

  Columns(StructType data, StructType asked, String corrupt) {
    List<StructField> fields = new ArrayList<>();
    for (StructField field : data.fields()) {
      if (!field.name().equals(corrupt)) {
        fields.add(field);
      }
    }
    parsed = new StructType(fields.toArray(new StructField[0]));
    from = new int[asked.fields().length];
    boolean same = from.length == fields.size();
    for (int i = 0; i < from.length; i++) {
      String name = asked.fields()[i].name();
      from[i] = name.equals(corrupt) ? -1 : parsed.fieldIndex(name);
      same &= from[i] == i;
    }
    asTheyAre = same;
  }

  /** A row of the columns that are asked for. */
  InternalRow row(InternalRow whole) {
    if (asTheyAre) {
      return whole;
    }
    Object[] values = new Object[from.length];
    Object[] given = whole instanceof GenericInternalRow generic ? generic.values() : null;
    for (int i = 0; i < values.length; i++) {
      if (from[i] >= 0) {
        values[i] = given != null ? given[from[i]] : whole.get(from[i], parsed.fields()[from[i]].dataType());
      }
    }
    return new GenericInternalRow(values);
  }

  /** The row that stands for a record which is none: its text, and NULL. */
  InternalRow malformed(UTF8String record) {
    Object[] values = new Object[from.length];
    for (int i = 0; i < values.length; i++) {
      if (from[i] < 0) {
        values[i] = record.isValid() ? record : record.makeValid();
      }
    }
    return new GenericInternalRow(values);
  }
}
