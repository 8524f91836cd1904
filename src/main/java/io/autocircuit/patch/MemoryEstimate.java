package io.autocircuit.patch;

import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * An upper estimate of the native memory that an evaluation takes beside the model's weights. It is
 * linear in the number of prompts b: {@code fixed + b · (held + transient)}.
 *
 * <p>In numbers for each prompt, with T tokens, P sliced positions, S sources, L blocks, H heads of
 * width d, D = d_model, M = d_mlp, V outputs, K = 3H attention inputs of a block (H + 2G where G
 * groups of heads share keys and values, H if joint), and a = 0, 1 or 2 for a scale and a shift of
 * the normalisation that were not folded:
 *
 * <table>
 * <caption>Terms</caption>
 * <tr><td>Δ</td><td>S·T·D</td></tr>
 * <tr><td>block inputs</td><td>K·T·D, and a·K·T·D after scale and shift</td></tr>
 * <tr><td>attention</td><td>3·T·H·d queries, keys and values, 2·H·T² scores and pattern</td></tr>
 * <tr><td>MLP</td><td>2·T·M, gated 3·T·M, and (1 + a)·T·D</td></tr>
 * </table>
 *
 * <p>With autoencoders S counts a row for D latents ({@link SourceRows}), and an evaluation holds
 * besides the sums over latents of a block's destinations, K·T·D, and the activations of all
 * latents; gradients three times those. What active latents write is copied: latents·D numbers.
 *
 * <p>Several circuits at once take what circuits hold and need, and the ablation values and the
 * logits besides, once for each.
 *
 * <p>Held while an evaluation is open: the ablation values (one Δ when resampled), one Δ (which
 * takes the place of resampled values where only one gradient follows), the embedding, the logits
 * of the clean and corrupt runs, {@code 2·P·V}; for circuits {@code (2L+1)·T·D + L·3·T·H·d} (in an
 * unfactorized graph also {@code (2L−1)·T·D}, its sums), for masks and gradients with restarts
 * {@code (L+1)·T·D}. Transient during a call: one block's inputs, attention and MLP; for gradients
 * the inputs, queries, keys, values and MLP of all blocks (with one mask value for all edges only
 * one input for each block), with arbitrary masks another Δ, and what one block's backward step
 * takes, for neurons H·T·D more, under the rule {@code tsg} 7·H·T².
 *
 * @param length T
 * @param fixed bytes whatever the number of prompts
 * @param heldPerPrompt bytes for each prompt while an evaluation is open
 * @param transientPerPrompt further bytes for each prompt during a call
 */
public record MemoryEstimate(int length, long fixed, long heldPerPrompt, long transientPerPrompt) {

  /**
   * What gradients take beside the usual.
   *
   * @param scores whether they go back through attention at another temperature ({@link
   *     GradientRules.Rule#TSG}), so that scores and patterns are written
   * @param neurons whether the neurons of a block's sources are summed
   * @param ways how many gradients more than one go back together
   */
  public record More(boolean scores, boolean neurons, int ways) {
    /** Nothing. */
    public static final More NOTHING = new More(false, false);

    /**
     * Of a gradient that goes back alone.
     *
     * @param scores as above
     * @param neurons as above
     */
    public More(boolean scores, boolean neurons) {
      this(scores, neurons, 0);
    }
  }

  /** What an evaluation is used for. */
  public enum Work {
    /** Unpatched runs that record every source's output: ablation values. */
    SOURCES,
    /** Circuits under tree patching. */
    CIRCUITS,
    /** Any masks, with restarts, without gradients; circuits under edge patching. */
    MASKS,
    /** One gradient where all edges have one mask value, and nothing after it. */
    ONE_UNIFORM_GRADIENT,
    /** Gradients where all edges have one mask value. */
    UNIFORM_GRADIENT,
    /** Gradients where all edges have one mask value, for each prompt. */
    UNIFORM_PROMPT_GRADIENT,
    /** Gradients at any masks that all prompts share. */
    GRADIENT,
    /** Gradients at masks of their own for each prompt. */
    PROMPT_GRADIENT,
    /** Gradients at any masks that all prompts share, with restarts. */
    BLOCK_GRADIENT,
    /** Gradients at masks of their own for each prompt, with restarts. */
    BLOCK_PROMPT_GRADIENT;

    /** Whether all edges have one mask value. */
    private boolean uniform() {
      return this == ONE_UNIFORM_GRADIENT
          || this == UNIFORM_GRADIENT
          || this == UNIFORM_PROMPT_GRADIENT;
    }

    /** Whether each prompt has a mask, and a gradient, of its own. */
    private boolean ofEachPrompt() {
      return this == UNIFORM_PROMPT_GRADIENT
          || this == PROMPT_GRADIENT
          || this == BLOCK_PROMPT_GRADIENT;
    }

    /** Whether runs begin at any block. */
    private boolean restarts() {
      return this == BLOCK_GRADIENT || this == BLOCK_PROMPT_GRADIENT;
    }
  }

  /**
   * What a prompt takes and what is run on it, together.
   *
   * @return bytes for each prompt
   */
  public long perPrompt() {
    return heldPerPrompt + transientPerPrompt;
  }

  /**
   * What one evaluation takes while it runs.
   *
   * @param prompts how many it has
   * @return bytes of native memory, {@code fixed + prompts · (held + transient)}
   */
  public long bytes(int prompts) {
    return fixed + prompts * perPrompt();
  }

  /**
   * How many prompts can be run together.
   *
   * @param budget what they may take
   * @param wanted at least 1
   * @return 1 to {@code wanted}
   * @throws IllegalArgumentException if one prompt alone exceeds the budget
   */
  public int prompts(MemoryBudget budget, int wanted) {
    if (bytes(1) > budget.bytes()) {
      throw new IllegalArgumentException(
          "memory budget="
              + budget
              + " is too small: one prompt of tokens="
              + length
              + " needs "
              + MemoryBudget.text(bytes(1), true)
              + "; allow at least that much (--memory), or give shorter prompts");
    }
    return (int) Math.min(wanted, (budget.bytes() - fixed) / perPrompt());
  }

  /**
   * Estimates for one circuit or mask at a time.
   *
   * @param model the model, its graph, type, device and slice
   * @param work what is run
   * @param ablation what ablated sources are replaced by
   * @param length T, padding included
   * @return the estimate for prompts of that length
   */
  public static MemoryEstimate of(PatchableModel model, Work work, Ablation ablation, int length) {
    return of(model, work, ablation, length, 1);
  }

  /**
   * Estimates for several circuits at once.
   *
   * @param model the model, its graph, type, device and slice
   * @param work what is run
   * @param ablation what ablated sources are replaced by
   * @param length T, padding included
   * @param circuits how many circuits are evaluated in one run; only {@link Work#CIRCUITS} can be
   * @return the estimate for prompts of that length
   * @throws IllegalArgumentException if there is no circuit, or several at other work
   */
  public static MemoryEstimate of(
      PatchableModel model, Work work, Ablation ablation, int length, int circuits) {
    return of(model, work, ablation, length, circuits, More.NOTHING);
  }

  /** As the public one; gradients take more. */
  static MemoryEstimate of(
      PatchableModel model, Work work, Ablation ablation, int length, int circuits, More more) {
    if (circuits < 1 || (circuits > 1 && work != Work.CIRCUITS)) {
      throw new IllegalArgumentException(
          "circuits=" + circuits + " at once cannot be run as work=" + work);
    }
    RunSizes s = new RunSizes(model, length);
    long bytes = model.model().type() == ScalarType.Double ? Double.BYTES : Float.BYTES;
    // means over a dataset or a batch: sums in both types, and the values
    long fixed =
        ablation instanceof Ablation.Collected ? s.delta() * 2 * (Double.BYTES + bytes) : 0;
    boolean each = ablation instanceof Ablation.Paired || ablation.keepsPositions();
    long patches = each ? s.delta() : 0;
    if (work == Work.SOURCES) {
      return new MemoryEstimate(length, fixed, 0, (s.sources() + s.encoding()) * bytes);
    }
    long held = patches + s.context() + s.stream() + 2 * s.logits();
    long moving;
    boolean masks = work == Work.CIRCUITS && model.runsCircuitsAsMasks();
    switch (masks ? Work.MASKS : work) {
      case CIRCUITS -> {
        long copy = s.delta() + s.bases() + s.sums() + s.parts();
        if (circuits > 1) {
          // each copy has the patched-in values, and its logits until its next circuit
          copy += patches + s.logits() + s.context();
        }
        held += circuits * copy;
        long circuit = s.circuit() + 2 * s.spreadBlock();
        moving = Math.max(circuits * circuit, 4 * (s.streams() - s.stream()));
      }
      case MASKS -> {
        held += s.delta() + s.streams() + (1 + s.inputs()) * s.stream() + 4 * s.width();
        moving = s.masks() + 2 * s.spreadBlock();
        fixed += 2L * s.edges() * bytes;
      }
      default -> {
        boolean replaced = work == Work.ONE_UNIFORM_GRADIENT && model.replacesValues(ablation);
        held += (replaced ? 0 : s.delta()) + 2 * s.stream() + 4 * s.width();
        held += work.restarts() ? s.streams() : 0;
        moving = s.gradient(work.uniform() && !s.latent(), more);
        // gradients of sums over latents and of activations, and what autoencoders keep
        moving += s.latentSums() + 3 * s.activations();
        // each has its own gradients of the masks, of the stream, and of what a block mixes
        moving += more.ways() * (Math.max(s.spread(), s.edges()) + 2 * s.stream() + s.width());
        fixed += s.gradientScratch() * bytes;
        long rows = 3L * s.edges() * bytes;
        if (s.spread() > 0) {
          moving += 3L * s.spread();
        } else if (work.ofEachPrompt()) {
          moving += 3L * s.edges();
        } else {
          fixed += rows;
        }
      }
    }
    held += s.latentSums() + s.activations();
    moving += s.encoding();
    fixed += s.decoders() * bytes;
    // the ablation values are made while the evaluation opens
    moving = Math.max(moving, s.sources() - held);
    return new MemoryEstimate(length, fixed, held * bytes, moving * bytes);
  }
}
