package twilight.files;

import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.unsafe.types.UTF8String;
import scala.collection.AbstractIterator;
import scala.collection.Iterator;

/** The rows of records, one after the other; what is no row fails, or is a row that holds the record's text. */
abstract class Rows extends AbstractIterator<InternalRow> {
  final Columns columns;
  private final boolean fails;
  private Iterator<InternalRow> parsed;
  private InternalRow ready;

  Rows(Columns columns, boolean fails) {
    this.columns = columns;
    this.fails = fails;
  }

  /** Parses the next record and gives what came of it to `found` or `malformed`; false where there is none. */
  abstract boolean advance();

  final void found(Iterator<InternalRow> rows) {
    parsed = rows;
  }

  final void found(InternalRow row) {
    ready = columns.row(row);
  }

  final void malformed(UTF8String record, String why, String file, java.util.function.Supplier<String> place) {
    if (fails) {
      throw new MalformedRecord(file, place.get(), why, record);
    }
    ready = columns.malformed(record);
  }

  @Override
  public final boolean hasNext() {
    while (ready == null) {
      if (parsed != null && parsed.hasNext()) {
        ready = columns.row(parsed.next());
      } else if (!advance()) {
        return false;
      }
    }
    return true;
  }

  @Override
  public final InternalRow next() {
    if (!hasNext()) {
      throw new java.util.NoSuchElementException();
    }
    InternalRow row = ready;
    ready = null;
    return row;
  }
}
