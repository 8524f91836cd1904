package io.autocircuit.prune;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PatchType;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The settings that {@code sp} and {@code cp} share. */
final class ProbingSettings {
  static final String CIRCUIT_SIZE = "circuit_size";
  static final String CIRCUIT_SIZES = "circuit_sizes";
  private static final String INIT = "init";
  private static final String LEARN_FOR = "learn_for";
  private static final String JUDGED = "judged";

  /** The loss beside the size. */
  static final Setting TARGET =
      Setting.choice(
          "target",
          "auto",
          "the loss beside the size",
          "auto (kl_div; mse where the answers are numbers)",
          "kl_div",
          "mse",
          "answer",
          "wrong_answer",
          "logit_diff_percent");

  /** Which patch type masks are learned for. */
  static final Setting LEARNED_FOR =
      Setting.choice(
          LEARN_FOR,
          JUDGED,
          "which patch type masks are learned for",
          JUDGED + " (that of --patch-type)",
          PatchType.TREE_PATCH.key(),
          PatchType.EDGE_PATCH.key());

  private ProbingSettings() {}

  /**
   * The settings of an algorithm that learns masks.
   *
   * @param size that of the circuit's size
   * @param init the sign of the usual {@code init}
   */
  static List<Setting> with(Setting size, String init) {
    return List.of(
        Setting.whole("epochs", 1, 20, "passes over the prompts"),
        Setting.number("learning_rate", Setting.above(0), 0.1, "Adam's step"),
        Setting.number("lambda", Setting.from(0), 10, "weight of the size penalty"),
        Setting.choice(
            "mask_fn",
            "hard_concrete",
            "what makes a mask of a learned number",
            "none",
            "sigmoid",
            "hard_concrete"),
        TARGET,
        size,
        LEARNED_FOR,
        Setting.optional(
            INIT,
            Setting.finite(),
            "the learned number of every edge at first: outside of the circuit where it is"
                + " positive, in it where it is negative; without it "
                + init
                + "1.6094, of which sigmoid makes 5/6 or 1/6"),
        Setting.number(
            "dropout",
            new SettingType.Real(0, true, 1, false),
            0,
            "probability that a mask value is dropped"),
        Setting.number(
            "avoid_lambda",
            Setting.from(0),
            1,
            "weight of the penalty of edges that --avoid keeps out, within that of the size"),
        Setting.optional(
            PruneAlgorithmProvider.SCORE_ABLATION,
            new SettingType.Key("ablations"),
            "what ablated sources are replaced by while masks are learned; without it"
                + " tokenwise_mean_corrupt for tree patching and resample for edge patching"));
  }

  /**
   * Probing as settings say.
   *
   * @param circuitSize the wanted size, 0 for none
   * @param init what training begins with where the settings do not say it
   */
  static SubnetworkProbing probing(
      Settings settings, int circuitSize, double init, PruneContext context) {
    Circuit avoid = context.avoid().orElse(null);
    return new SubnetworkProbing(
        settings.number("learning_rate"),
        settings.whole("epochs"),
        settings.number("lambda"),
        settings.choice("mask_fn", MaskFunction.class),
        learnFor(settings, context),
        settings
            .value(PruneAlgorithmProvider.SCORE_ABLATION)
            .map(key -> Ablation.of((String) key))
            .orElse(null),
        settings.choice("target", SubnetworkProbing.Target.class),
        circuitSize,
        settings.number("dropout"),
        avoid,
        settings.number("avoid_lambda"),
        settings.value(INIT).map(Double.class::cast).orElse(init),
        context.seed());
  }

  /** The patch type that {@link #LEARNED_FOR} says. */
  static PatchType learnFor(Settings settings, PruneContext context) {
    String mode = settings.text(LEARN_FOR);
    return mode.equals(JUDGED) ? context.patchType() : PatchType.of(mode);
  }

  /** What is set, but for the circuit's size; the mode is the one in force. */
  static Map<String, Object> values(SubnetworkProbing probing) {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("epochs", probing.epochs());
    values.put("learning_rate", probing.learningRate());
    values.put("lambda", probing.lambda());
    values.put("mask_fn", probing.maskFunction());
    values.put("target", probing.target());
    values.put(LEARN_FOR, probing.patchType().key());
    values.put(INIT, probing.init());
    values.put("dropout", probing.dropout());
    values.put("avoid_lambda", probing.avoidLambda());
    values.put(PruneAlgorithmProvider.SCORE_ABLATION, probing.ablation());
    return values;
  }
}
