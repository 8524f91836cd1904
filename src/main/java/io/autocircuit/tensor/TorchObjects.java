package io.autocircuit.tensor;

import io.autocircuit.files.DataException;
import io.autocircuit.tensor.Safetensors.Entry;
import io.autocircuit.tensor.Safetensors.Shard;
import io.autocircuit.tensor.StoredZip.Stored;
import io.autocircuit.tensor.TorchPickle.Tuple;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a pickle in a torch archive may name: storages, and the four functions that make tensors and
 * ordered dictionaries. Sizes, offsets and strides are checked against the bytes of the storage.
 */
final class TorchObjects {
  private static final int MOST_AXES = 64;
  private static final int OPTIONAL_ARGUMENT = 6;
  private static final String STORAGE = "Storage";

  private static final Map<String, DType> STORAGES =
      Map.of(
          "torch.FloatStorage", DType.F32,
          "torch.DoubleStorage", DType.F64,
          "torch.HalfStorage", DType.F16,
          "torch.BFloat16Storage", DType.BF16,
          "torch.LongStorage", DType.I64,
          "torch.IntStorage", DType.I32,
          "torch.ShortStorage", DType.I16,
          "torch.CharStorage", DType.I8,
          "torch.ByteStorage", DType.U8,
          "torch.BoolStorage", DType.BOOL);

  private static final String TENSOR = "torch._utils._rebuild_tensor_v2";
  private static final String PARAMETER = "torch._utils._rebuild_parameter";
  private static final String ORDERED = "collections.OrderedDict";
  private static final String SIZE = "torch.Size";
  private static final List<String> FUNCTIONS = List.of(TENSOR, PARAMETER, ORDERED, SIZE);

  /** A name that is allowed. */
  private record Named(String name) {}

  /** The elements of one or more tensors. */
  private record Storage(DType dtype, long begin, long count) {}

  private final Shard shard;
  private final String folder;
  private final Map<String, Stored> entries;

  /**
   * For one archive.
   *
   * @param folder what the names of its entries begin with
   */
  TorchObjects(Shard shard, String folder, Map<String, Stored> entries) {
    this.shard = shard;
    this.folder = folder;
    this.entries = entries;
  }

  /**
   * A class or function of Python.
   *
   * @throws DataException unless it is one of those known here
   */
  Object named(String module, String name) {
    String whole = module + "." + name;
    if (FUNCTIONS.contains(whole) || STORAGES.containsKey(whole)) {
      return new Named(whole);
    }
    if (module.equals("torch") && name.endsWith(STORAGE)) {
      throw TorchArchive.refused(
          shard.file(), "a tensor is of the type " + DataException.quote(whole));
    }
    throw TorchArchive.refused(shard.file(), "it asks for " + DataException.quote(whole));
  }

  /** What a function makes of its arguments. */
  Object made(Object called, Tuple arguments) {
    String name = called instanceof Named named ? named.name() : "";
    Object made =
        switch (name) {
          case TENSOR -> tensor(arguments);
          case PARAMETER -> arguments.size() == 3 ? arguments.get(0) : null;
          case ORDERED -> arguments.isEmpty() ? new LinkedHashMap<>(4) : null;
          case SIZE -> arguments.size() == 1 ? arguments.get(0) : null;
          default ->
              throw TorchArchive.refused(
                  shard.file(),
                  name.isEmpty() ? "it calls what is no function" : "it calls " + name);
        };
    if (made instanceof TorchTensor || made instanceof Tuple || made instanceof LinkedHashMap) {
      return made;
    }
    throw wrong(name + " has arguments that torch.save does not write");
  }

  /** A storage by what torch calls its persistent id. */
  Object storage(Object id) {
    if (!(id instanceof Tuple tuple)
        || tuple.size() != 5
        || !"storage".equals(tuple.get(0))
        || !(tuple.get(1) instanceof Named type)
        || !(tuple.get(2) instanceof String key)
        || !(tuple.get(3) instanceof String)
        || !(tuple.get(4) instanceof Long count)) {
      throw wrong("a storage is described as torch.save does not do it");
    }
    DType dtype = STORAGES.get(type.name());
    if (dtype == null) {
      throw wrong("a storage has the type " + type.name());
    }
    Stored stored = entries.get(folder + "data/" + key);
    if (stored == null) {
      throw wrong("storage=" + DataException.quote(key) + " is missing");
    }
    if (stored.size() % dtype.bytes != 0 || stored.size() / dtype.bytes != count) {
      throw wrong(
          String.format(
              "storage=%s has bytes=%d, but %d elements of %s need other",
              DataException.quote(key), stored.size(), count, dtype));
    }
    return new Storage(dtype, stored.begin(), count);
  }

  private TorchTensor tensor(Tuple arguments) {
    boolean metadata =
        arguments.size() == OPTIONAL_ARGUMENT + 1
            && arguments.get(OPTIONAL_ARGUMENT) instanceof Map<?, ?> map
            && !map.isEmpty();
    if (arguments.size() < OPTIONAL_ARGUMENT
        || arguments.size() > OPTIONAL_ARGUMENT + 1
        || metadata
        || !(arguments.get(0) instanceof Storage storage)
        || !(arguments.get(1) instanceof Long offset)
        || !(arguments.get(2) instanceof Tuple size)
        || !(arguments.get(3) instanceof Tuple stride)
        || size.size() != stride.size()
        || size.size() > MOST_AXES) {
      throw wrong("a tensor is described as torch.save does not do it");
    }
    long[] shape = lengths(size, "size");
    long[] strides = lengths(stride, "stride");
    long count = 1;
    long last = 0;
    boolean rows = true;
    try {
      for (long length : shape) {
        count = length == 0 || count == 0 ? 0 : Math.multiplyExact(count, length);
      }
      long next = 1;
      for (int axis = shape.length - 1; axis >= 0 && count > 0; axis--) {
        rows &= shape[axis] == 1 || strides[axis] == next;
        next *= shape[axis];
        last = Math.addExact(last, Math.multiplyExact(shape[axis] - 1, strides[axis]));
      }
      if (count > 0 && (offset < 0 || Math.addExact(last, offset) >= storage.count())) {
        throw beyond(size, stride, offset, storage);
      }
      if (count > storage.count()) {
        throw TorchArchive.refused(
            shard.file(), "a tensor repeats its elements (expand without contiguous)");
      }
      requireSmallShape(shape, storage.dtype());
    } catch (ArithmeticException e) {
      throw beyond(size, stride, offset, storage);
    }
    long begin = storage.begin() + (count == 0 ? 0 : offset * storage.dtype().bytes);
    return new TorchTensor(
        new Entry(shard, storage.dtype(), shape, count, begin, rows ? null : strides));
  }

  /** Libtorch multiplies also the lengths beside a zero. */
  private static void requireSmallShape(long[] shape, DType dtype) {
    long bound = dtype.bytes;
    for (long length : shape) {
      bound = Math.multiplyExact(bound, Math.max(1, length));
    }
  }

  private DataException beyond(Tuple size, Tuple stride, long offset, Storage storage) {
    return wrong(
        String.format(
            "a tensor (size=%s, stride=%s, offset=%d) reaches beyond its storage of elements=%d",
            DataException.printable(size.toString(), 100),
            DataException.printable(stride.toString(), 100),
            offset,
            storage.count()));
  }

  private long[] lengths(Tuple tuple, String what) {
    long[] lengths = new long[tuple.size()];
    for (int i = 0; i < lengths.length; i++) {
      if (!(tuple.get(i) instanceof Long length) || length < 0) {
        throw wrong("a tensor's " + what + " is no tuple of integers from 0");
      }
      lengths[i] = length;
    }
    return lengths;
  }

  /** Refuses a storage or function that is no part of a tensor. */
  void requirePlain(Object value) {
    if (value instanceof Storage) {
      throw TorchArchive.refused(shard.file(), "it holds a storage that is no tensor");
    }
    if (value instanceof Named named) {
      throw TorchArchive.refused(shard.file(), "it holds the name " + named.name());
    }
  }

  private DataException wrong(String what) {
    return TorchArchive.wrong(shard.file(), what);
  }
}
