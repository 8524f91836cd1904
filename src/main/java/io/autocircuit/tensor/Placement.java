package io.autocircuit.tensor;

import java.util.Arrays;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Where tensors are made, and of what type: what is computed with a model's weights is placed
 * beside them. New tensors belong to the current scope.
 *
 * @param type float32 or float64
 * @param device where
 */
public record Placement(ScalarType type, Device device) {

  /**
   * Beside a tensor, of its type.
   *
   * @param tensor of a model, say
   * @return that tensor's device and type
   */
  public static Placement of(Tensor tensor) {
    return new Placement(tensor.scalar_type().intern(), device(tensor));
  }

  private static Device device(Tensor tensor) {
    if (tensor.is_cpu()) {
      return Device.CPU;
    }
    if (tensor.is_cuda()) {
      return Device.cuda(tensor.device().index());
    }
    return tensor.is_meta() ? Device.META : Device.MPS;
  }

  /**
   * For sums in float64: this device, or the processor if it has no such numbers.
   *
   * @return a placement of float64
   */
  public Placement exact() {
    return new Placement(ScalarType.Double, device.hasFloat64() ? device : Device.CPU);
  }

  /**
   * A tensor of this device where {@link #exact} is.
   *
   * @param tensor on this device
   * @return the tensor itself, or a copy in main memory if the sums are there and it is not
   */
  public Tensor besideExact(Tensor tensor) {
    return device.hasFloat64() ? tensor : tensor.cpu();
  }

  /**
   * The same device, another type.
   *
   * @param other the type of the tensors
   * @return a placement that makes tensors of that type here
   */
  public Placement of(ScalarType other) {
    return new Placement(other, device);
  }

  /**
   * What was computed where {@link #exact} is, rounded to this type and on this device.
   *
   * @param tensor in float64
   * @return in the current scope
   */
  public Tensor rounded(Tensor tensor) {
    Tensor values = tensor.to(type);
    return device.hasFloat64() ? values : moved(values);
  }

  /**
   * An uninitialised contiguous tensor.
   *
   * @param shape the length of each axis
   * @return in the current scope; its elements are whatever lay there
   */
  public Tensor empty(long... shape) {
    return Tensors.empty(type, device, shape);
  }

  /**
   * A contiguous tensor of zeros.
   *
   * @param shape the length of each axis
   * @return in the current scope
   */
  public Tensor zeros(long... shape) {
    return empty(shape).zero_();
  }

  /**
   * A tensor with a copy of {@code data}.
   *
   * @param data the elements, row-major
   * @param shape the length of each axis
   * @return in the current scope
   */
  public Tensor tensor(float[] data, long... shape) {
    return moved(Tensors.of(type, data, shape));
  }

  /**
   * A tensor with a copy of {@code data}, rounded to its type.
   *
   * @param data the elements, row-major
   * @param shape the length of each axis
   * @return in the current scope
   */
  public Tensor tensor(double[] data, long... shape) {
    return moved(Tensors.of(type, data, shape));
  }

  /**
   * An int64 tensor with a copy of {@code data}.
   *
   * @param data the elements, row-major
   * @param shape the length of each axis
   * @return in the current scope
   */
  public Tensor indices(long[] data, long... shape) {
    return moved(Tensors.of(data, shape));
  }

  /**
   * Some slices along an axis, next to each other: a view where they are neighbours, else a copy.
   * On a device no list of them has to travel.
   *
   * @param from a tensor on any device
   * @param axis the axis that is cut, from 0
   * @param which indices along it, in the order wanted
   * @return as {@code from}, with as many slices along {@code axis} as {@code which} names
   */
  public static Tensor slices(Tensor from, int axis, int[] which) {
    if (from.is_cpu() && !neighbours(which)) {
      long[] index = Arrays.stream(which).asLongStream().toArray();
      return from.index_select(axis, Tensors.of(index, index.length));
    }
    TensorVector slices = new TensorVector();
    for (int i = 0; i < which.length; ) {
      int first = i++;
      while (i < which.length && which[i] == which[i - 1] + 1) {
        i++;
      }
      slices.push_back(from.narrow(axis, which[first], i - first));
    }
    return slices.size() == 1 ? slices.get(0) : torch.cat(slices, axis);
  }

  private static boolean neighbours(int[] which) {
    for (int i = 1; i < which.length; i++) {
      if (which[i] != which[i - 1] + 1) {
        return false;
      }
    }
    return true;
  }

  /**
   * A tensor of the processor on this device. The copy is queued behind the device's work and is
   * not waited for: memory that is not page-locked is read before the call returns.
   */
  private Tensor moved(Tensor tensor) {
    return device.equals(Device.CPU)
        ? tensor
        : tensor.to(
            new org.bytedeco.pytorch.Device(device.toString()),
            tensor.scalar_type(),
            true,
            false,
            new MemoryFormatOptional());
  }
}
