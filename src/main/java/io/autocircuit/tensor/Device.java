package io.autocircuit.tensor;

/**
 * Where tensors live and are computed.
 *
 * @param kind the processor or a CUDA device
 * @param index the CUDA device's number, from 0, as the driver counts them under {@code
 *     CUDA_VISIBLE_DEVICES}; 0 for the processor
 */
public record Device(Kind kind, int index) {
  /** The kinds. */
  public enum Kind {
    /** The processor, with main memory. */
    CPU,
    /** An NVIDIA device, with its own memory. */
    CUDA
  }

  /** The processor. */
  public static final Device CPU = new Device(Kind.CPU, 0);

  /**
   * A device.
   *
   * @throws IllegalArgumentException if the index is negative, or not 0 for the processor
   */
  public Device {
    if (index < 0 || (kind == Kind.CPU && index != 0)) {
      throw new IllegalArgumentException(
          "device=" + kind + ", index=" + index + "; count CUDA devices from 0, the CPU is 0");
    }
  }

  /** The CUDA device of that number. */
  public static Device cuda(int index) {
    return new Device(Kind.CUDA, index);
  }

  /** Whether it is a CUDA device. */
  public boolean isCuda() {
    return kind == Kind.CUDA;
  }

  /** The name libtorch gives it: {@code cpu}, {@code cuda:0}. */
  @Override
  public String toString() {
    return isCuda() ? "cuda:" + index : "cpu";
  }
}
