package io.autocircuit.patch;

/** Receives gradients of one run that differ in what they leave out. */
@FunctionalInterface
public interface GradientTerms {
  /**
   * One gradient.
   *
   * @param dropped the block through which nothing went back; −1 for none
   * @param gradient {@code [B × edges]}, by prompt and canonical edge index: 0 of edges into that
   *     block, or in an unfactorized graph out of its heads and MLP; the receiver's to keep
   */
  void term(int dropped, float[] gradient);
}
