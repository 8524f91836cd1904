package io.autocircuit.metric;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The circuits of clusters of prompts, by the mean scores of each, and how each does on its own
 * prompts and on those of the others. It is the prompts that scored that judge here, so that a
 * circuit has an advantage on its own.
 *
 * @param metric what is measured
 * @param circuits of the clusters, in their order, and last that of all prompts together
 * @param overlap the Jaccard index of every two of these circuits
 * @param values the metric by circuit and cluster of prompts; the last column is of all prompts
 * @param model the same of the full model
 */
public record ClusterCircuits(
    Metric metric,
    List<Circuit> circuits,
    List<List<Double>> overlap,
    List<List<Double>> values,
    List<Double> model) {

  /**
   * Keeps unmodifiable copies.
   *
   * @param metric what is measured
   * @param circuits of the clusters, and of all prompts
   * @param overlap of every two circuits
   * @param values by circuit and cluster
   * @param model by cluster
   */
  public ClusterCircuits {
    circuits = List.copyOf(circuits);
    overlap = overlap.stream().map(List::copyOf).toList();
    values = values.stream().map(List::copyOf).toList();
    model = List.copyOf(model);
  }

  /**
   * What is evaluated, and how.
   *
   * @param model the model that circuits are of
   * @param runs how they are evaluated
   * @param batches the prompts that scored, in the order of the scores
   */
  public record On(PatchableModel model, CircuitRuns runs, List<PromptBatch> batches) {
    /**
     * Keeps an unmodifiable copy.
     *
     * @param model the model that circuits are of
     * @param runs how they are evaluated
     * @param batches the prompts that scored
     */
    public On {
      batches = List.copyOf(batches);
    }
  }

  /**
   * Evaluates the circuits of clusters.
   *
   * @param on the model and the prompts
   * @param all scores of each prompt
   * @param clusters of the same scores
   * @param selection how circuits are chosen; not by thresholds
   * @param size how many edges they have, or had before pruning
   * @param metric what is measured
   * @param progress told about the work done
   * @return circuits and numbers
   * @throws IllegalArgumentException if the size is out of range, or the metric does not apply
   */
  public static ClusterCircuits of(
      On on,
      PromptScores all,
      PromptClusters clusters,
      CircuitSelection selection,
      int size,
      Metric metric,
      Progress progress) {
    List<PruneScores> scores = new ArrayList<>();
    clusters.clusters().forEach(c -> scores.add(c.scores()));
    scores.add(all.mean());
    List<Circuit> circuits =
        scores.stream().map(s -> selection.ofCounts(s, size).get(0).circuit()).toList();
    List<Circuit> run =
        Stream.concat(circuits.stream(), Stream.of(Circuit.full(all.graph()))).toList();
    List<double[]> prompts =
        Measurements.of(on.model(), on.runs(), on.batches(), run, List.of(metric), progress)
            .get(0)
            .points()
            .stream()
            .map(p -> p.prompts().stream().mapToDouble(v -> v).toArray())
            .toList();
    double[] full = prompts.get(circuits.size());
    List<int[]> columns = new ArrayList<>();
    for (PromptClusters.Cluster c : clusters.clusters()) {
      columns.add(c.prompts().stream().mapToInt(i -> i).sorted().toArray());
    }
    columns.add(IntStream.range(0, full.length).toArray());
    List<List<Double>> values =
        prompts.stream()
            .map(
                own ->
                    columns.stream()
                        .map(c -> metric.combine(Bootstrap.pick(own, c), Bootstrap.pick(full, c)))
                        .toList())
            .toList();
    List<List<Double>> overlap =
        circuits.stream().map(a -> circuits.stream().map(b -> overlap(a, b)).toList()).toList();
    return new ClusterCircuits(
        metric, circuits, overlap, values.subList(0, circuits.size()), values.get(circuits.size()));
  }

  /** Pruned circuits may be empty. */
  private static double overlap(Circuit a, Circuit b) {
    return a.size() + b.size() == 0 ? 1 : EdgeStability.jaccard(a.edgeSet(), b.edgeSet());
  }
}
