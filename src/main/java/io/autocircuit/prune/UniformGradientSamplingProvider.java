package io.autocircuit.prune;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.patch.Ablation;
import java.util.List;
import java.util.OptionalDouble;

/** {@code ugs}: {@link UniformGradientSampling}. */
public final class UniformGradientSamplingProvider implements PruneAlgorithmProvider {
  static final String KEY = "ugs";

  static final List<Setting> SETTINGS =
      List.of(
          Setting.whole("epochs", 1, 100, "passes over the prompts"),
          Setting.number("learning_rate", Setting.above(0), 0.1, "Adam's step"),
          Setting.number("lambda", Setting.from(0), 0.001, "what one edge costs").in("nats"),
          Setting.number("init", Setting.finite(), 1, "log odds of keeping an edge at first"),
          PruneAlgorithmProvider.scoreAblation());

  /** For the catalogue. */
  public UniformGradientSamplingProvider() {}

  @Override
  public String key() {
    return KEY;
  }

  @Override
  public String title() {
    return "Uniform gradient sampling";
  }

  @Override
  public String description() {
    return "learns with which probability each edge is kept, on masks of which few are not 0 or 1";
  }

  @Override
  public Source source() {
    return Source.arxiv("Li and Janson 2024, Optimal ablation for interpretability", "2409.09951");
  }

  @Override
  public List<Setting> settings() {
    return SETTINGS;
  }

  /** A forward and a backward pass with masks for each epoch. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(3.0 * settings.whole("epochs"));
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return new UniformGradientSampling(
        settings.number("learning_rate"),
        settings.whole("epochs"),
        settings.number("lambda"),
        settings.number("init"),
        context.patchType(),
        Ablation.of(settings.text(SCORE_ABLATION)),
        context.seed());
  }
}
