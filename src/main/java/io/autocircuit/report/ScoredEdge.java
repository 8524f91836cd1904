package io.autocircuit.report;

import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An edge of the computation graph with the score that a prune algorithm gave it.
 *
 * @param name the edge's printed name, for instance {@code A0.1->A1.0.K}
 * @param source name of the node the edge leaves
 * @param destination name of the node input the edge enters, for instance {@code A1.0.K}
 * @param seqIdx token position of the edge, or null if it stands for all positions
 * @param score the score; its magnitude is the edge's importance. An infinite score marks an edge
 *     that was never removed. NaN is accepted: such edges are listed last and not drawn.
 * @param heads the query heads that share the key or value input which it enters, whose group's
 *     number the destination has; empty for any other edge. It is drawn into each of them.
 */
public record ScoredEdge(
    String name,
    String source,
    String destination,
    Integer seqIdx,
    double score,
    List<Integer> heads) {
  /** Block and input of a key or value. */
  private static final Pattern SHARED = Pattern.compile("(A\\d{1,6}\\.)\\d{1,6}(\\.[KV])");

  /**
   * @param name the edge's printed name, for instance {@code A0.1->A1.0.K}
   * @param source name of the node the edge leaves
   * @param destination name of the node input the edge enters, for instance {@code A1.0.K}
   * @param seqIdx token position of the edge, or null if it stands for all positions
   * @param score the score; its magnitude is the edge's importance. An infinite score marks an edge
   *     that was never removed. NaN is accepted: such edges are listed last and not drawn.
   * @param heads the query heads that share the input which it enters; empty for any other edge
   * @throws NullPointerException if a name is null
   * @throws IllegalArgumentException if {@code seqIdx} is negative, or an input that is no key and
   *     no value is shared
   */
  public ScoredEdge {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(source, "source");
    Objects.requireNonNull(destination, "destination");
    heads = List.copyOf(heads);
    if (!heads.isEmpty() && !SHARED.matcher(destination).matches()) {
      throw new IllegalArgumentException(
          "heads="
              + heads
              + " of edge="
              + name
              + ": only keys and values are shared; give none for other inputs");
    }
    if (seqIdx != null && seqIdx < 0) {
      throw new IllegalArgumentException(
          "seqIdx=" + seqIdx + " of edge=" + name + ": give a position from 0, or null for all");
    }
  }

  /**
   * An edge into an input that is not shared.
   *
   * @param name the edge's printed name
   * @param source name of the node the edge leaves
   * @param destination name of the node input the edge enters
   * @param seqIdx token position of the edge, or null if it stands for all positions
   * @param score the score
   * @throws NullPointerException if a name is null
   * @throws IllegalArgumentException if {@code seqIdx} is negative
   */
  public ScoredEdge(String name, String source, String destination, Integer seqIdx, double score) {
    this(name, source, destination, seqIdx, score, List.of());
  }

  /** The inputs that it enters: of each head where several share one. */
  List<String> inputs() {
    Matcher shared = SHARED.matcher(destination);
    return heads.isEmpty() || !shared.matches()
        ? List.of(destination)
        : heads.stream().map(h -> shared.group(1) + h + shared.group(2)).toList();
  }
}
