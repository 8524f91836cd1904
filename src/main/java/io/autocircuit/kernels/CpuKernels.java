package io.autocircuit.kernels;

import io.autocircuit.kernels.internal.NativeKernels;
import java.lang.ref.Reference;
import java.util.Set;
import java.util.function.IntSupplier;
import org.bytedeco.pytorch.global.torch;

/**
 * The kernels for tensors in main memory, compiled for one instruction set.
 *
 * <p>Immutable and safe to share between threads. Results depend on the instruction set (in their
 * last bits), not on the number of threads.
 */
public final class CpuKernels implements Kernels {
  private final InstructionSet set;
  private final IntSupplier threads;

  /**
   * Kernels that use as many threads as libtorch does at the time of each call.
   *
   * @param set the instruction set
   * @throws IllegalArgumentException if this machine cannot run {@code set}
   * @throws IllegalStateException if the native library is missing or cannot be loaded
   */
  public CpuKernels(InstructionSet set) {
    this(set, torch::get_num_threads);
  }

  /**
   * Kernels that use at most {@code threads} threads.
   *
   * @param set the instruction set
   * @param threads 1 or more
   * @throws IllegalArgumentException if this machine cannot run {@code set}, or {@code threads} is
   *     not positive
   * @throws IllegalStateException if the native library is missing or cannot be loaded
   */
  public CpuKernels(InstructionSet set, int threads) {
    this(set, () -> threads);
    if (threads < 1) {
      throw new IllegalArgumentException("threads=" + threads + "; pass 1 or more");
    }
  }

  private CpuKernels(InstructionSet set, IntSupplier threads) {
    Set<InstructionSet> available = InstructionSet.available();
    if (!available.contains(set)) {
      throw new IllegalArgumentException(
          "instructionSet=" + set + " is not available on this machine; use one of " + available);
    }
    this.set = set;
    this.threads = threads;
  }

  @Override
  public String name() {
    return "cpu-" + set.label();
  }

  @Override
  public void patchForward(PatchForward args) {
    long[] call = PatchForwardArguments.of(args).call();
    try {
      NativeKernels.patch_forward(set.code(), threads.getAsInt(), call);
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void patchBackward(PatchBackward args) {
    long[] call = PatchBackwardArguments.of(args).call();
    try {
      NativeKernels.patch_backward(set.code(), threads.getAsInt(), call);
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void patchProject(PatchProject args) {
    long[] call = PatchProjectArguments.of(args).call();
    try {
      NativeKernels.patch_project(set.code(), threads.getAsInt(), call);
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void patchProjectBackward(PatchProjectBackward args) {
    long[] call = PatchProjectBackwardArguments.of(args).call();
    try {
      NativeKernels.patch_project_backward(set.code(), threads.getAsInt(), call);
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void headOutputs(HeadOutputs args) {
    long[] call = HeadOutputsArguments.of(args).call();
    try {
      NativeKernels.head_outputs(set.code(), threads.getAsInt(), call);
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void attention(Attention args) {
    AttentionArguments checked = AttentionArguments.of(args);
    if (!args.pattern().isFused()) {
      Kernels.super.attention(args);
      return;
    }
    long[] call = checked.call();
    try {
      NativeKernels.attention(set.code(), threads.getAsInt(), call);
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void attentionBackward(AttentionBackward args) {
    AttentionArguments checked = AttentionArguments.of(args);
    if (!args.pattern().isFused()) {
      Kernels.super.attentionBackward(args);
      return;
    }
    long[] call = checked.call();
    try {
      NativeKernels.attention_backward(set.code(), threads.getAsInt(), call);
    } finally {
      Reference.reachabilityFence(args);
    }
  }
}
