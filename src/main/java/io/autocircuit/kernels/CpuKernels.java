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
   * @throws IllegalArgumentException if this machine cannot run {@code set}
   * @throws IllegalStateException if the native library is missing or cannot be loaded
   */
  public CpuKernels(InstructionSet set) {
    this(set, torch::get_num_threads);
  }

  /**
   * Kernels that use at most {@code threads} threads.
   *
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
    Arguments.Forward a = Arguments.Forward.of(args);
    try {
      NativeKernels.patch_forward(
          set.code(),
          threads.getAsInt(),
          a.type(),
          a.prompts(),
          a.positions(),
          a.destinations(),
          a.sources(),
          a.channels(),
          a.resid().data(),
          a.resid().stride(0),
          a.resid().stride(1),
          a.delta().data(),
          a.delta().stride(0),
          a.delta().stride(1),
          a.delta().stride(2),
          a.mask().data(),
          a.mask().stride(0),
          a.mask().stride(1),
          a.mask().stride(2),
          a.normalization(),
          a.epsilon(),
          a.out().data(),
          a.rstd().data());
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void patchBackward(PatchBackward args) {
    Arguments.Backward a = Arguments.Backward.of(args);
    try {
      NativeKernels.patch_backward(
          set.code(),
          threads.getAsInt(),
          a.type(),
          a.prompts(),
          a.positions(),
          a.destinations(),
          a.sources(),
          a.channels(),
          a.gradOut().data(),
          a.normalized().data(),
          a.normalized().stride(0),
          a.normalized().stride(1),
          a.normalized().stride(2),
          a.rstd().data(),
          a.rstd().stride(0),
          a.rstd().stride(1),
          a.rstd().stride(2),
          a.delta().data(),
          a.delta().stride(0),
          a.delta().stride(1),
          a.delta().stride(2),
          a.mask().data(),
          a.mask().stride(0),
          a.mask().stride(1),
          a.mask().stride(2),
          a.normalization(),
          a.maskGrad().data(),
          a.perPrompt() ? 1 : 0,
          a.perPosition() ? 1 : 0,
          a.residGrad().data(),
          a.residGrad().stride(0),
          a.residGrad().stride(1),
          a.deltaGrad().data(),
          a.deltaGrad().stride(0),
          a.deltaGrad().stride(1),
          a.deltaGrad().stride(2));
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void patchProject(PatchProject args) {
    Arguments.Project a = Arguments.Project.of(args);
    try {
      NativeKernels.patch_project(
          set.code(),
          threads.getAsInt(),
          a.type(),
          a.prompts(),
          a.positions(),
          a.destinations(),
          a.sources(),
          a.channels(),
          a.resid().data(),
          a.resid().stride(0),
          a.resid().stride(1),
          a.delta().data(),
          a.delta().stride(0),
          a.delta().stride(1),
          a.delta().stride(2),
          a.mask().data(),
          a.mask().stride(0),
          a.mask().stride(1),
          a.mask().stride(2),
          a.normalization(),
          a.epsilon(),
          a.scale().data(),
          a.shift().data(),
          a.carry().data(),
          args.inputs().length,
          args.width(),
          args.inputs(),
          args.columns(),
          a.weight().data(),
          a.weight().stride(0),
          a.bias().data(),
          a.out().data(),
          a.out().stride(0),
          a.out().stride(1));
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void patchProjectBackward(PatchProjectBackward args) {
    Arguments.ProjectBackward p = Arguments.ProjectBackward.of(args);
    Arguments.Backward a = p.back();
    try {
      NativeKernels.patch_project_backward(
          set.code(),
          threads.getAsInt(),
          a.type(),
          a.prompts(),
          a.positions(),
          a.destinations(),
          a.sources(),
          a.channels(),
          p.gradOut().data(),
          p.parts(),
          args.width(),
          args.inputs(),
          p.weight().data(),
          p.weight().stride(0),
          p.scale().data(),
          p.carry().data(),
          p.carry().stride(0),
          p.carry().stride(1),
          a.normalized().data(),
          a.normalized().stride(0),
          a.normalized().stride(1),
          a.normalized().stride(2),
          a.rstd().data(),
          a.rstd().stride(0),
          a.rstd().stride(1),
          a.rstd().stride(2),
          a.delta().data(),
          a.delta().stride(0),
          a.delta().stride(1),
          a.delta().stride(2),
          a.mask().data(),
          a.mask().stride(0),
          a.mask().stride(1),
          a.mask().stride(2),
          a.normalization(),
          a.maskGrad().data(),
          a.perPrompt() ? 1 : 0,
          a.perPosition() ? 1 : 0,
          a.residGrad().data(),
          a.residGrad().stride(0),
          a.residGrad().stride(1),
          a.deltaGrad().data(),
          a.deltaGrad().stride(0),
          a.deltaGrad().stride(1),
          a.deltaGrad().stride(2));
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void headOutputs(HeadOutputs args) {
    Arguments.Heads a = Arguments.Heads.of(args);
    try {
      NativeKernels.head_outputs(
          set.code(),
          threads.getAsInt(),
          a.type(),
          a.prompts(),
          a.positions(),
          args.heads().length,
          args.width(),
          a.channels(),
          args.heads(),
          a.z().data(),
          a.z().stride(0),
          a.z().stride(1),
          a.weight().data(),
          a.ablation().data(),
          a.ablation().stride(0),
          a.ablation().stride(1),
          a.ablation().stride(2),
          a.delta().data(),
          a.delta().stride(0),
          a.delta().stride(1),
          a.delta().stride(2),
          a.stream().data());
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void attention(Attention args) {
    Arguments.Attention a = Arguments.Attention.of(args);
    try {
      NativeKernels.attention(
          set.code(),
          threads.getAsInt(),
          a.type(),
          a.prompts(),
          a.length(),
          args.pattern().heads(),
          args.pattern().width(),
          a.qkv().data(),
          args.pattern().scale(),
          a.mask().data(),
          a.mask().stride(0),
          a.rotated(),
          a.cosines().data(),
          a.sines().data(),
          a.cosines().stride(0),
          adjacentPairs(args.pattern()),
          a.z().data());
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void attentionBackward(AttentionBackward args) {
    Arguments.Attention a = Arguments.Attention.of(args);
    try {
      NativeKernels.attention_backward(
          set.code(),
          threads.getAsInt(),
          a.type(),
          a.prompts(),
          a.length(),
          args.pattern().heads(),
          args.pattern().width(),
          a.qkv().data(),
          args.pattern().scale(),
          a.mask().data(),
          a.mask().stride(0),
          a.rotated(),
          a.cosines().data(),
          a.sines().data(),
          a.cosines().stride(0),
          adjacentPairs(args.pattern()),
          a.z().data(),
          a.gradQkv().data());
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  private static int adjacentPairs(AttentionPattern pattern) {
    return pattern.rotation() != null && pattern.rotation().adjacentPairs() ? 1 : 0;
  }
}
