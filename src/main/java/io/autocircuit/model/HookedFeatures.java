package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.Features.AttentionKind;
import io.autocircuit.model.TransformerConfig.Positions;
import io.autocircuit.model.TransformerConfig.Rotary;
import java.util.ArrayList;
import java.util.List;

/** What TransformerLens's settings say beyond sizes: local attention, caps, further norms. */
final class HookedFeatures {
  private HookedFeatures() {}

  /**
   * Reads them.
   *
   * @param norm of what blocks read
   * @param positions of blocks that see the whole prompt
   */
  static Features read(
      ConfigReader c, Normalization norm, Positions positions, int blocks, int context) {
    Normalization queries = c.flag("use_qk_norm", false) ? rms(c) : Normalization.NONE;
    if (queries.kind() != Normalization.Kind.NONE
        && c.flag("scale_attn_by_inverse_layer_idx", false)) {
      throw c.error(
          "scale_attn_by_inverse_layer_idx=true with use_qk_norm=true is not supported; use a model"
              + " with one of them");
    }
    Normalization outputs = Normalization.NONE;
    if (c.flag("use_normalization_before_and_after", false)) {
      if (norm.kind() != Normalization.Kind.RMS_NORM) {
        throw c.error(
            "use_normalization_before_and_after=true is not supported with normalization_type other"
                + " than RMS; use a model without it");
      }
      outputs = rms(c);
    }
    List<AttentionKind> kinds =
        c.flag("use_local_attn", false)
            ? kinds(causal(c), positions, blocks, context)
            : List.<AttentionKind>of();
    return new Features(
        kinds,
        queries,
        false,
        0,
        cap(c, "attn_scores_soft_cap"),
        cap(c, "output_logits_soft_cap"),
        outputs);
  }

  /** TransformerLens has windows in causal models alone. */
  private static ConfigReader causal(ConfigReader c) {
    if (c.text("attention_dir", "causal").equals("bidirectional")) {
      throw c.error(
          "use_local_attn=true with attention_dir=\"bidirectional\" is not supported; local attention"
              + " is for causal models");
    }
    return c;
  }

  private static Normalization rms(ConfigReader c) {
    return new Normalization(Normalization.Kind.RMS_NORM, c.positive("eps", 1e-5));
  }

  /** TransformerLens writes −1 for "no cap", and caps nothing up to 0. */
  private static double cap(ConfigReader c, String field) {
    return Math.max(0, c.number(field, -1));
  }

  private static List<AttentionKind> kinds(
      ConfigReader c, Positions positions, int blocks, int context) {
    int window = c.size("window_size");
    JsonNode types = c.value("attn_types");
    if (!types.isArray() || types.size() < blocks) {
      throw c.error(
          "attn_types="
              + (types.isMissingNode() ? "null" : ConfigReader.shown(types))
              + " is not usable with use_local_attn=true; give a list of \"global\" or \"local\" for"
              + " each of n_layers="
              + blocks);
    }
    AttentionKind global = new AttentionKind(0, positions);
    AttentionKind local = new AttentionKind(window < context ? window : 0, local(c, positions));
    List<AttentionKind> kinds = new ArrayList<>();
    for (int b = 0; b < blocks; b++) {
      String type = types.get(b).asText();
      if (!type.equals("global") && !type.equals("local")) {
        throw c.unsupported("attn_types", type, "global, local");
      }
      kinds.add(type.equals("local") ? local : global);
    }
    return kinds;
  }

  /** Local blocks may rotate by a base of their own. */
  private static Positions local(ConfigReader c, Positions positions) {
    if (!(positions instanceof Rotary r) || !c.has("rotary_base_local")) {
      return positions;
    }
    if (c.number("rotary_scaling_factor", 1) != 1 || c.flag("use_NTK_by_parts_rope", false)) {
      throw c.error(
          "rotary_base_local="
              + c.number("rotary_base_local")
              + " together with scaled positions is not supported; use a model with one of them");
    }
    return Rotary.withBase(r.dimensions(), c.positive("rotary_base_local"), r.adjacentPairs());
  }

  /** Takes the scales of further norms of a block, whose weights begin with {@code p}. */
  static void put(StoredWeights w, TransformerConfig config, String p) {
    Features f = config.features();
    if (f.queryKeyNormalization().kind() != Normalization.Kind.NONE) {
      for (String name : List.of(p + "attn.q_norm.w", p + "attn.k_norm.w")) {
        w.put(name, w.take(name, config.dHead()));
      }
    }
    if (f.outputNormalization().kind() != Normalization.Kind.NONE) {
      w.put(p + "ln1_post.w", w.take(p + "ln1_post.w", config.dModel()));
      if (!config.attentionOnly()) {
        w.put(p + "ln2_post.w", w.take(p + "ln2_post.w", config.dModel()));
      }
    }
  }
}
