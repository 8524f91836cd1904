package io.autocircuit.metric;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.metric.PromptClusters.By;
import io.autocircuit.metric.PromptClusters.Settings;
import io.autocircuit.patch.PromptScores;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class PromptClustersTest {
  private static final ComputationGraph GRAPH =
      RandomModels.named("sequential LN, folded").config().graph(true, 0);

  private static float[] direction(Random random) {
    float[] row = new float[GRAPH.edgeCount()];
    for (int e = 0; e < row.length; e++) {
      row[e] = (float) random.nextGaussian();
    }
    return row;
  }

  /** Prompts around some directions, of any length; the direction of each is its index modulo K. */
  private static PromptScores planted(int prompts, int directions, double noise) {
    Random random = new Random(3);
    List<float[]> centres = new ArrayList<>();
    for (int c = 0; c < directions; c++) {
      centres.add(direction(random));
    }
    List<float[]> rows = new ArrayList<>();
    for (int i = 0; i < prompts; i++) {
      float[] row = direction(random);
      float length = 0.1f + 5 * random.nextFloat();
      for (int e = 0; e < row.length; e++) {
        row[e] = length * (centres.get(i % directions)[e] + (float) noise * row[e]);
      }
      rows.add(row);
    }
    return new PromptScores(GRAPH, rows);
  }

  private static Settings by(By by, int top, int clusters) {
    return new Settings(by, top, clusters == 0 ? OptionalInt.empty() : OptionalInt.of(clusters), 0);
  }

  private static List<String> truth(int prompts, int directions) {
    return IntStream.range(0, prompts).mapToObj(i -> "t" + i % directions).toList();
  }

  @Test
  void plantedClustersAreFound() {
    PromptScores scores = planted(41, 3, 0.3);
    for (By by : By.values()) {
      PromptClusters found = PromptClusters.of(scores, by(by, 12, 0));
      assertEquals(3, found.clusters().size(), by.key());
      assertEquals(1, found.adjustedRand(truth(41, 3)), 1e-12, by.key());
      // larger ones first: 14, 14 and 13 prompts
      assertEquals(List.of(0, 1, 2), found.of().subList(0, 3));
      assertEquals(13, found.clusters().get(2).prompts().size());
      assertEquals(9, found.silhouettes().size());
    }
    PromptClusters all = PromptClusters.of(scores, by(By.SCORES, 0, 3));
    assertEquals(1, all.adjustedRand(truth(41, 3)), 1e-12);
    assertEquals(Set.of(3), all.silhouettes().keySet());
    PromptClusters.Cluster last = all.clusters().get(2);
    float[] mean = last.scores().values();
    for (int e = 0; e < mean.length; e++) {
      int edge = e;
      assertEquals(
          last.prompts().stream()
              .mapToDouble(i -> scores.values().get(i)[edge])
              .average()
              .orElse(0),
          mean[e],
          1e-5);
    }
    assertEquals(20, last.differences().size());
    PromptClusters.Difference most = last.differences().get(0);
    int edge = most.edge().index();
    double[] means = new double[2];
    double[] compared = new double[2];
    for (int i = 0; i < 41; i++) {
      int side = i % 3 == 2 ? 0 : 1;
      float[] row = scores.values().get(i);
      double length =
          Math.sqrt(IntStream.range(0, row.length).mapToDouble(x -> row[x] * row[x]).sum());
      means[side] += row[edge] / (side == 0 ? 13.0 : 28.0);
      compared[side] += row[edge] / length / (side == 0 ? 13.0 : 28.0);
    }
    assertEquals(means[0], most.inside(), 1e-5);
    assertEquals(means[1], most.outside(), 1e-5);
    assertEquals(compared[0] - compared[1], most.difference(), 1e-5);
    assertTrue(Math.abs(most.difference()) >= Math.abs(last.differences().get(1).difference()));
  }

  /** The sign of a prompt's scores divides them by scores, and not by magnitudes. */
  @Test
  void whatIsComparedMatters() {
    PromptScores same = planted(12, 1, 0.3);
    List<float[]> rows = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      float[] row = same.values().get(i).clone();
      for (int e = 0; e < row.length; e++) {
        row[e] *= i % 2 == 0 ? 1 : -1;
      }
      rows.add(row);
    }
    PromptScores signed = new PromptScores(GRAPH, rows);
    assertEquals(2, PromptClusters.of(signed, by(By.SCORES, 0, 0)).clusters().size());
    PromptClusters one = PromptClusters.of(signed, by(By.MAGNITUDES, 0, 0));
    assertEquals(1, one.clusters().size());
    assertTrue(one.silhouettes().values().stream().allMatch(s -> s < PromptClusters.NONE_BELOW));
    assertTrue(one.clusters().get(0).differences().isEmpty());
    assertEquals(12, one.clusters().get(0).prompts().size());
  }

  /** Against all partitions of few points, and the distances of vectors. */
  @Test
  void theBestPartitionOfFewPoints() {
    Random random = new Random(5);
    double[][] points = new double[8][3];
    for (double[] p : points) {
      Arrays.setAll(p, i -> random.nextGaussian());
    }
    double[][] products = new double[8][8];
    for (int i = 0; i < 8; i++) {
      for (int j = 0; j < 8; j++) {
        products[i][j] = dot(points[i], points[j]);
      }
    }
    KMeans means = new KMeans(products);
    for (int k = 1; k <= 8; k++) {
      KMeans.Found found = means.find(k, 1);
      assertEquals(k, Arrays.stream(found.of()).distinct().count());
      assertEquals(squares(points, found.of(), k), found.squares(), 1e-9);
      double least = Double.POSITIVE_INFINITY;
      for (int code = 0; k <= 3 && code < Math.pow(k, 8); code++) {
        int[] of = new int[8];
        for (int i = 0, rest = code; i < 8; i++, rest /= k) {
          of[i] = rest % k;
        }
        if (Arrays.stream(of).distinct().count() == k) {
          least = Math.min(least, squares(points, of, k));
        }
      }
      if (k <= 3) {
        assertEquals(least, found.squares(), 1e-9, "clusters " + k);
      }
      if (k == 2 || k == 3) {
        assertEquals(silhouette(points, found.of(), k), means.silhouette(found.of(), k), 1e-9);
      }
    }
    // all alike
    KMeans alike = new KMeans(new double[5][5]);
    assertEquals(3, Arrays.stream(alike.find(3, 0).of()).distinct().count());
  }

  private static double dot(double[] a, double[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] * b[i]).sum();
  }

  private static double squares(double[][] points, int[] of, int k) {
    double squares = 0;
    for (int c = 0; c < k; c++) {
      double[] mean = new double[points[0].length];
      int n = 0;
      for (int i = 0; i < of.length; i++) {
        if (of[i] == c) {
          n++;
          for (int d = 0; d < mean.length; d++) {
            mean[d] += points[i][d];
          }
        }
      }
      for (int i = 0; i < of.length; i++) {
        for (int d = 0; of[i] == c && d < mean.length; d++) {
          squares += Math.pow(points[i][d] - mean[d] / n, 2);
        }
      }
    }
    return squares;
  }

  private static double silhouette(double[][] points, int[] of, int k) {
    double sum = 0;
    for (int i = 0; i < of.length; i++) {
      double[] mean = new double[k];
      for (int c = 0; c < k; c++) {
        List<Double> far = new ArrayList<>();
        for (int j = 0; j < of.length; j++) {
          if (j != i && of[j] == c) {
            double squares = 0;
            for (int d = 0; d < points[0].length; d++) {
              squares += Math.pow(points[i][d] - points[j][d], 2);
            }
            far.add(Math.sqrt(squares));
          }
        }
        mean[c] = far.stream().mapToDouble(x -> x).average().orElse(-1);
      }
      double a = mean[of[i]];
      int own = of[i];
      double b =
          IntStream.range(0, k).filter(c -> c != own).mapToDouble(c -> mean[c]).min().orElse(0);
      sum += a < 0 ? 0 : (b - a) / Math.max(a, b);
    }
    return sum / of.length;
  }

  @Test
  void theAdjustedRandIndex() {
    assertEquals(0.5714285714, rand(List.of(0, 0, 1, 2), "a", "a", "b", "b"), 1e-9);
    assertEquals(1, rand(List.of(0, 0, 1, 1), "b", "b", "a", "a"), 1e-12);
    assertEquals(0, rand(List.of(0, 0, 0, 0), "a", "b", "c", "d"), 1e-12);
    assertEquals(-0.5, rand(List.of(0, 0, 1, 1), "a", "b", "a", "b"), 1e-12);
    assertThrows(IllegalArgumentException.class, () -> rand(List.of(0), "a", "b"));
  }

  private static double rand(List<Integer> of, String... groups) {
    return new PromptClusters(of, List.of(), new TreeMap<>()).adjustedRand(List.of(groups));
  }

  @Test
  void whatIsRefused() {
    PromptScores scores = planted(3, 1, 1);
    assertThrowsWith("prompts=3 cannot", () -> PromptClusters.of(scores, by(By.SCORES, 0, 4)));
    assertThrowsWith("top=1000 but", () -> PromptClusters.of(scores, by(By.SCORES, 1000, 2)));
    assertThrowsWith("top=0", () -> by(By.EDGES, 0, 2));
    assertThrowsWith("clusters=-1", () -> by(By.SCORES, 0, -1));
    float[] infinite = new float[GRAPH.edgeCount()];
    infinite[1] = Float.POSITIVE_INFINITY;
    PromptScores bad = new PromptScores(GRAPH, List.of(infinite, infinite));
    assertThrowsWith("is Infinity", () -> PromptClusters.of(bad, by(By.SCORES, 0, 1)));
    // one prompt, or a prompt without a score, is a cluster like any other
    PromptScores none = new PromptScores(GRAPH, List.of(new float[GRAPH.edgeCount()]));
    assertEquals(1, PromptClusters.of(none, by(By.SCORES, 0, 0)).clusters().size());
  }

  private static void assertThrowsWith(String part, Executable run) {
    String message = assertThrows(IllegalArgumentException.class, run).getMessage();
    assertTrue(message.contains(part), message);
  }

  @Test
  void templatesAreCompared() {
    PromptScores scores = planted(20, 2, 0.3);
    TemplateOverlap found = TemplateOverlap.of(scores, truth(20, 2), 10).orElseThrow();
    assertEquals(List.of("t0", "t1"), found.templates().stream().map(t -> t.name()).toList());
    List<PromptScores> each = new ArrayList<>();
    for (int t = 0; t < 2; t++) {
      int own = t;
      each.add(
          new PromptScores(
              GRAPH,
              IntStream.range(0, 20)
                  .filter(i -> i % 2 == own)
                  .mapToObj(scores.values()::get)
                  .toList()));
    }
    Set<Integer> a = best(each.get(0), 10);
    Set<Integer> b = best(each.get(1), 10);
    Set<Integer> both = new HashSet<>(a);
    both.retainAll(b);
    double jaccard = both.size() / (20.0 - both.size());
    assertEquals(jaccard, found.overlap().get(0).get(1), 1e-12);
    assertEquals(jaccard, found.overlap().get(1).get(0), 1e-12);
    assertEquals(jaccard, found.between(), 1e-12);
    double rho = spearman(each.get(0).mean().values(), each.get(1).mean().values());
    assertEquals(rho, found.correlation().get(0).get(1), 1e-9);
    assertTrue(found.within() > 0.5 && found.within() > found.between());
    assertTrue(found.correlation().get(1).get(1) > 0.5);
    assertTrue(TemplateOverlap.of(scores, truth(20, 1), 10).isEmpty());
    assertThrows(IllegalArgumentException.class, () -> TemplateOverlap.of(scores, truth(3, 1), 10));
  }

  /** Ties have the mean of their ranks; a template of one prompt has no halves. */
  @Test
  void ranksOfTiesAndSinglePrompts() {
    float[] first = new float[GRAPH.edgeCount()];
    first[0] = 3;
    first[1] = -3;
    first[2] = 1;
    float[] second = new float[GRAPH.edgeCount()];
    second[0] = 1;
    second[3] = -2;
    TemplateOverlap found =
        TemplateOverlap.of(new PromptScores(GRAPH, List.of(first, second)), List.of("", "x"), 2)
            .orElseThrow();
    assertEquals(spearman(first, second), found.correlation().get(0).get(1), 1e-9);
    assertEquals(1 / 3.0, found.between(), 1e-12);
    assertTrue(Double.isNaN(found.within()) && Double.isNaN(found.overlap().get(0).get(0)));
  }

  private static Set<Integer> best(PromptScores scores, int k) {
    return new HashSet<>(Arrays.stream(scores.mean().ranking()).limit(k).boxed().toList());
  }

  /** By counting, over |values|. */
  private static double spearman(float[] a, float[] b) {
    double[] x = ranks(a);
    double[] y = ranks(b);
    double mean = (x.length + 1) / 2.0;
    double both = 0;
    double xx = 0;
    double yy = 0;
    for (int i = 0; i < x.length; i++) {
      both += (x[i] - mean) * (y[i] - mean);
      xx += (x[i] - mean) * (x[i] - mean);
      yy += (y[i] - mean) * (y[i] - mean);
    }
    return both / Math.sqrt(xx * yy);
  }

  private static double[] ranks(float[] values) {
    double[] ranks = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      int below = 0;
      int same = 0;
      for (float v : values) {
        below += Math.abs(v) < Math.abs(values[i]) ? 1 : 0;
        same += Math.abs(v) == Math.abs(values[i]) ? 1 : 0;
      }
      ranks[i] = below + (same + 1) / 2.0;
    }
    return ranks;
  }
}
