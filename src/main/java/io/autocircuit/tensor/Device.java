package io.autocircuit.tensor;

import java.util.Locale;
import org.bytedeco.pytorch.global.torch;

/**
 * Where tensors live and are computed.
 *
 * @param kind what sort of device
 * @param index the CUDA device's number, from 0, as the driver counts them under {@code
 *     CUDA_VISIBLE_DEVICES}; 0 for the others
 */
public record Device(Kind kind, int index) {
  /** The kinds. */
  public enum Kind {
    /** The processor, with main memory. */
    CPU,
    /** An NVIDIA device, with its own memory. */
    CUDA,
    /**
     * No memory at all: operations compute shapes and nothing else, and refuse tensors that are
     * elsewhere. A dry run there shows what was made in the wrong place.
     */
    META
  }

  /** The processor. */
  public static final Device CPU = new Device(Kind.CPU, 0);

  /** No memory; see {@link Kind#META}. */
  public static final Device META = new Device(Kind.META, 0);

  /**
   * A device.
   *
   * @param kind the processor, or a device
   * @param index which of its kind, from 0
   * @throws IllegalArgumentException if the index is negative, or not 0 where there is one alone
   */
  public Device {
    if (index < 0 || (kind != Kind.CUDA && index != 0)) {
      throw new IllegalArgumentException(
          "device=" + kind + ", index=" + index + "; count CUDA devices from 0, the CPU is 0");
    }
  }

  /**
   * The CUDA device of that number.
   *
   * @param index its number, from 0
   * @return that device, whether or not it exists
   */
  public static Device cuda(int index) {
    return new Device(Kind.CUDA, index);
  }

  /**
   * Whether it is a CUDA device.
   *
   * @return false for the processor
   */
  public boolean isCuda() {
    return kind == Kind.CUDA;
  }

  /** Waits until it has computed what it was given; on the processor that is always so. */
  public void synchronize() {
    if (isCuda()) {
      torch.cuda_synchronize(index);
    }
  }

  /** The name libtorch gives it: {@code cpu}, {@code cuda:0}, {@code meta}. */
  @Override
  public String toString() {
    return isCuda() ? "cuda:" + index : kind.name().toLowerCase(Locale.ROOT);
  }
}
