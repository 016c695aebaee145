package twilight.files;

import scala.Option;

/** Times of day, which Spark's readers take for instants of the day on which they run: each run would read another value. */
final class Clock {
  private Clock() {}

  /** IllegalArgumentException where the text of an instant has no date, and no format of the user's says how it is written. */
  static void mustHaveDate(String text, Option<String> format) {
    if (format.isEmpty() && hasNoDate(text)) {
      throw new IllegalArgumentException(text + " is a time without a date, so no TIMESTAMP");
    }
  }

  private static boolean hasNoDate(String text) {
    int at = 0;
    int end = text.length();
    while (at < end && text.charAt(at) <= ' ') {
      at++;
    }
    if (at < end && text.charAt(at) == 'T') {
      return true;
    }
    int first = at;
    while (at < end && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
      at++;
    }
    return at > first && at < end && text.charAt(at) == ':';
  }
}
