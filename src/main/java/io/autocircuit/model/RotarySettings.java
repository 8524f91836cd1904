package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.model.RotaryFrequencies.Yarn;
import io.autocircuit.model.TransformerConfig.Rotary;

/**
 * The rotary settings of a Hugging Face configuration, wherever its version of transformers wrote
 * them: in {@code rope_parameters}, in {@code rope_scaling}, or at the top. Where places disagree,
 * the one that transformers 5 reads is used, with a notice.
 *
 * @param rotary how queries and keys are rotated
 * @param attentionFactor what the rotated queries and keys are multiplied by besides
 */
record RotarySettings(Rotary rotary, double attentionFactor) {
  private static final String THETA = "rope_theta";
  private static final String SHARE = "partial_rotary_factor";
  private static final String ORIGINAL = "original_max_position_embeddings";
  private static final String FULL = "full_attention";
  private static final String SLIDING = "sliding_attention";
  private static final double BASE = 10000;
  private static final double LARGEST_FACTOR = 1000;

  /** What of rotary positions is refused, for lists. */
  static final String KINDS = "rotary scaling of kinds other than those of docs/models.md";

  /** How a family calls its settings at the top level, and its defaults. */
  private record Names(String base, String share, double standardShare, double standardBase) {}

  private static final Names NEOX = new Names("rotary_emb_base", "rotary_pct", 0.25, BASE);

  /** GPT-NeoX: a part of each head is rotated. */
  static RotarySettings neox(ConfigReader c, Sizes sizes) {
    return read(c, NEOX, sizes.dHead(), sizes.context());
  }

  /** A part of each head is rotated. */
  static RotarySettings partial(ConfigReader c, Sizes sizes, double standardShare) {
    return read(c, new Names(THETA, SHARE, standardShare, BASE), sizes.dHead(), sizes.context());
  }

  /** Whole heads are rotated. */
  static RotarySettings whole(ConfigReader c, Sizes sizes, double standardBase) {
    RotarySettings settings =
        read(c, new Names(THETA, SHARE, 1, standardBase), sizes.dHead(), sizes.context());
    if (settings.rotary().dimensions() != sizes.dHead()) {
      throw c.error(
          SHARE
              + " other than 1 is not supported with model_type="
              + DataException.quote(c.text("model_type"))
              + ", which rotates whole heads; correct it, or give the config.json that belongs to"
              + " these weights");
    }
    return settings;
  }

  /**
   * Of blocks that see the whole prompt, where other blocks rotate in another way: {@code
   * rope_parameters.full_attention}, or in older configurations what other families have.
   */
  static RotarySettings ofFullLayers(ConfigReader c, Sizes sizes, double standardBase) {
    ConfigReader parameters = c.object("rope_parameters");
    if (!parameters.has(FULL)) {
      return whole(c, sizes, standardBase);
    }
    return ofLayers(c, parameters.object(FULL), sizes, c.number(THETA, standardBase));
  }

  /** Of blocks that see a window: {@code rope_parameters.sliding_attention}, or the older base. */
  static RotarySettings ofSlidingLayers(ConfigReader c, Sizes sizes, double standardBase) {
    ConfigReader parameters = c.object("rope_parameters");
    double base = c.positive("rope_local_base_freq", standardBase);
    return parameters.has(SLIDING)
        ? ofLayers(c, parameters.object(SLIDING), sizes, base)
        : new RotarySettings(Rotary.withBase(sizes.dHead(), base, false), 1);
  }

  private static RotarySettings ofLayers(
      ConfigReader c, ConfigReader s, Sizes sizes, double standardBase) {
    double base = s.positive(THETA, standardBase);
    if (s.number(SHARE, 1) != 1) {
      throw s.error(SHARE + " other than 1 is not supported here; use a model without it");
    }
    Rotary plain = Rotary.withBase(sizes.dHead(), base, false);
    return scaled(c, s, plain, base, sizes.dHead(), sizes.context());
  }

  private static RotarySettings read(ConfigReader c, Names names, int dHead, int context) {
    ConfigReader scaling = c.object("rope_scaling");
    ConfigReader parameters = c.object("rope_parameters");
    if (!scaling.isEmpty() && !parameters.isEmpty() && !scaling.json().equals(parameters.json())) {
      throw c.error(
          "rope_scaling and rope_parameters are both given and differ; remove the one that does not"
              + " belong to the model");
    }
    String place = scaling.isEmpty() ? "rope_parameters" : "rope_scaling";
    ConfigReader s = scaling.isEmpty() ? parameters : scaling;
    if (!scaling.isEmpty() && !parameters.isEmpty()) {
      parameters.json().fieldNames().forEachRemaining(parameters::value); // the same, read there
    }
    for (JsonNode value : s.json()) {
      if (value.isObject()) {
        throw c.error(
            place
                + " holds settings for kinds of layers, which is not supported; use a model with"
                + " one set of rotary settings");
      }
    }
    double base = effective(c, s, place, THETA, names.base(), names.standardBase());
    double share = effective(c, s, place, SHARE, names.share(), names.standardShare());
    refuseOther(c, names.base(), base, THETA, "rotary_emb_base");
    refuseOther(c, names.share(), share, SHARE, "rotary_pct");
    if (!(base > 0)) {
      throw c.error(names.base() + "=" + base + " is not usable; give a number above 0");
    }
    int dimensions = (int) (share * dHead);
    if (dimensions < 2 || dimensions > dHead || dimensions % 2 != 0) {
      throw c.error(
          "rotary dimensions="
              + dimensions
              + " of head width="
              + dHead
              + " are not usable; correct the rotary share="
              + share
              + " so that an even number of at least 2 results");
    }
    return scaled(c, s, Rotary.withBase(dimensions, base, false), base, dHead, context);
  }

  /** The value inside the object, else the one at the top, else the default. */
  private static double effective(
      ConfigReader c, ConfigReader s, String place, String inside, String top, double standard) {
    double outer = c.number(top, standard);
    if (!s.has(inside)) {
      return outer;
    }
    double inner = s.number(inside);
    if (c.has(top) && inner != outer) {
      c.notice(
          top
              + "="
              + outer
              + " and "
              + place
              + "."
              + inside
              + "="
              + inner
              + " disagree; the second is used, as transformers 5 does");
    }
    return inner;
  }

  /** Names of other families, which transformers does not read, must say the same. */
  private static void refuseOther(ConfigReader c, String read, double value, String... names) {
    for (String name : names) {
      if (!name.equals(read) && c.has(name) && c.number(name) != value) {
        throw c.error(
            name
                + "="
                + c.number(name)
                + " is not read for model_type=\""
                + c.text("model_type")
                + "\", whose "
                + read
                + "="
                + value
                + " says otherwise; correct one of them");
      }
    }
  }

  private static String type(ConfigReader s) {
    String type = s.text("type", "default");
    String newer = s.text("rope_type", type);
    if (s.has("type") && !newer.equals(type)) {
      throw s.disagree("rope_type", newer, "type", type);
    }
    return newer;
  }

  private static RotarySettings scaled(
      ConfigReader c, ConfigReader s, Rotary plain, double base, int dHead, int context) {
    String type = type(s);
    double[] frequencies = plain.inverseFrequencies();
    double attentionFactor = 1;
    switch (type) {
      case "default" -> {}
      // up to max_position_embeddings, which no prompt exceeds here, the base stays as it is
      case "dynamic" -> s.scale("factor", LARGEST_FACTOR);
      case "linear" ->
          frequencies = RotaryFrequencies.linear(frequencies, s.scale("factor", LARGEST_FACTOR));
      case "llama3" -> frequencies = llama3(c, s, frequencies, context);
      case "yarn" -> {
        if (base == 1) {
          throw c.error("rotary base=1 with rope_type=\"yarn\" is not usable; correct it");
        }
        frequencies = yarn(c, s, context).apply(frequencies, base);
        attentionFactor = attentionFactor(s);
        if (attentionFactor != 1 && plain.dimensions() != dHead) {
          throw s.error(
              "rope_type=\"yarn\" on a part of each head is not supported; use a model that rotates"
                  + " whole heads");
        }
      }
      default -> throw s.unsupported("rope_type", type, "default, linear, dynamic, llama3, yarn");
    }
    return new RotarySettings(new Rotary(plain.dimensions(), frequencies, false), attentionFactor);
  }

  private static double[] llama3(
      ConfigReader c, ConfigReader s, double[] frequencies, int context) {
    double factor = s.scale("factor", LARGEST_FACTOR);
    double low = s.positive("low_freq_factor");
    double high = s.positive("high_freq_factor");
    if (low >= high) {
      throw s.error(
          "low_freq_factor="
              + low
              + " is not below high_freq_factor="
              + high
              + "; correct one of them");
    }
    return RotaryFrequencies.byParts(frequencies, factor, low, high, original(c, s, context));
  }

  private static Yarn yarn(ConfigReader c, ConfigReader s, int context) {
    double original = original(c, s, context);
    return new Yarn(
        s.scale("factor", LARGEST_FACTOR),
        turns(s, "beta_fast", 32),
        turns(s, "beta_slow", 1),
        original,
        s.flag("truncate", true));
  }

  /** transformers takes 0 for "not given". */
  private static double turns(ConfigReader s, String field, double standard) {
    return s.number(field, 0) == 0 ? standard : s.positive(field);
  }

  /** The length before scaling; transformers takes the whole context where none is given. */
  private static double original(ConfigReader c, ConfigReader s, int context) {
    double inner = s.positive(ORIGINAL, context);
    double outer = c.positive(ORIGINAL, inner);
    if (s.has(ORIGINAL) && inner != outer) {
      c.notice(
          ORIGINAL
              + "="
              + outer
              + " at the top and "
              + inner
              + " in the rotary settings disagree; the first is used, as transformers 5 does");
    }
    return outer;
  }

  private static double attentionFactor(ConfigReader s) {
    double factor = s.scale("factor", LARGEST_FACTOR);
    double m = s.number("mscale", 0);
    double all = s.number("mscale_all_dim", 0);
    if (s.has("attention_factor")) {
      return s.scale("attention_factor", LARGEST_FACTOR);
    }
    return m != 0 && all != 0
        ? magnitude(factor, m) / magnitude(factor, all)
        : magnitude(factor, 1);
  }

  private static double magnitude(double factor, double m) {
    return factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1;
  }
}
