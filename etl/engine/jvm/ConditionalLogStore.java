package twilight.storage;

import io.delta.storage.HadoopFileSystemLogStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.util.Arrays;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Delta's log on an object store whose put can be made conditional: of two that write one version, on whatever machines, one
 * succeeds.
 *
 * <p>Delta's own store for s3a looks whether a version is there and then puts it, which excludes nobody but its own JVM. This one
 * asks Hadoop for a create that the store itself refuses where the object exists (S3A since Hadoop 3.4.2, as If-None-Match); a file
 * system that cannot do it says so, and nothing is written.
 *
 * <p>A session may name a lock, and the run that must hold it. It is asked for after the version is chosen and before it is put: whoever
 * takes the lock after that commits after that, too, so either its commit is there and refuses this one, or this one was first.
 */
public final class ConditionalLogStore extends HadoopFileSystemLogStore {

    /** Hadoop's name for it: org.apache.hadoop.fs.Options.CreateFileOptionKeys, which older versions lack. */
    private static final String CONDITIONAL = "fs.option.create.conditional.overwrite";

    /** Settings of a session: the URI of a lock, and the run that holds it as long as the words in the lock say so. */
    private static final String LOCK = "spark.twilight.lock";

    private static final String RUN = "spark.twilight.run";

    public ConditionalLogStore(Configuration initHadoopConf) {
        super(initHadoopConf);
    }

    @Override
    public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration hadoopConf) throws IOException {
        FileSystem fs = path.getFileSystem(hadoopConf);
        StringBuilder lines = new StringBuilder();
        actions.forEachRemaining(line -> lines.append(line).append('\n'));
        byte[] text = lines.toString().getBytes(StandardCharsets.UTF_8);
        if (!overwrite) {
            mustHold(hadoopConf);
        }
        try {
            put(fs, path, text, overwrite);
        } catch (IOException | UncheckedIOException cause) {
            // Refused, or not known: an answer that was lost is asked for again, and then refused, although the first put was taken.
            byte[] found = overwrite ? null : readAfter(cause, fs, path);
            if (found == null) {
                throw cause;
            }
            if (!Arrays.equals(found, text)) {
                FileAlreadyExistsException taken = new FileAlreadyExistsException(path.toString());
                taken.initCause(cause);
                throw taken;
            }
        }
    }

    @Override
    public Boolean isPartialWriteVisible(Path path, Configuration hadoopConf) {
        return false;
    }

    private static void mustHold(Configuration hadoopConf) throws IOException {
        String lock = hadoopConf.get(LOCK);
        if (lock == null) {
            return;
        }
        Path path = new Path(lock);
        byte[] found = readChanging(path.getFileSystem(hadoopConf), path);
        String words = found == null ? "" : new String(found, StandardCharsets.UTF_8);
        String run = hadoopConf.get(RUN);
        if (!words.contains("\"run\": \"" + run + "\"") || words.contains("\"gave_up\": true")) {
            throw new IOException("[etl-lock-lost] run " + run + " does not hold " + lock + " any more");
        }
    }

    private static void put(FileSystem fs, Path path, byte[] text, boolean overwrite) throws IOException {
        FSDataOutputStreamBuilder<?, ?> builder = fs.createFile(path).recursive().overwrite(overwrite);
        if (!overwrite) {
            builder.must(CONDITIONAL, true);
        }
        FSDataOutputStream stream = builder.build();
        try {
            stream.write(text);
        } catch (IOException | RuntimeException cause) {
            stream.abort(); // closing it would put what there is of it
            throw cause;
        }
        stream.close();
    }

    /** The bytes of a file that its writer puts anew now and then: S3A refuses to read on in one that has changed since it was opened. */
    private static byte[] readChanging(FileSystem fs, Path path) throws IOException {
        for (int left = 10; ; left--) {
            try {
                return read(fs, path);
            } catch (IOException changed) {
                if (left == 0) {
                    throw changed;
                }
            }
        }
    }

    private static byte[] readAfter(Exception cause, FileSystem fs, Path path) throws IOException {
        try {
            return read(fs, path);
        } catch (IOException other) {
            other.addSuppressed(cause);
            throw other;
        }
    }

    /** The bytes of a commit; null where there is none. */
    private static byte[] read(FileSystem fs, Path path) throws IOException {
        try (FSDataInputStream stream = fs.open(path)) {
            return stream.readAllBytes();
        } catch (java.io.FileNotFoundException none) {
            return null;
        }
    }
}
