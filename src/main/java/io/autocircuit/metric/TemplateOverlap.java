package io.autocircuit.metric;

import io.autocircuit.patch.PromptScores;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * How far the circuits of different templates are one circuit: of every two templates the Jaccard
 * index of their k edges with the largest |mean score|, and the rank correlation of all edges by
 * |mean score| (Spearman's, equal ones with the mean of their ranks). On the diagonal stands what
 * prompts of one template have in common: the same of two random halves of its prompts, the mean of
 * {@value #DRAWS} draws of the seed 0.
 *
 * @param size k
 * @param templates by descending number of prompts, of equal ones in the order of the prompts; at
 *     most {@value #MOST}
 * @param overlap a row for each template, in it an index for each; NaN on the diagonal of a
 *     template with one prompt
 * @param correlation likewise, −1 to 1
 */
public record TemplateOverlap(
    int size,
    List<Template> templates,
    List<List<Double>> overlap,
    List<List<Double>> correlation) {
  private static final int DRAWS = 20;

  /** Of more templates the largest. */
  private static final int MOST = 30;

  /**
   * A template.
   *
   * @param name as the prompts have it; empty for those that name none
   * @param prompts how many of the prompts are of it
   */
  public record Template(String name, int prompts) {}

  /**
   * Keeps unmodifiable copies.
   *
   * @param size k
   * @param templates the templates
   * @param overlap Jaccard indices
   * @param correlation rank correlations
   */
  public TemplateOverlap {
    templates = List.copyOf(templates);
    overlap = overlap.stream().map(List::copyOf).toList();
    correlation = correlation.stream().map(List::copyOf).toList();
  }

  /**
   * Compares templates.
   *
   * @param scores of each prompt
   * @param names the template of each prompt, in the order of the scores; empty for none
   * @param size k, 1 to the number of edges
   * @return empty where there are not two templates
   * @throws IllegalArgumentException if there are not as many names as prompts
   */
  public static Optional<TemplateOverlap> of(PromptScores scores, List<String> names, int size) {
    if (names.size() != scores.prompts()) {
      throw new IllegalArgumentException(
          "templates of prompts="
              + names.size()
              + " but scores of prompts="
              + scores.prompts()
              + "; give one for each");
    }
    Map<String, List<float[]>> groups = new LinkedHashMap<>();
    for (int i = 0; i < names.size(); i++) {
      groups.computeIfAbsent(names.get(i), n -> new ArrayList<>()).add(scores.values().get(i));
    }
    if (groups.size() < 2) {
      return Optional.empty();
    }
    List<Map.Entry<String, List<float[]>>> largest =
        groups.entrySet().stream()
            .sorted(Comparator.comparingInt(e -> -e.getValue().size()))
            .limit(MOST)
            .toList();
    List<Best> all = largest.stream().map(e -> Best.of(scores, e.getValue(), size)).toList();
    List<double[]> within =
        largest.stream().parallel().map(e -> halves(scores, e.getValue(), size)).toList();
    List<List<Double>> overlap = new ArrayList<>();
    List<List<Double>> correlation = new ArrayList<>();
    for (int a = 0; a < all.size(); a++) {
      List<Double> jaccard = new ArrayList<>();
      List<Double> rho = new ArrayList<>();
      double[] own = within.get(a);
      for (int b = 0; b < all.size(); b++) {
        jaccard.add(a == b ? own[0] : all.get(a).overlap(all.get(b)));
        rho.add(a == b ? own[1] : all.get(a).correlation(all.get(b)));
      }
      overlap.add(jaccard);
      correlation.add(rho);
    }
    return Optional.of(
        new TemplateOverlap(
            size,
            largest.stream().map(e -> new Template(e.getKey(), e.getValue().size())).toList(),
            overlap,
            correlation));
  }

  /**
   * The mean overlap of two templates.
   *
   * @return over all pairs
   */
  public double between() {
    return IntStream.range(0, overlap.size())
        .boxed()
        .flatMap(a -> IntStream.range(0, a).mapToObj(b -> overlap.get(a).get(b)))
        .mapToDouble(x -> x)
        .average()
        .orElse(Double.NaN);
  }

  /**
   * The mean overlap of two halves of one template.
   *
   * @return over all templates with two prompts or more; NaN without
   */
  public double within() {
    return IntStream.range(0, overlap.size())
        .mapToDouble(a -> overlap.get(a).get(a))
        .filter(x -> !Double.isNaN(x))
        .average()
        .orElse(Double.NaN);
  }

  /** What two halves have in common: mean overlap and mean rank correlation. */
  private static double[] halves(PromptScores scores, List<float[]> rows, int size) {
    if (rows.size() < 2) {
      return new double[] {Double.NaN, Double.NaN};
    }
    Random random = new Random(0);
    List<float[]> shuffled = new ArrayList<>(rows);
    double[] sums = new double[2];
    for (int d = 0; d < DRAWS; d++) {
      Collections.shuffle(shuffled, random);
      int half = shuffled.size() / 2;
      Best a = Best.of(scores, shuffled.subList(0, half), size);
      Best b = Best.of(scores, shuffled.subList(half, shuffled.size()), size);
      sums[0] += a.overlap(b) / DRAWS;
      sums[1] += a.correlation(b) / DRAWS;
    }
    return sums;
  }

  /**
   * What is compared of some prompts.
   *
   * @param edges the k best
   * @param ranks of all edges by |mean score|, from 1, less their mean
   */
  private record Best(BitSet edges, double[] ranks) {
    static Best of(PromptScores scores, List<float[]> rows, int size) {
      var mean = new PromptScores(scores.graph(), rows).mean();
      return new Best(mean.top(size).edgeSet(), ranks(mean.values()));
    }

    double overlap(Best other) {
      return EdgeStability.jaccard(edges, other.edges);
    }

    /** NaN where all edges of one are equal. */
    double correlation(Best other) {
      double both = 0;
      double here = 0;
      double there = 0;
      for (int e = 0; e < ranks.length; e++) {
        both += ranks[e] * other.ranks[e];
        here += ranks[e] * ranks[e];
        there += other.ranks[e] * other.ranks[e];
      }
      return both / Math.sqrt(here * there);
    }

    private static double[] ranks(float[] values) {
      float[] sorted = new float[values.length];
      for (int e = 0; e < values.length; e++) {
        sorted[e] = Math.abs(values[e]);
      }
      Arrays.sort(sorted);
      double[] ranks = new double[values.length];
      for (int e = 0; e < values.length; e++) {
        float size = Math.abs(values[e]);
        // equal ones have neighbouring places: from the first to the last
        ranks[e] = (first(sorted, size, false) + first(sorted, size, true) - 1) / 2.0;
        ranks[e] -= (values.length - 1) / 2.0;
      }
      return ranks;
    }

    /** The first place of what is at least, or more than, a value. */
    private static int first(float[] sorted, float value, boolean more) {
      int low = 0;
      int high = sorted.length;
      while (low < high) {
        int middle = (low + high) >>> 1;
        if (sorted[middle] > value || !more && sorted[middle] == value) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      return low;
    }
  }
}
