package io.autocircuit.metric;

import org.apache.commons.statistics.distribution.BinomialDistribution;

/**
 * Whether a circuit is as often better than the model as it is worse (Shi et al. 2024, "Hypothesis
 * testing the circuit hypothesis in LLMs", arXiv:2410.13032, section 3.1). With Δ(x) the circuit's
 * score less the model's on a prompt, the null hypothesis is |P(Δ &gt; 0) − ½| ≤ ε. Of k prompts
 * with Δ &gt; 0 among n,
 *
 * <p>p = Σ C(n,j) (½+ε)ʲ (½−ε)ⁿ⁻ʲ over all j with |j/n − ½| ≥ |k/n − ½|,
 *
 * <p>which is the two-sided sign test where ε = 0. Prompts with Δ = 0 say nothing and are not among
 * the n. (The authors' program puts the mean of Δ in the place of k/n.) A small p says that circuit
 * and model are not equivalent.
 *
 * @param above on how many prompts the circuit's score is larger, k
 * @param below on how many it is smaller, n − k
 * @param equal on how many it is the same, or one of the two is no number
 * @param epsilon ε
 * @param pValue p; 1 where n = 0
 */
public record Equivalence(int above, int below, int equal, double epsilon, double pValue) {
  private static final double HALF = 0.5;

  /**
   * Compares the scores of the same prompts.
   *
   * @param circuit the circuit's score on each prompt
   * @param model the full model's
   * @param epsilon ε, from 0 to below ½
   * @return the test
   * @throws IllegalArgumentException if there are not as many of both, or ε is out of range
   */
  public static Equivalence of(double[] circuit, double[] model, double epsilon) {
    if (circuit.length != model.length) {
      throw new IllegalArgumentException(
          "circuit prompts="
              + circuit.length
              + " but full model prompts="
              + model.length
              + "; give the scores of the same prompts");
    }
    if (!(epsilon >= 0 && epsilon < HALF)) {
      throw new IllegalArgumentException(
          "epsilon=" + epsilon + " is out of range; give 0 to below 0.5");
    }
    int above = 0;
    int below = 0;
    for (int i = 0; i < circuit.length; i++) {
      above += circuit[i] > model[i] ? 1 : 0;
      below += circuit[i] < model[i] ? 1 : 0;
    }
    return new Equivalence(
        above,
        below,
        circuit.length - above - below,
        epsilon,
        pValue(above, above + below, epsilon));
  }

  private static double pValue(int above, int n, double epsilon) {
    int apart = Math.abs(2 * above - n);
    if (apart == 0) {
      return 1;
    }
    BinomialDistribution of = BinomialDistribution.of(n, HALF + epsilon);
    // |2j − n| ≥ apart, at both ends
    double low = of.cumulativeProbability((n - apart) / 2);
    double high = of.survivalProbability((n + apart) / 2 - 1);
    return Math.min(1, low + high);
  }
}
