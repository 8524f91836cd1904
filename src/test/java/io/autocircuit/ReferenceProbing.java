package io.autocircuit;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.ActivationMagnitude;
import io.autocircuit.prune.CircuitProbing;
import io.autocircuit.prune.MaskFunction;
import io.autocircuit.prune.SubnetworkProbing;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The reference cases of circuit probing, of probing with edges to avoid, and of activations. */
final class ReferenceProbing {
  private final ReferenceParityTest.Case from;
  private final JsonNode c;
  private final ComputationGraph graph;

  ReferenceProbing(ReferenceParityTest.Case from) {
    this.from = from;
    this.c = from.c;
    this.graph = from.graph;
  }

  private SubnetworkProbing probing(int size, Circuit avoid) {
    String fn = c.path("mask_fn").asText("null");
    boolean tree = c.get("tree_optimisation").asBoolean();
    return new SubnetworkProbing(
        c.get("learning_rate").asDouble(),
        c.get("epochs").asInt(),
        c.get("regularize_lambda").asDouble(),
        fn.equals("null") ? MaskFunction.NONE : MaskFunction.valueOf(fn.toUpperCase(Locale.ROOT)),
        tree ? PatchType.TREE_PATCH : PatchType.EDGE_PATCH,
        from.ablation(),
        SubnetworkProbing.Target.valueOf(
            c.get("faithfulness_target").asText().toUpperCase(Locale.ROOT)),
        size,
        0,
        avoid,
        c.path("avoid_lambda").asDouble(1),
        c.get("init_val").asDouble(),
        0);
  }

  private int positions() {
    int length = from.batches.get(0).clean().length();
    return length - from.model.slice().first(length);
  }

  /** The batches; where the target is the squared error, with its numbers for answers. */
  private List<PromptBatch> batches() {
    if (!c.hasNonNull("answer_values")) {
      return from.batches;
    }
    int positions = positions();
    double[][][] all = numbers(c.get("answer_values"), positions);
    List<PromptBatch> batches = new ArrayList<>();
    for (PromptBatch b : from.batches) {
      double[][][] own = Arrays.stream(b.rows()).mapToObj(r -> all[r]).toArray(double[][][]::new);
      batches.add(
          new PromptBatch(b.clean(), b.corrupt(), b.answers(), b.wrongAnswers(), b.rows(), own));
    }
    return batches;
  }

  /** {@code [prompts][positions][n]}, from lists or a tensor. */
  private double[][][] numbers(JsonNode values, int positions) {
    List<Double> flat = new ArrayList<>();
    int prompts = from.batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    if (values.isTextual()) {
      for (float f : from.tensors.floats(values.asText())) {
        flat.add((double) f);
      }
    } else {
      flatten(values, flat);
    }
    int n = flat.size() / prompts / positions;
    double[][][] all = new double[prompts][positions][n];
    for (int i = 0; i < flat.size(); i++) {
      all[i / (positions * n)][i / n % positions][i % n] = flat.get(i);
    }
    return all;
  }

  private static void flatten(JsonNode node, List<Double> to) {
    if (node.isArray()) {
      node.forEach(item -> flatten(item, to));
    } else {
      to.add(node.asDouble());
    }
  }

  private Circuit avoided() {
    List<Edge> edges = new ArrayList<>();
    c.get("avoid_edges")
        .forEach(
            e ->
                edges.add(
                    graph.edge(e.get(0).asText(), e.get(1).isNull() ? -1 : e.get(1).asInt())));
    return Circuit.of(graph, edges);
  }

  /** The learned scores of every size, and the membership that follows from them. */
  void circuitProbing() {
    List<Integer> sizes = new ArrayList<>();
    c.get("circuit_sizes").forEach(n -> sizes.add(n.asInt()));
    List<PromptBatch> batches = batches();
    for (int i = 0; i < sizes.size(); i++) {
      PruneScores learned = probing(sizes.get(i), null).score(from.model, batches);
      from.compareScores(learned, c.get("sp_scores").get(i), 1);
    }
    CircuitProbing algorithm = new CircuitProbing(probing(0, null), sizes);
    PruneScores scores = algorithm.score(from.model, batches);
    from.exactScores(scores, c.get("expected"));
    c.path("counts_by_score")
        .properties()
        .forEach(
            e -> {
              int n = 0;
              for (float score : scores.values()) {
                n += score == Float.parseFloat(e.getKey()) ? 1 : 0;
              }
              from.check("edges of score " + e.getKey(), n, e.getValue().asInt());
            });
  }

  /** Probing that keeps edges out. */
  void probingThatAvoids() {
    SubnetworkProbing algorithm = probing(c.path("circuit_size").asInt(0), avoided());
    from.compareScores(algorithm.score(from.model, batches()), c.get("expected"), 1);
  }

  /** Another circuit than the one of the best scores. */
  void anotherCircuit() {
    int size = c.get("circuit_size").asInt();
    Circuit avoid = PruneScores.fromModules(graph, from.modules(c.get("scores"))).topWithTies(size);
    from.check("avoided", avoid, avoided());
    CircuitProbing algorithm = new CircuitProbing(probing(0, avoid), List.of(size));
    Circuit found = algorithm.circuit(from.model, batches(), Progress.SILENT);
    float[] members = new float[graph.edgeCount()];
    found.edgeSet().stream().forEach(e -> members[e] = 1);
    from.exactScores(new PruneScores(graph, members), c.get("expected"));
  }

  /**
   * The mean absolute activation, and AutoCircuit's signed one, which in an unfactorized graph
   * takes the first sources for a destination's own (A6).
   */
  void activationMagnitude() {
    for (Map.Entry<String, Boolean> reading :
        Map.of("as_meant", false, "as_coded", true).entrySet()) {
      PruneScores scores =
          new ActivationMagnitude(reading.getValue()).score(from.model, from.batches);
      from.compareScores(scores, c.get(reading.getKey()), 1);
    }
    double[] means =
        new ActivationMagnitude(false).sourceMeans(from.model, from.batches, Progress.SILENT);
    from.compare(
        "source means", means, new long[] {means.length}, c.get("source_means_as_meant").asText());
  }
}
