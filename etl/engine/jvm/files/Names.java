package twilight.files;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** A type as names in a document see it: which columns an object's names are, whatever their capitals, each at most once an object. */
final class Names {
  private static final int KEPT = 4096; // names that no column has are without number

  private final Map<String, Integer> lower; // null: no struct, so names are what they are
  private final String[] columns;
  private final Names[] below; // of each column; of an array or a map one, of what is in it
  private final Map<String, Integer> known = new HashMap<>();
  private final Map<String, Integer> keys = new HashMap<>(); // of the map that is being read, with their places
  private String[] usual = new String[8]; // the name that stood at each place of the object before: Jackson has one instance of each
  private int[] usualColumn = new int[8];
  private final long[] object; // the object that had each column last, and at which place
  private final int[] place;
  private final boolean isMap;
  private long objects;

  private Names(String[] columns, Names[] below, boolean isMap) {
    this.columns = columns;
    this.below = below;
    this.isMap = isMap;
    this.object = new long[columns == null ? 0 : columns.length];
    this.place = new int[object.length];
    this.lower = columns == null ? null : new HashMap<>();
    for (int i = 0; i < object.length; i++) {
      lower.put(columns[i].toLowerCase(Locale.ROOT), i);
    }
  }

  static Names of(DataType type) {
    if (type instanceof StructType struct) {
      StructField[] fields = struct.fields();
      String[] columns = new String[fields.length];
      Names[] below = new Names[fields.length];
      for (int i = 0; i < fields.length; i++) {
        columns[i] = fields[i].name();
        below[i] = of(fields[i].dataType());
      }
      return new Names(columns, below, false);
    }
    if (type instanceof MapType map) {
      return new Names(null, new Names[] {of(map.valueType())}, true);
    }
    Names inner = type instanceof ArrayType array ? of(array.elementType()) : null;
    return inner == null ? null : new Names(null, new Names[] {inner}, false);
  }

  /** What the value under a name of an object, or in an array (null), is; null where its names are nobody's business. */
  Names under(String name) {
    if (lower == null) {
      return below[0];
    }
    int column = name == null ? -1 : column(name);
    return name == null ? this : column < 0 ? null : below[column]; // a list of rows is as good as a row
  }

  /** The column that the name at a place of an object stands for; itself where there is none. */
  String name(String given, int at) {
    if (lower == null) {
      return isMap ? key(given, at) : given;
    }
    if (at == 0) {
      objects++;
    }
    if (at >= usual.length) {
      usual = java.util.Arrays.copyOf(usual, 2 * at);
      usualColumn = java.util.Arrays.copyOf(usualColumn, 2 * at);
    }
    if (usual[at] != given) {
      usual[at] = given;
      usualColumn[at] = column(given);
    }
    int column = usualColumn[at];
    if (column < 0) {
      return given;
    }
    if (object[column] == objects && place[column] != at) {
      throw new IllegalArgumentException("an object has two values for '" + columns[column] + "'");
    }
    object[column] = objects;
    place[column] = at;
    return columns[column];
  }

  private String key(String given, int at) {
    if (at == 0) {
      keys.clear();
    }
    Integer before = keys.putIfAbsent(given, at);
    if (before != null && before != at) {
      throw new IllegalArgumentException("a map has two values for '" + given + "'");
    }
    return given;
  }

  private int column(String name) {
    Integer column = known.get(name);
    if (column == null) {
      column = lower.getOrDefault(name.toLowerCase(Locale.ROOT), -1);
      if (known.size() < KEPT) {
        known.put(name, column);
      }
    }
    return column;
  }
}
