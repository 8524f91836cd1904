package io.autocircuit.prune;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code eap-ig-activations}: {@link EapIgActivations}. */
public final class EapIgActivationsProvider implements PruneAlgorithmProvider {
  static final String POOLED = "all_sites";
  static final List<Setting> SETTINGS =
      GradientSettings.and(
          GradientSettings.EAP_IG,
          Setting.whole(
              "steps",
              1,
              5,
              "for each site gradients are averaged over m outputs, 1/m, 2/m, …, 1 of the way from"
                  + " ablated to their own"),
          Setting.flag(
              POOLED, "every edge gets the mean over all sites, as EAP-IG has it, for comparison"));

  /** For the catalogue. */
  public EapIgActivationsProvider() {}

  @Override
  public String key() {
    return "eap-ig-activations";
  }

  @Override
  public String title() {
    return "EAP-IG over activations";
  }

  @Override
  public String description() {
    return "mean of the gradients where one site's outputs lie between their ablation and their own, times"
        + " what ablation changes";
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

  /** How many sites there are is not known here. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.empty();
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return GradientSettings.divided(
        settings,
        new EapIgActivations(
            GradientSettings.gradient(settings, 0, 0),
            settings.whole("steps"),
            settings.flag(POOLED)));
  }
}
