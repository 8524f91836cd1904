package io.autocircuit.kernels;

import io.autocircuit.kernels.cuda.CubinCache;
import io.autocircuit.kernels.cuda.CudaDevice;
import io.autocircuit.kernels.cuda.CudaException;
import io.autocircuit.kernels.cuda.CudaRuntime;
import io.autocircuit.kernels.cuda.CudaStatus;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.NativeThreads;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Loader;

/** Chooses the kernels for this machine and says why. */
public final class KernelsProvider {
  /** The system property {@link #choose()} reads. */
  public static final String PROPERTY = "autocircuit.kernels";

  /** The request for the best kernels the machine can run. */
  public static final String AUTO = "auto";

  private static final String REFERENCE = "reference";

  private static final String LIBTORCH = "libtorch";

  private KernelsProvider() {}

  /**
   * What was chosen.
   *
   * @param kernels the kernels
   * @param reason one line for people
   */
  public record Choice(Kernels kernels, String reason) implements AutoCloseable {
    /** Frees what kernels of a CUDA device hold there; others hold nothing. */
    @Override
    public void close() {
      if (kernels instanceof CudaKernels cuda) {
        cuda.close();
      }
    }
  }

  /**
   * Chooses kernels for a device: on the processor as {@link #choose()}, on a CUDA device {@link
   * CudaKernels}, which are freed when the choice is closed, on a Mac's graphics processor {@link
   * LibtorchKernels}.
   *
   * @param device where tensors will be
   * @return kernels and why they were chosen
   * @throws CudaException if the CUDA device cannot be used
   */
  public static Choice choose(Device device) {
    if (device.kind() == Device.Kind.MPS) {
      return new Choice(
          new LibtorchKernels(), "libtorch's operations, as there are no others for mps");
    }
    if (!device.isCuda()) {
      return choose();
    }
    CudaDevice cuda = CudaStatus.probe().require(device.index());
    CudaKernels kernels = new CudaKernels(CudaRuntime.open(cuda, CubinCache.ofUser()));
    return new Choice(kernels, kernels.reason());
  }

  /**
   * As {@link #choose(String)}, with the request taken from the system property {@value #PROPERTY},
   * or {@value #AUTO} where it is not set.
   *
   * @return kernels and why they were chosen
   */
  public static Choice choose() {
    return choose(System.getProperty(PROPERTY, AUTO));
  }

  /**
   * Chooses kernels.
   *
   * @param request {@value #AUTO} for the best instruction set of this machine, or libtorch's
   *     operations where there is no native library for the platform; {@code baseline}, {@code
   *     avx2} or {@code avx512} for that one and no other; {@code libtorch} for libtorch's
   *     operations; {@code reference} for the slow definition
   * @return kernels and why they were chosen
   * @throws IllegalArgumentException if the request is unknown, or the machine cannot run it
   * @throws IllegalStateException if the native library is there and cannot be loaded, or is asked
   *     for and missing; neither falls back to anything
   */
  public static Choice choose(String request) {
    if (request.toLowerCase(Locale.ROOT).equals(LIBTORCH)) {
      return new Choice(new LibtorchKernels(), "libtorch's operations, as requested");
    }
    return choose(request, NativeLibrary.missing(), Loader.getPlatform());
  }

  /**
   * As {@link #choose(String)}.
   *
   * @param missing whether there is no native library
   * @param platform what it would be for
   */
  static Choice choose(String request, boolean missing, String platform) {
    if (missing && request.equals(AUTO)) {
      return new Choice(
          new LibtorchKernels(),
          "libtorch's operations, as there is no native library of ours for " + platform);
    }
    Set<InstructionSet> available = InstructionSet.available();
    if (request.equals(REFERENCE)) {
      return new Choice(new ReferenceKernels(), "the naive kernels, as requested");
    }
    InstructionSet set = select(request, available);
    return new Choice(
        new CpuKernels(set),
        request.equals(AUTO)
            ? "the best instruction set of this machine, which has " + labels(available)
            : "the instruction set requested");
  }

  /**
   * Whether products and activations are our own kernels' too: unless {@link #choose()} takes
   * libtorch's operations.
   */
  static boolean ours() {
    String request = System.getProperty(PROPERTY, AUTO);
    return !request.toLowerCase(Locale.ROOT).equals(LIBTORCH)
        && !(request.equals(AUTO) && NativeLibrary.missing());
  }

  /**
   * Sets how many threads native operations use, until closed. libtorch's products are OpenBLAS's,
   * which gets as many where it computes them all, and else one ({@link NativeThreads}).
   *
   * @param count threads of an operation, at least 1
   * @return what sets the counts back when it is closed
   * @throws IllegalArgumentException if it is not positive
   */
  public static NativeThreads threads(int count) {
    return ours() ? NativeThreads.use(count) : NativeThreads.withBlas(count);
  }

  /** The instruction set of {@link Products}: as {@link #choose()}, the best for the definition. */
  static InstructionSet products(Set<InstructionSet> available) {
    String request = System.getProperty(PROPERTY, AUTO);
    return select(request.equals(REFERENCE) ? AUTO : request, available);
  }

  /** The instruction set for a request, given those available. */
  static InstructionSet select(String request, Set<InstructionSet> available) {
    if (request.equals(AUTO)) {
      return available.stream().max(InstructionSet::compareTo).orElseThrow();
    }
    for (InstructionSet set : InstructionSet.values()) {
      if (set.label().equals(request.toLowerCase(Locale.ROOT))) {
        if (!available.contains(set)) {
          throw new IllegalArgumentException(
              "kernels="
                  + request
                  + " cannot run on this machine, which has "
                  + labels(available)
                  + "; use one of those or "
                  + AUTO);
        }
        return set;
      }
    }
    throw new IllegalArgumentException(
        "kernels="
            + request
            + " is unknown; use "
            + AUTO
            + ", "
            + LIBTORCH
            + ", "
            + REFERENCE
            + ", "
            + labels(Set.of(InstructionSet.values())));
  }

  private static String labels(Set<InstructionSet> sets) {
    return Stream.of(InstructionSet.values())
        .filter(sets::contains)
        .map(InstructionSet::label)
        .collect(Collectors.joining(", "));
  }
}
