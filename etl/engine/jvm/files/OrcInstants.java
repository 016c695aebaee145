package twilight.files;

import java.io.IOException;
import java.util.List;
import java.util.TimeZone;
import org.apache.hadoop.hive.ql.exec.vector.ColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.ListColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.LongColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.MapColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.StructColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.TimestampColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.VectorizedRowBatch;
import org.apache.orc.OrcProto;
import org.apache.orc.Reader;
import org.apache.orc.RecordReader;
import org.apache.orc.StripeInformation;
import org.apache.orc.TypeDescription;
import org.apache.orc.impl.RecordReaderImpl;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/**
 * Dates and instants of an ORC file that ORC's reader for Java, or Spark behind it, would make others of.
 *
 * <p>It moves an instant by the hours between the zone in which it was written and that of the JVM, so that the machine decides what a table holds; it
 * reads one from before 1970 that ORC's library for C++ has written (pyarrow's is) a second early or not at all, and a date from before 1582-10-15, if the file
 * does not say of which calendar it is, as one of the Julian calendar; Spark cuts the digits of a second after the sixth. Each is an error here.
 */
final class OrcInstants {
  private static final int CPP = 1; // writers by number: orc_proto.proto, Footer.writer
  private static final long GREGORIAN_DAY = -141_427; // 1582-10-15
  private static final long GREGORIAN_SECOND = GREGORIAN_DAY * 86_400;

  private final PartitionedFile file;
  private final boolean isCpp;
  private final boolean saysCalendar;
  private long row;

  private OrcInstants(PartitionedFile file, OrcProto.Footer footer) {
    this.file = file;
    isCpp = footer.getWriter() == CPP;
    saysCalendar = footer.getCalendar() != OrcProto.CalendarKind.UNKNOWN_CALENDAR;
  }

  /** MalformedRecord, with the row, for the first date or instant of the piece that would be read as another. */
  static void mustBeExact(PartitionedFile file, Reader reader, TypeDescription found, StructType declared, boolean byPlace)
      throws IOException {
    boolean[] included = new boolean[found.getMaximumId() + 1];
    boolean zoned = false;
    boolean any = false;
    for (int i = 0; i < declared.fields().length; i++) {
      StructField field = declared.fields()[i];
      TypeDescription column = OrcFiles.Reader.under(found, field.name(), i, byPlace);
      if (column == null) {
        continue;
      }
      for (int id = column.getId(); id <= column.getMaximumId(); id++) {
        TypeDescription.Category kind = found.findSubtype(id).getCategory();
        if (kind == TypeDescription.Category.TIMESTAMP || kind == TypeDescription.Category.TIMESTAMP_INSTANT
            || kind == TypeDescription.Category.DATE) {
          zoned |= kind == TypeDescription.Category.TIMESTAMP;
          any = true;
          for (int within = column.getId(); within <= column.getMaximumId(); within++) {
            included[within] = true;
          }
        }
      }
    }
    if (!any) {
      return;
    }
    included[0] = true;
    OrcInstants instants = new OrcInstants(file, reader.getFileTail().getFooter());
    Reader.Options options = reader.options().include(included).range(file.start(), file.length());
    try (RecordReader rows = reader.rows(options)) {
      if (zoned) {
        instants.mustBeOfThisZone(reader.getStripes(), (RecordReaderImpl) rows);
      }
      VectorizedRowBatch batch = found.createRowBatch();
      instants.row = rows.getRowNumber();
      while (rows.nextBatch(batch)) {
        for (int i = 0; i < batch.cols.length; i++) {
          if (included[found.getChildren().get(i).getId()]) {
            instants.look(batch.cols[i], found.getChildren().get(i), batch.size, true);
          }
        }
        instants.row += batch.size;
      }
    }
  }

  private void mustBeOfThisZone(List<StripeInformation> stripes, RecordReaderImpl rows) throws IOException {
    TimeZone here = TimeZone.getDefault();
    for (StripeInformation stripe : stripes) {
      String zone = rows.readStripeFooter(stripe).getWriterTimezone();
      if (!zone.isEmpty() && !TimeZone.getTimeZone(zone).hasSameRules(here)) {
        throw MalformedRecord.unreadable(
            file.urlEncodedPath(), "0", "its times were written in the zone " + zone + " and would be moved to that of the JVM, " + here.getID()
                + "; start it with -Duser.timezone=" + zone + " (spark.driver.extraJavaOptions, and spark.executor.extraJavaOptions on a cluster)");
      }
    }
  }

  private void look(ColumnVector vector, TypeDescription type, int count, boolean isTop) {
    int size = vector.isRepeating ? Math.min(1, count) : count;
    if (vector instanceof TimestampColumnVector times) {
      for (int i = 0; i < size; i++) {
        if (times.noNulls || !times.isNull[i]) {
          mustBeExact(times, i, isTop);
        }
      }
    } else if (type.getCategory() == TypeDescription.Category.DATE && vector instanceof LongColumnVector days) {
      for (int i = 0; i < size; i++) {
        if ((days.noNulls || !days.isNull[i]) && days.vector[i] < GREGORIAN_DAY && !saysCalendar) {
          throw wrong(i, isTop, "a date before 1582-10-15, and the file does not say of which calendar it is");
        }
      }
    } else if (vector instanceof StructColumnVector struct) {
      for (int i = 0; i < struct.fields.length; i++) {
        look(struct.fields[i], type.getChildren().get(i), count, false);
      }
    } else if (vector instanceof ListColumnVector list) {
      look(list.child, type.getChildren().get(0), list.childCount, false);
    } else if (vector instanceof MapColumnVector map) {
      look(map.keys, type.getChildren().get(0), map.childCount, false);
      look(map.values, type.getChildren().get(1), map.childCount, false);
    }
  }

  private void mustBeExact(TimestampColumnVector times, int i, boolean isTop) {
    int nanos = times.nanos[i];
    long millis = times.time[i];
    if (nanos % 1000 != 0) {
      throw wrong(i, isTop, "an instant with nanoseconds that are no whole microsecond");
    }
    if (isCpp && nanos != 0 && (millis < 0 || nanos < 0)) {
      throw wrong(i, isTop, "an instant before 1970 with a fraction of a second, written by ORC's library for C++: that for Java reads another, or none");
    }
    if (!saysCalendar && Math.floorDiv(millis, 1000L) < GREGORIAN_SECOND) {
      throw wrong(i, isTop, "an instant before 1582-10-15, and the file does not say of which calendar it is");
    }
  }

  private MalformedRecord wrong(int i, boolean isTop, String why) {
    return MalformedRecord.unreadable(file.urlEncodedPath(), "row " + (isTop ? "" : "about ") + (row + i + 1), why);
  }
}
