package io.autocircuit.tensor;

import java.util.Locale;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

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
    /** The graphics processor of a Mac (Metal Performance Shaders); it has no float64. */
    MPS,
    /**
     * No memory at all: operations compute shapes and nothing else, and refuse tensors that are
     * elsewhere. A dry run there shows what was made in the wrong place.
     */
    META
  }

  /** The processor. */
  public static final Device CPU = new Device(Kind.CPU, 0);

  /** The graphics processor of a Mac; see {@link Kind#MPS}. */
  public static final Device MPS = new Device(Kind.MPS, 0);

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

  /**
   * Whether it computes in float64.
   *
   * @return false for {@link Kind#MPS}
   */
  public boolean hasFloat64() {
    return kind != Kind.MPS;
  }

  /**
   * Refuses a type that it does not compute in.
   *
   * @param type of tensors that shall lie there
   * @throws IllegalArgumentException if it has no such numbers
   */
  public void require(ScalarType type) {
    if (type == ScalarType.Double && !hasFloat64()) {
      throw new IllegalArgumentException(
          "device=" + this + " has no float64; use float32 there, or device=cpu");
    }
  }

  /** Waits until it has computed what it was given; on the processor that is always so. */
  public void synchronize() {
    if (isCuda()) {
      torch.cuda_synchronize(index);
    } else if (kind == Kind.MPS) {
      torch.getMPSHooks().deviceSynchronize();
    }
  }

  /** The name libtorch gives it: {@code cpu}, {@code cuda:0}, {@code mps}, {@code meta}. */
  @Override
  public String toString() {
    return isCuda() ? "cuda:" + index : kind.name().toLowerCase(Locale.ROOT);
  }
}
