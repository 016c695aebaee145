package twilight.files;

import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoField;
import java.time.temporal.TemporalAccessor;
import java.util.Locale;
import java.util.regex.Pattern;
import scala.Option;

/**
 * Texts of dates and times that Spark's readers take for less, or for more, than they say.
 *
 * <p>They take {@code 12:30} for an instant of the day on which they run, {@code 2024} for the first of January, {@code 20240229} under
 * DATE in JSON for so many days after 1970; they drop what follows a date ({@code 2024-02-29 garbage}) and the digits of a second after the sixth.
 */
final class Clock {
  private static final int MICROS = 6;
  private static final String USUAL = "yyyy-MM-dd"; // what csv has where the user says nothing
  private static final long FIRST = -62_135_596_800L; // seconds: the year 1 begins
  private static final long LAST = 253_402_300_799L; // and the year 9999 ends
  private static final Pattern MIDNIGHT = Pattern.compile("[T ]?\\s*0{1,2}(:0{1,2}(:0{1,2}(\\.0*)?)?)?\\s*([A-Za-z/_]+|[+-]\\d{1,2}(:?\\d{2})?)?");

  private Clock() {}

  /** IllegalArgumentException where the text is no instant to the microsecond; how it is written is the user's format, or Spark's own way. */
  static void mustBeInstant(String text, Option<String> format, Locale locale, String type) {
    if (format.isDefined()) {
      if (format.get().contains("SSSSSSS") && isFiner(text, format.get(), locale)) {
        throw finer(text, type);
      }
      return;
    }
    int end = afterDate(text);
    if (end < 0) {
      boolean clock = text.indexOf(':') >= 0 && text.indexOf('-') < 0;
      throw new IllegalArgumentException(
          text + (clock ? " is a time without a date, so no " : " is no date in full (year-month-day), so no ") + type);
    }
    int point = text.indexOf('.', end);
    if (point < 0) {
      return;
    }
    for (int at = point + 1; at < text.length() && isDigit(text.charAt(at)); at++) {
      if (at > point + MICROS && text.charAt(at) != '0') {
        throw finer(text, type);
      }
    }
  }

  /** IllegalArgumentException where the text is no date, or says more than one. */
  static void mustBeDay(String text, Option<String> format) {
    if (format.isDefined() && !USUAL.equals(format.get())) {
      return;
    }
    int end = afterDate(text);
    if (end < 0) {
      throw new IllegalArgumentException(text + " is no date in full (year-month-day), so no DATE");
    }
    String rest = text.substring(end).strip();
    if (!rest.isEmpty() && !MIDNIGHT.matcher(rest).matches()) {
      throw new IllegalArgumentException(text + " is more than a date, so no DATE");
    }
  }

  /** ArithmeticException where a number of seconds lies beyond the years that dates have. */
  static void mustBeSeconds(long seconds) {
    if (seconds < FIRST || seconds > LAST) {
      throw new ArithmeticException(seconds + " seconds lie outside of the years 1 to 9999 (a number under TIMESTAMP is one of seconds)");
    }
  }

  private static IllegalArgumentException finer(String text, String type) {
    return new IllegalArgumentException(text + " is finer than the microseconds of a " + type);
  }

  private static boolean isFiner(String text, String format, Locale locale) {
    try {
      TemporalAccessor parsed = DateTimeFormatter.ofPattern(format, locale).parse(text);
      return parsed.isSupported(ChronoField.NANO_OF_SECOND) && parsed.get(ChronoField.NANO_OF_SECOND) % 1000 != 0;
    } catch (IllegalArgumentException | java.time.DateTimeException cause) {
      return false; // Spark judges it
    }
  }

  /** Where the text goes on behind year-month-day; -1 where it does not begin so. */
  private static int afterDate(String text) {
    int at = 0;
    while (at < text.length() && text.charAt(at) <= ' ') {
      at++;
    }
    if (at < text.length() && (text.charAt(at) == '-' || text.charAt(at) == '+')) {
      at++;
    }
    at = digits(text, at);
    for (int part = 0; at >= 0 && part < 2; part++) {
      at = at < text.length() && text.charAt(at) == '-' ? digits(text, at + 1) : -1;
    }
    return at;
  }

  private static int digits(String text, int from) {
    int at = from;
    while (at < text.length() && isDigit(text.charAt(at))) {
      at++;
    }
    return at == from ? -1 : at;
  }

  private static boolean isDigit(char letter) {
    return letter >= '0' && letter <= '9';
  }
}
