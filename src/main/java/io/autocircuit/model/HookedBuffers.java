package io.autocircuit.model;

import io.autocircuit.model.TransformerConfig.Rotary;
import java.util.regex.Pattern;

/**
 * What TransformerLens stores beside weights and computes anew from its settings. Where a file has
 * it, it is compared with what the settings give.
 */
final class HookedBuffers {
  private static final Pattern BUFFER =
      Pattern.compile("blocks\\.\\d+\\.attn\\.(mask|IGNORE|(rotary_sin|rotary_cos))");

  /** Above the rounding of float32 numbers that once were bfloat16. */
  private static final double SAME = 2.5e-3;

  /** Above the rounding of 16-bit numbers. */
  private static final double SAME_16_BIT = 1e-2;

  /** Rounding of float32 angles for each position. */
  private static final double ROUNDING = 5e-7;

  private static final int LONGEST_READ = 1 << 20;

  private HookedBuffers() {}

  /** Whether a tensor of that name is one, in a model of that configuration. */
  static boolean isOne(String name, TransformerConfig config) {
    var m = BUFFER.matcher(name);
    return m.matches() && (m.group(2) == null || config.positions() instanceof Rotary);
  }

  /**
   * Compares.
   *
   * @throws io.autocircuit.files.DataException if a table of angles or a mask is another
   */
  static void check(StoredWeights w, TransformerConfig config) {
    for (int b = 0; b < config.blocks(); b++) {
      String p = "blocks." + b + ".attn.";
      Features.AttentionKind kind = config.attentionKinds().get(config.attentionKind(b));
      if (kind.positions() instanceof Rotary rotary) {
        angles(w, p + "rotary_cos", rotary, true);
        angles(w, p + "rotary_sin", rotary, false);
      }
      if (config.causal()) {
        mask(w, p + "mask", kind.window());
      }
    }
  }

  private static void angles(StoredWeights w, String name, Rotary r, boolean cosine) {
    if (!w.has(name)) {
      return;
    }
    long[] shape = w.shape(name);
    int width = r.dimensions();
    if (shape.length != 2 || shape[1] != width) {
      throw w.error(
          "tensor=\""
              + name
              + "\" is not a table of rotary_dim="
              + width
              + " numbers for each position; check that config.json belongs to the weights");
    }
    double same = w.dtype(name).endsWith("16") ? SAME_16_BIT : SAME;
    double[] frequencies = r.inverseFrequencies();
    int rows = Math.max(1, LONGEST_READ / width);
    for (long from = 0; from < shape[0]; from += rows) {
      float[] stored = w.floats(name, from * width, Math.min(rows, shape[0] - from) * width);
      for (int at = 0; at < stored.length; at++) {
        long t = from + at / width;
        int i = at % width;
        double angle = t * frequencies[r.adjacentPairs() ? i / 2 : i % (width / 2)];
        double mine = cosine ? Math.cos(angle) : Math.sin(angle);
        if (!(Math.abs(stored[at] - mine) <= same + t * ROUNDING)) {
          throw w.error(
              "tensor=\""
                  + name
                  + "\" has "
                  + stored[at]
                  + " at position "
                  + t
                  + ", but the rotary settings of config.json give "
                  + (float) mine
                  + "; check that they are the ones that the model was used with");
        }
      }
    }
  }

  /**
   * @param window how many of the last positions one sees; 0: all
   */
  private static void mask(StoredWeights w, String name, int window) {
    if (!w.has(name)) {
      return;
    }
    long[] shape = w.shape(name);
    if (shape.length != 2 || shape[0] != shape[1]) {
      throw w.error(
          "tensor=\"" + name + "\" is not a square mask; check that it belongs to the model");
    }
    long rows = Math.max(1, LONGEST_READ / Math.max(1, shape[1]));
    for (long from = 0; from < shape[0]; from += rows) {
      long count = Math.min(rows, shape[0] - from) * shape[1];
      float[] stored = w.floats(name, from * shape[1], count);
      for (int at = 0; at < count; at++) {
        long row = from + at / shape[1];
        long column = at % shape[1];
        boolean seen = column <= row && (window == 0 || row - column < window);
        if ((stored[at] != 0) != seen) {
          throw w.error(
              "tensor=\""
                  + name
                  + "\" is not a causal mask: position "
                  + row
                  + (seen ? " does not see " : " sees ")
                  + column
                  + ", which is not supported; use a model whose positions see all before them");
        }
      }
    }
  }
}
