package io.autocircuit.prune;

import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code ground-truth}: {@link GroundTruth} of the run's official circuit. */
public final class GroundTruthProvider implements PruneAlgorithmProvider {
  /** For the catalogue. */
  public GroundTruthProvider() {}

  @Override
  public String key() {
    return "ground-truth";
  }

  @Override
  public String title() {
    return "Official circuit";
  }

  @Override
  public String description() {
    return "1 on the edges of the run's official circuit, 0 elsewhere";
  }

  @Override
  public Source source() {
    return Source.OURS;
  }

  @Override
  public boolean needsOfficial() {
    return true;
  }

  @Override
  public boolean usesSeed() {
    return false;
  }

  @Override
  public List<Preset> presets() {
    return PublishedPresets.GROUND_TRUTH;
  }

  /** Runs nothing. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(0);
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return new GroundTruth(
        context
            .official()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "algorithm=ground-truth needs an official circuit; give one")));
  }
}
