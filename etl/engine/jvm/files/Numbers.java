package twilight.files;

import java.io.Serializable;
import java.math.BigDecimal;
import java.util.Locale;
import org.apache.spark.sql.catalyst.expressions.ExprUtils;
import org.apache.spark.sql.types.DecimalType;
import scala.Function1;

/**
 * Texts of numbers that Spark's readers take for others.
 *
 * <p>They leave every comma out of a decimal ({@code 1,25} is 125), round digits that its column has no room for, and know Java's ways to write a
 * double ({@code 1.5f}, {@code 0x1p3}).
 */
final class Numbers implements Serializable {
  private final boolean commas; // the user has said in which language numbers are written
  private final Function1<String, BigDecimal> parser;

  Numbers(Locale locale, boolean commas) {
    this.commas = commas;
    this.parser = ExprUtils.getDecimalParser(locale);
  }

  /** IllegalArgumentException where a text, if it is a number at all, is not that of the column. */
  void mustBe(DecimalType type, String text) {
    if (!commas && text.indexOf(',') >= 0) {
      throw new IllegalArgumentException(text + " has a comma, which means a point to some and nothing to others, so no " + type.sql());
    }
    int point = text.indexOf('.');
    boolean plain = point < 0 || text.length() - point - 1 <= type.scale();
    if (plain && !commas && text.indexOf('e') < 0 && text.indexOf('E') < 0) {
      return;
    }
    mustFit(type, parser.apply(text), text);
  }

  /** IllegalArgumentException where a number has more digits than the column, on either side of its point. */
  static void mustFit(DecimalType type, BigDecimal number, String text) {
    if (number.precision() - (long) number.scale() > type.precision() - type.scale() && number.signum() != 0) {
      throw new IllegalArgumentException(text + " is beyond " + type.sql());
    }
    if (number.scale() > type.scale() && number.stripTrailingZeros().scale() > type.scale()) {
      throw new IllegalArgumentException(text + " has more digits behind its point than " + type.sql());
    }
  }

  /** IllegalArgumentException where a text is a number only to Java. */
  static void mustBeCommon(String text, String type) {
    int last = text.length() - 1;
    while (last > 0 && text.charAt(last) <= ' ') {
      last--;
    }
    if (last < 0) {
      return;
    }
    char end = text.charAt(last);
    boolean suffix = (end == 'd' || end == 'D' || end == 'f' || end == 'F') && last > 0 && (isDigit(text.charAt(last - 1)) || text.charAt(last - 1) == '.');
    if (suffix || text.indexOf("0x") >= 0 || text.indexOf("0X") >= 0) {
      throw new IllegalArgumentException(text + " is no " + type);
    }
  }

  private static boolean isDigit(char letter) {
    return letter >= '0' && letter <= '9';
  }
}
