package twilight.delta;

import java.lang.reflect.Field;
import java.util.HashMap;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.delta.DeltaLog;
import org.apache.spark.sql.delta.DummySnapshot;
import org.apache.spark.sql.delta.Snapshot;
import org.apache.spark.sql.delta.VersionChecksum;
import org.apache.spark.sql.delta.actions.SetTransaction;
import scala.Option;
import scala.collection.immutable.Map;
import scala.collection.immutable.Map$;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * The transactions that a table's newest checksum tells of, told to the snapshot.
 *
 * A commit with a transaction's id asks the snapshot which of them were committed, and Delta 4.4 reads the whole log anew to answer, in two
 * jobs of Spark, although the checksum of that very version, which it has at hand and keeps up to date with each commit, names them all.
 * Nothing else changes: the commit asks as before, and a log that has grown meanwhile has another snapshot, which knows nothing of this.
 */
public final class KnownTransactions {
  private static final int UNKNOWN = 0;
  private static volatile Fields fields;

  private KnownTransactions() {}

  /** Whether the snapshot of the table's newest known version knows its transactions without a job now; false where it lacks a checksum that tells, or is of another Delta. */
  public static boolean tell(SparkSession session, String table) {
    try {
      DeltaLog log = DeltaLog.forTable(session, table);
      Snapshot snapshot = log.unsafeVolatileSnapshot();
      Option<VersionChecksum> checksum = snapshot.checksumOpt();
      if (checksum.isEmpty() || checksum.get().setTransactions().isEmpty()) {
        return false;
      }
      Fields found = fields == null ? fields = Fields.of(log) : fields;
      return found.bit != UNKNOWN && found.set(snapshot, versions(checksum.get().setTransactions().get()));
    } catch (ReflectiveOperationException | LinkageError another) { // of Delta: it computes them, as it always did
      return false;
    }
  }

  private static Map<String, Object> versions(Seq<SetTransaction> transactions) {
    java.util.Map<String, Object> versions = new HashMap<>();
    for (SetTransaction transaction : CollectionConverters.asJava(transactions)) {
      versions.put(transaction.appId(), transaction.version());
    }
    return Map$.MODULE$.from(CollectionConverters.asScala(versions));
  }

  /** Where Scala keeps the lazy value `transactions`, and the bit that says that it is there. */
  private static final class Fields {
    private final Field value;
    private final Field bits;
    private final int bit;

    private Fields(Field value, Field bits, int bit) {
      this.value = value;
      this.bits = bits;
      this.bit = bit;
    }

    /** Found by asking the snapshot of no table, which computes nothing. */
    static Fields of(DeltaLog log) throws ReflectiveOperationException {
      Field value = Snapshot.class.getDeclaredField("transactions");
      Field bits = Snapshot.class.getDeclaredField("bitmap$0");
      value.setAccessible(true);
      bits.setAccessible(true);
      Snapshot none = new DummySnapshot(log.logPath(), log);
      none.setTransactions(); // all that the next one asks for, so that it adds one bit
      int before = bits.getInt(none);
      none.transactions();
      int bit = bits.getInt(none) & ~before;
      return new Fields(value, bits, Integer.bitCount(bit) == 1 ? bit : UNKNOWN);
    }

    boolean set(Snapshot snapshot, Map<String, Object> versions) throws IllegalAccessException {
      synchronized (snapshot) { // as Scala does
        if ((bits.getInt(snapshot) & bit) == 0) {
          value.set(snapshot, versions);
          bits.setInt(snapshot, bits.getInt(snapshot) | bit);
        }
      }
      return true;
    }
  }
}
