package io.autocircuit.prune;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code exact}: {@link ExactPatching}. */
public final class ExactPatchingProvider implements PruneAlgorithmProvider {
  static final String STARVED = "starved";
  static final List<Setting> SETTINGS =
      GradientSettings.and(
          GradientSettings.LOSS,
          Setting.flag(
                  STARVED,
                  "what leaves nodes that are left without any input is ablated too, as EAP-IG's"
                      + " evaluation does")
              .addedLater());

  /** For the catalogue. */
  public ExactPatchingProvider() {}

  @Override
  public String key() {
    return "exact";
  }

  @Override
  public String title() {
    return "Exact patching of every edge";
  }

  @Override
  public String description() {
    return "ablates every edge alone, one run for each: what eap approximates";
  }

  @Override
  public Source source() {
    return Source.arxiv(
        "Goldowsky-Dill et al. 2023, Localizing model behavior with path patching", "2304.05969");
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

  /** A part of a pass for each edge. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(0.4 * edges);
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return new ExactPatching(GradientSettings.gradient(settings, 0, 0), settings.flag(STARVED));
  }
}
