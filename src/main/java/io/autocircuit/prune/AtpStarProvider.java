package io.autocircuit.prune;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.graph.ComputationGraph;
import java.util.List;
import java.util.OptionalDouble;

/** {@code atp-star}: {@link AtpStar}. */
public final class AtpStarProvider implements PruneAlgorithmProvider {
  static final String QK_FIX = "qk_fix";
  static final String GRAD_DROP = "grad_drop";
  static final String SIGNED = "signed_effects";
  static final String VERIFY = "verify";
  static final String CONFIDENCE = "confidence";
  static final List<Setting> SETTINGS =
      GradientSettings.and(
          GradientSettings.LOSS,
          Setting.of(
              QK_FIX,
              new SettingType.Flag(),
              true,
              "attention patterns are recomputed for edges into queries and keys (true unless"
                  + " false is given)"),
          Setting.of(
              GRAD_DROP,
              new SettingType.Flag(),
              true,
              "the mean over gradients that leave out one block each (true unless false is given)"),
          Setting.flag(
              SIGNED,
              "means of effects with their signs, in the place of the paper's means of sizes"),
          Setting.whole(
                  VERIFY,
                  0,
                  0,
                  "exact runs that verify the scores: half of them ablate one of the best each, the"
                      + " other half random subsets of the rest, for a bound on what was missed; 0 for"
                      + " none, else at least 16")
              .in("runs"),
          Setting.of(
              CONFIDENCE,
              new SettingType.Real(0, false, 1, false),
              0.99,
              "the least probability that this bound holds"));

  /** For the catalogue. */
  public AtpStarProvider() {}

  @Override
  public String key() {
    return "atp-star";
  }

  @Override
  public String title() {
    return "AtP*";
  }

  @Override
  public String description() {
    return "attribution patching with recomputed attention patterns, without cancellation, and with"
        + " a bound on what it misses";
  }

  @Override
  public Source source() {
    return Source.arxiv(
        "Kramár et al. 2024, AtP*: An efficient and scalable method for localizing LLM behaviour to"
            + " components",
        "2403.00745");
  }

  @Override
  public List<Setting> settings() {
    return SETTINGS;
  }

  /** The bound does, the scores do not. */
  @Override
  public boolean usesSeed() {
    return false;
  }

  @Override
  public boolean scoresPrompts() {
    return true;
  }

  @Override
  public OptionalDouble passes(Settings settings, ComputationGraph graph, int scored, int batches) {
    double passes = 3.5;
    if (settings.flag(QK_FIX) || settings.flag(GRAD_DROP)) {
      passes += 1; // the stream before each block
    }
    if (settings.flag(GRAD_DROP)) {
      passes += graph.blocks() - 1; // half of them go through each block, backwards
    }
    if (settings.flag(QK_FIX)) {
      passes += graph.sources().size() / 6.0; // each is projected in half of the blocks
    }
    int runs = Math.min(settings.whole(VERIFY), scored);
    return OptionalDouble.of(passes + runs);
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return new AtpStar(
        GradientSettings.gradient(settings, 0, 0),
        settings.flag(QK_FIX),
        settings.flag(GRAD_DROP),
        settings.flag(SIGNED),
        settings.whole(VERIFY),
        settings.number(CONFIDENCE),
        context.seed());
  }
}
