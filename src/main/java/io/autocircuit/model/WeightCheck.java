package io.autocircuit.model;

import io.autocircuit.files.DataException;
import io.autocircuit.graph.Suggestions;
import io.autocircuit.kernels.Normalization;
import java.util.Arrays;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/** Checks that a state dictionary holds what a configuration needs, in the right shapes. */
final class WeightCheck {
  private final String source;
  private final Map<String, Tensor> weights;

  private WeightCheck(String source, Map<String, Tensor> weights) {
    this.source = source;
    this.weights = weights;
  }

  /**
   * Checks names and shapes.
   *
   * @param source where the weights come from, as messages begin: {@code file=…}, say
   * @throws DataException if a tensor is missing or has another shape than the configuration says
   */
  static void require(String source, TransformerConfig c, Map<String, Tensor> weights) {
    WeightCheck check = new WeightCheck(source, weights);
    check.shape("embed.W_E", c.vocabulary(), c.dModel());
    if (c.positions() instanceof TransformerConfig.Learned) {
      check.shape("pos_embed.W_pos", c.contextLength(), c.dModel());
    }
    for (int b = 0; b < c.blocks(); b++) {
      String p = "blocks." + b + ".";
      check.shape(p + "attn.W_Q", c.heads(), c.dModel(), c.dHead());
      check.optional(p + "attn.b_Q", c.heads(), c.dHead());
      for (String part : new String[] {"K", "V"}) {
        long groups = c.grouped() ? c.keyValueHeads() : check.groups(p + "attn.W_" + part, c);
        check.shape(p + "attn.W_" + part, groups, c.dModel(), c.dHead());
        check.optional(p + "attn.b_" + part, groups, c.dHead());
      }
      check.shape(p + "attn.W_O", c.heads(), c.dHead(), c.dModel());
      check.optional(p + "attn.b_O", c.dModel());
      if (c.features().queryKeyNormalization().kind() != Normalization.Kind.NONE) {
        check.perHead(p + "attn.q_norm", c);
        check.perHead(p + "attn.k_norm", c);
      }
      check.affine(p + "ln1", c);
      if (c.features().outputNormalization().kind() != Normalization.Kind.NONE) {
        check.optional(p + "ln1_post.w", c.dModel());
        check.optional(p + "ln2_post.w", c.dModel());
      }
      if (!c.attentionOnly()) {
        check.shape(p + "mlp.W_in", c.dModel(), c.dMlp());
        check.shape(p + "mlp.W_out", c.dMlp(), c.dModel());
        check.optional(p + "mlp.b_in", c.dMlp());
        check.optional(p + "mlp.b_out", c.dModel());
        if (c.gatedMlp()) {
          check.shape(p + "mlp.W_gate", c.dModel(), c.dMlp());
          check.optional(p + "mlp.b_gate", c.dMlp());
        }
        check.affine(p + "ln2", c);
      }
    }
    check.affine("ln_final", c);
    check.shape("unembed.W_U", c.dModel(), c.outputs());
    check.optional("unembed.b_U", c.outputs());
  }

  private long groups(String name, TransformerConfig c) {
    Tensor t = weights.get(name);
    long groups = t == null || t.dim() == 0 ? c.heads() : t.size(0);
    return groups > 0 && c.heads() % groups == 0 ? groups : c.heads();
  }

  /** Scale and shift of queries or keys: for all heads, for each, or for each group. */
  private void perHead(String norm, TransformerConfig c) {
    for (String name : new String[] {norm + ".w", norm + ".b"}) {
      Tensor t = weights.get(name);
      if (t != null && t.dim() == 1) {
        shape(name, c.dHead());
      } else if (t != null) {
        shape(name, groups(name, c), c.dHead());
      }
    }
  }

  private void affine(String norm, TransformerConfig c) {
    optional(norm + ".w", c.dModel());
    optional(norm + ".b", c.dModel());
  }

  private void optional(String name, long... shape) {
    if (weights.containsKey(name)) {
      shape(name, shape);
    }
  }

  private void shape(String name, long... shape) {
    Tensor t = weights.get(name);
    if (t == null) {
      throw new DataException(
          source
              + ": tensor=\""
              + name
              + "\" of shape="
              + Arrays.toString(shape)
              + " is missing; "
              + Suggestions.among(name, weights.keySet()));
    }
    if (!Arrays.equals(t.shape(), shape)) {
      throw new DataException(
          source
              + ": tensor=\""
              + name
              + "\" has shape="
              + Arrays.toString(t.shape())
              + " but config.json needs shape="
              + Arrays.toString(shape)
              + "; check that both belong together");
    }
  }
}
