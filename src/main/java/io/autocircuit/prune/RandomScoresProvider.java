package io.autocircuit.prune;

import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code random}: {@link RandomScores} of the run's seed. */
public final class RandomScoresProvider implements PruneAlgorithmProvider {
  /** For the catalogue. */
  public RandomScoresProvider() {}

  @Override
  public String key() {
    return "random";
  }

  @Override
  public String title() {
    return "Random";
  }

  @Override
  public String description() {
    return "uniform random scores of the run's seed: the baseline";
  }

  @Override
  public Source source() {
    return Source.OURS;
  }

  @Override
  public List<Preset> presets() {
    return PublishedPresets.RANDOM;
  }

  /** Runs nothing. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(0);
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return new RandomScores(context.seed());
  }
}
