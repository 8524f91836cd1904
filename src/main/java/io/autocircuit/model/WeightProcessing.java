package io.autocircuit.model;

import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * TransformerLens's weight processing: changes of the weights that leave every log-probability as
 * it is and make activations comparable. Applied in the order of the components.
 *
 * <p>No step changes log-probabilities, but folding value biases moves a constant from head outputs
 * into the attention bias (so zero ablation differs with and without it), and centring the
 * unembedding shifts raw logits.
 *
 * @param foldLayerNorm fold the scale and shift of each normalisation into the weights that read it
 * @param centerWritingWeights subtract from everything written to the stream its mean over D (only
 *     where every normalisation subtracts the mean)
 * @param centerUnembed subtract from each row of the unembedding its mean over the vocabulary
 * @param foldValueBiases move value biases into the attention output bias
 */
public record WeightProcessing(
    boolean foldLayerNorm,
    boolean centerWritingWeights,
    boolean centerUnembed,
    boolean foldValueBiases) {

  /** All steps: TransformerLens's default. */
  public static final WeightProcessing DEFAULT = new WeightProcessing(true, true, true, true);

  /** No step. */
  public static final WeightProcessing NONE = new WeightProcessing(false, false, false, false);

  private static final List<String> STEPS =
      List.of("fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases");

  /**
   * Reads steps by their names.
   *
   * @param steps {@code all}, {@code none}, or some of {@code fold_ln}, {@code
   *     center_writing_weights}, {@code center_unembed}, {@code fold_value_biases}; in any case
   * @return the processing with these steps
   * @throws UnknownNameException if one is none of these
   */
  public static WeightProcessing parse(List<String> steps) {
    Set<String> names = new HashSet<>();
    for (String step : steps) {
      String name = step.toLowerCase(Locale.ROOT);
      if (!STEPS.contains(name) && !name.equals("all") && !name.equals("none")) {
        List<String> known = new ArrayList<>(STEPS);
        known.addAll(List.of("all", "none"));
        throw new UnknownNameException("processing step", name, known);
      }
      names.add(name);
    }
    return names.contains("all")
        ? DEFAULT
        : new WeightProcessing(
            names.contains(STEPS.get(0)),
            names.contains(STEPS.get(1)),
            names.contains(STEPS.get(2)),
            names.contains(STEPS.get(3)));
  }

  /**
   * The names of the steps, as {@link #parse} takes them.
   *
   * @return in order; empty for none
   */
  public List<String> steps() {
    boolean[] on = {foldLayerNorm, centerWritingWeights, centerUnembed, foldValueBiases};
    return IntStream.range(0, on.length).filter(i -> on[i]).mapToObj(STEPS::get).toList();
  }

  /**
   * Processes a state dictionary under TransformerLens's names.
   *
   * @param config the model's shape
   * @param weights the weights; left unchanged
   * @return the processed weights, in the current scope
   */
  public Map<String, Tensor> apply(TransformerConfig config, Map<String, Tensor> weights) {
    Map<String, Tensor> w = new LinkedHashMap<>();
    weights.forEach((name, t) -> w.put(name, new Tensor(t)));
    process(config, w);
    return w;
  }

  /** Processes each part of a dictionary when it is asked for. */
  WeightSource apply(TransformerConfig config, WeightSource weights) {
    return part -> {
      Map<String, Tensor> w = weights.tensors(part);
      process(config, w);
      return w;
    };
  }

  /** Replaces tensors; each is freed as soon as its successor is there. */
  private void process(TransformerConfig config, Map<String, Tensor> w) {
    if (foldLayerNorm) {
      fold(config, w);
    }
    boolean subtractsMean =
        config.normalization().kind() == Normalization.Kind.LAYER_NORM
            && config.finalNormalization().kind() == Normalization.Kind.LAYER_NORM;
    if (centerWritingWeights && subtractsMean) {
      center(w, "embed.W_E");
      center(w, "pos_embed.W_pos");
      for (int b = 0; b < config.blocks(); b++) {
        center(w, name(b, "attn.W_O"));
        center(w, name(b, "attn.b_O"));
        center(w, name(b, "mlp.W_out"));
        center(w, name(b, "mlp.b_out"));
      }
    }
    // a soft cap sees the mean that a softmax does not
    if (centerUnembed && config.features().logitCap() == 0) {
      center(w, "unembed.W_U");
      center(w, "unembed.b_U");
    }
    // what is clipped is not linear in its bias
    if (foldValueBiases && config.features().clip() == 0) {
      for (int b = 0; b < config.blocks(); b++) {
        foldValueBias(w, b);
      }
    }
  }

  private static void foldValueBias(Map<String, Tensor> w, int block) {
    Tensor bV = w.get(name(block, "attn.b_V"));
    if (bV == null) {
      return;
    }
    Tensor wO = w.get(name(block, "attn.W_O"));
    Tensor old = w.get(name(block, "attn.b_O"));
    replace(
        w,
        name(block, "attn.b_O"),
        () -> {
          // heads of a group share its value bias
          Tensor perHead =
              torch.repeat_interleave(
                  bV, wO.size(0) / bV.size(0), new LongOptional(0), new LongOptional());
          Tensor moved = perHead.unsqueeze(-1).mul(wO).sum(0, 1);
          return old == null ? moved : old.add(moved);
        });
    replace(w, name(block, "attn.b_V"), () -> bV.mul(new org.bytedeco.pytorch.Scalar(0.0)));
  }

  private static String name(int block, String part) {
    return "blocks." + block + "." + part;
  }

  /** Puts a new tensor in place of the one of that name, if there is one, and frees that. */
  private static void replace(Map<String, Tensor> w, String name, Supplier<Tensor> next) {
    Tensor old;
    try (TensorScope scope = new TensorScope()) {
      old = w.put(name, scope.keep(next.get()));
    }
    free(old);
  }

  private static void remove(Map<String, Tensor> w, String name) {
    free(w.remove(name));
  }

  private static void free(Tensor t) {
    if (t != null) {
      t.close();
    }
  }

  private static void center(Map<String, Tensor> w, String name) {
    Tensor t = w.get(name);
    if (t != null) {
      replace(w, name, () -> t.sub(t.mean(new long[] {-1}, true, null)));
    }
  }

  private static void fold(TransformerConfig config, Map<String, Tensor> w) {
    boolean centerBlocks = config.normalization().kind() == Normalization.Kind.LAYER_NORM;
    for (int b = 0; b < config.blocks(); b++) {
      for (String p : new String[] {"Q", "K", "V"}) {
        foldInto(w, name(b, "ln1"), name(b, "attn.W_" + p), name(b, "attn.b_" + p), centerBlocks);
      }
      remove(w, name(b, "ln1.w"));
      remove(w, name(b, "ln1.b"));
      for (String p : new String[] {"in", "gate"}) {
        foldInto(w, name(b, "ln2"), name(b, "mlp.W_" + p), name(b, "mlp.b_" + p), centerBlocks);
      }
      remove(w, name(b, "ln2.w"));
      remove(w, name(b, "ln2.b"));
    }
    boolean centerEnd = config.finalNormalization().kind() == Normalization.Kind.LAYER_NORM;
    foldInto(w, "ln_final", "unembed.W_U", "unembed.b_U", centerEnd);
    remove(w, "ln_final.w");
    remove(w, "ln_final.b");
  }

  /** b ← b + βᵀW; W ← diag(w) W; W ← W − its mean over the input axis where the norm centres. */
  private static void foldInto(
      Map<String, Tensor> w, String norm, String weight, String bias, boolean centers) {
    Tensor matrix = w.get(weight);
    if (matrix == null) {
      return;
    }
    Tensor shift = w.get(norm + ".b");
    if (shift != null) {
      Tensor old = w.get(bias);
      replace(
          w,
          bias,
          () -> {
            Tensor moved = shift.unsqueeze(-1).mul(matrix).sum(-2);
            return old == null ? moved : old.add(moved);
          });
    }
    Tensor scale = w.get(norm + ".w");
    if (scale != null) {
      replace(w, weight, () -> scale.unsqueeze(-1).mul(matrix));
    }
    if (centers) {
      Tensor scaled = w.get(weight);
      replace(w, weight, () -> scaled.sub(scaled.mean(new long[] {-2}, true, null)));
    }
  }
}
