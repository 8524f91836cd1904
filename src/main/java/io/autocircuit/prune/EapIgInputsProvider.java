package io.autocircuit.prune;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code eap-ig-inputs}: {@link EapIgInputs}. */
public final class EapIgInputsProvider implements PruneAlgorithmProvider {
  static final List<Setting> SETTINGS =
      GradientSettings.and(
          GradientSettings.EAP_IG,
          Setting.whole(
              "steps",
              1,
              5,
              "gradients are averaged over m inputs, 0, 1/m, …, (m − 1)/m of the way from corrupt to"
                  + " clean"));

  /** For the catalogue. */
  public EapIgInputsProvider() {}

  @Override
  public String key() {
    return "eap-ig-inputs";
  }

  @Override
  public String title() {
    return "EAP-IG over inputs";
  }

  @Override
  public String description() {
    return "mean of the gradients at embeddings between corrupt and clean, times what ablation"
        + " changes";
  }

  @Override
  public Source source() {
    return Source.arxiv("Hanna et al. 2024, Have faith in faithfulness", "2403.17806");
  }

  @Override
  public List<Setting> settings() {
    return SETTINGS;
  }

  @Override
  public boolean usesSeed() {
    return false;
  }

  @Override
  public boolean scoresPrompts() {
    return true;
  }

  /** Ablation values, one more forward pass, and a gradient for each step. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(2 + 2.5 * settings.whole("steps"));
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return GradientSettings.divided(
        settings,
        new EapIgInputs(GradientSettings.gradient(settings, 0, 0), settings.whole("steps")));
  }
}
