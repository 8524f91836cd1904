package io.autocircuit.benchmark;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GradientRules;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.prune.AtpStar;
import io.autocircuit.prune.Ceap;
import io.autocircuit.prune.CleanCorrupted;
import io.autocircuit.prune.EapIgActivations;
import io.autocircuit.prune.EapIgInputs;
import io.autocircuit.prune.ExactPatching;
import io.autocircuit.prune.InformationFlowRoutes;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.OptimalAblation;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.UniformGradientSampling;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Times the methods of attribution, everything included: the scores of all edges by each; of exact
 * patching the time of an edge, over edges drawn evenly from the canonical order.
 *
 * @param model the model, seen through its graph
 * @param batch clean and corrupt prompts
 */
public record MethodBenchmark(PatchableModel model, PromptBatch batch) {
  /** Steps of integrated gradients. */
  private static final int STEPS = 5;

  /** So many that the ablation values and the unpatched run hardly count. */
  private static final int EXACT_EDGES = 48;

  private static final long SEED = 1;

  /** A backward pass has twice the products of a forward one. */
  private static final double BACKWARD = 2;

  private static final MaskGradient EAP = MaskGradient.eap();

  /** All but exact patching, in the order of docs/attribution.md. */
  private static Map<String, PruneAlgorithm> methods() {
    Map<String, PruneAlgorithm> methods = new LinkedHashMap<>();
    methods.put("eap", EAP);
    methods.put("ig5", MaskGradient.integrated(STEPS));
    methods.put("eap_ig_inputs5", new EapIgInputs(EAP, STEPS));
    methods.put("ceap5", new Ceap(EAP, STEPS));
    methods.put("clean_corrupted", new CleanCorrupted(EAP));
    methods.put("eap_ig_activations5", new EapIgActivations(EAP, STEPS));
    methods.put("atp_star", new AtpStar(EAP));
    methods.put("information_flow_routes", new InformationFlowRoutes());
    methods.put("relp", EAP.with(GradientRules.RELP));
    methods.put("gim", EAP.with(GradientRules.GIM));
    methods.put(
        "ugs_epoch",
        new UniformGradientSampling(
            0.1, 1, 0.001, 1, PatchType.TREE_PATCH, Ablation.RESAMPLE, SEED));
    return methods;
  }

  void measure(BenchmarkTable table) {
    List<PromptBatch> batches = List.of(batch);
    methods()
        .forEach((name, method) -> table.longWork(name, 1, () -> method.score(model, batches)));
    table.longWork("eap_per_prompt", 1, () -> EAP.scorePrompts(model, batches, Progress.SILENT));
    table.longWork(
        "optimal_step",
        STEPS,
        () -> new OptimalAblation(STEPS, 0.1, SEED).learn(model, batches, Progress.SILENT));
    EdgeGroups some = some(model.graph());
    table.longWork(
        "exact_per_edge",
        some.size(),
        () -> new ExactPatching(EAP).score(model, batches, some, Progress.SILENT));
  }

  /** Some edges, each a group. */
  private static EdgeGroups some(ComputationGraph graph) {
    int count = Math.min(EXACT_EDGES, graph.edgeCount());
    int[] groups = new int[graph.edgeCount()];
    Arrays.fill(groups, -1);
    for (int i = 0; i < count; i++) {
      groups[(int) ((long) i * graph.edgeCount() / count)] = i;
    }
    return EdgeGroups.of(graph, groups, count);
  }

  /**
   * What the methods of EAP-IG's library (hannamw/EAP-IG 2.0.0), and RelP and GIM, run at least by
   * their definitions, in plain forward passes: a backward pass counts as two. Without the time
   * that hooks and differences take there.
   *
   * @param blocks of the model
   * @return by the name of the figure; none of methods that it has not
   */
  public static Map<String, Double> libraryPasses(int blocks) {
    int sites = 2 * blocks + 1;
    Map<String, Double> passes = new LinkedHashMap<>();
    passes.put("eap", passes(2, 1));
    passes.put("eap_ig_inputs5", passes(2 + STEPS, STEPS));
    passes.put("clean_corrupted", passes(2, 2));
    passes.put("eap_ig_activations5", passes(2 + sites * STEPS, sites * STEPS));
    passes.put("information_flow_routes", passes(1, 0));
    passes.put("relp", passes(2, 1));
    passes.put("gim", passes(2, 1));
    passes.put("exact_per_edge", passes(2, 0));
    return passes;
  }

  private static double passes(int forward, int backward) {
    return forward + BACKWARD * backward;
  }
}
