package io.autocircuit.patch;

import io.autocircuit.model.Transformer;
import io.autocircuit.model.Transformer.Affine;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.tensor.Device;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * An upper estimate of the native memory that an evaluation takes beside the model's weights. It is
 * linear in the number of prompts b: {@code fixed + b · (held + transient)}.
 *
 * <p>In numbers for each prompt, with T tokens, P sliced positions, S sources, L blocks, H heads of
 * width d, D = d_model, M = d_mlp, V outputs, K = 3H attention inputs of a block (H if joint), and
 * a = 0, 1 or 2 for a scale and a shift of the normalisation that were not folded:
 *
 * <table>
 * <caption>Terms</caption>
 * <tr><td>Δ</td><td>S·T·D</td></tr>
 * <tr><td>block inputs</td><td>K·T·D, and a·K·T·D after scale and shift</td></tr>
 * <tr><td>attention</td><td>3·T·H·d queries, keys and values, 2·H·T² scores and pattern</td></tr>
 * <tr><td>MLP</td><td>2·T·M, gated 3·T·M, and (1 + a)·T·D</td></tr>
 * </table>
 *
 * <p>Several circuits at once take what circuits hold and need, and the ablation values and the
 * logits besides, once for each.
 *
 * <p>Held while an evaluation is open: the ablation values (one Δ when resampled), one Δ, the
 * embedding, the logits of the clean and corrupt runs, {@code 2·P·V}; for circuits {@code
 * (2L+1)·T·D + L·3·T·H·d}, for masks {@code (L+1)·T·D} for restarts. Transient during a call: one
 * block's inputs, attention and MLP; for gradients the inputs, queries, keys, values and MLP of all
 * blocks (with one mask value for all edges only one input for each block), with arbitrary masks
 * another Δ, and what one block's backward step takes.
 *
 * @param length T
 * @param fixed bytes whatever the number of prompts
 * @param heldPerPrompt bytes for each prompt while an evaluation is open
 * @param transientPerPrompt further bytes for each prompt during a call
 */
public record MemoryEstimate(int length, long fixed, long heldPerPrompt, long transientPerPrompt) {

  /** What an evaluation is used for. */
  public enum Work {
    /** Unpatched runs that record every source's output: ablation values. */
    SOURCES,
    /** Circuits under tree patching. */
    CIRCUITS,
    /** Any masks, with restarts, without gradients; circuits under edge patching. */
    MASKS,
    /** Gradients where all edges have one mask value. */
    UNIFORM_GRADIENT,
    /** Gradients at any masks that all prompts share. */
    GRADIENT,
    /** Gradients at masks of their own for each prompt. */
    PROMPT_GRADIENT
  }

  /** Numbers, for each logit, that a loss with its gradient or a metric makes on its way. */
  private static final int LOSS_COPIES = 12;

  /** A prompt and what is run on it. */
  public long perPrompt() {
    return heldPerPrompt + transientPerPrompt;
  }

  /** Bytes of one evaluation of so many prompts while it runs. */
  public long bytes(int prompts) {
    return fixed + prompts * perPrompt();
  }

  /**
   * Estimates.
   *
   * @param work what is run
   * @param ablation what ablated sources are replaced by
   * @param length T, padding included
   */
  public static MemoryEstimate of(PatchableModel model, Work work, Ablation ablation, int length) {
    return of(model, work, ablation, length, 1);
  }

  /**
   * Estimates for several circuits at once.
   *
   * @param work what is run
   * @param ablation what ablated sources are replaced by
   * @param length T, padding included
   * @param circuits how many circuits are evaluated in one run; only {@link Work#CIRCUITS} can be
   */
  public static MemoryEstimate of(
      PatchableModel model, Work work, Ablation ablation, int length, int circuits) {
    if (circuits < 1 || (circuits > 1 && work != Work.CIRCUITS)) {
      throw new IllegalArgumentException(
          "circuits=" + circuits + " at once cannot be run as work=" + work);
    }
    Sizes s = new Sizes(model, length);
    long bytes = model.model().type() == ScalarType.Double ? Double.BYTES : Float.BYTES;
    // means over a dataset or a batch: sums in both types, and the values
    boolean means = ablation != Ablation.RESAMPLE && ablation != Ablation.ZERO;
    long fixed = means ? s.delta() * 2 * (Double.BYTES + bytes) : 0;
    long patches = ablation == Ablation.RESAMPLE ? s.delta() : 0;
    if (work == Work.SOURCES) {
      return new MemoryEstimate(length, fixed, 0, s.sources() * bytes);
    }
    long held = patches + s.context() + s.stream() + 2 * s.logits();
    long moving;
    switch (work) {
      case CIRCUITS -> {
        long copy = s.delta() + (2L * s.blocks() + 1) * s.stream() + 3L * s.blocks() * s.width();
        if (circuits > 1) {
          // each copy has the patched-in values, and its logits until its next circuit
          copy += patches + s.logits() + (long) length * length + 2L * length * s.rotated();
        }
        held += circuits * copy;
        moving = Math.max(circuits * s.circuit(), 4L * s.blocks() * s.stream());
      }
      case MASKS -> {
        held += s.delta() + (s.blocks() + 2 + s.k()) * s.stream() + 4 * s.width();
        moving = s.masks();
        fixed += 2L * s.edges() * bytes;
      }
      default -> {
        held += s.delta() + 2 * s.stream() + 4 * s.width();
        moving = s.gradient(work == Work.UNIFORM_GRADIENT);
        fixed += s.gradientScratch() * bytes;
        long rows = 3L * s.edges() * bytes;
        if (work == Work.PROMPT_GRADIENT) {
          moving += 3L * s.edges();
        } else {
          fixed += rows;
        }
      }
    }
    // the ablation values are made while the evaluation opens
    moving = Math.max(moving, s.sources() - held);
    return new MemoryEstimate(length, fixed, held * bytes, moving * bytes);
  }

  /** Numbers of one prompt. */
  private record Sizes(PatchableModel patchable, int length) {
    private TransformerConfig config() {
      return patchable.model().config();
    }

    int blocks() {
      return config().blocks();
    }

    int edges() {
      return patchable.graph().edgeCount();
    }

    /** Attention inputs of a block. */
    int k() {
      return (patchable.graph().separateQkv() ? 3 : 1) * config().heads();
    }

    long stream() {
      return (long) length * config().dModel();
    }

    long delta() {
      return patchable.graph().sources().size() * stream();
    }

    long width() {
      return (long) length * config().heads() * config().dHead();
    }

    private int positions() {
      return length - patchable.slice().first(length);
    }

    long logits() {
      return (long) positions() * config().outputs();
    }

    int rotated() {
      return config().positions() instanceof Rotary r ? r.dimensions() : 0;
    }

    long context() {
      return (long) length * length + 2L * length * rotated();
    }

    private long pattern() {
      return (long) config().heads() * length * length;
    }

    /** Copies that the rotation of queries and keys makes. */
    private long rotation() {
      if (rotated() == 0) {
        return 0;
      }
      long lead = (long) length * config().heads() * rotated();
      return 2 * (6 * lead + (rotated() < config().dHead() ? width() : 0));
    }

    /** Copies by scale and shift. */
    private int affine(boolean mlp) {
      Transformer m = patchable.model();
      int most = 0;
      for (int b = 0; b < blocks(); b++) {
        Affine a = mlp ? m.mlpAffine(b) : m.attentionAffine(b);
        most = Math.max(most, (a.weight() == null ? 0 : 1) + (a.bias() == null ? 0 : 1));
      }
      return most;
    }

    /** Scores, pattern, mixed values, rotations. */
    private long attention() {
      return 2 * pattern() + width() + rotation();
    }

    /** Contiguous copies inside libtorch's batched products. */
    private long products() {
      return 3 * width();
    }

    private long mlp() {
      if (config().attentionOnly()) {
        return 0;
      }
      return (long) length * config().dMlp() * (config().gatedMlp() ? 3 : 2)
          + (1L + affine(true)) * stream();
    }

    private long parallel() {
      return config().parallel() ? 2 * stream() : 0;
    }

    /** The end of the stream, its logits, and what is made of them. */
    private long end() {
      return 4L * positions() * config().dModel() + LOSS_COPIES * logits();
    }

    long sources() {
      return delta()
          + context()
          + (5L + affine(false)) * stream()
          + 4 * width()
          + attention()
          + products()
          + parallel()
          + 2 * stream()
          + mlp();
    }

    long circuit() {
      long inputs = (1L + affine(false)) * k() * stream() + 4 * width();
      return Math.max(inputs + attention() + products() + mlp() + 2 * stream(), end());
    }

    long masks() {
      long block =
          (long) affine(false) * k() * stream()
              + attention()
              + products()
              + parallel()
              + mlp()
              + 3 * stream();
      return 2 * stream() + Math.max(block, end());
    }

    /**
     * Whether the kernels make the gradients of a block's inputs and its attention on their way.
     */
    private boolean fused() {
      return patchable.model().placement().device().equals(Device.CPU);
    }

    /** What libtorch's operations write for a block's gradients, where the kernels do not. */
    private long unfused() {
      return (k() * (affine(false) > 0 ? 3L : 2L)) * stream()
          + 2 * pattern()
          + rotation()
          + products()
          + pattern();
    }

    /** What the fused kernels need beside their arguments, for some threads. */
    long gradientScratch() {
      TransformerConfig c = config();
      long weights = 3L * c.dModel() * c.heads() * c.dHead();
      return fused() ? weights + torch.get_num_threads() * 32L * (k() + 5) * c.dModel() : 0;
    }

    long gradient(boolean uniform) {
      long inputs = uniform ? 1 : k();
      long block =
          (1L + affine(false)) * inputs * stream()
              + inputs * length
              + 3 * width()
              + parallel()
              + mlp()
              + 2 * stream();
      long back =
          6 * stream()
              + 9 * width()
              + (long) length * config().dMlp() * (config().gatedMlp() ? 5 : 2)
              + (fused() ? 0 : unfused());
      return 2 * stream() + blocks() * block + products() + end() + (uniform ? 0 : delta()) + back;
    }
  }
}
