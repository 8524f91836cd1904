package io.autocircuit.tensor;

import io.autocircuit.files.DataException;
import io.autocircuit.files.ForeignFiles;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.tensor.Safetensors.Entry;
import io.autocircuit.tensor.Safetensors.Shard;
import io.autocircuit.tensor.StoredZip.Stored;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.zip.CRC32;

/**
 * A file that Python's {@code torch.save} wrote, version 1.6 or later: a ZIP archive of a pickle
 * and the bytes of the tensors. Opening reads the pickle; tensors are read when asked for.
 *
 * <p>A pickle is a program. This reader builds nothing but tensors, lists, tuples, dictionaries,
 * numbers, texts, booleans and None from it, refuses everything else by name, and runs nothing.
 * Tensors may have been on any device; those that share a storage are read each by itself.
 */
public final class TorchArchive implements AutoCloseable {
  /** Some 150 bytes describe a tensor: 60 000 of them. */
  private static final long LARGEST_PICKLE = 10_000_000;

  private static final String PICKLE = "data.pkl";
  private static final String MAGIC = "PK\3\4";

  private final Shard shard;
  private final Object value;

  private TorchArchive(Shard shard, Object value) {
    this.shard = shard;
    this.value = value;
  }

  /**
   * Opens an archive.
   *
   * @param file what {@code torch.save} wrote
   * @return what is in it, checked; the caller closes it
   * @throws DataException if there is no such file, it is none of these archives, anything about it
   *     is wrong, or it holds more than plain values and tensors
   */
  public static TorchArchive open(Path file) {
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw new DataException("file=" + file + " is not a regular file; name a torch archive");
    }
    FileChannel channel = null;
    boolean opened = false;
    try {
      channel = FileChannel.open(file, StandardOpenOption.READ);
      Shard shard = new Shard(file, channel);
      TorchArchive archive = new TorchArchive(shard, value(shard));
      opened = true;
      return archive;
    } catch (IOException e) {
      throw JsonFiles.unreadable(file, e);
    } finally {
      if (!opened && channel != null) {
        close(file, channel);
      }
    }
  }

  /**
   * Whether a file begins as these archives do.
   *
   * @param file any file
   * @return false also if it cannot be read
   */
  public static boolean isOne(Path file) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return start(new Shard(file, channel), MAGIC.length()).equals(MAGIC);
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * What was saved.
   *
   * @return a map (dict, OrderedDict), a list (list, tuple), a text, a Long, a Double, a Boolean,
   *     null (None), or a {@link TorchTensor}; maps and lists hold the same, by keys that are
   *     texts, Longs or Booleans
   */
  public Object value() {
    return value;
  }

  /**
   * Reads a tensor, converted to float32 (rounding to nearest; a bool becomes 0 or 1).
   *
   * @param tensor one of this archive
   * @return all elements, row by row
   * @throws DataException if it has more than 2^31-9 elements, or the file cannot be read any more
   */
  public float[] floats(TorchTensor tensor) {
    Entry entry = tensor.entry();
    if (entry.count() > Integer.MAX_VALUE - 8) {
      throw new DataException(
          "file="
              + shard.file()
              + ": a tensor has elements="
              + entry.count()
              + ", too many to read");
    }
    float[] values = new float[(int) entry.count()];
    SafetensorsElements.read(
        entry,
        (bytes, first, count) ->
            SafetensorsElements.convert(entry.dtype(), bytes, values, (int) first, count));
    return values;
  }

  @Override
  public void close() {
    close(shard.file(), shard.channel());
  }

  private static void close(Path file, FileChannel channel) {
    try {
      channel.close();
    } catch (IOException e) {
      throw JsonFiles.unreadable(file, e);
    }
  }

  // ---- reading ----

  /**
   * The tensors of a dictionary.
   *
   * @return by name
   * @throws DataException if the archive holds anything else
   */
  static SortedMap<String, Entry> weights(Shard shard) throws IOException {
    if (!(value(shard) instanceof Map<?, ?> map)) {
      throw refused(shard.file(), "it holds no dictionary of tensors");
    }
    SortedMap<String, Entry> entries = new TreeMap<>();
    map.forEach(
        (key, value) -> {
          if (!(key instanceof String name) || !(value instanceof TorchTensor tensor)) {
            throw new DataException(
                String.format(
                    "file=%s: key=%s is no tensor: it is no dictionary of weights; in Python save"
                        + " the model's state_dict() alone",
                    shard.file(), DataException.quote(String.valueOf(key))));
          }
          entries.put(name, tensor.entry());
        });
    return entries;
  }

  private static Object value(Shard shard) throws IOException {
    Path file = shard.file();
    String start = start(shard, ForeignFiles.LOOKED_AT);
    if (!start.startsWith(MAGIC)) {
      throw notOne(shard, start);
    }
    Map<String, Stored> entries = StoredZip.read(shard);
    List<String> pickles =
        entries.keySet().stream()
            .filter(n -> n.endsWith("/" + PICKLE) && n.indexOf('/') == n.lastIndexOf('/'))
            .toList();
    if (pickles.size() != 1) {
      throw wrong(file, "it is a ZIP archive with folders that have data.pkl=" + pickles.size());
    }
    String pickle = pickles.get(0);
    String folder = pickle.substring(0, pickle.length() - PICKLE.length());
    if (entries.containsKey(folder + "constants.pkl")
        || entries.keySet().stream().anyMatch(n -> n.startsWith(folder + "code/"))) {
      throw refused(file, "it is a TorchScript program and not saved tensors");
    }
    Stored order = entries.get(folder + "byteorder");
    if (order != null) {
      String text = new String(bytes(shard, order, 16), StandardCharsets.ISO_8859_1);
      if (!text.equals("little")) {
        throw refused(file, "byteorder=" + DataException.quote(text) + ", not \"little\"");
      }
    }
    Stored place = entries.get(pickle);
    byte[] program = bytes(shard, place, LARGEST_PICKLE);
    CRC32 crc = new CRC32();
    crc.update(program);
    if (crc.getValue() != place.crc()) {
      throw wrong(file, "data.pkl is damaged (its CRC-32 differs)");
    }
    return TorchPickle.read(file, program, new TorchObjects(shard, folder, entries));
  }

  private static byte[] bytes(Shard shard, Stored place, long most) throws IOException {
    if (place.size() > most) {
      throw refused(shard.file(), "an entry has bytes=" + place.size() + ", more than " + most);
    }
    byte[] bytes = new byte[(int) place.size()];
    SafetensorsElements.readFully(shard, ByteBuffer.wrap(bytes), place.begin());
    return bytes;
  }

  private static String start(Shard shard, int most) throws IOException {
    byte[] start = new byte[(int) Math.min(shard.channel().size(), most)];
    SafetensorsElements.readFully(shard, ByteBuffer.wrap(start), 0);
    return new String(start, StandardCharsets.ISO_8859_1);
  }

  /** What a file without the beginning of a ZIP archive is. */
  private static DataException notOne(Shard shard, String start) throws IOException {
    boolean tar = start.length() > 100 && start.startsWith("./\0");
    if (tar || start.matches("(?s)\200[\1-\5].*")) {
      return new DataException(
          "file="
              + shard.file()
              + " is a pickle in the format of torch before 1.6, or a plain one, which is not read;"
              + " if you trust it, in Python: torch.save(torch.load(FILE, map_location='cpu'),"
              + " NEW_FILE)");
    }
    byte[] bytes = start.getBytes(StandardCharsets.ISO_8859_1);
    ForeignFiles.requireBinary(shard.file(), bytes, shard.channel().size());
    return wrong(shard.file(), "it does not begin as a ZIP archive does");
  }

  /** What is wrong with a file that may have been whole once. */
  static DataException wrong(Path file, String what) {
    return new DataException(
        "file="
            + file
            + ": not a valid torch archive: "
            + what
            + "; download it, or write it with torch.save, again");
  }

  /** What a file holds that is not read. */
  static DataException refused(Path file, String what) {
    return new DataException(
        "file="
            + file
            + ": "
            + what
            + ", which is refused: only tensors, lists, tuples, dictionaries, numbers, texts,"
            + " booleans and None are read, and nothing is run; if you trust the file, save the"
            + " tensors in it alone with torch.save({NAME: TENSOR}, NEW_FILE)");
  }

  // ---- writing ----

  /**
   * A tensor of booleans to be written.
   *
   * @param shape the length of each axis; none for a scalar
   * @param data the elements, row by row
   */
  public record Booleans(long[] shape, boolean[] data) {}

  /**
   * Writes what {@code torch.load} reads, also with {@code weights_only=True}; whole or not at all.
   * The same arguments give the same bytes.
   *
   * @param file what is written, or replaced; its directory exists
   * @param value a map, list, text, Integer, Long, Double, Boolean or null, or a tensor ({@link
   *     Safetensors.Array}, {@link Booleans}); maps and lists hold the same, by keys that are texts
   * @throws IllegalArgumentException if it holds anything else
   * @throws DataException if the file cannot be written
   */
  public static void write(Path file, Object value) {
    TorchWriter.write(file, value);
  }
}
