package io.autocircuit;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.metric.FaithfulnessCurve;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Roc;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.NeuronCircuit;
import io.autocircuit.patch.NeuronRun;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.bytedeco.pytorch.Tensor;

/**
 * The cases of {@code eap_ig.json} about circuits: how they are selected and evaluated, curves and
 * their areas, graphs, baselines, prompts of several lengths.
 */
final class ReferenceEapIgCircuits {
  private final ReferenceEapIg from;
  private final JsonNode c;
  private final JsonNode want;
  private final ReferenceEapIg.Outcome outcome;
  private final ComputationGraph graph;

  ReferenceEapIgCircuits(ReferenceEapIg from, JsonNode c, ReferenceEapIg.Outcome outcome) {
    this.from = from;
    this.c = c;
    this.want = c.get("expected");
    this.outcome = outcome;
    this.graph = from.model.graph();
  }

  void measure() {
    switch (c.get("kind").asText()) {
      case "graph" -> graph();
      case "circuit" -> circuit();
      case "baseline" -> baseline();
      case "evaluate", "ragged_evaluate" -> evaluate();
      case "evaluate_mixed" -> mixed();
      case "area_under_curve" -> area();
      case "roc" -> roc();
      default -> throw new IllegalStateException("unknown kind " + c.get("kind"));
    }
  }

  // ---- comparing

  private void same(String what, Object mine, Object theirs) {
    if (!mine.equals(theirs)) {
      outcome.mistake(what + " is " + mine + " but should be " + theirs);
    }
  }

  /** Within the tolerance, or where it is larger what rounding changed in their own runs. */
  private void compare(String sort, String what, double mine, double theirs) {
    String field = what.replaceAll("\\[.*", "");
    JsonNode own = c.path("tolerance").path(field);
    JsonNode tolerance = own.isMissingNode() ? from.file.get("tolerance").get(sort) : own;
    outcome.compare(
        what,
        mine,
        theirs,
        Math.max(tolerance.get("atol").asDouble(), c.path("dev").path(field).path(0).asDouble(0)),
        tolerance.get("rtol").asDouble());
  }

  /** A mask of theirs: which cells are 1, in the order of our edges; existing ones only. */
  private BitSet edges(String tensor) {
    float[] mask = from.tensors.floats(tensor);
    BitSet edges = new BitSet();
    for (int i = 0; i < mask.length; i++) {
      int edge = from.edge(i / from.columns(), i % from.columns());
      if (mask[i] != 0 && edge >= 0) {
        edges.set(edge);
      }
    }
    return edges;
  }

  // ---- graphs

  private void graph() {
    same("n_edges", graph.edgeCount(), c.get("n_edges").asInt());
    same("n_forward", graph.sources().size(), c.get("n_forward").asInt());
    same("n_backward", graph.destinations().size(), c.get("n_backward").asInt());
    same("real edges", edges(want.get("real_edge_mask").asText()).cardinality(), graph.edgeCount());
    for (String list : List.of("edges", "first_edges", "last_edges")) {
      for (JsonNode name : c.path(list)) {
        String[] ends = name.asText().split("->");
        String ours = ReferenceEapIg.source(ends[0]) + "->" + ReferenceEapIg.destination(ends[1]);
        same(name.asText(), graph.edges(ours).size(), 1);
      }
    }
  }

  // ---- selection

  private void circuit() {
    Selected mine = select(c);
    same("edges_in_graph", mine.circuit.edgeSet(), edges(want.get("edges_in_graph").asText()));
    same("n_edges", mine.circuit.size(), want.get("n_edges").asInt());
    TreeSet<Integer> nodes = new TreeSet<>();
    float[] theirs = from.tensors.floats(want.get("nodes_in_graph").asText());
    for (int i = 0; i < graph.sources().size(); i++) {
      if (theirs[i] != 0) {
        nodes.add(i);
      }
    }
    if (c.get("prune").asBoolean()) {
      TreeSet<Integer> touched = new TreeSet<>();
      mine.circuit.edges().forEach(e -> touched.add(e.source().index()));
      same("nodes_in_graph", touched, nodes);
    }
    compare(
        "values",
        "weighted_edge_count",
        mine.weighted(),
        want.get("weighted_edge_count").asDouble());
  }

  /** A circuit of edges, and the neurons of its nodes where these are chosen; else null. */
  private record Selected(Circuit circuit, NeuronCircuit neurons) {
    double weighted() {
      return neurons == null ? circuit.size() : neurons.weightedEdges();
    }
  }

  private Selected select(JsonNode of) {
    boolean signed = !of.get("absolute").asBoolean();
    boolean prune = of.get("prune").asBoolean();
    CircuitSelection.Rule rule =
        CircuitSelection.Rule.of(of.get("select").asText().replace("topn", "top"));
    boolean threshold = rule == CircuitSelection.Rule.THRESHOLD;
    CircuitSelection how =
        new CircuitSelection(
            rule, signed, prune, threshold ? List.of(of.get("threshold").asDouble()) : List.of());
    float[] scores = from.tensors.floats(of.get("scores").asText());
    return threshold
        ? new Selected(how.ofThresholds(edgeScores(scores)).get(0).circuit(), null)
        : select(how, of.get("level").asText(), scores, of.get("n").asInt());
  }

  private Selected select(CircuitSelection how, String level, float[] scores, int n) {
    if (level.equals("edge")) {
      return new Selected(how.ofCounts(edgeScores(scores), n).get(0).circuit(), null);
    }
    int width = scores.length / graph.sources().size();
    NeuronCircuit neurons = NeuronCircuit.top(graph, scores, width, n, how);
    return new Selected(neurons.circuit(), width == 1 ? null : neurons);
  }

  private PruneScores edgeScores(float[] matrix) {
    float[] values = new float[graph.edgeCount()];
    for (int i = 0; i < matrix.length; i++) {
      int edge = from.edge(i / from.columns(), i % from.columns());
      if (edge >= 0) {
        values[edge] = matrix[i];
      }
    }
    return new PruneScores(graph, values);
  }

  /** The case of a circuit of that name. */
  private JsonNode named(String id) {
    for (JsonNode other : from.file.get("cases")) {
      if (other.path("id").asText().equals(id)) {
        return other;
      }
    }
    throw new IllegalStateException("no circuit " + id);
  }

  // ---- evaluation

  private Ablation ablation() {
    return switch (c.get("ablation").asText()) {
      case "patching" -> Ablation.RESAMPLE;
      case "mean-positional" -> Ablation.TOKENWISE_MEAN_CLEAN;
      case "zero" -> Ablation.of("token_zero");
      case "mean" -> Ablation.of("token_mean");
      default -> throw new IllegalStateException("unknown ablation " + c.get("ablation"));
    };
  }

  /** Values of prompts in the order of the data, by metric, and the logits. */
  private static final class Values {
    final Map<Metric, TreeMap<Integer, Double>> metrics = new LinkedHashMap<>();
    final TreeMap<Integer, float[]> logits = new TreeMap<>();

    double mean(Metric metric) {
      return metrics.get(metric).values().stream().mapToDouble(v -> v).average().orElseThrow();
    }
  }

  /** What circuits do on all prompts. */
  private List<Values> run(Ablation ablation, List<Selected> circuits) {
    List<PromptBatch> batches = from.batches(c);
    List<Values> all = new ArrayList<>();
    circuits.forEach(s -> all.add(new Values()));
    CircuitRuns runs = CircuitRuns.of(PatchType.TREE_PATCH, ablation);
    if (circuits.get(0).neurons == null) {
      runs.forEachMicroBatch(
          from.model,
          batches,
          circuits.stream().map(Selected::circuit).toList(),
          (i, part, logits) ->
              put(all.get(i), part.prompts(), part.clean(), part.corrupt(), logits));
      return all;
    }
    try (AblationValues values = AblationValues.prepare(from.model, ablation, batches)) {
      for (PromptBatch batch : batches) {
        Tensor clean = from.model.logits(batch.clean());
        Tensor corrupt = from.model.logits(batch.corrupt());
        Tensor ablations = values.of(batch.corrupt());
        for (int i = 0; i < circuits.size(); i++) {
          Tensor logits =
              NeuronRun.logits(from.model, batch.clean(), ablations, circuits.get(i).neurons);
          put(all.get(i), batch, clean, corrupt, logits);
        }
      }
    }
    return all;
  }

  private static final List<Metric> METRICS =
      List.of(Metric.LOGIT_DIFF, Metric.PROB_DIFF, Metric.KL_DIV, Metric.CORRUPT_KL_DIV);

  private void put(Values values, PromptBatch batch, Tensor clean, Tensor corrupt, Tensor logits) {
    for (Metric metric : METRICS) {
      double[] each = metric.perPrompt(logits, new Metric.Outputs(batch, clean, corrupt));
      for (int i = 0; i < each.length; i++) {
        values.metrics.computeIfAbsent(metric, m -> new TreeMap<>()).put(batch.rows()[i], each[i]);
      }
    }
    for (int i = 0; i < batch.rows().length; i++) {
      values.logits.put(batch.rows()[i], Tensors.floats(logits.select(0, i).reshape(-1)));
    }
  }

  private void compareValues(String what, Values mine, Metric metric) {
    int i = 0;
    for (double value : mine.metrics.get(metric).values()) {
      compare("values", what + "[" + i + "]", value, want.get(what).get(i).asDouble());
      i++;
    }
    same(what + " prompts", want.get(what).size(), i);
  }

  private void compareLogits(String what, Values mine) {
    float[] theirs = from.tensors.floats(want.get(what).asText());
    int i = 0;
    for (float[] row : mine.logits.values()) {
      for (float value : row) {
        compare("values", what + "[" + i + "]", value, theirs[i]);
        i++;
      }
    }
    same(what + " numbers", theirs.length, i);
  }

  private void evaluate() {
    Ablation ablation = ablation();
    Values mine = run(ablation, List.of(select(named(c.get("circuit").asText())))).get(0);
    compareValues("logit_diff", mine, Metric.LOGIT_DIFF);
    compareValues("kl", mine, Metric.KL_DIV);
    if (want.has("prob_diff")) {
      compareValues("prob_diff", mine, Metric.PROB_DIFF);
      compareLogits("last_logits", mine);
    }
  }

  /** Edges and neurons of their own: an edge that is not chosen is ablated whatever its neurons. */
  private void mixed() {
    BitSet neurons = new BitSet();
    float[] theirs = from.tensors.floats(want.get("neurons_in_graph").asText());
    for (int i = 0; i < theirs.length; i++) {
      neurons.set(i, theirs[i] != 0);
    }
    Circuit circuit = Circuit.of(graph, edges(want.get("edges_in_graph").asText()));
    NeuronCircuit both =
        new NeuronCircuit(circuit, neurons, theirs.length / graph.sources().size());
    compareValues(
        "logit_diff",
        run(ablation(), List.of(new Selected(circuit, both))).get(0),
        Metric.LOGIT_DIFF);
  }

  private void baseline() {
    List<Values> both =
        run(
            Ablation.RESAMPLE,
            List.of(
                new Selected(Circuit.full(graph), null), new Selected(Circuit.empty(graph), null)));
    compareValues("logit_diff_clean", both.get(0), Metric.LOGIT_DIFF);
    compareValues("logit_diff_corrupt", both.get(1), Metric.LOGIT_DIFF);
    compareValues("kl_argument_clean", both.get(0), Metric.CORRUPT_KL_DIV);
    compareValues("kl_argument_corrupt", both.get(1), Metric.KL_DIV);
    compareLogits("last_logits_clean", both.get(0));
    compareLogits("last_logits_corrupt", both.get(1));
  }

  // ---- curves

  private void area() {
    Ablation ablation = ablation();
    CircuitSelection how =
        new CircuitSelection(
            c.get("greedy").asBoolean() ? CircuitSelection.Rule.GREEDY : CircuitSelection.Rule.TOP,
            !c.get("absolute").asBoolean(),
            true);
    String level = c.get("level").asText();
    float[] scores = from.tensors.floats(c.get("scores").asText());
    int[] counts = EdgeCounts.ofShares(level.equals("edge") ? graph.edgeCount() : scores.length);
    List<Selected> circuits = new ArrayList<>();
    for (int i = 0; i < counts.length; i++) {
      same("n_items[" + i + "]", counts[i], c.get("n_items").get(i).asInt());
      circuits.add(select(how, level, scores, counts[i]));
      compare(
          "values",
          "weighted_edge_counts[" + i + "]",
          circuits.get(i).weighted(),
          want.get("weighted_edge_counts").get(i).asDouble());
    }
    List<Values> ends =
        run(
            ablation,
            List.of(
                new Selected(Circuit.full(graph), null), new Selected(Circuit.empty(graph), null)));
    double full = ends.get(0).mean(Metric.LOGIT_DIFF);
    double empty = ends.get(1).mean(Metric.LOGIT_DIFF);
    double[] means =
        run(ablation, circuits).stream().mapToDouble(v -> v.mean(Metric.LOGIT_DIFF)).toArray();
    FaithfulnessCurve curve = FaithfulnessCurve.mib(means, empty, full);
    for (int i = 0; i < counts.length; i++) {
      compare(
          "faithfulness",
          "faithfulnesses[" + i + "]",
          curve.points().get(i).value(),
          want.get("faithfulnesses").get(i).asDouble());
    }
    if (c.get("log_scale").asBoolean()) {
      curve = curve.logarithmic();
    }
    compare("faithfulness", "cpr", curve.areaUnder(), want.get("cpr").asDouble());
    compare("faithfulness", "cmd", curve.areaFromOne(), want.get("cmd").asDouble());
    compare("faithfulness", "average", curve.average(), want.get("average").asDouble());
    compare("faithfulness", "baseline_score", full, want.get("baseline_score").asDouble());
    compare("faithfulness", "corrupted_score", empty, want.get("corrupted_score").asDouble());
  }

  private void roc() {
    Circuit truth = select(named(c.get("reference").asText())).circuit;
    PruneScores scores = edgeScores(from.tensors.floats(c.get("scores").asText()));
    CircuitSelection how = new CircuitSelection(CircuitSelection.Rule.GREEDY, false, true);
    int[] counts =
        EdgeCounts.SHARES.stream().mapToInt(k -> (int) Math.ceil(k * graph.edgeCount())).toArray();
    List<Roc.Found> found =
        how.ofCounts(scores, counts).stream().map(s -> Roc.Found.of(s.circuit(), truth)).toList();
    for (int i = 0; i < counts.length; i++) {
      Roc.Found f = found.get(i);
      compare("values", "TPR[" + i + "]", f.truePositiveRate(), want.get("TPR").get(i).asDouble());
      compare("values", "FPR[" + i + "]", f.falsePositiveRate(), want.get("FPR").get(i).asDouble());
      compare(
          "values", "precision[" + i + "]", f.precision(), want.get("precision").get(i).asDouble());
      compare(
          "values",
          "recall[" + i + "]",
          f.truePositiveRate(),
          want.get("recall").get(i).asDouble());
    }
    compare("values", "library_auroc", Roc.mibArea(found), want.get("library_auroc").asDouble());
    compare("values", "rank_auroc", Roc.rankArea(scores, truth), want.get("rank_auroc").asDouble());
  }
}
