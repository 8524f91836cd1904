package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.experiment.ExperimentResults.SimilarityResult;
import io.autocircuit.graph.UnknownNameException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** How many of their best edges cells have in common with those of one algorithm. */
final class ResultSimilarity {
  private ResultSimilarity() {}

  /**
   * The value.
   *
   * @param results where it is taken from
   * @param algorithm the key or the label of the algorithm
   * @param edges the size, or {@value ResultValue#OFFICIAL}
   * @return the mean share over the algorithm's cells that a cell was compared with; empty of a
   *     cell that was compared with none
   * @throws IllegalArgumentException if one of the two is missing, does not exist, or was not
   *     compared
   */
  static ResultValue of(
      ExperimentResults results, Optional<String> algorithm, Optional<String> edges) {
    Set<String> names = new LinkedHashSet<>();
    results.cells().forEach(c -> names.add(c.algorithm()));
    results.cells().forEach(c -> names.add(c.label()));
    if (algorithm.isEmpty()) {
      throw new IllegalArgumentException(
          "metric=similarity compares with an algorithm; name it with --of ("
              + String.join(", ", names)
              + ")");
    }
    String of = algorithm.get();
    if (names.stream().noneMatch(of::equalsIgnoreCase)) {
      throw new UnknownNameException("algorithm", of, names);
    }
    TreeSet<Integer> sizes = new TreeSet<>();
    results.similarity().forEach(s -> sizes.add(s.edges()));
    if (sizes.isEmpty()) {
      throw new IllegalArgumentException(
          "metric=similarity: no cells were compared; run the experiment to its end, with two"
              + " algorithms or more");
    }
    if (edges.isEmpty()) {
      throw new IllegalArgumentException(
          "metric=similarity has a value at each size; choose one with --edges ("
              + ResultValue.shown(sizes)
              + ", or "
              + ResultValue.OFFICIAL
              + ")");
    }
    boolean official = edges.get().equals(ResultValue.OFFICIAL);
    int size = official ? -1 : ResultValue.size(edges.get());
    if (!official && !sizes.contains(size)) {
      throw new IllegalArgumentException(
          "edges="
              + size
              + ": cells were not compared at this size; compared: "
              + ResultValue.shown(sizes));
    }
    Map<String, Map<Integer, List<Double>>> shares = shares(results, of);
    return new ResultValue(
        "similarity@" + edges.get(),
        "Share of their best edges in common with " + of + ResultValue.at(edges.get()),
        false,
        c -> {
          List<Double> own =
              shares
                  .getOrDefault(c.run(), Map.of())
                  .getOrDefault(official ? c.official().orElse(-1) : size, List.of());
          return own.stream().filter(v -> !v.isNaN()).mapToDouble(v -> v).average();
        });
  }

  /** By cell and size, the shares with each cell of the algorithm that it was compared with. */
  private static Map<String, Map<Integer, List<Double>>> shares(
      ExperimentResults results, String of) {
    Set<String> reference = new LinkedHashSet<>();
    for (CellResult c : results.cells()) {
      if (c.algorithm().equalsIgnoreCase(of) || c.label().equalsIgnoreCase(of)) {
        reference.add(c.run());
      }
    }
    Map<String, Map<Integer, List<Double>>> shares = new HashMap<>();
    for (SimilarityResult s : results.similarity()) {
      if (reference.contains(s.other())) {
        put(shares, s.run(), s);
      }
      if (reference.contains(s.run())) {
        put(shares, s.other(), s);
      }
    }
    return shares;
  }

  private static void put(
      Map<String, Map<Integer, List<Double>>> to, String run, SimilarityResult s) {
    to.computeIfAbsent(run, r -> new TreeMap<>())
        .computeIfAbsent(s.edges(), n -> new ArrayList<>())
        .add(s.share());
  }
}
