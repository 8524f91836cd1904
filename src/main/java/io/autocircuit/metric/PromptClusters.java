package io.autocircuit.metric;

import io.autocircuit.graph.Edge;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Groups of prompts whose edges have like scores, each of which may have a circuit of its own: what
 * a mean over all prompts cannot show. Prompts are compared by the direction of their scores (every
 * prompt's are brought to length 1) and put together by {@link KMeans k-means}.
 *
 * @param of the cluster of each prompt, 0 to K − 1, in the order of the scores; larger clusters
 *     have smaller numbers
 * @param clusters the clusters
 * @param silhouettes the mean silhouette by number of clusters, for each number that was tried from
 *     2 on
 */
public record PromptClusters(
    List<Integer> of, List<Cluster> clusters, SortedMap<Integer, Double> silhouettes) {
  /** Below it clusters are no more than parts of one cloud (Kaufman and Rousseeuw 1990). */
  public static final double NONE_BELOW = 0.25;

  /** More prompts would need more than 200 MB for their products. */
  public static final int MOST_PROMPTS = 5000;

  /** The largest number of clusters that is tried where none is given. */
  private static final int TRIED = 10;

  /** By what prompts are compared. */
  public enum By {
    /** The scores as they are. */
    SCORES,
    /** |score|, where the sign of an edge depends on the prompt's words alone. */
    MAGNITUDES,
    /** Which edges are among a prompt's best, whatever their scores. */
    EDGES;

    /**
     * The word of options and files.
     *
     * @return in lower case
     */
    public String key() {
      return name().toLowerCase(Locale.ROOT);
    }

    /**
     * What a word means.
     *
     * @param key in any case
     * @return what is compared
     * @throws IllegalArgumentException if it is none of them
     */
    public static By of(String key) {
      return Arrays.stream(values())
          .filter(b -> b.key().equalsIgnoreCase(key))
          .findFirst()
          .orElseThrow(
              () ->
                  new IllegalArgumentException(
                      "by=" + key + " is unknown; choose one of scores, magnitudes, edges"));
    }
  }

  /**
   * How prompts are put together.
   *
   * @param by what of them is compared
   * @param top of each prompt only its so many best edges count, the others as 0; 0: all
   * @param clusters how many; empty for the number with the greatest silhouette, of 2 to 10, or one
   *     where that is below {@link #NONE_BELOW}
   * @param seed of the starts of k-means
   */
  public record Settings(By by, int top, OptionalInt clusters, long seed) {
    /**
     * Checks the numbers.
     *
     * @param by what is compared
     * @param top 0 or more; 1 or more by edges
     * @param clusters 1 or more
     * @param seed any
     * @throws IllegalArgumentException if a number is out of range
     */
    public Settings {
      if (top < (by == By.EDGES ? 1 : 0)) {
        throw new IllegalArgumentException(
            "top=" + top + " is out of range; give how many of a prompt's best edges count");
      }
      if (clusters.isPresent() && clusters.getAsInt() < 1) {
        throw new IllegalArgumentException(
            "clusters=" + clusters.getAsInt() + " is out of range; give 1 or more, or auto");
      }
    }
  }

  /**
   * One cluster.
   *
   * @param prompts places of its prompts in the scores, the nearest to its centre first
   * @param scores the mean of its prompts' scores
   * @param differences how its centre differs from the mean of all other prompts, both of scores
   *     brought to length 1, by descending |difference|; none where there is one cluster
   */
  public record Cluster(List<Integer> prompts, PruneScores scores, List<Difference> differences) {
    /**
     * Keeps unmodifiable copies.
     *
     * @param prompts places of its prompts in the scores
     * @param scores the mean of its prompts' scores
     * @param differences how its centre differs
     */
    public Cluster {
      prompts = List.copyOf(prompts);
      differences = List.copyOf(differences);
    }
  }

  /**
   * An edge that tells a cluster from the others.
   *
   * @param edge the edge
   * @param difference of the means of what is compared
   * @param inside the mean score in the cluster
   * @param outside the mean score in all other prompts
   */
  public record Difference(Edge edge, double difference, double inside, double outside) {}

  private static final int DIFFERENCES = 20;

  /**
   * Keeps unmodifiable copies.
   *
   * @param of the cluster of each prompt
   * @param clusters the clusters
   * @param silhouettes by number of clusters
   */
  public PromptClusters {
    of = List.copyOf(of);
    clusters = List.copyOf(clusters);
    silhouettes = Collections.unmodifiableSortedMap(new TreeMap<>(silhouettes));
  }

  /**
   * Puts prompts together.
   *
   * @param scores of each prompt
   * @param settings how
   * @return the clusters; the same for the same settings
   * @throws IllegalArgumentException if there are fewer prompts than clusters, more than {@value
   *     #MOST_PROMPTS}, fewer edges than count, or a score is not finite
   */
  public static PromptClusters of(PromptScores scores, Settings settings) {
    int n = scores.prompts();
    int wanted = settings.clusters().orElse(1);
    if (n < wanted || n > MOST_PROMPTS) {
      throw new IllegalArgumentException(
          "prompts="
              + n
              + " cannot be put into clusters="
              + wanted
              + "; give scores of as many prompts as clusters, and of no more than "
              + MOST_PROMPTS);
    }
    if (settings.top() > scores.graph().edgeCount()) {
      throw new IllegalArgumentException(
          "top="
              + settings.top()
              + " but the graph has edges="
              + scores.graph().edgeCount()
              + "; give no more");
    }
    List<Vector> vectors = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      vectors.add(Vector.of(scores.of(i), settings, i));
    }
    KMeans means = new KMeans(products(vectors, scores.graph().edgeCount()));
    TreeMap<Integer, Double> silhouettes = new TreeMap<>();
    int[] best = new int[n];
    int count = 1;
    boolean given = settings.clusters().isPresent();
    int last = given ? wanted : Math.min(TRIED, n - 1);
    for (int k = given ? Math.max(2, wanted) : 2; k <= last; k++) {
      int[] found = means.find(k, settings.seed()).of();
      double silhouette = means.silhouette(found, k);
      boolean better = silhouettes.values().stream().allMatch(s -> s < silhouette);
      silhouettes.put(k, silhouette);
      if (given || better && silhouette >= NONE_BELOW) {
        best = found;
        count = k;
      }
    }
    return clusters(scores, vectors, means, ordered(best, count), count, silhouettes);
  }

  /**
   * What of a prompt is compared, of length 1; without length where it has no score.
   *
   * @param edges those that count, ascending; null for all
   * @param values of these
   */
  private record Vector(int[] edges, float[] values) {
    static Vector of(PruneScores scores, Settings settings, int prompt) {
      float[] all = scores.values();
      int[] edges =
          settings.top() == 0
              ? null
              : Arrays.stream(scores.ranking()).limit(settings.top()).sorted().toArray();
      float[] values = new float[edges == null ? all.length : edges.length];
      double squares = 0;
      for (int i = 0; i < values.length; i++) {
        int edge = edges == null ? i : edges[i];
        if (!Float.isFinite(all[edge])) {
          throw new IllegalArgumentException(
              "score of edge \""
                  + scores.graph().edge(edge)
                  + "\" on prompt "
                  + prompt
                  + " is "
                  + all[edge]
                  + "; give scores that are finite");
        }
        values[i] =
            switch (settings.by()) {
              case SCORES -> all[edge];
              case MAGNITUDES -> Math.abs(all[edge]);
              case EDGES -> all[edge] == 0 ? 0 : 1;
            };
        squares += (double) values[i] * values[i];
      }
      for (int i = 0; squares > 0 && i < values.length; i++) {
        values[i] = (float) (values[i] / Math.sqrt(squares));
      }
      return new Vector(edges, values);
    }

    /** With a vector of all edges. */
    double product(float[] other) {
      double even = 0;
      double odd = 0; // two sums, each of which need not wait for the other
      int last = values.length - 1;
      for (int i = 0; i < last; i += 2) {
        even += (double) values[i] * other[edges == null ? i : edges[i]];
        odd += (double) values[i + 1] * other[edges == null ? i + 1 : edges[i + 1]];
      }
      if (last % 2 == 0) {
        even += (double) values[last] * other[edges == null ? last : edges[last]];
      }
      return even + odd;
    }

    float[] dense(int count) {
      if (edges == null) {
        return values;
      }
      float[] dense = new float[count];
      for (int i = 0; i < edges.length; i++) {
        dense[edges[i]] = values[i];
      }
      return dense;
    }
  }

  /** Of every two vectors. */
  private static double[][] products(List<Vector> vectors, int edges) {
    int n = vectors.size();
    double[][] products = new double[n][n];
    IntStream.range(0, n)
        .parallel()
        .forEach(
            i -> {
              float[] own = vectors.get(i).dense(edges);
              for (int j = 0; j <= i; j++) {
                products[i][j] = vectors.get(j).product(own);
              }
            });
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        products[j][i] = products[i][j];
      }
    }
    return products;
  }

  /** Numbered by descending size, of equal ones by the first prompt. */
  private static int[] ordered(int[] of, int count) {
    int[] sizes = new int[count];
    int[] first = new int[count];
    for (int i = of.length - 1; i >= 0; i--) {
      sizes[of[i]]++;
      first[of[i]] = i;
    }
    List<Integer> order =
        IntStream.range(0, count)
            .boxed()
            .sorted(
                Comparator.comparingInt((Integer c) -> -sizes[c]).thenComparingInt(c -> first[c]))
            .toList();
    return Arrays.stream(of).map(order::indexOf).toArray();
  }

  private static PromptClusters clusters(
      PromptScores scores,
      List<Vector> vectors,
      KMeans means,
      int[] of,
      int count,
      SortedMap<Integer, Double> silhouettes) {
    double[][] distances = means.distances(of, count);
    List<Cluster> clusters = new ArrayList<>();
    for (int c = 0; c < count; c++) {
      int cluster = c;
      List<Integer> inside =
          IntStream.range(0, of.length)
              .filter(i -> of[i] == cluster)
              .boxed()
              .sorted(Comparator.comparingDouble(i -> distances[i][cluster]))
              .toList();
      List<Integer> outside =
          IntStream.range(0, of.length).filter(i -> of[i] != cluster).boxed().toList();
      List<float[]> own = inside.stream().sorted().map(scores.values()::get).toList();
      PruneScores mean = new PromptScores(scores.graph(), own).mean();
      clusters.add(
          new Cluster(
              inside,
              mean,
              outside.isEmpty() ? List.of() : differences(scores, vectors, inside, outside)));
    }
    return new PromptClusters(Arrays.stream(of).boxed().toList(), clusters, silhouettes);
  }

  private static List<Difference> differences(
      PromptScores scores, List<Vector> vectors, List<Integer> inside, List<Integer> outside) {
    int edges = scores.graph().edgeCount();
    List<float[]> compared = new AbstractList<>() { // one by one: few of them may be kept whole
          @Override
          public float[] get(int i) {
            return vectors.get(i).dense(edges);
          }

          @Override
          public int size() {
            return vectors.size();
          }
        };
    double[] in = mean(compared, inside);
    double[] out = mean(compared, outside);
    double[] here = mean(scores.values(), inside);
    double[] there = mean(scores.values(), outside);
    return IntStream.range(0, in.length)
        .boxed()
        .sorted(Comparator.comparingDouble(e -> -Math.abs(in[e] - out[e])))
        .limit(DIFFERENCES)
        .map(e -> new Difference(scores.graph().edge(e), in[e] - out[e], here[e], there[e]))
        .toList();
  }

  private static double[] mean(List<float[]> rows, List<Integer> some) {
    double[] mean = new double[rows.get(0).length];
    for (int i : some) {
      float[] row = rows.get(i);
      for (int e = 0; e < mean.length; e++) {
        mean[e] += (double) row[e] / some.size();
      }
    }
    return mean;
  }

  /**
   * How far the clusters are groups that are known, such as templates: the adjusted Rand index
   * (Hubert and Arabie 1985), 1 where they are the same, about 0 where they have nothing to do with
   * each other.
   *
   * @param groups the group of each prompt, in the order of the scores
   * @return at most 1; 1 also where both have one group alone
   * @throws IllegalArgumentException if there are not as many as prompts
   */
  public double adjustedRand(List<String> groups) {
    if (groups.size() != of.size()) {
      throw new IllegalArgumentException(
          "groups of prompts=" + groups.size() + " but there are prompts=" + of.size());
    }
    Map<List<Object>, Integer> both = new HashMap<>();
    Map<Object, Integer> clustered = new HashMap<>();
    Map<Object, Integer> grouped = new HashMap<>();
    for (int i = 0; i < groups.size(); i++) {
      both.merge(List.of(of.get(i), groups.get(i)), 1, Integer::sum);
      clustered.merge(of.get(i), 1, Integer::sum);
      grouped.merge(groups.get(i), 1, Integer::sum);
    }
    double shared = pairs(both.values());
    double a = pairs(clustered.values());
    double b = pairs(grouped.values());
    double all = pairs(List.of(of.size()));
    double expected = all == 0 ? 0 : a * b / all;
    double most = (a + b) / 2;
    return most == expected ? 1 : (shared - expected) / (most - expected);
  }

  private static double pairs(Iterable<Integer> counts) {
    double pairs = 0;
    for (int n : counts) {
      pairs += n * (n - 1.0) / 2;
    }
    return pairs;
  }
}
