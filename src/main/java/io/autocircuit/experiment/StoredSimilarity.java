package io.autocircuit.experiment;

import io.autocircuit.experiment.ExperimentResults.SimilarityResult;
import io.autocircuit.metric.Similarity;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/** Which share of their best edges the cells of an experiment have in common. */
public final class StoredSimilarity {
  /** So many sizes are kept beside that of the known circuit. */
  private static final int SIZES = 16;

  /** Of more cells every pair would be too much. */
  private static final int MOST_CELLS = 200;

  private static final String OF_ALGORITHM = "algorithm.";

  private StoredSimilarity() {}

  /**
   * Compares the cells that may be compared: of one task, ablation, patch type, graph and way to
   * run, and of one seed unless they are one algorithm's. More than 200 such cells are not
   * compared.
   *
   * @param cells finished ones, in the order of the experiment
   * @return pairs of different cells, each once, the earlier first, at each size of {@link #sizes}
   */
  static List<SimilarityResult> of(List<CellResult> cells) {
    Map<List<Object>, List<CellResult>> groups = new LinkedHashMap<>();
    for (CellResult c : cells) {
      SortedMap<String, String> rest = new TreeMap<>(c.settings());
      rest.keySet().removeIf(name -> name.startsWith(OF_ALGORITHM));
      groups
          .computeIfAbsent(
              List.of(c.task(), c.ablation(), c.patchType(), c.edges(), rest),
              k -> new ArrayList<>())
          .add(c);
    }
    List<SimilarityResult> all = new ArrayList<>();
    groups.values().stream()
        .filter(g -> g.size() > 1 && g.size() <= MOST_CELLS)
        .forEach(g -> compare(g, all));
    return all;
  }

  private static void compare(List<CellResult> group, List<SimilarityResult> to) {
    Map<String, float[]> scores = new LinkedHashMap<>();
    List<CellResult> scored = new ArrayList<>();
    for (CellResult c : group) {
      c.edgeScores()
          .filter(values -> values.length == c.edges())
          .ifPresent(
              values -> {
                scores.put(c.run(), values);
                scored.add(c);
              });
    }
    int[] sizes = sizes(group, SIZES).stream().mapToInt(Integer::intValue).toArray();
    Similarity similarity = Similarity.of(scores, sizes);
    for (Similarity.Table table : similarity.tables()) {
      for (int a = 0; a < scored.size(); a++) {
        for (int b = a + 1; b < scored.size(); b++) {
          CellResult one = scored.get(a);
          CellResult other = scored.get(b);
          if (one.seed() == other.seed() || one.label().equals(other.label())) {
            to.add(new SimilarityResult(one.run(), other.run(), table.edges(), table.share(a, b)));
          }
        }
      }
    }
  }

  /**
   * The sizes at which cells are compared: that of the known circuit, then measured ones, spread
   * over the graph on a logarithmic scale.
   *
   * @param cells of one graph; at least one
   * @param most how many measured ones there may be
   * @return numbers of edges, from 1 to before all of them; that of the known circuit first
   */
  public static Set<Integer> sizes(List<CellResult> cells, int most) {
    int edges = cells.get(0).edges();
    Optional<Integer> official = cells.get(0).official();
    Set<Integer> sizes = new LinkedHashSet<>();
    official.filter(n -> n > 0 && n <= edges).ifPresent(sizes::add);
    TreeSet<Integer> measured = new TreeSet<>();
    for (CellResult cell : cells) {
      cell.series().forEach(s -> s.points().forEach(p -> measured.add(p.edges())));
    }
    measured.removeIf(n -> n <= 0 || n >= edges);
    for (int i = 1; i <= most && !measured.isEmpty(); i++) {
      double wanted = Math.log(edges) * i / (most + 1);
      int nearest = measured.first();
      for (int n : measured) {
        if (Math.abs(Math.log(n) - wanted) < Math.abs(Math.log(nearest) - wanted)) {
          nearest = n;
        }
      }
      sizes.add(nearest);
    }
    return sizes;
  }
}
