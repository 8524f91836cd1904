package io.autocircuit.prune;

import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code activation-magnitude}: {@link ActivationMagnitude}. */
public final class ActivationMagnitudeProvider implements PruneAlgorithmProvider {
  static final String SIGNED_MEAN = "signed_mean";
  static final List<Setting> SETTINGS =
      List.of(
          Setting.flag(
              SIGNED_MEAN,
              "the absolute value of a batch's signed mean, as AutoCircuit has it, for comparison"));

  /** For the catalogue. */
  public ActivationMagnitudeProvider() {}

  @Override
  public String key() {
    return "activation-magnitude";
  }

  @Override
  public String title() {
    return "Activation magnitude";
  }

  @Override
  public String description() {
    return "mean absolute activation of an edge's source on clean prompts: a baseline that knows"
        + " nothing of the answers";
  }

  @Override
  public Source source() {
    return Source.web("AutoCircuit, Miller 2024", "https://github.com/UFO-101/auto-circuit");
  }

  @Override
  public List<Setting> settings() {
    return SETTINGS;
  }

  @Override
  public List<Preset> presets() {
    return PublishedPresets.ACTIVATION_MAGNITUDE;
  }

  @Override
  public boolean usesSeed() {
    return false;
  }

  /** One unpatched run that keeps what sources write. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(1.5);
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return new ActivationMagnitude(settings.flag(SIGNED_MEAN));
  }
}
