package io.autocircuit;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.model.TransformerConfig.Learned;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GradientRules;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.prune.CleanCorrupted;
import io.autocircuit.prune.EapIgActivations;
import io.autocircuit.prune.EapIgInputs;
import io.autocircuit.prune.ExactPatching;
import io.autocircuit.prune.InformationFlowRoutes;
import io.autocircuit.prune.LibraryBatches;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.MaskGradient.AnswerFunction;
import io.autocircuit.prune.MaskGradient.PatchSource;
import io.autocircuit.prune.NeuronAlgorithm;
import io.autocircuit.prune.PromptAlgorithm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The cases of {@code eap_ig.json} and {@code relp_gim.json} about scores. */
final class ReferenceEapIgScores {
  private final ReferenceEapIg from;
  private final JsonNode c;
  private final ReferenceEapIg.Outcome outcome;

  ReferenceEapIgScores(ReferenceEapIg from, JsonNode c, ReferenceEapIg.Outcome outcome) {
    this.from = from;
    this.c = c;
    this.outcome = outcome;
  }

  void measure() {
    switch (c.get("kind").asText()) {
      case "edge_scores", "ragged_edge_scores" -> edges();
      case "edge_scores_per_example" -> perExample();
      case "node_scores" -> nodes();
      case "neuron_scores" -> neurons();
      default -> outcome.unread = true;
    }
  }

  private float[] expected() {
    return from.tensors.floats(c.get("expected").get("scores").asText());
  }

  private MaskGradient gradient() {
    return new MaskGradient(
            c.path("metric").asText().equals("prob_diff")
                ? LogitFunction.PROB
                : LogitFunction.LOGIT,
            c.path("metric").asText().equals("kl")
                ? AnswerFunction.KL_DIV
                : AnswerFunction.AVG_DIFF,
            0,
            0,
            ablation(),
            PatchSource.CORRUPT)
        .with(rules());
  }

  private Ablation ablation() {
    return switch (c.get("ablation").asText()) {
      case "patching" -> Ablation.RESAMPLE;
      case "zero" -> Ablation.TOKEN_ZERO;
      case "mean" -> Ablation.TOKEN_MEAN;
      case "mean-positional" -> Ablation.TOKENWISE_MEAN_CLEAN;
      default -> throw new IllegalArgumentException("unknown ablation " + c.get("ablation"));
    };
  }

  /** RelP lists its rules, GIM gives numbers for each. */
  private GradientRules rules() {
    JsonNode rules = c.path("rules");
    if (rules.isArray()) {
      List<String> names = new ArrayList<>();
      rules.forEach(r -> names.add(r.asText()));
      return GradientRules.of(names);
    }
    Set<GradientRules.Rule> some = EnumSet.noneOf(GradientRules.Rule.class);
    double temperature = rules.path("softmax_temperature").asDouble(1);
    add(some, GradientRules.Rule.LN, rules.path("freeze_norm").asBoolean(false), true);
    add(some, GradientRules.Rule.TSG, temperature != 1, true);
    List<Double> scales = numbers(rules, "q_scale", "k_scale", "v_scale");
    add(some, GradientRules.Rule.QKV, !scales.equals(ONES), scales.equals(List.of(.25, .25, .5)));
    List<Double> gates = numbers(rules, "gate_scale", "up_scale", "none");
    add(some, GradientRules.Rule.HALF, !gates.equals(ONES), gates.equals(List.of(.5, .5, 1.0)));
    return new GradientRules(some, temperature);
  }

  private static final List<Double> ONES = List.of(1.0, 1.0, 1.0);

  private static List<Double> numbers(JsonNode rules, String... names) {
    return Stream.of(names).map(n -> rules.path(n).asDouble(1)).toList();
  }

  private static void add(
      Set<GradientRules.Rule> rules, GradientRules.Rule rule, boolean on, boolean known) {
    if (on && !known) {
      throw new IllegalArgumentException("other numbers of " + rule);
    }
    if (on) {
      rules.add(rule);
    }
  }

  private PromptAlgorithm algorithm() {
    int steps = c.path("steps").asInt(1);
    return switch (c.get("method").asText()) {
      case "EAP", "RelP", "GIM" -> divided(gradient());
      case "EAP-IG-inputs" -> divided(new EapIgInputs(gradient(), steps));
      case "EAP-IG-activations" ->
          divided(
              new EapIgActivations(
                  gradient(), steps, c.get("kind").asText().equals("node_scores")));
      case "clean-corrupted" -> divided(new CleanCorrupted(gradient()));
      case "exact" -> new ExactPatching(gradient(), true);
      case "information-flow-routes" -> new InformationFlowRoutes();
      default -> throw new IllegalArgumentException("unknown method " + c.get("method"));
    };
  }

  /** With the library's factor 1/B, which is as large as its batches. */
  private <A extends PromptAlgorithm & NeuronAlgorithm> PromptAlgorithm divided(A algorithm) {
    return new LibraryBatches<>(algorithm, c.get("batch_size").asInt());
  }

  private void edges() {
    double[] mine =
        doubles(algorithm().score(from.model, from.batches(c), Progress.SILENT).values());
    float[] want = expected();
    if (c.get("method").asText().equals("EAP-IG-activations")) {
      first(mine, want);
    }
    from.compareEdges(c, outcome, mine, want);
  }

  /**
   * In models without learned positions the library's gradient tape does not reach the first
   * readers of a replaced embedding, as nothing before them needs a gradient: these cases hold 0
   * for the edges from the start to what reads nothing else, which is not the definition. Such
   * zeros are not compared.
   */
  private void first(double[] mine, float[] want) {
    ComputationGraph graph = from.model.graph();
    for (int i = 0; i < from.columns(); i++) {
      int edge = from.edge(0, i);
      boolean learned = from.model.model().config().positions() instanceof Learned;
      if (!learned && graph.edge(edge).destination().sources() == 1 && want[i] == 0) {
        want[i] = (float) mine[edge];
      }
    }
  }

  private void perExample() {
    float[] all = expected();
    int size = from.rows() * from.columns();
    inOrder(gradient())
        .forEach(
            (row, mine) ->
                from.compareEdges(
                    c,
                    outcome,
                    doubles(mine),
                    Arrays.copyOfRange(all, row * size, (row + 1) * size)));
  }

  private static double[] doubles(float[] values) {
    double[] all = new double[values.length];
    Arrays.setAll(all, i -> values[i]);
    return all;
  }

  /** What leaves a source is a group; the start of the stream is one too. */
  private void nodes() {
    ComputationGraph graph = from.model.graph();
    int[] sources = new int[graph.edgeCount()];
    Arrays.setAll(sources, e -> graph.edge(e).source().index());
    EdgeGroups groups = EdgeGroups.of(graph, sources, graph.sources().size());
    float[] scores =
        algorithm().score(from.model, from.batches(c), groups, Progress.SILENT).values();
    from.compareAll(c, outcome, doubles(scores), expected());
  }

  private void neurons() {
    float[] scores =
        ((NeuronAlgorithm) algorithm())
            .scoreNeurons(from.model, from.batches(c), Progress.SILENT)
            .values();
    from.compareAll(c, outcome, doubles(scores), expected());
  }

  /** The scores of each prompt, by its place in the data. */
  private TreeMap<Integer, float[]> inOrder(PromptAlgorithm algorithm) {
    List<PromptBatch> batches = from.batches(c);
    PromptScores scores = algorithm.scorePrompts(from.model, batches, Progress.SILENT);
    TreeMap<Integer, float[]> rows = new TreeMap<>();
    int next = 0;
    for (PromptBatch batch : batches) {
      for (int row : batch.rows()) {
        rows.put(row, scores.values().get(next++));
      }
    }
    return rows;
  }
}
