package io.autocircuit.prune;

import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.patch.Ablation;
import java.util.List;
import java.util.OptionalDouble;

/** {@code sp}: {@link SubnetworkProbing}. */
public final class SubnetworkProbingProvider implements PruneAlgorithmProvider {
  static final List<Setting> SETTINGS =
      List.of(
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
          Setting.choice(
              "target",
              "auto",
              "the loss beside the size",
              "auto (kl_div; mse where the answers are numbers)",
              "kl_div",
              "mse",
              "answer",
              "wrong_answer",
              "logit_diff_percent"),
          Setting.whole("circuit_size", 0, 0, "wanted number of edges; 0 for none").in("edges"),
          Setting.number(
              "dropout",
              new SettingType.Real(0, true, 1, false),
              0,
              "probability that a mask value is dropped"),
          Setting.optional(
              PruneAlgorithmProvider.SCORE_ABLATION,
              new SettingType.Key("ablations"),
              "what ablated sources are replaced by while masks are learned; without it"
                  + " tokenwise_mean_corrupt for tree patching and resample for edge patching"));

  /** For the catalogue. */
  public SubnetworkProbingProvider() {}

  @Override
  public String key() {
    return "sp";
  }

  @Override
  public String title() {
    return "Subnetwork probing";
  }

  @Override
  public String description() {
    return "learns the masks by gradient descent on a loss plus λ times the size";
  }

  @Override
  public Source source() {
    return Source.arxiv(
        "Cao et al. 2021, Low-complexity probing via finding subnetworks", "2104.03514");
  }

  @Override
  public List<Setting> settings() {
    return SETTINGS;
  }

  @Override
  public List<Preset> presets() {
    return PublishedPresets.SUBNETWORK_PROBING;
  }

  /** A forward and a backward pass with masks for each epoch. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(3.0 * settings.whole("epochs"));
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return new SubnetworkProbing(
        settings.number("learning_rate"),
        settings.whole("epochs"),
        settings.number("lambda"),
        settings.choice("mask_fn", MaskFunction.class),
        context.patchType(),
        settings.value(SCORE_ABLATION).map(key -> Ablation.of((String) key)).orElse(null),
        settings.choice("target", SubnetworkProbing.Target.class),
        settings.whole("circuit_size"),
        settings.number("dropout"),
        null,
        1,
        context.seed());
  }
}
