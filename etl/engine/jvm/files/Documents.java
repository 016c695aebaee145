package twilight.files;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonStreamContext;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.util.JsonParserDelegate;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.function.BiFunction;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.json.JSONOptions;
import org.apache.spark.sql.catalyst.json.JacksonParser;
import org.apache.spark.sql.catalyst.util.BadRecordException;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.DecimalType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;
import scala.Function1;
import scala.Function2;
import scala.collection.Iterable;
import scala.collection.immutable.Nil$;
import scala.runtime.AbstractFunction1;
import scala.runtime.AbstractFunction2;

/** Spark's parser of JSON, which takes a record whole or not at all: one document, and no number that is another in its column. */
final class Documents extends JacksonParser {
  private final Names names;
  private final boolean saysLocale;
  private Numbers numbers; // made when it is needed: Spark makes its converters before anything here is there

  @SuppressWarnings({"unchecked", "rawtypes"})
  Documents(StructType schema, JSONOptions options, boolean saysLocale) {
    super(schema, options, true, (scala.collection.immutable.Seq) Nil$.MODULE$); // no filters: they would end a record early
    this.names = Names.of(schema);
    this.saysLocale = saysLocale;
  }

  /** The rows of one record; BadRecordException where it is none. */
  <T> Iterable<InternalRow> rows(T record, BiFunction<JsonFactory, T, JsonParser> open, Function1<T, UTF8String> text)
      throws BadRecordException {
    Whole[] opened = new Whole[1];
    Function2<JsonFactory, T, JsonParser> whole = new AbstractFunction2<>() {
      @Override
      public JsonParser apply(JsonFactory factory, T given) {
        opened[0] = new Whole(open.apply(factory, given), names);
        return opened[0];
      }
    };
    try {
      Iterable<InternalRow> rows = parse(record, whole, text);
      opened[0].mustBeAtItsEnd();
      return rows;
    } catch (IOException cause) {
      throw new BadRecordException(() -> null, () -> new InternalRow[0], cause);
    } finally {
      if (opened[0] != null) {
        opened[0].end();
      }
    }
  }

  @Override
  public Function1<JsonParser, Object> makeConverter(DataType type) {
    Function1<JsonParser, Object> sparks = super.makeConverter(type);
    if (DataTypes.ByteType.equals(type)) {
      return new Checked(sparks) {
        @Override
        void check(JsonParser parser) throws IOException {
          int value = parser.getIntValue(); // Jackson lets a byte be 255, which as a TINYINT is -1
          if (value < Byte.MIN_VALUE || value > Byte.MAX_VALUE) {
            throw new ArithmeticException(value + " is no TINYINT");
          }
        }
      };
    }
    if (DataTypes.TimestampType.equals(type)) {
      return new Checked(sparks) {
        @Override
        void check(JsonParser parser) throws IOException {
          Clock.mustBeSeconds(parser.getLongValue()); // Spark multiplies them without a look
        }

        @Override
        void checkText(JsonParser parser) throws IOException {
          Clock.mustBeInstant(parser.getText(), options().timestampFormatInRead(), options().locale(), "TIMESTAMP");
        }
      };
    }
    if (DataTypes.TimestampNTZType.equals(type)) {
      return new Checked(sparks) {
        @Override
        void checkText(JsonParser parser) throws IOException {
          Clock.mustBeInstant(parser.getText(), options().timestampNTZFormatInRead(), options().locale(), "TIMESTAMP_NTZ");
        }
      };
    }
    if (DataTypes.DateType.equals(type)) {
      return new Checked(sparks) {
        @Override
        void checkText(JsonParser parser) throws IOException {
          Clock.mustBeDay(parser.getText(), options().dateFormatInRead());
        }
      };
    }
    if (type instanceof DecimalType decimal) {
      return new Checked(sparks) {
        @Override
        void checkFraction(JsonParser parser) throws IOException {
          numbers().mustBe(decimal, parser.getText());
        }

        @Override
        void checkText(JsonParser parser) throws IOException {
          numbers().mustBe(decimal, parser.getText());
        }
      };
    }
    if (type instanceof StringType) {
      return new Checked(sparks) {
        @Override
        void checkText(JsonParser parser) throws IOException {
          mustBeText(parser.getText());
        }
      };
    }
    if (DataTypes.DoubleType.equals(type) || DataTypes.FloatType.equals(type)) {
      return new AbstractFunction1<>() {
        @Override
        public Object apply(JsonParser parser) {
          Object value = sparks.apply(parser);
          if (value instanceof Number number && Double.isInfinite(number.doubleValue())) {
            mustSayInfinity(parser);
          }
          return value;
        }
      };
    }
    return sparks;
  }

  private Numbers numbers() {
    if (numbers == null) {
      numbers = new Numbers(options().locale(), saysLocale);
    }
    return numbers;
  }

  /** Half of a character ({@code \\ud800}), which UTF-8 has no bytes for: Spark would store a question mark. */
  private static void mustBeText(String text) {
    for (int at = 0; at < text.length(); at++) {
      char letter = text.charAt(at);
      if (!Character.isSurrogate(letter)) {
        continue;
      }
      boolean whole = Character.isHighSurrogate(letter) && at + 1 < text.length() && Character.isLowSurrogate(text.charAt(at + 1));
      if (!whole) {
        throw new IllegalArgumentException(String.format("\\u%04x is half of a character", (int) letter));
      }
      at++;
    }
  }

  private static void mustSayInfinity(JsonParser parser) {
    try {
      String text = parser.getText();
      if (parser.currentToken() != JsonToken.VALUE_STRING && text.chars().anyMatch(Character::isDigit)) {
        throw new ArithmeticException(text + " is beyond the column's numbers");
      }
    } catch (IOException cause) {
      throw new UncheckedIOException(cause);
    }
  }

  /** Spark's converter, after a look at a number or a text. */
  private abstract static class Checked extends AbstractFunction1<JsonParser, Object> {
    private final Function1<JsonParser, Object> sparks;

    Checked(Function1<JsonParser, Object> sparks) {
      this.sparks = sparks;
    }

    void check(JsonParser parser) throws IOException {
      // most types take every whole number that Spark takes
    }

    void checkFraction(JsonParser parser) throws IOException {
      // and every other number
    }

    void checkText(JsonParser parser) throws IOException {
      // and every text
    }

    @Override
    public Object apply(JsonParser parser) {
      try {
        if (parser.currentToken() == JsonToken.FIELD_NAME) {
          parser.nextToken();
        }
        if (parser.currentToken() == JsonToken.VALUE_NUMBER_INT) {
          check(parser);
        } else if (parser.currentToken() == JsonToken.VALUE_NUMBER_FLOAT) {
          checkFraction(parser);
        } else if (parser.currentToken() == JsonToken.VALUE_STRING) {
          checkText(parser);
        }
      } catch (IOException cause) {
        throw new IllegalArgumentException(cause.getMessage(), cause);
      }
      return sparks.apply(parser);
    }
  }

  /** A parser that knows columns by their names in any capitals, and refuses what follows the document. */
  private static final class Whole extends JsonParserDelegate {
    private Names[] levels = new Names[4]; // of the objects and arrays that the parser is in

    Whole(JsonParser parser, Names names) {
      super(parser);
      levels[0] = names;
    }

    @Override
    public String currentName() throws IOException {
      String name = delegate.currentName();
      JsonStreamContext object = delegate.getParsingContext();
      if (name == null || !object.inObject()) {
        return name;
      }
      int depth = object.getNestingDepth();
      int place = object.getCurrentIndex();
      if (place == 0) {
        enter(object, depth);
      }
      return levels[depth] == null ? name : levels[depth].name(name, place);
    }

    /** Finds what an object is of, by those that it lies in. */
    private void enter(JsonStreamContext object, int depth) {
      if (depth >= levels.length) {
        levels = java.util.Arrays.copyOf(levels, 2 * depth);
      }
      JsonStreamContext outer = object.getParent();
      Names around = depth == 1 ? null : outer.inArray() ? enclosing(outer, depth - 1) : levels[depth - 1];
      levels[depth] = depth == 1 ? levels[0] : around == null ? null : around.under(outer.inArray() ? null : outer.getCurrentName());
    }

    /** What an array is of: nobody has asked for a name in it. */
    private Names enclosing(JsonStreamContext array, int depth) {
      JsonStreamContext outer = array.getParent();
      if (depth == 1) {
        return levels[0];
      }
      Names around = outer.inArray() ? enclosing(outer, depth - 1) : levels[depth - 1];
      return around == null ? null : around.under(outer.inArray() ? null : outer.getCurrentName());
    }

    @Override
    public void close() {
      // Spark closes it when it has its document, and hears of nothing that happens then.
    }

    /** JsonParseException where something follows the document. */
    void mustBeAtItsEnd() throws IOException {
      if (delegate.nextToken() != null) {
        throw new JsonParseException(delegate, "something follows the first document of the record");
      }
    }

    void end() {
      try {
        delegate.close();
      } catch (IOException cause) {
        throw new UncheckedIOException(cause);
      }
    }
  }
}
