package twilight.files;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.Charset;
import java.nio.charset.CodingErrorAction;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.execution.datasources.CodecStreams;
import org.apache.spark.sql.execution.datasources.PartitionedFile;

/** The lines of a file that is read as one piece, each with what ended it, in whatever encoding. */
final class WholeFile implements Supplier<CsvRecords.Line> {
  private static final char WRONG = '\uFFFF'; // stands for bytes that are no text: no character, so no text has it
  private final Reader text;
  private final String separator; // null: any of \n, \r\n, \r
  private final Charset charset;
  private long count;
  private int peeked = -2; // -2: nobody has looked

  WholeFile(PartitionedFile file, Configuration conf, Charset charset, String separator) {
    this.charset = charset;
    this.separator = separator;
    text = new BufferedReader(new InputStreamReader(
        CodecStreams.createInputStreamWithCloseResource(conf, file.toPath()),
        charset.newDecoder().onMalformedInput(CodingErrorAction.REPLACE).onUnmappableCharacter(CodingErrorAction.REPLACE)
            .replaceWith(String.valueOf(WRONG))));
  }

  @Override
  public CsvRecords.Line get() {
    try {
      return line();
    } catch (IOException cause) {
      throw new UncheckedIOException(cause);
    }
  }

  private CsvRecords.Line line() throws IOException {
    if (peek() < 0) {
      return null;
    }
    StringBuilder line = new StringBuilder();
    boolean wrong = false;
    String ending = "";
    while (peek() >= 0) {
      char letter = (char) read();
      if (count == 0 && line.length() == 0 && letter == '\uFEFF') {
        continue;
      }
      if (separator == null && (letter == '\n' || letter == '\r')) {
        ending = String.valueOf(letter);
        if (letter == '\r' && peek() == '\n') {
          read();
          ending = "\r\n";
        }
        break;
      }
      wrong |= letter == WRONG;
      line.append(letter);
      if (separator != null && endsWith(line, separator)) {
        line.setLength(line.length() - separator.length());
        ending = separator;
        break;
      }
    }
    count++;
    String shown = wrong ? line.toString().replace(WRONG, '\uFFFD') : line.toString();
    return new CsvRecords.Line(shown, count, ending, wrong ? "bytes that are no " + charset : null);
  }

  private static boolean endsWith(StringBuilder line, String end) {
    int from = line.length() - end.length();
    return from >= 0 && line.indexOf(end, from) == from;
  }

  private int peek() throws IOException {
    if (peeked == -2) {
      peeked = text.read();
    }
    return peeked;
  }

  private int read() throws IOException {
    int letter = peek();
    peeked = -2;
    return letter;
  }
}
