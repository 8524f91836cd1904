package io.autocircuit.tensor;

import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.graph.Suggestions;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongPredicate;
import java.util.function.LongToDoubleFunction;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/**
 * A read-only view of a safetensors file, or of a model split over several by a {@code
 * model.safetensors.index.json}. Opening reads and checks the headers; tensors are read when asked
 * for, any number of times, by any thread, until {@link #close}.
 *
 * <p>Nothing in the files is trusted. A header must describe every byte of its file exactly once;
 * shapes, types and offsets must agree; shards must lie beside their index.
 */
public final class Safetensors implements AutoCloseable {
  static {
    NativeCache.prepare();
  }

  static final String METADATA = "__metadata__";

  /**
   * Where one tensor lies: {@code begin} counts from the start of the file, in bytes; {@code
   * strides} are how many elements apart neighbours along each axis lie, null where the elements
   * lie row by row.
   */
  record Entry(Shard shard, DType dtype, long[] shape, long count, long begin, long[] strides) {
    Entry(Shard shard, DType dtype, long[] shape, long count, long begin) {
      this(shard, dtype, shape, count, begin, null);
    }

    long bytes() {
      return count * dtype.bytes;
    }
  }

  /** A file of weights that is open. */
  record Shard(Path file, FileChannel channel) {}

  private final Path source;
  private final List<Shard> shards;
  private final Map<String, Entry> entries;
  private final Map<String, String> metadata;

  private Safetensors(
      Path source, List<Shard> shards, Map<String, Entry> entries, Map<String, String> metadata) {
    this.source = source;
    this.shards = shards;
    this.entries = Collections.unmodifiableMap(entries);
    this.metadata = Collections.unmodifiableMap(metadata);
  }

  /**
   * Opens a safetensors file, the index of a sharded model, or a directory that holds {@code
   * model.safetensors} or else {@code model.safetensors.index.json}.
   *
   * @param fileOrIndex a file, an index, or a directory
   * @return the checked view; the caller closes it
   * @throws DataException if there is no such file or anything about it is wrong
   */
  public static Safetensors open(Path fileOrIndex) {
    return open(Files.isDirectory(fileOrIndex) ? inDirectory(fileOrIndex) : fileOrIndex, false);
  }

  /**
   * Opens weights that {@code torch.save} wrote, a dictionary of tensors ({@link TorchArchive}). A
   * safetensors file under such a name is read too.
   *
   * @param fileOrIndex a file such as {@code pytorch_model.bin}, or the index of several, {@code
   *     pytorch_model.bin.index.json}
   * @return the checked view, without metadata; the caller closes it
   * @throws DataException if there is no such file, anything about it is wrong, or it holds more
   *     than named tensors
   */
  public static Safetensors openTorch(Path fileOrIndex) {
    return open(fileOrIndex, true);
  }

  private static Safetensors open(Path file, boolean torch) {
    List<Shard> shards = new ArrayList<>();
    boolean opened = false;
    try {
      SortedMap<String, Entry> entries = new TreeMap<>();
      SortedMap<String, String> metadata = new TreeMap<>();
      if (file.toString().endsWith(".json")) {
        new ShardIndex(file, torch).read(shards, entries, metadata);
      } else {
        readShard(file, torch, shards, entries, metadata);
      }
      opened = true;
      return new Safetensors(file, List.copyOf(shards), entries, metadata);
    } finally {
      if (!opened) {
        closeAll(shards);
      }
    }
  }

  private static Path inDirectory(Path directory) {
    for (String name : List.of("model.safetensors", "model.safetensors.index.json")) {
      Path file = directory.resolve(name);
      if (Files.exists(file)) {
        return file;
      }
    }
    throw new DataException(
        "directory="
            + directory
            + " holds neither model.safetensors nor model.safetensors.index.json;"
            + " name a directory with weights in safetensors format");
  }

  static void readShard(
      Path file,
      boolean torch,
      List<Shard> shards,
      SortedMap<String, Entry> entries,
      SortedMap<String, String> metadata) {
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw new DataException("file=" + file + " is not a regular file; name a file of weights");
    }
    try {
      Shard shard = new Shard(file, FileChannel.open(file, StandardOpenOption.READ));
      shards.add(shard);
      if (torch && !SafetensorsHeader.looksLikeOne(shard)) {
        entries.putAll(TorchArchive.weights(shard));
      } else {
        SafetensorsHeader.read(shard, entries, metadata);
      }
    } catch (IOException e) {
      throw JsonFiles.unreadable(file, e);
    }
  }

  // ---- what is in it ----

  /**
   * The file, or the index file, that was opened.
   *
   * @return as it was given to {@link #open}, or found in the directory given
   */
  public Path source() {
    return source;
  }

  /**
   * The names of all tensors, sorted.
   *
   * @return unmodifiable
   */
  public Set<String> names() {
    return entries.keySet();
  }

  /**
   * Whether there is a tensor of this name.
   *
   * @param name of a tensor
   * @return false for names in the metadata
   */
  public boolean contains(String name) {
    return entries.containsKey(name);
  }

  /**
   * The free-form strings in the header (of all shards), sorted by key.
   *
   * @return unmodifiable; empty where the header has none
   */
  public Map<String, String> metadata() {
    return metadata;
  }

  /**
   * The shape of a tensor.
   *
   * @param name of a tensor
   * @return the length of each axis; none for a scalar
   * @throws DataException if there is no such tensor
   */
  public long[] shape(String name) {
    return entry(name).shape().clone();
  }

  /**
   * The element type in the file: {@code F32}, {@code BF16}, {@code I64}, ….
   *
   * @param name of a tensor
   * @return its name in the header
   * @throws DataException if there is no such tensor
   */
  public String dtype(String name) {
    return entry(name).dtype().name();
  }

  /**
   * Reads a tensor, converted to float32 (rounding to nearest; a bool becomes 0 or 1).
   *
   * @param name of a tensor
   * @return a fresh contiguous float32 tensor on the CPU, owned by the current {@link TensorScope}
   * @throws DataException if there is no such tensor or the file cannot be read any more
   */
  public Tensor tensor(String name) {
    Entry entry = entry(name);
    try (TensorScope scope = new TensorScope()) {
      TensorOptions options =
          new TensorOptions(torch.ScalarType.Float)
              .device(new DeviceOptional(new Device(torch.DeviceType.CPU)));
      Tensor tensor = torch.empty(entry.shape(), options, new MemoryFormatOptional());
      if (entry.count() > 0) {
        FloatPointer values = tensor.data_ptr_float();
        float[] converted = new float[SafetensorsElements.most(entry)];
        SafetensorsElements.read(
            entry,
            (bytes, first, count) -> {
              SafetensorsElements.convert(entry.dtype(), bytes, converted, 0, count);
              values.position(first).put(converted, 0, count);
            });
      }
      return scope.keep(tensor);
    }
  }

  /**
   * Reads a tensor as Java floats, row-major, converted to float32.
   *
   * @param name of a tensor
   * @return all elements
   * @throws DataException if there is no such tensor, it has more than 2^31-9 elements, or the file
   *     cannot be read any more
   */
  public float[] floats(String name) {
    Entry entry = entry(name);
    float[] values = new float[arrayLength(name, entry)];
    SafetensorsElements.read(
        entry,
        (bytes, first, count) ->
            SafetensorsElements.convert(entry.dtype(), bytes, values, (int) first, count));
    return values;
  }

  /**
   * Reads a part of a tensor as Java floats, row-major, converted to float32.
   *
   * @param name of a tensor
   * @param first the number of the first element wanted
   * @param count how many, all within the tensor
   * @return that many numbers
   * @throws DataException if there is no such tensor, or the file cannot be read any more
   */
  public float[] floats(String name, long first, int count) {
    Entry whole = entry(name);
    Objects.checkFromIndexSize(first, count, whole.count());
    float[] values = new float[count];
    SafetensorsElements.read(
        whole,
        first,
        count,
        (bytes, at, n) ->
            SafetensorsElements.convert(whole.dtype(), bytes, values, (int) (at - first), n));
    return values;
  }

  /**
   * Reads a tensor as Java doubles, row-major, exactly (but for 64-bit integers beyond 2^53).
   *
   * @param name of a tensor
   * @return all elements
   * @throws DataException if there is no such tensor, it has more than 2^31-9 elements, or the file
   *     cannot be read any more
   */
  public double[] doubles(String name) {
    Entry entry = entry(name);
    double[] values = new double[arrayLength(name, entry)];
    DType dtype = entry.dtype();
    SafetensorsElements.read(
        entry,
        (bytes, first, count) -> {
          for (int i = 0; i < count; i++) {
            values[(int) first + i] = dtype.read(bytes, i * dtype.bytes);
          }
        });
    return values;
  }

  /**
   * Checks that every element is a finite float32.
   *
   * @param name of a tensor
   * @throws DataException if one is NaN or infinite (or becomes so as float32), saying where; or if
   *     there is no such tensor
   */
  public void requireFinite(String name) {
    Entry entry = entry(name);
    float[] converted = new float[SafetensorsElements.most(entry)];
    SafetensorsElements.read(
        entry,
        (bytes, first, count) -> {
          SafetensorsElements.convert(entry.dtype(), bytes, converted, 0, count);
          for (int i = 0; i < count; i++) {
            if (!Float.isFinite(converted[i])) {
              throw new DataException(
                  String.format(
                      "file=%s: tensor=%s%s=%s is not a finite float32;"
                          + " the weights are damaged, get them again",
                      entry.shard().file(),
                      DataException.quote(name),
                      SafetensorsElements.index(entry.shape(), first + i),
                      converted[i]));
            }
          }
        });
  }

  /** Closes the files. Tensors that were read stay valid. */
  @Override
  public void close() {
    closeAll(shards);
  }

  private static void closeAll(List<Shard> shards) {
    DataException failure = null;
    for (Shard shard : shards) {
      try {
        shard.channel().close();
      } catch (IOException e) {
        failure = JsonFiles.unreadable(shard.file(), e);
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  private Entry entry(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new DataException(
          String.format(
              "file=%s: tensor=%s is missing; %s",
              source, DataException.quote(name), Suggestions.among(name, entries.keySet())));
    }
    return entry;
  }

  private int arrayLength(String name, Entry entry) {
    if (entry.count() > Integer.MAX_VALUE - 8) {
      throw new DataException(
          String.format(
              "file=%s: tensor=%s has elements=%d, too many for a Java array; read it as a tensor",
              source, DataException.quote(name), entry.count()));
    }
    return (int) entry.count();
  }

  static DataException wrong(Path file, String what) {
    return new DataException(
        "file="
            + file
            + ": not a valid safetensors model: "
            + what
            + "; download or write it again");
  }

  // ---- writing ----

  /**
   * A float32 array to be written.
   *
   * @param shape the length of each axis; none for a scalar
   * @param data the elements, row-major
   */
  public record Array(long[] shape, float[] data) {
    /**
     * Checks that {@code shape} and {@code data} agree.
     *
     * @param shape the length of each axis; none for a scalar
     * @param data the elements, row-major
     * @throws IllegalArgumentException if they do not
     */
    public Array {
      long count = 1;
      for (long length : shape) {
        if (length < 0) {
          throw new IllegalArgumentException(
              "shape=" + Arrays.toString(shape) + " has a negative length; give lengths >= 0");
        }
        count = Math.multiplyExact(count, length);
      }
      if (count != data.length) {
        throw new IllegalArgumentException(
            String.format(
                "shape=%s needs %d elements, data.length=%d; make them agree",
                Arrays.toString(shape), count, data.length));
      }
    }
  }

  /**
   * Writes float32 tensors, whole or not at all. The same arguments give the same bytes.
   *
   * @param file what is written, or replaced; its directory exists
   * @param tensors by name; written in the order of their names
   * @param metadata free-form strings for the header; may be empty
   * @throws IllegalArgumentException if a tensor has the reserved name {@code __metadata__}
   * @throws DataException if the file cannot be written
   */
  public static void write(Path file, Map<String, Array> tensors, Map<String, String> metadata) {
    SafetensorsWriter.write(file, tensors, metadata);
  }

  /**
   * Other numbers for some elements of a tensor.
   *
   * @param where whether the element of that number, counted row by row, is replaced
   * @param value by what
   */
  public record Change(LongPredicate where, LongToDoubleFunction value) {}

  /**
   * Writes all tensors to one file, whole or not at all, piece by piece: with their types, shapes
   * and bytes, except for what changes.
   *
   * @param file what is written, or replaced; its directory exists
   * @param strings free-form strings for the header
   * @param changes by the name of the tensor, of a floating-point type; values are rounded to it
   * @throws DataException if a tensor does not exist, its type has no room for a value, or a file
   *     cannot be read or written
   */
  public void copy(Path file, Map<String, String> strings, Map<String, Change> changes) {
    changes.keySet().forEach(this::entry);
    SafetensorsWriter.copy(file, entries, strings, changes);
  }
}
