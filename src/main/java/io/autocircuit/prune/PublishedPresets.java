package io.autocircuit.prune;

import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Source;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The settings of the algorithms that AutoCircuit defines by name, as far as our algorithms have
 * them. Its circuit probing (four of its names) and activation magnitude have no algorithm here
 * yet.
 */
final class PublishedPresets {
  private static final Source SOURCE =
      Source.web("AutoCircuit, Miller 2024", "https://github.com/UFO-101/auto-circuit");
  private static final String GRAD = "grad_function";
  private static final String ANSWER = "answer_function";

  /** Of {@code eap}. */
  static final List<Preset> EAP =
      List.of(
          preset(
              "logit-diff-grad",
              "EAP",
              "gradient of the logit difference where nothing is ablated; the fast form of edge"
                  + " attribution patching",
              Map.of(GRAD, "logit", ANSWER, "avg_diff", "mask_value", 0)),
          preset(
              "logprob-diff-grad",
              "EAP (Logprob Diff)",
              "gradient of the log-probability difference where nothing is ablated",
              Map.of(GRAD, "logprob", ANSWER, "avg_diff", "mask_value", 0)),
          preset(
              "logprob-grad",
              "EAP (Answer Logprob)",
              "gradient of the answers' log-probability where nothing is ablated",
              Map.of(GRAD, "logprob", ANSWER, "avg_val", "mask_value", 0)),
          preset(
              "prob-grad",
              "EAP (Prob)",
              "gradient of the answers' probability where nothing is ablated",
              Map.of(GRAD, "prob", ANSWER, "avg_val", "mask_value", 0)),
          preset(
              "logit-exp-grad",
              "EAP (Answer Logit)",
              "gradient of the exponential of the answers' logit where nothing is ablated",
              Map.of(GRAD, "logit_exp", ANSWER, "avg_val", "mask_value", 0)),
          preset(
              "logit-mse-grad",
              "EAP (MSE)",
              "gradient of the outputs' squared distance from the answers' numbers where nothing is"
                  + " ablated",
              Map.of(GRAD, "logit", ANSWER, "mse", "mask_value", 0)));

  /** Of {@code ig}. */
  static final List<Preset> INTEGRATED_GRADIENTS =
      List.of(
          preset(
              "integrated-edge-grads",
              "IEG (Answer Logit)",
              "integrated gradients of the answers' logit in 50 steps",
              Map.of(GRAD, "logit", ANSWER, "avg_val", "samples", 50)),
          preset(
              "integrated-edge-grads-logit-diff",
              "IEG",
              "integrated gradients of the logit difference in 1000 steps",
              Map.of(GRAD, "logit", ANSWER, "avg_diff", "samples", 1000)));

  /** Of {@code acdc}. */
  static final List<Preset> ACDC =
      List.of(
          preset(
              "kl-acdc",
              "ACDC (KL)",
              "the KL divergence under four thresholds, 1e-6 to 1e-3",
              Map.of("target", "kl_div", "tau", powersOfTen(-6, -3))),
          preset(
              "mse-acdc",
              "ACDC (MSE)",
              "the squared distance under ten thresholds, 1e-10 to 0.1",
              Map.of("target", "mse", "tau", powersOfTen(-10, -1))));

  /** Of {@code sp}. */
  static final List<Preset> SUBNETWORK_PROBING =
      List.of(
          preset(
              "subnetwork-tree-probing",
              "Subnetwork tree probing",
              "2000 passes with a size penalty of 0.5; meant for tree patching",
              probing(2000, "kl_div")),
          preset(
              "mse-subnetwork-tree-probing",
              "Subnetwork tree probing (MSE)",
              "the squared distance from the answers' numbers, 200 passes with a size penalty of"
                  + " 0.5; meant for tree patching",
              probing(200, "mse")),
          preset(
              "subnetwork-edge-probing",
              "Subnetwork edge probing",
              "200 passes with a size penalty of 0.5; meant for edge patching, so choose it as the"
                  + " patch type",
              probing(200, "kl_div")));

  private PublishedPresets() {}

  private static Preset preset(
      String key, String title, String description, Map<String, Object> values) {
    return new Preset(key, title, description, SOURCE, values);
  }

  private static Map<String, Object> probing(int epochs, String target) {
    return Map.of(
        "epochs",
        epochs,
        "learning_rate",
        0.1,
        "lambda",
        0.5,
        "mask_fn",
        "hard_concrete",
        "target",
        target);
  }

  private static List<Double> powersOfTen(int from, int to) {
    List<Double> powers = new ArrayList<>();
    for (int exponent = from; exponent <= to; exponent++) {
      powers.add(Double.parseDouble("1e" + exponent));
    }
    return powers;
  }
}
