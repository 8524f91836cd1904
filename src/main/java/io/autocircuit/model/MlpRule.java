package io.autocircuit.model;

/**
 * How a gradient goes back through an MLP.
 *
 * @param ratio whether the activation's slope is replaced by {@code φ(x) / x} (the identity rule of
 *     relevance propagation); where φ is ReLU the two are the same
 * @param halves whether both factors of a gated product receive half their gradient
 * @param frozenNorm whether the scale of the normalisation of its output is held fixed
 */
public record MlpRule(boolean ratio, boolean halves, boolean frozenNorm) {
  /** The true gradient. */
  public static final MlpRule TRUE = new MlpRule(false, false, false);
}
