package io.autocircuit.kernels;

/**
 * The normalisation at the entry of a destination, without parameters (scale and shift are applied
 * by the model where they are not folded into the weights).
 *
 * @param kind what is computed over the last axis (length D)
 * @param epsilon added inside the root
 */
public record Normalization(Kind kind, double epsilon) {
  /** The kinds. */
  public enum Kind {
    /** x. */
    NONE,
    /** (x − mean x) / sqrt(mean (x − mean x)² + ε). */
    LAYER_NORM,
    /** x / sqrt(mean x² + ε). */
    RMS_NORM
  }

  /** No normalisation. */
  public static final Normalization NONE = new Normalization(Kind.NONE, 0);
}
