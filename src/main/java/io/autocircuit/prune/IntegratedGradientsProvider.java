package io.autocircuit.prune;

import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code ig}: {@link MaskGradient} at several mask values. */
public final class IntegratedGradientsProvider implements PruneAlgorithmProvider {
  static final List<Setting> SETTINGS =
      GradientSettings.and(
          GradientSettings.GRADIENT,
          Setting.whole(
              "samples", 1, 5, "gradients are averaged over N + 1 mask values 0, 1/N, …, 1"),
          Setting.choice(
              "path",
              "together",
              "which masks move from 0 to 1 together, while all others are 0",
              "together (all: N + 1 gradients)",
              "block (those of the edges into one block: N gradients for each block and"
                  + " the end, each from there on, and one)",
              "layer (those into one layer, so that none of them leads to another: N"
                  + " gradients for each layer, and one)"),
          GradientSettings.SUM);

  /** For the catalogue. */
  public IntegratedGradientsProvider() {}

  @Override
  public String key() {
    return "ig";
  }

  @Override
  public String title() {
    return "Integrated gradients";
  }

  @Override
  public String description() {
    return "mean of the gradients at masks from 0 to 1, of all edges together or of one block or layer"
        + " at a time";
  }

  @Override
  public Source source() {
    return Source.arxiv(
        "Sundararajan et al. 2017, Axiomatic attribution for deep networks", "1703.01365");
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

  @Override
  public List<Preset> presets() {
    return PublishedPresets.INTEGRATED_GRADIENTS;
  }

  /** As many gradients as mask values; how many groups of edges there are is not known here. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    if (settings.choice("path", MaskGradient.Path.class) != MaskGradient.Path.TOGETHER) {
      return OptionalDouble.empty();
    }
    return OptionalDouble.of(1 + 2.5 * settings.whole("samples"));
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    MaskGradient gradient =
        GradientSettings.gradient(settings, 0, settings.whole("samples"))
            .along(settings.choice("path", MaskGradient.Path.class));
    return settings.flag("sum") ? new SummedGradient(gradient) : gradient;
  }
}
