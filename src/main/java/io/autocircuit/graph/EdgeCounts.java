package io.autocircuit.graph;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * Which circuit sizes to evaluate.
 *
 * @param mode how sizes are chosen
 * @param values for {@link Mode#LIST}: sizes as whole numbers, or shares of all edges for values
 *     that are given as a fraction; empty otherwise
 * @param zeroEdges whether the empty circuit is included; null: as listed, or in the other modes
 *     iff there are more than two sizes
 * @param allEdges whether the full graph is included; null: likewise
 */
public record EdgeCounts(Mode mode, List<Value> values, Boolean zeroEdges, Boolean allEdges) {

  /** How sizes are chosen. */
  public enum Mode {
    /**
     * Logarithmic above 200 edges, else all; by groups when the scores have few distinct values.
     */
    AUTO,
    /** 0, 1, …, n. */
    ALL,
    /** 1..9, 10, 20, …, 90, 100, 200, …. */
    LOGARITHMIC,
    /** Cumulative sizes of the groups of equal |score|, largest first. */
    GROUPS,
    /** The shares of {@link #SHARES}, rounded down. */
    MIB,
    /** The sizes of {@link #AUTO} and those of {@link #MIB}. */
    AUTO_MIB,
    /** The given sizes. */
    LIST
  }

  /**
   * A given size.
   *
   * @param number a number of edges, or a share of them
   * @param share whether {@code number} is a share in 0..1 (truncated to whole edges)
   */
  public record Value(double number, boolean share) {}

  /**
   * Keeps an unmodifiable copy.
   *
   * @param mode how sizes are chosen
   * @param values for {@link Mode#LIST}: sizes as whole numbers, or shares of all edges for values
   *     that are given as a fraction; empty otherwise
   * @param zeroEdges whether the empty circuit is included; null: as listed, or in the other modes
   *     iff there are more than two sizes
   * @param allEdges whether the full graph is included; null: likewise
   */
  public EdgeCounts {
    values = List.copyOf(values);
  }

  /**
   * The shares of all edges at which the Mechanistic Interpretability Benchmark measures (Mueller
   * et al. 2025, arXiv:2504.13151).
   */
  public static final List<Double> SHARES =
      List.of(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0);

  private static final Map<String, Mode> WORDS =
      Map.of(
          "auto",
          Mode.AUTO,
          "all",
          Mode.ALL,
          "log",
          Mode.LOGARITHMIC,
          "groups",
          Mode.GROUPS,
          "mib",
          Mode.MIB,
          "auto+mib",
          Mode.AUTO_MIB);

  /** The default choice. */
  public static final EdgeCounts AUTO = of(Mode.AUTO);

  /**
   * How many edges the benchmark asks for.
   *
   * @param all the number of edges, or of nodes or neurons, of the full circuit
   * @return ⌊share · all⌋ for each of {@link #SHARES}; small graphs have 0 several times
   */
  public static int[] ofShares(int all) {
    return SHARES.stream().mapToInt(k -> (int) Math.floor(k * all)).toArray();
  }

  /**
   * A mode without given sizes.
   *
   * @param mode any but {@link Mode#LIST}
   * @return sizes by that rule, with the empty and the full circuit where there are more than two
   */
  public static EdgeCounts of(Mode mode) {
    return new EdgeCounts(mode, List.of(), null, null);
  }

  /**
   * Exactly the given numbers of edges, nothing added.
   *
   * @param counts numbers of edges, in any order
   * @return those sizes
   */
  public static EdgeCounts exactly(int... counts) {
    return new EdgeCounts(
        Mode.LIST, Arrays.stream(counts).mapToObj(c -> new Value(c, false)).toList(), null, null);
  }

  /**
   * Reads sizes as people write them: one of the words {@code auto}, {@code all}, {@code log},
   * {@code groups}, {@code mib}, {@code auto+mib}, each with the empty and the full circuit; or
   * numbers of edges such as {@code 10}, shares of all edges such as {@code 0.1}, and {@code all}
   * among them for the full graph.
   *
   * @param texts one word, or one text for each size; words in any case
   * @return the sizes
   * @throws IllegalArgumentException if there is none, or one is none of these; the message names
   *     it
   */
  public static EdgeCounts parse(List<String> texts) {
    if (texts.isEmpty()) {
      throw new IllegalArgumentException(
          "sizes=[] is empty; give numbers, or all, log, groups, mib, auto or auto+mib");
    }
    if (texts.size() == 1) {
      Mode mode = WORDS.get(texts.get(0).toLowerCase(Locale.ROOT));
      if (mode != null) {
        return new EdgeCounts(mode, List.of(), true, true);
      }
    }
    return listed(texts);
  }

  /**
   * Sizes of a list, in which {@code all} is the full graph also where it stands alone.
   *
   * @param texts numbers of edges, shares, or {@code all}
   * @return exactly these sizes
   * @throws IllegalArgumentException if one is none of these; the message names it
   */
  public static EdgeCounts listed(List<String> texts) {
    return new EdgeCounts(Mode.LIST, texts.stream().map(EdgeCounts::size).toList(), null, null);
  }

  private static Value size(String text) {
    if (text.equalsIgnoreCase("all")) {
      return new Value(1, true);
    }
    double number;
    try {
      number = Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          WORDS.containsKey(text.toLowerCase(Locale.ROOT))
              ? "\"" + text + "\" stands alone; only numbers and all may be mixed"
              : "\"" + text + "\" is neither a number nor all, log, groups, mib, auto or auto+mib",
          e);
    }
    boolean share = text.contains(".");
    if (share ? !(number >= 0 && number <= 1) : number != Math.rint(number) || number < 0) {
      throw new IllegalArgumentException(
          "size=" + text + " is neither a whole number from 0 nor a share from 0.0 to 1.0");
    }
    if (!share && number > Integer.MAX_VALUE) {
      throw new IllegalArgumentException("size=" + text + " exceeds the edges of every graph");
    }
    return number == 0 ? new Value(0, false) : new Value(number, share);
  }

  /**
   * The texts that {@link #parse} makes these sizes of.
   *
   * @return one word, or one text for each size
   * @throws IllegalStateException if there are none: a word always adds the empty and the full
   *     circuit, and a list never adds one
   */
  public List<String> texts() {
    boolean list = mode == Mode.LIST;
    if (list ? zeroEdges != null || allEdges != null : !yes(zeroEdges) || !yes(allEdges)) {
      throw new IllegalStateException(
          "sizes mode="
              + mode
              + " zeroEdges="
              + zeroEdges
              + " allEdges="
              + allEdges
              + " cannot be written; use EdgeCounts.parse or EdgeCounts.exactly");
    }
    if (!list) {
      return WORDS.entrySet().stream()
          .filter(e -> e.getValue() == mode)
          .map(Map.Entry::getKey)
          .toList();
    }
    boolean alone = values.size() == 1; // where "all" means every size
    return values.stream().map(v -> alone && v.share() ? "" + v.number() : text(v)).toList();
  }

  private static boolean yes(Boolean b) {
    return b != null && b;
  }

  private static String text(Value v) {
    if (!v.share()) {
      return String.valueOf((long) v.number());
    }
    return v.number() == 1 ? "all" : Double.toString(v.number());
  }

  /**
   * Checks that a graph has that many edges.
   *
   * @param edges number of edges of the graph
   * @return this
   * @throws IllegalArgumentException if a size exceeds it
   */
  public EdgeCounts requireWithin(int edges) {
    return requireWithin(edges, "edges");
  }

  /**
   * As {@link #requireWithin(int)}, of what circuits are made of.
   *
   * @param most how many there are
   * @param what they are, for people: {@code nodes}, say
   * @return this
   * @throws IllegalArgumentException if a size exceeds it
   */
  public EdgeCounts requireWithin(int most, String what) {
    for (Value v : values) {
      if (!v.share() && v.number() > most) {
        throw new IllegalArgumentException(
            "size="
                + text(v)
                + " exceeds the graph's "
                + what
                + "="
                + most
                + "; choose a smaller one");
      }
    }
    return this;
  }

  /**
   * The sizes, ascending and distinct.
   *
   * @param edges the number of edges n of the graph
   * @param scores the scores, one per edge; null if there are none yet
   * @param trueEdgeCount the size of the official circuit, added if missing; −1 if there is none
   * @return numbers of edges from 0 to n; none if all scores are equal and groups of scores are
   *     asked for
   * @throws IllegalArgumentException if a size lies outside 0..n, or GROUPS lacks scores
   */
  public int[] resolve(int edges, float[] scores, int trueEdgeCount) {
    TreeSet<Integer> sizes = new TreeSet<>();
    boolean automatic = mode == Mode.AUTO || mode == Mode.AUTO_MIB;
    Mode chosen = automatic ? automatic(edges, scores) : mode;
    if (mode == Mode.AUTO_MIB) {
      IntStream.of(ofShares(edges)).forEach(sizes::add);
    }
    switch (chosen) {
      case ALL -> {
        for (int k = 0; k <= edges; k++) {
          sizes.add(k);
        }
      }
      case LOGARITHMIC -> {
        for (long step = 1; step < edges; step *= 10) {
          for (long k = step; k < 10 * step && k < edges; k += step) {
            sizes.add((int) k);
          }
        }
      }
      case GROUPS -> sizes.addAll(groups(scores));
      case MIB -> IntStream.of(ofShares(edges)).forEach(sizes::add);
      case LIST -> {
        for (Value v : values) {
          double n = v.share() ? Math.floor(edges * v.number()) : v.number();
          if (n < 0 || n > edges || n != Math.rint(n)) {
            throw new IllegalArgumentException(
                "edge count="
                    + v.number()
                    + " outside 0.."
                    + edges
                    + "; choose sizes in that range");
          }
          sizes.add((int) n);
        }
      }
      case AUTO, AUTO_MIB -> throw new IllegalStateException(mode + " was resolved above");
    }
    boolean added = chosen != Mode.LIST && sizes.size() > 2;
    set(
        sizes,
        0,
        zeroEdges != null ? zeroEdges : added || (sizes.contains(0) && chosen == Mode.LIST));
    set(
        sizes,
        edges,
        allEdges != null ? allEdges : added || (sizes.contains(edges) && chosen == Mode.LIST));
    if (trueEdgeCount >= 0) {
      sizes.add(trueEdgeCount);
    }
    return sizes.stream().mapToInt(Integer::intValue).toArray();
  }

  private static void set(TreeSet<Integer> sizes, int size, boolean wanted) {
    if (wanted) {
      sizes.add(size);
    } else {
      sizes.remove(size);
    }
  }

  private static Mode automatic(int edges, float[] scores) {
    if (scores != null && groups(scores).size() < Math.min(edges / 2.0, 100)) {
      return Mode.GROUPS;
    }
    return edges > 200 ? Mode.LOGARITHMIC : Mode.ALL;
  }

  private static List<Integer> groups(float[] scores) {
    if (scores == null) {
      throw new IllegalArgumentException(
          "edge counts by groups need scores; score the edges first");
    }
    float[] sorted = new float[scores.length];
    for (int i = 0; i < scores.length; i++) {
      sorted[i] = Math.abs(scores[i]);
    }
    Arrays.sort(sorted);
    List<Integer> ends = new ArrayList<>();
    for (int i = sorted.length - 1; i >= 0; i--) {
      if (i == 0 || sorted[i - 1] != sorted[i]) {
        ends.add(sorted.length - i);
      }
    }
    return ends;
  }
}
