package io.autocircuit.metric;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * K-means of points of which only the products are known: {@code |x_i − c|² = G_ii − 2/n Σ_j G_ij +
 * 1/n² Σ_jl G_jl} for the mean c of n points, so that nothing depends on how many numbers a point
 * has. The first centres are chosen as by Arthur and Vassilvitskii 2007 (k-means++), then points go
 * to the nearest centre (of equally near ones the first) until none does; of several starts the one
 * with the least sum of squares is taken.
 *
 * @param products G, {@code [N][N]}
 */
record KMeans(double[][] products) {
  private static final int STARTS = 20;
  private static final int ROUNDS = 200;

  /**
   * Clusters of points.
   *
   * @param of the cluster of each point, 0 to K − 1; none is empty
   * @param squares the sum of the squared distances to the centres
   */
  record Found(int[] of, double squares) {}

  /** The best of some starts. */
  Found find(int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Found best = null;
    for (int i = 0; i < (count == 1 ? 1 : STARTS); i++) {
      Found found = start(count, random.split());
      best = best == null || found.squares() < best.squares() ? found : best;
    }
    return best;
  }

  private int size() {
    return products.length;
  }

  /** The squared distance of two points. */
  double squared(int i, int j) {
    return Math.max(0, products[i][i] + products[j][j] - 2 * products[i][j]);
  }

  private Found start(int count, SplittableRandom random) {
    int[] of = nearest(seeds(count, random));
    for (int round = 0; round < ROUNDS; round++) {
      double[][] distances = distances(of, count);
      int[] next = new int[size()];
      for (int i = 0; i < size(); i++) {
        next[i] = least(distances[i]);
      }
      fill(next, distances, count);
      if (Arrays.equals(of, next)) {
        break;
      }
      of = next;
    }
    double[][] distances = distances(of, count);
    double squares = 0;
    for (int i = 0; i < size(); i++) {
      squares += distances[i][of[i]];
    }
    return new Found(of, squares);
  }

  /** Points far from each other: the next with a chance in proportion to its squared distance. */
  private List<Integer> seeds(int count, SplittableRandom random) {
    List<Integer> seeds = new ArrayList<>(List.of(random.nextInt(size())));
    double[] nearest = new double[size()];
    Arrays.fill(nearest, Double.POSITIVE_INFINITY);
    while (seeds.size() < count) {
      int last = seeds.get(seeds.size() - 1);
      double sum = 0;
      for (int i = 0; i < size(); i++) {
        nearest[i] = seeds.contains(i) ? 0 : Math.min(nearest[i], squared(i, last));
        sum += nearest[i];
      }
      double at = random.nextDouble() * sum;
      int chosen = -1;
      for (int i = 0; i < size() && at >= 0; i++) {
        if (nearest[i] > 0) {
          chosen = i;
          at -= nearest[i];
        }
      }
      seeds.add(chosen < 0 ? firstOther(seeds) : chosen);
    }
    return seeds;
  }

  /** Where all points are alike. */
  private static int firstOther(List<Integer> seeds) {
    int i = 0;
    while (seeds.contains(i)) {
      i++;
    }
    return i;
  }

  private int[] nearest(List<Integer> seeds) {
    int[] of = new int[size()];
    for (int i = 0; i < size(); i++) {
      double[] distances = new double[seeds.size()];
      for (int c = 0; c < distances.length; c++) {
        distances[c] = seeds.get(c) == i ? -1 : squared(i, seeds.get(c));
      }
      of[i] = least(distances);
    }
    return of;
  }

  private static int least(double[] values) {
    int least = 0;
    for (int c = 1; c < values.length; c++) {
      least = values[c] < values[least] ? c : least;
    }
    return least;
  }

  /** A cluster that lost all its points gets the one that is farthest from its centre. */
  private void fill(int[] of, double[][] distances, int count) {
    for (int c = 0; c < count; c++) {
      int cluster = c;
      if (Arrays.stream(of).anyMatch(x -> x == cluster)) {
        continue;
      }
      int farthest = -1;
      for (int i = 0; i < of.length; i++) {
        int own = of[i];
        boolean alone = Arrays.stream(of).filter(x -> x == own).count() == 1;
        if (!alone && (farthest < 0 || distances[i][own] > distances[farthest][of[farthest]])) {
          farthest = i;
        }
      }
      of[farthest] = c;
      distances[farthest][c] = 0;
    }
  }

  /** The squared distance of each point from each centre, {@code [N][K]}. */
  double[][] distances(int[] of, int count) {
    int[] members = new int[count];
    for (int c : of) {
      members[c]++;
    }
    double[][] sums = new double[size()][count];
    double[] within = new double[count];
    for (int i = 0; i < size(); i++) {
      for (int j = 0; j < size(); j++) {
        sums[i][of[j]] += products[i][j];
      }
      within[of[i]] += sums[i][of[i]];
    }
    double[][] distances = new double[size()][count];
    for (int i = 0; i < size(); i++) {
      for (int c = 0; c < count; c++) {
        double n = members[c];
        distances[i][c] = Math.max(0, products[i][i] - 2 * sums[i][c] / n + within[c] / (n * n));
      }
    }
    return distances;
  }

  /**
   * The mean silhouette (Rousseeuw 1987): of each point (b − a) / max(a, b), a its mean distance
   * from the others of its cluster, b the least mean distance from the points of another; 0 for a
   * point alone.
   */
  double silhouette(int[] of, int count) {
    double sum = 0;
    for (int i = 0; i < size(); i++) {
      double[] far = new double[count];
      int[] n = new int[count];
      for (int j = 0; j < size(); j++) {
        if (j != i) {
          far[of[j]] += Math.sqrt(squared(i, j));
          n[of[j]]++;
        }
      }
      if (n[of[i]] == 0) {
        continue;
      }
      double a = far[of[i]] / n[of[i]];
      double b = Double.POSITIVE_INFINITY;
      for (int c = 0; c < count; c++) {
        b = c == of[i] || n[c] == 0 ? b : Math.min(b, far[c] / n[c]);
      }
      double larger = Math.max(a, b);
      sum += larger == 0 ? 0 : (b - a) / larger;
    }
    return sum / size();
  }
}
