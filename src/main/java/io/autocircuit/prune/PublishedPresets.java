package io.autocircuit.prune;

import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Source;
import io.autocircuit.patch.GradientRules;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The settings of algorithms that AutoCircuit defines by name, each also under its key and its
 * short name there.
 */
final class PublishedPresets {
  private static final Source SOURCE =
      Source.web("AutoCircuit, Miller 2024", "https://github.com/UFO-101/auto-circuit");
  private static final String GRAD = "grad_function";
  private static final String ANSWER = "answer_function";
  private static final String KL = "kl_div";
  private static final String MSE = "mse";
  private static final String TREE = "tree";
  private static final String EDGE = "edge";

  /** Of {@code eap}. */
  static final List<Preset> EAP =
      List.of(
          preset(
              "edge-attribution-patching",
              "EAP",
              "effect of ablating an edge to first order: gradient of the logit difference where"
                  + " nothing is ablated, times what ablation changes",
              Map.of(GRAD, "logit", ANSWER, "avg_diff", "mask_value", 0),
              "Edge Attribution Patching",
              "EAP"),
          preset(
              "logit-diff-grad",
              "EAP",
              "gradient of the logit difference where nothing is ablated; the fast form of edge"
                  + " attribution patching",
              Map.of(GRAD, "logit", ANSWER, "avg_diff", "mask_value", 0),
              "Edge Answer Logit Diff Gradient At Clean",
              "EAP"),
          preset(
              "logprob-diff-grad",
              "EAP (Logprob Diff)",
              "gradient of the log-probability difference where nothing is ablated",
              Map.of(GRAD, "logprob", ANSWER, "avg_diff", "mask_value", 0),
              "Edge Answer Log Prob Diff Gradient At Clean",
              "EAP (Logprob Diff)"),
          preset(
              "logprob-grad",
              "EAP (Answer Logprob)",
              "gradient of the answers' log-probability where nothing is ablated",
              Map.of(GRAD, "logprob", ANSWER, "avg_val", "mask_value", 0),
              "Edge Answer Log Prob Gradient At Clean",
              "EAP (Answer Logprob)"),
          preset(
              "prob-grad",
              "EAP (Prob)",
              "gradient of the answers' probability where nothing is ablated",
              Map.of(GRAD, "prob", ANSWER, "avg_val", "mask_value", 0),
              "Edge Answer Prob Gradient At Clean",
              "EAP (Prob)"),
          preset(
              "logit-exp-grad",
              "EAP (Answer Logit)",
              "gradient of the exponential of the answers' logit where nothing is ablated",
              Map.of(GRAD, "logit_exp", ANSWER, "avg_val", "mask_value", 0),
              "Edge Answer Logit Exp Gradient At Clean",
              "EAP (Answer Logit)"),
          preset(
              "logit-mse-grad",
              "EAP (MSE)",
              "gradient of the outputs' squared distance from the answers' numbers where nothing is"
                  + " ablated",
              Map.of(GRAD, "logit", ANSWER, MSE, "mask_value", 0),
              "Edge Answer Logit MSE Gradient At Clean",
              "EAP (MSE)"),
          new Preset(
              "relp",
              "RelP",
              "relevance patching: attribution patching with the rules of relevance propagation for"
                  + " normalisations, activations and gates",
              Source.arxiv("Rezaei Jafari et al. 2025, RelP", "2508.21258"),
              Map.of("rules", GradientRules.RELP.names())),
          new Preset(
              "gim",
              "GIM",
              "gradient interaction modifications: attribution patching back through a softer"
                  + " softmax, frozen normalisations and damped products",
              Source.arxiv("Edin et al. 2025, GIM", "2505.17630"),
              Map.of("rules", GradientRules.GIM.names())));

  /** Of {@code ig}. */
  static final List<Preset> INTEGRATED_GRADIENTS =
      List.of(
          preset(
              "integrated-edge-grads",
              "IEG (Answer Logit)",
              "integrated gradients of the answers' logit in 50 steps",
              Map.of(GRAD, "logit", ANSWER, "avg_val", "samples", 50),
              "Integrated Edge Gradients (Logit Grad)",
              "IEG (Answer Logit)"),
          preset(
              "integrated-edge-grads-logit-diff",
              "IEG",
              "integrated gradients of the logit difference in 1000 steps",
              Map.of(GRAD, "logit", ANSWER, "avg_diff", "samples", 1000),
              "Integrated Edge Gradients (Logit Diff)",
              "IEG"));

  /** Of {@code acdc}. */
  static final List<Preset> ACDC =
      List.of(
          preset(
              "kl-acdc",
              "ACDC (KL)",
              "the KL divergence under four thresholds, 1e-6 to 1e-3",
              Map.of("target", KL, "tau", powersOfTen(-6, -3)),
              "ACDC"),
          preset(
              "mse-acdc",
              "ACDC (MSE)",
              "the squared distance under ten thresholds, 1e-10 to 0.1",
              Map.of("target", MSE, "tau", powersOfTen(-10, -1)),
              "MSE ACDC",
              "ACDC (MSE)"));

  /** Of {@code sp}. */
  static final List<Preset> SUBNETWORK_PROBING =
      List.of(
          preset(
              "subnetwork-tree-probing",
              "Subnetwork tree probing",
              "2000 passes with a size penalty of 0.5, learned for tree patching",
              probing(2000, 0.5, KL, TREE),
              "Subnetwork Tree Probing",
              "STP"),
          preset(
              "mse-subnetwork-tree-probing",
              "Subnetwork tree probing (MSE)",
              "the squared distance from the answers' numbers, 200 passes with a size penalty of"
                  + " 0.5, learned for tree patching",
              probing(200, 0.5, MSE, TREE),
              "MSE Subnetwork Tree Probing",
              "STP (MSE)"),
          preset(
              "subnetwork-edge-probing",
              "Subnetwork edge probing",
              "200 passes with a size penalty of 0.5, learned for edge patching",
              probing(200, 0.5, KL, EDGE),
              "Subnetwork Edge Probing",
              "SEP"));

  /** Of {@code cp}. */
  static final List<Preset> CIRCUIT_PROBING =
      List.of(
          preset(
              "circuit-probing",
              "Circuit edge probing",
              "2000 passes for the known circuit's size and for 1000 edges, learned for edge"
                  + " patching",
              circuits(2000, KL, EDGE, CircuitProbingProvider.OFFICIAL, 1000),
              "Circuit Probing",
              "CP"),
          preset(
              "tree-probing",
              "Circuit tree probing",
              "200 passes for 100 edges, the known circuit's size, 1000 and 10,000 edges, learned"
                  + " for tree patching",
              circuits(200, KL, TREE, 100, CircuitProbingProvider.OFFICIAL, 1000, 10_000),
              "Tree Probing",
              "TP"),
          preset(
              "mse-tree-probing",
              "Circuit tree probing (MSE)",
              "the squared distance from the answers' numbers, 200 passes for the known circuit's"
                  + " size, learned for tree patching",
              circuits(200, MSE, TREE, CircuitProbingProvider.OFFICIAL),
              "MSE Tree Probing",
              "TP (MSE)"),
          preset(
              "opposite-tree-probing",
              "Opposite tree probing",
              "circuits that prefer the wrong answers: 100 passes for the known circuit's size, 1000"
                  + " and 10,000 edges, learned for tree patching",
              circuits(100, "wrong_answer", TREE, CircuitProbingProvider.OFFICIAL, 1000, 10_000),
              "Opposite Tree Probing",
              "OTP"));

  /** Of {@code edge-pruning}. */
  static final List<Preset> EDGE_PRUNING =
      List.of(
          new Preset(
              "edge-pruning-ioi",
              "Edge pruning (as for IOI)",
              "the paper's settings for indirect objects in GPT-2 small: 3000 steps to a sparsity of"
                  + " 0.98",
              EdgePruningProvider.SOURCE,
              Map.ofEntries(
                  Map.entry("edge_sparsity", 0.98),
                  Map.entry("steps", 3000),
                  Map.entry("sparsity_warm_up", 2500),
                  Map.entry("learning_rate_warm_up", 200),
                  Map.entry("learning_rate", 0.8),
                  Map.entry("multiplier_learning_rate", 0.8),
                  Map.entry("weight_decay", 0.01),
                  Map.entry("init", 10),
                  Map.entry("target", KL),
                  Map.entry("learn_for", TREE),
                  Map.entry("score_ablation", "resample"))));

  /** Of {@code activation-magnitude}. */
  static final List<Preset> ACTIVATION_MAGNITUDE =
      List.of(
          preset(
              "act-mag",
              "Activation magnitude",
              "mean absolute activation, which AutoCircuit means and does not compute",
              Map.of(),
              "Act Mag"));

  /** Of {@code random}. */
  static final List<Preset> RANDOM =
      List.of(
          preset(
              "random-scores",
              "Random",
              "uniform random scores of the run's seed",
              Map.of(),
              "Random"));

  /** Of {@code ground-truth}. */
  static final List<Preset> GROUND_TRUTH =
      List.of(
          preset(
              "official-circuit",
              "Official circuit",
              "1 on the edges of the known circuit, 0 elsewhere",
              Map.of(),
              "Official Circuit",
              "GT"));

  private PublishedPresets() {}

  private static Preset preset(
      String key, String title, String description, Map<String, Object> values, String... names) {
    return new Preset(key, title, description, SOURCE, values, List.of(names));
  }

  private static Map<String, Object> probing(
      int epochs, double lambda, String target, String mode) {
    return Map.of(
        "epochs",
        epochs,
        "learning_rate",
        0.1,
        "lambda",
        lambda,
        "mask_fn",
        "hard_concrete",
        "target",
        target,
        "learn_for",
        mode);
  }

  private static Map<String, Object> circuits(
      int epochs, String target, String mode, Object... sizes) {
    Map<String, Object> values = new HashMap<>(probing(epochs, 0.1, target, mode));
    values.put(ProbingSettings.CIRCUIT_SIZES, List.of(sizes));
    return values;
  }

  private static List<Double> powersOfTen(int from, int to) {
    List<Double> powers = new ArrayList<>();
    for (int exponent = from; exponent <= to; exponent++) {
      powers.add(Double.parseDouble("1e" + exponent));
    }
    return powers;
  }
}
