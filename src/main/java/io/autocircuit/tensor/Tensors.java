package io.autocircuit.tensor;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Making tensors from Java arrays and back. New tensors belong to the current scope. */
public final class Tensors {
  static {
    NativeCache.prepare();
  }

  /** By type, on the processor: made once, since each tensor that is made needs one. */
  private static final Map<ScalarType, TensorOptions> OPTIONS = new ConcurrentHashMap<>();

  private Tensors() {}

  private static TensorOptions options(ScalarType type) {
    return OPTIONS.computeIfAbsent(
        type.intern(),
        t -> {
          TensorOptions options = new TensorOptions(t);
          options.retainReference(); // it outlives the scope in which it is first needed
          return options;
        });
  }

  /**
   * An uninitialised contiguous CPU tensor.
   *
   * @param type of the elements
   * @param shape the length of each axis
   * @return in the current scope; its elements are whatever lay there
   */
  public static Tensor empty(ScalarType type, long... shape) {
    return torch.empty(shape, options(type), null);
  }

  /**
   * An uninitialised contiguous tensor on a device.
   *
   * @param type of the elements
   * @param device where it lies
   * @param shape the length of each axis
   * @return in the current scope; its elements are whatever lay there
   */
  public static Tensor empty(ScalarType type, Device device, long... shape) {
    if (device.equals(Device.CPU)) {
      return empty(type, shape);
    }
    return torch.empty(
        shape,
        new TensorOptions(type)
            .device(new DeviceOptional(new org.bytedeco.pytorch.Device(device.toString()))),
        null);
  }

  /**
   * A contiguous CPU tensor of zeros.
   *
   * @param type of the elements
   * @param shape the length of each axis
   * @return in the current scope
   */
  public static Tensor zeros(ScalarType type, long... shape) {
    return torch.zeros(shape, options(type));
  }

  /**
   * A CPU tensor with a copy of {@code data}.
   *
   * @param type float32 or float64
   * @param data the elements, row-major
   * @param shape the length of each axis
   * @return in the current scope
   */
  public static Tensor of(ScalarType type, float[] data, long... shape) {
    Tensor t = empty(ScalarType.Float, shape);
    requireLength(t, data.length);
    if (data.length > 0) {
      new FloatPointer(t.data_ptr()).put(data, 0, data.length);
    }
    return type == ScalarType.Float ? t : t.to(type);
  }

  /**
   * A CPU tensor of the given type with a copy of {@code data}.
   *
   * @param type float32 or float64
   * @param data the elements, row-major
   * @param shape the length of each axis
   * @return in the current scope
   */
  public static Tensor of(ScalarType type, double[] data, long... shape) {
    Tensor t = empty(ScalarType.Double, shape);
    requireLength(t, data.length);
    if (data.length > 0) {
      new DoublePointer(t.data_ptr()).put(data, 0, data.length);
    }
    return type == ScalarType.Double ? t : t.to(type);
  }

  /**
   * An int64 CPU tensor with a copy of {@code data}.
   *
   * @param data the elements, row-major
   * @param shape the length of each axis
   * @return in the current scope
   */
  public static Tensor of(long[] data, long... shape) {
    Tensor t = empty(ScalarType.Long, shape);
    requireLength(t, data.length);
    if (data.length > 0) {
      new LongPointer(t.data_ptr()).put(data, 0, data.length);
    }
    return t;
  }

  /**
   * A copy on a device, also where the tensor is there already; strides are kept.
   *
   * @param tensor on any device
   * @param device where the copy lies
   * @return in the current scope
   */
  public static Tensor copy(Tensor tensor, Device device) {
    return tensor.to(
        new org.bytedeco.pytorch.Device(device.toString()),
        tensor.scalar_type(),
        false,
        true,
        new MemoryFormatOptional());
  }

  /**
   * The elements, row-major, as float32.
   *
   * @param tensor of any shape, type and device
   * @return a copy
   */
  public static float[] floats(Tensor tensor) {
    try (TensorScope scope = new TensorScope()) {
      Tensor t = tensor.cpu().to(ScalarType.Float).contiguous();
      float[] out = new float[Math.toIntExact(t.numel())];
      if (out.length > 0) {
        new FloatPointer(t.data_ptr()).get(out);
      }
      return out;
    }
  }

  /**
   * The elements, row-major, as float64.
   *
   * @param tensor of any shape, type and device
   * @return a copy
   */
  public static double[] doubles(Tensor tensor) {
    try (TensorScope scope = new TensorScope()) {
      Tensor t = tensor.cpu().to(ScalarType.Double).contiguous();
      double[] out = new double[Math.toIntExact(t.numel())];
      if (out.length > 0) {
        new DoublePointer(t.data_ptr()).get(out);
      }
      return out;
    }
  }

  private static void requireLength(Tensor t, int length) {
    if (t.numel() != length) {
      throw new IllegalArgumentException(
          "data length=" + length + " does not fill a shape of elements=" + t.numel());
    }
  }
}
