package io.autocircuit.prune;

import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code eap}: {@link MaskGradient} at one mask value. */
public final class EapProvider implements PruneAlgorithmProvider {
  static final List<Setting> SETTINGS =
      GradientSettings.and(
          GradientSettings.EAP_IG,
          Setting.number(
              "mask_value", Setting.finite(), 0, "the masks where the gradient is taken"),
          GradientSettings.SUM);

  /** For the catalogue. */
  public EapProvider() {}

  @Override
  public String key() {
    return "eap";
  }

  @Override
  public String title() {
    return "Edge attribution patching";
  }

  @Override
  public String description() {
    return "gradient of a loss with respect to the masks, at one mask value";
  }

  @Override
  public Source source() {
    return Source.arxiv(
        "Syed et al. 2023, Attribution patching outperforms automated circuit discovery",
        "2310.10348");
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
    return PublishedPresets.EAP;
  }

  /** Ablation values, a forward and a backward pass. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(3.5);
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    MaskGradient gradient = GradientSettings.gradient(settings, settings.number("mask_value"), 0);
    if (settings.flag("sum") && settings.value("library_batch").isPresent()) {
      throw new IllegalArgumentException(
          "--sum and --library-batch="
              + settings.whole("library_batch")
              + " are the sizes of two programs; leave one of them out");
    }
    return settings.flag("sum")
        ? new SummedGradient(gradient)
        : GradientSettings.divided(settings, gradient);
  }
}
