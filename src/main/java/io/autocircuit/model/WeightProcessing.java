package io.autocircuit.model;

import io.autocircuit.kernels.Normalization;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

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

  /**
   * Processes a state dictionary under TransformerLens's names.
   *
   * @param config the model's shape
   * @param weights the weights; left unchanged
   * @return the processed weights, in the current scope
   * @throws io.autocircuit.tensor.DataException if a tensor is missing or has another shape
   */
  public Map<String, Tensor> apply(TransformerConfig config, Map<String, Tensor> weights) {
    WeightCheck.require(config, weights);
    Map<String, Tensor> w = new LinkedHashMap<>(weights);
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
    if (centerUnembed) {
      center(w, "unembed.W_U");
      center(w, "unembed.b_U");
    }
    if (foldValueBiases) {
      for (int b = 0; b < config.blocks(); b++) {
        Tensor bV = w.get(name(b, "attn.b_V"));
        if (bV != null) {
          // a group's value bias reaches the stream through each of its query heads
          long share = config.heads() / bV.size(0);
          Tensor perHead = bV.unsqueeze(1).expand(bV.size(0), share, bV.size(1));
          Tensor moved =
              perHead
                  .reshape(config.heads(), config.dHead(), 1)
                  .mul(w.get(name(b, "attn.W_O")))
                  .sum(0, 1);
          Tensor old = w.get(name(b, "attn.b_O"));
          w.put(name(b, "attn.b_O"), old == null ? moved : old.add(moved));
          w.put(name(b, "attn.b_V"), bV.mul(new org.bytedeco.pytorch.Scalar(0.0)));
        }
      }
    }
    return w;
  }

  private static String name(int block, String part) {
    return "blocks." + block + "." + part;
  }

  private static void center(Map<String, Tensor> w, String name) {
    w.computeIfPresent(name, (n, t) -> t.sub(t.mean(new long[] {-1}, true, null)));
  }

  private static void fold(TransformerConfig config, Map<String, Tensor> w) {
    boolean centerBlocks = config.normalization().kind() == Normalization.Kind.LAYER_NORM;
    for (int b = 0; b < config.blocks(); b++) {
      for (String p : new String[] {"Q", "K", "V"}) {
        foldInto(w, name(b, "ln1"), name(b, "attn.W_" + p), name(b, "attn.b_" + p), centerBlocks);
      }
      w.remove(name(b, "ln1.w"));
      w.remove(name(b, "ln1.b"));
      for (String p : new String[] {"in", "gate"}) {
        foldInto(w, name(b, "ln2"), name(b, "mlp.W_" + p), name(b, "mlp.b_" + p), centerBlocks);
      }
      w.remove(name(b, "ln2.w"));
      w.remove(name(b, "ln2.b"));
    }
    boolean centerEnd = config.finalNormalization().kind() == Normalization.Kind.LAYER_NORM;
    foldInto(w, "ln_final", "unembed.W_U", "unembed.b_U", centerEnd);
    w.remove("ln_final.w");
    w.remove("ln_final.b");
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
      Tensor moved = shift.unsqueeze(-1).mul(matrix).sum(-2);
      Tensor old = w.get(bias);
      w.put(bias, old == null ? moved : old.add(moved));
    }
    Tensor scale = w.get(norm + ".w");
    if (scale != null) {
      matrix = scale.unsqueeze(-1).mul(matrix);
    }
    if (centers) {
      matrix = matrix.sub(matrix.mean(new long[] {-2}, true, null));
    }
    w.put(weight, matrix);
  }
}
