package io.autocircuit.prune;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code ceap}: {@link Ceap}. */
public final class CeapProvider implements PruneAlgorithmProvider {
  static final List<Setting> SETTINGS =
      GradientSettings.and(
          GradientSettings.GRADIENT,
          Setting.whole(
              "steps",
              1,
              5,
              "gradients are taken at m inputs, 0, 1/m, …, (m − 1)/m of the way from corrupt to"
                  + " clean"));

  /** For the catalogue. */
  public CeapProvider() {}

  @Override
  public String key() {
    return "ceap";
  }

  @Override
  public String title() {
    return "Conductance edge attribution patching";
  }

  @Override
  public String description() {
    return "gradients at embeddings between corrupt and clean, each times what the source changes in"
        + " that step";
  }

  @Override
  public Source source() {
    return Source.arxiv("Wu et al. 2026, Demystifying variance in circuit discovery", "2606.16920");
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

  /** Ablation values, two more forward passes, and a gradient for each step. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(3 + 2.5 * settings.whole("steps"));
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return new Ceap(GradientSettings.gradient(settings, 0, 0), settings.whole("steps"));
  }
}
