package io.autocircuit.model;

import java.util.Arrays;

/** How rotary frequencies are changed for contexts longer than a model was trained with. */
final class RotaryFrequencies {
  private RotaryFrequencies() {}

  /** Positions are divided by {@code factor}. */
  static double[] linear(double[] frequencies, double factor) {
    return Arrays.stream(frequencies).map(f -> f / factor).toArray();
  }

  /**
   * Llama 3.1's scaling, which TransformerLens calls NTK by parts: long wavelengths are stretched
   * by {@code factor}, middle ones blended.
   *
   * @param low wavelengths above {@code context / low} are stretched
   * @param high wavelengths below {@code context / high} stay; above {@code low}
   * @param context length of the prompts that the model was trained with at first
   */
  static double[] byParts(
      double[] frequencies, double factor, double low, double high, double context) {
    return Arrays.stream(frequencies)
        .map(
            f -> {
              double wavelength = 2 * Math.PI / f;
              if (wavelength > context / low) {
                return f / factor;
              }
              if (wavelength < context / high) {
                return f;
              }
              double blend = (context / wavelength - low) / (high - low);
              return (1 - blend) * f / factor + blend * f;
            })
        .toArray();
  }

  /**
   * YaRN's settings.
   *
   * @param factor by which slow pairs are stretched
   * @param fast pairs that turn more often than this within {@code context} stay
   * @param slow pairs that turn less often than this are stretched
   * @param context length of the prompts that the model was trained with at first
   * @param whole whether the first and last pair of the ramp between both are whole numbers
   */
  record Yarn(double factor, double fast, double slow, double context, boolean whole) {
    /** Pairs between {@code fast} and {@code slow} are blended along a ramp. */
    double[] apply(double[] frequencies, double base) {
      int dimensions = 2 * frequencies.length;
      double first = pair(fast, dimensions, base);
      double last = pair(slow, dimensions, base);
      if (whole) {
        first = Math.floor(first);
        last = Math.ceil(last);
      }
      double from = Math.max(first, 0);
      double to = Math.min(last, dimensions - 1.0);
      double length = to == from ? 0.001 : to - from;
      double[] out = new double[frequencies.length];
      for (int i = 0; i < out.length; i++) {
        double stretched = Math.min(1, Math.max(0, (i - from) / length));
        out[i] = frequencies[i] / factor * stretched + frequencies[i] * (1 - stretched);
      }
      return out;
    }

    /** The pair (not a whole number) that turns so often within {@code context}. */
    private double pair(double turns, int dimensions, double base) {
      return dimensions * Math.log(context / (turns * 2 * Math.PI)) / (2 * Math.log(base));
    }
  }
}
