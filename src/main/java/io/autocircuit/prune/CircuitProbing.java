package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/**
 * Probes for circuits of given sizes: one {@link SubnetworkProbing} for each size, which begins
 * with the full circuit and is penalised by as many edges as it is larger than wanted
 * (AutoCircuit's circuit probing, Miller 2024).
 *
 * <p>Score of an edge: n − i, where n is the number of sizes and i the place, from 0 and the
 * smallest first, of the first size whose probing has the edge among its k best; 0 for an edge that
 * none has. Of edges with one score the probing that has chosen them says which is better; of those
 * without, the probing for the largest size.
 *
 * @param each how masks are learned; its circuit size is not read
 * @param sizes wanted numbers of edges, ascending
 */
public record CircuitProbing(SubnetworkProbing each, List<Integer> sizes)
    implements PruneAlgorithm {

  /**
   * Sorts the sizes and keeps each once.
   *
   * @param each how masks are learned
   * @param sizes numbers of edges in any order, each at least 1
   * @throws IllegalArgumentException if there is no size, or one is not positive
   */
  public CircuitProbing {
    TreeSet<Integer> sorted = new TreeSet<>(sizes);
    if (sorted.isEmpty() || sorted.first() < 1) {
      throw new IllegalArgumentException(
          "circuit sizes=" + sizes + "; give at least one, each 1 or more");
    }
    sizes = List.copyOf(sorted);
  }

  /**
   * Probing for a circuit of a size that avoids a given one: AutoCircuit's "avoid edges" as it was
   * meant. 2000 epochs with learning rate 0.1 and λ 0.1, hard concrete masks, the KL divergence,
   * tree patching; each avoided edge is penalised by 0.3 over their number.
   *
   * @param avoid the edges to keep out
   * @param size wanted number of edges, at least 1
   * @param seed of the mask samples
   * @return the algorithm; {@link #circuit} is the ready function
   */
  public static CircuitProbing avoiding(Circuit avoid, int size, long seed) {
    return new CircuitProbing(
        new SubnetworkProbing(
            0.1,
            2000,
            0.1,
            MaskFunction.HARD_CONCRETE,
            PatchType.TREE_PATCH,
            null,
            SubnetworkProbing.Target.KL_DIV,
            size,
            0,
            avoid,
            0.3,
            -MaskFunction.INITIAL,
            seed),
        List.of(size));
  }

  @Override
  public String key() {
    return "cp";
  }

  @Override
  public String title() {
    return "Circuit " + each.patchType().key() + " probing" + each.avoided();
  }

  @Override
  public Settings settings() {
    Map<String, Object> values = ProbingSettings.values(each);
    values.put(ProbingSettings.CIRCUIT_SIZES, sizes);
    return Settings.of(CircuitProbingProvider.SETTINGS, values);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return each.scoringAblation();
  }

  /**
   * {@inheritDoc}
   *
   * <p>One for each size: the edges that the probings up to this size have chosen. These are more
   * edges than wanted where a smaller circuit is no part of the larger one.
   */
  @Override
  public List<Found> found(float[] scores, String what) {
    List<Found> found = new ArrayList<>();
    int edges = 0;
    for (int i = 0; i < sizes.size(); i++) {
      for (float score : scores) {
        edges += score == sizes.size() - i ? 1 : 0;
      }
      found.add(new Found("probed for " + sizes.get(i) + " " + what, edges));
    }
    return found;
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    requireSizes(graph.edgeCount(), "edges");
    each.requireRest(graph, prompts);
  }

  @Override
  public void requireFit(EdgeGroups groups, TokenizedDataset prompts) {
    requireSizes(groups.size(), "nodes");
    each.requireRest(groups, prompts);
  }

  private void requireSizes(int most, String what) {
    List<Integer> fitting = sizes.stream().filter(n -> n <= most).toList();
    if (fitting.size() < sizes.size()) {
      throw new IllegalArgumentException(
          "--circuit-sizes="
              + sizes.get(sizes.size() - 1)
              + " exceeds the graph's "
              + what
              + "="
              + most
              + "; give smaller ones, such as --circuit-sizes "
              + (fitting.isEmpty()
                  ? Math.max(1, most / 10)
                  : String.join(",", fitting.stream().map(String::valueOf).toList())));
    }
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return score(model, batches, EdgeGroups.each(model.graph()), progress).ofEdges();
  }

  /**
   * {@inheritDoc}
   *
   * <p>Sizes are numbers of groups.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    float[] scores = new float[groups.size()];
    float[] order = new float[scores.length];
    try (MaskTraining training = new MaskTraining(each, groups, model, batches)) {
      long steps = training.steps();
      for (int i = 0; i < sizes.size(); i++) {
        GroupScores learned =
            training.train(sizes.get(i), progress, i * steps, sizes.size() * steps);
        BitSet circuit = learned.best(sizes.get(i));
        for (int e = 0; e < scores.length; e++) {
          boolean chosen = circuit.get(e);
          if (scores[e] == 0) { // those that are chosen already keep their place
            scores[e] = chosen ? sizes.size() - i : 0;
            order[e] = learned.values()[e];
          }
        }
      }
    }
    return new GroupScores(groups, scores, order);
  }

  /**
   * Probes for a circuit of the smallest size.
   *
   * @param model the model and its graph
   * @param batches the prompts
   * @param progress told about the work done
   * @return exactly as many edges as wanted
   * @throws IllegalArgumentException if the model has fewer edges, the circuit to avoid is for
   *     another graph or holds all edges, or one prompt alone exceeds the model's memory budget
   */
  public Circuit circuit(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    int size = sizes.get(0);
    if (size > model.graph().edgeCount()) {
      throw new IllegalArgumentException(
          "circuit size="
              + size
              + " exceeds the graph's edges="
              + model.graph().edgeCount()
              + "; give a smaller one");
    }
    each.requireAvoidable(model.graph());
    EdgeGroups edges = EdgeGroups.each(model.graph());
    try (MaskTraining training = new MaskTraining(each, edges, model, batches)) {
      return Circuit.of(
          model.graph(), training.train(size, progress, 0, training.steps()).best(size));
    }
  }
}
