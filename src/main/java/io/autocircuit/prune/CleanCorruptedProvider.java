package io.autocircuit.prune;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code clean-corrupted}: {@link CleanCorrupted}. */
public final class CleanCorruptedProvider implements PruneAlgorithmProvider {
  static final List<Setting> SETTINGS = GradientSettings.EAP_IG;

  /** For the catalogue. */
  public CleanCorruptedProvider() {}

  @Override
  public String key() {
    return "clean-corrupted";
  }

  @Override
  public String title() {
    return "Clean and corrupt gradients";
  }

  @Override
  public String description() {
    return "mean of the gradients at the clean and at the corrupt input, times what ablation changes";
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

  /** Ablation values, one more forward pass, and two gradients. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(2 + 2.5 * 2);
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return GradientSettings.divided(
        settings, new CleanCorrupted(GradientSettings.gradient(settings, 0, 0)));
  }
}
