package twilight.files;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.io.Text;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.execution.datasources.HadoopFileLinesReader;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import org.apache.spark.util.TaskCompletionListener;
import scala.Option;

/** The lines of a piece of a file, and how many have been read. */
final class Lines {
  private final PartitionedFile file;
  private final Option<byte[]> separator;
  private final Configuration conf;
  private final HadoopFileLinesReader reader;
  private long count;

  Lines(PartitionedFile file, Option<byte[]> separator, Configuration conf) {
    this.file = file;
    this.separator = separator;
    this.conf = conf;
    this.reader = new HadoopFileLinesReader(file, separator, conf);
    TaskContext task = TaskContext.get();
    if (task != null) {
      task.addTaskCompletionListener((TaskCompletionListener) ended -> reader.close());
    }
  }

  /** The lines of the file that come after the piece. */
  Lines beyond() {
    long end = file.start() + file.length();
    return new Lines(
        file.copy(
            file.partitionValues(), file.filePath(), end, Math.max(0, file.fileSize() - end), file.locations(), file.modificationTime(),
            file.fileSize(), file.otherConstantMetadataColumnValues()),
        separator, conf);
  }

  boolean hasNext() {
    return reader.hasNext();
  }

  /** The next line; it holds until the one after it is asked for. */
  Text next() {
    count++;
    return reader.next();
  }

  long count() {
    return count;
  }

  String file() {
    return file.urlEncodedPath();
  }

  /** Which line of the file the piece's n-th is: the lines before the piece are counted only now, when somebody is to be told. */
  String number(long n) {
    if (file.start() == 0) {
      return Long.toString(n);
    }
    PartitionedFile before = file.copy(
        file.partitionValues(), file.filePath(), 0, file.start(), file.locations(), file.modificationTime(), file.fileSize(),
        file.otherConstantMetadataColumnValues());
    HadoopFileLinesReader earlier = new HadoopFileLinesReader(before, separator, conf);
    long lines = 0;
    try {
      while (earlier.hasNext()) {
        earlier.next();
        lines++;
      }
    } finally {
      earlier.close();
    }
    return Long.toString(lines + n);
  }
}
