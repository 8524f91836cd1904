package io.autocircuit.patch;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/**
 * Why a head attends: the score of one query and one key, before the softmax, as a sum over pairs
 * of what writes the stream at the two positions. With {@code q_i} what source i brings into the
 * query and {@code k_j} what source j brings into the key,
 *
 * <pre>product = scale · ⟨Σ_i q_i, Σ_j k_j⟩ = Σ_i Σ_j scale · ⟨q_i, k_j⟩</pre>
 *
 * <p>which is exact, since every scale that depends on the stream (of normalisations, and of
 * clipping) is held at what it is in the run; {@link AttentionScores} makes them. Each side has
 * rows for the sources, for the biases in the stream, and for the head's own bias.
 */
public final class AttentionScore {
  private final Place place;
  private final Value value;
  private final double scale;
  private final Side queries;
  private final Side keys;

  /**
   * Which score.
   *
   * @param block of the head, from 0
   * @param head in its block, from 0
   * @param query position that looks
   * @param key position that is looked at
   */
  public record Place(int block, int head, int query, int key) {
    /**
     * The head's name.
     *
     * @return such as {@code A1.0}
     */
    public String name() {
      return "A" + block + "." + head;
    }
  }

  /**
   * The score as the model has it.
   *
   * @param product scaled product of query and key: what the contributions add up to
   * @param cap of the model's scores; 0: none
   * @param distance what is added for how far the key is from the query (ALiBi); 0 without
   * @param attention the share of the head's attention that this key gets from this query, 0 to 1
   */
  public record Value(double product, double cap, double distance, double attention) {
    /**
     * What the softmax takes.
     *
     * @return the product, capped where the model caps it, and the distance
     */
    public double score() {
      return (cap > 0 ? cap * Math.tanh(product / cap) : product) + distance;
    }
  }

  /**
   * What one side's rows bring.
   *
   * @param names of the rows
   * @param vectors of the rows, rotated, {@code [rows][dHead]}
   */
  record Side(List<String> names, double[][] vectors) {
    double[] sum() {
      double[] sum = new double[vectors[0].length];
      for (double[] row : vectors) {
        for (int i = 0; i < sum.length; i++) {
          sum[i] += row[i];
        }
      }
      return sum;
    }
  }

  /**
   * What one row of a side contributes.
   *
   * @param name a source, or a kind of bias
   * @param value its part of the product
   */
  public record Contribution(String name, double value) {}

  /**
   * What two rows contribute together.
   *
   * @param query a row of the query's side
   * @param key a row of the key's side
   * @param value their part of the product
   */
  public record Pair(String query, String key, double value) {}

  AttentionScore(Place place, Value value, double scale, Side queries, Side keys) {
    this.place = place;
    this.value = value;
    this.scale = scale;
    this.queries = queries;
    this.keys = keys;
  }

  /**
   * The head and the positions.
   *
   * @return as they were asked for
   */
  public Place place() {
    return place;
  }

  /**
   * The score itself.
   *
   * @return in the model's own units, before the softmax
   */
  public Value value() {
    return value;
  }

  /**
   * The query's side: what each row of it gives with the whole key.
   *
   * @return in the order of the sources, biases last; their sum is the product
   */
  public List<Contribution> querySide() {
    return contributions(queries, keys.sum());
  }

  /**
   * The key's side: what each row of it gives with the whole query.
   *
   * @return in the order of the sources, biases last; their sum is the product
   */
  public List<Contribution> keySide() {
    return contributions(keys, queries.sum());
  }

  private List<Contribution> contributions(Side side, double[] other) {
    List<Contribution> all = new ArrayList<>();
    for (int i = 0; i < side.names().size(); i++) {
      all.add(new Contribution(side.names().get(i), scale * dot(side.vectors()[i], other)));
    }
    return all;
  }

  /**
   * The number of pairs.
   *
   * @return rows of the query's side times rows of the key's
   */
  public long pairCount() {
    return (long) queries.names().size() * keys.names().size();
  }

  /**
   * One entry of the table of pairs.
   *
   * @param query a row of {@link #querySide}
   * @param key a row of {@link #keySide}
   * @return their part of the product; all of them add up to it
   */
  public Pair pair(int query, int key) {
    return new Pair(
        queries.names().get(query),
        keys.names().get(key),
        scale * dot(queries.vectors()[query], keys.vectors()[key]));
  }

  /**
   * The pairs that matter most.
   *
   * @param most how many at most
   * @return by descending |value|
   */
  public List<Pair> pairs(int most) {
    Comparator<Pair> byValue = Comparator.comparingDouble(p -> Math.abs(p.value()));
    PriorityQueue<Pair> best = new PriorityQueue<>(byValue);
    for (int q = 0; q < queries.names().size(); q++) {
      for (int k = 0; k < keys.names().size(); k++) {
        best.add(pair(q, k));
        if (best.size() > most) {
          best.poll();
        }
      }
    }
    return best.stream().sorted(byValue.reversed()).toList();
  }

  /**
   * The contributions that matter most, those of biases among them.
   *
   * @param side {@link #querySide} or {@link #keySide}
   * @param most how many at most
   * @return by descending |value|
   */
  public static List<Contribution> best(List<Contribution> side, int most) {
    return side.stream()
        .sorted(Comparator.comparingDouble((Contribution c) -> Math.abs(c.value())).reversed())
        .limit(most)
        .toList();
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }
}
