package io.autocircuit.metric;

import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Whether what is left of the model without a circuit still knows the behaviour (Shi et al. 2024,
 * arXiv:2410.13032, section 3.2). The null hypothesis is that the scores of the model and of the
 * circuit's complement are independent over prompts. It is tested by the Hilbert–Schmidt
 * independence criterion (Gretton et al. 2007, "A kernel statistical test of independence"),
 *
 * <p>HSIC = tr(K H L H) / (n − 1)², H = I − 11ᵀ/n, K_ij = exp(−(x_i − x_j)² / 2σ²),
 *
 * <p>L alike of the complement's scores, each σ the median distance of its own scores (of those
 * that differ; the authors' program takes one σ, the median distance between scores of the two).
 * The scores of one are permuted: p = (1 + the number of permutations with HSIC at least as large)
 * / (1 + permutations), which is never 0 (Phipson and Smyth 2010). A small p says that the
 * complement still carries part of the behaviour.
 *
 * @param prompts n; {@value #MOST} at most, the first ones
 * @param hsic the criterion, 0 or more; 0 where the scores of one do not differ
 * @param permutations how many were drawn
 * @param pValue p
 */
public record Independence(int prompts, double hsic, int permutations, double pValue) {
  /** More prompts are not used: time and memory grow with their square. */
  public static final int MOST = 2000;

  /** Of the rounding of a sum. */
  private static final double TINY = 1e-12;

  /**
   * Tests scores of the same prompts.
   *
   * @param model the full model's score on each prompt
   * @param complement the complement's
   * @param permutations how many to draw, at least 1
   * @param seed of the draws
   * @return the test
   * @throws IllegalArgumentException if there are not as many of both, fewer than 2, or no
   *     permutation
   */
  public static Independence of(double[] model, double[] complement, int permutations, long seed) {
    if (model.length != complement.length || model.length < 2 || permutations < 1) {
      throw new IllegalArgumentException(
          "model prompts="
              + model.length
              + ", complement prompts="
              + complement.length
              + ", permutations="
              + permutations
              + "; give two or more of the same prompts and at least one permutation");
    }
    int n = Math.min(MOST, model.length);
    double[][] k = centred(kernel(Arrays.copyOf(model, n)));
    double[][] l = kernel(Arrays.copyOf(complement, n));
    int[] order = new int[n];
    Arrays.setAll(order, i -> i);
    double hsic = hsic(k, l, order);
    SplittableRandom random = new SplittableRandom(seed);
    int asLarge = 0;
    for (int p = 0; p < permutations; p++) {
      for (int i = n - 1; i > 0; i--) {
        int j = random.nextInt(i + 1);
        int was = order[i];
        order[i] = order[j];
        order[j] = was;
      }
      asLarge += hsic(k, l, order) < hsic - TINY ? 0 : 1; // NaN is no evidence
    }
    return new Independence(n, hsic, permutations, (1.0 + asLarge) / (1.0 + permutations));
  }

  /** tr(K H L H) = the sum of products of K centred and L. */
  private static double hsic(double[][] centred, double[][] kernel, int[] order) {
    int n = order.length;
    double sum = 0;
    for (int i = 0; i < n; i++) {
      double[] row = kernel[order[i]];
      for (int j = 0; j < n; j++) {
        sum += centred[i][j] * row[order[j]];
      }
    }
    return Math.max(0, sum / ((n - 1.0) * (n - 1.0)));
  }

  private static double[][] kernel(double[] scores) {
    int n = scores.length;
    double sigma = medianDistance(scores);
    double[][] kernel = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        double z = sigma == 0 ? 0 : (scores[i] - scores[j]) / sigma;
        kernel[i][j] = Math.exp(-z * z / 2);
      }
    }
    return kernel;
  }

  /** Of pairs that differ; 0 where none do. */
  private static double medianDistance(double[] scores) {
    int n = scores.length;
    double[] distances = new double[n * (n - 1) / 2];
    int count = 0;
    for (int i = 0; i < n; i++) {
      for (int j = i + 1; j < n; j++) {
        double distance = Math.abs(scores[i] - scores[j]);
        if (distance > 0) {
          distances[count++] = distance;
        }
      }
    }
    Arrays.sort(distances, 0, count);
    return count == 0 ? 0 : (distances[(count - 1) / 2] + distances[count / 2]) / 2;
  }

  private static double[][] centred(double[][] kernel) {
    int n = kernel.length;
    double[] means = new double[n];
    for (int i = 0; i < n; i++) {
      means[i] = Arrays.stream(kernel[i]).average().orElse(0);
    }
    double mean = Arrays.stream(means).average().orElse(0);
    double[][] centred = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        centred[i][j] = kernel[i][j] - means[i] - means[j] + mean;
      }
    }
    return centred;
  }
}
