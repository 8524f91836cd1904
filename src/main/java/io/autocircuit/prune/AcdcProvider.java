package io.autocircuit.prune;

import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.patch.Ablation;
import java.util.List;
import java.util.OptionalDouble;

/** {@code acdc}: {@link Acdc}. */
public final class AcdcProvider implements PruneAlgorithmProvider {
  static final List<Setting> SETTINGS =
      List.of(
          Setting.of(
              "tau",
              new SettingType.Several(Setting.above(0)),
              List.of(0.001),
              "one or more thresholds"),
          Setting.choice(
              "target",
              "auto",
              "the distance from the clean outputs",
              "auto (kl_div; mse where the answers are numbers)",
              "kl_div",
              "mse"),
          PruneAlgorithmProvider.scoreAblation());

  /** For the catalogue. */
  public AcdcProvider() {}

  @Override
  public String key() {
    return "acdc";
  }

  @Override
  public String title() {
    return "ACDC";
  }

  @Override
  public String description() {
    return "removes edges one after another, from the end backwards, while the distance rises by"
        + " less than τ";
  }

  @Override
  public Source source() {
    return Source.arxiv(
        "Conmy et al. 2023, Towards automated circuit discovery for mechanistic interpretability",
        "2304.14997");
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
  public List<Preset> presets() {
    return PublishedPresets.ACDC;
  }

  /** A part of a pass for each edge and threshold. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(0.3 * edges * settings.numbers("tau").size());
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return new Acdc(
        settings.numbers("tau"),
        settings.choice("target", Acdc.Target.class),
        Ablation.of(settings.text(SCORE_ABLATION)));
  }
}
