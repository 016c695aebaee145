package twilight.files;

import org.apache.spark.unsafe.types.UTF8String;

/**
 * A record that is no row: which file, which line or row of it, why, and its text.
 *
 * <p>The first line of the message is for etl/engine/failures.py, which makes of it what a person reads.
 */
public final class MalformedRecord extends RuntimeException {
  static final String MARK = "[etl-malformed]";
  static final String UNREADABLE = "[etl-unreadable]";
  private static final int SHOWN = 300;

  MalformedRecord(String file, String place, String why, UTF8String record) {
    this(MARK, file, place, why, record);
  }

  private MalformedRecord(String mark, String file, String place, String why, UTF8String record) {
    super(mark + " " + file + ":" + place + " | " + oneLine(why) + " | " + oneLine(record == null ? "" : record.toString()));
  }

  /** A file that cannot be read as it was written, whatever is to become of malformed records; why says no value of it. */
  static MalformedRecord unreadable(String file, String place, String why) {
    return new MalformedRecord(UNREADABLE, file, place, why, null);
  }

  /** The first line of what was said, short enough to be read. */
  static String oneLine(String text) {
    String line = text == null ? "" : text.strip().replaceAll("\\s*[\\r\\n]+\\s*", " ");
    return line.length() > SHOWN ? line.substring(0, SHOWN) + "…" : line;
  }

  /** What lies at the bottom of an error, without the place in a text that nobody else sees. */
  static String reason(Throwable error) {
    Throwable cause = error;
    while (cause.getCause() != null && cause.getCause() != cause) {
      cause = cause.getCause();
    }
    String said = cause instanceof com.fasterxml.jackson.core.JsonProcessingException json ? json.getOriginalMessage() : cause.getMessage();
    return oneLine(said == null ? cause.getClass().getSimpleName() : said);
  }
}
