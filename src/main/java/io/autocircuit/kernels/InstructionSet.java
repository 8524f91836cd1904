package io.autocircuit.kernels;

import io.autocircuit.kernels.internal.NativeKernels;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;

/** The instruction sets the CPU kernels are compiled for, weakest first. */
public enum InstructionSet {
  /** What every processor of the platform has: SSE2 on x86-64, Advanced SIMD on AArch64. */
  BASELINE(0),
  /** AVX2 and FMA. */
  AVX2(1),
  /** AVX-512F. */
  AVX512(2);

  private final int code;

  InstructionSet(int code) {
    this.code = code;
  }

  /** The number of {@code native/include/instruction_set.h}. */
  int code() {
    return code;
  }

  /**
   * The name in lower case, as in {@code cpu-avx512}.
   *
   * @return the name, such as {@code avx2}
   */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The sets this processor and this build of the native library have; never empty.
   *
   * @return at least {@link #BASELINE}
   * @throws IllegalStateException if the native library is missing or cannot be loaded
   */
  public static Set<InstructionSet> available() {
    NativeLibrary.require();
    Set<InstructionSet> sets = EnumSet.noneOf(InstructionSet.class);
    for (InstructionSet set : values()) {
      if (NativeKernels.instruction_set_available(set.code) != 0) {
        sets.add(set);
      }
    }
    return sets;
  }
}
