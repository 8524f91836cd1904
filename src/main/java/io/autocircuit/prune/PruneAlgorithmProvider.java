package io.autocircuit.prune;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Entry;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.patch.Ablation;
import java.util.OptionalDouble;

/**
 * An algorithm of the catalogue: what it is, which settings it has, and how it is made of them.
 *
 * <p>A class that implements this, has a public constructor without arguments and is named in
 * {@code META-INF/services/io.autocircuit.prune.PruneAlgorithmProvider} of a jar on the class path
 * is an algorithm: its settings are options of {@code discover}, it is listed, and its settings are
 * in the results.
 */
public interface PruneAlgorithmProvider extends Entry {
  /**
   * The name of the setting that says what ablated sources are replaced by while edges are scored.
   * Where an algorithm has it, the command line's {@code --ablation} gives it too.
   */
  String SCORE_ABLATION = "score_ablation";

  /**
   * What the name of a setting ends with that has the SHA-256 of the scores that another, a file or
   * the directory of a run, names: a run fills it in, and notices when they are other scores.
   */
  String FINGERPRINT = "_sha256";

  /**
   * Makes the algorithm.
   *
   * @param settings values of {@link #settings}
   * @param context what else it may need to know of the run
   * @return the algorithm; its {@link PruneAlgorithm#key} is the entry's
   * @throws IllegalArgumentException if settings do not go together, or the context lacks what it
   *     needs
   */
  PruneAlgorithm create(Settings settings, PruneContext context);

  /**
   * Whether it needs {@link PruneContext#official}.
   *
   * @return false unless overridden
   */
  default boolean needsOfficial() {
    return false;
  }

  /**
   * Whether it needs {@link PruneContext#official} with some settings.
   *
   * @param settings values of {@link #settings}
   * @return {@link #needsOfficial()} unless overridden
   */
  default boolean needsOfficial(Settings settings) {
    return needsOfficial();
  }

  /**
   * Whether it keeps {@link PruneContext#avoid} out of the circuits that it looks for.
   *
   * @return false unless overridden
   */
  default boolean avoids() {
    return false;
  }

  /**
   * Whether its scores depend on {@link PruneContext#seed}. Those that do not are computed once in
   * an experiment of several seeds.
   *
   * @return true unless overridden
   */
  default boolean usesSeed() {
    return true;
  }

  /**
   * Whether what it makes is a {@link PromptAlgorithm}.
   *
   * @return false unless overridden
   */
  default boolean scoresPrompts() {
    return false;
  }

  /**
   * About how long scoring takes, to plan by: on small and large models alike within a factor of
   * two or three.
   *
   * @param settings values of {@link #settings}
   * @param edges of the graph
   * @return in plain forward passes over the prompts; empty where nothing is known, as it is unless
   *     overridden
   */
  default OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.empty();
  }

  /**
   * As {@link #passes(Settings, int)}, where it depends on more than the number of edges.
   *
   * @param settings values of {@link #settings}
   * @param graph the model's graph
   * @param scored how many edges, or nodes, are scored
   * @param batches that the prompts are in
   * @return in plain forward passes over the prompts; unless overridden, what does not depend on
   *     them
   */
  default OptionalDouble passes(
      Settings settings, ComputationGraph graph, int scored, int batches) {
    return passes(settings, scored);
  }

  /**
   * All algorithms that there are: the library's, then those of other jars.
   *
   * @return a new catalogue
   */
  static Catalogue<PruneAlgorithmProvider> catalogue() {
    return Catalogue.load("algorithm", PruneAlgorithmProvider.class);
  }

  /**
   * The usual setting of this name, {@code resample} where nothing is said.
   *
   * @return the setting
   */
  static Setting scoreAblation() {
    return Setting.of(
        SCORE_ABLATION,
        new SettingType.Key("ablations"),
        Ablation.RESAMPLE,
        "what ablated sources are replaced by while edges are scored; --ablation gives it too");
  }
}
