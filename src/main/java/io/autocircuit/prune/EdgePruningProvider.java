package io.autocircuit.prune;

import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.patch.Ablation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/** {@code edge-pruning}: {@link EdgePruning}. */
public final class EdgePruningProvider implements PruneAlgorithmProvider {
  static final Source SOURCE =
      Source.arxiv(
          "Bhaskar et al. 2024, Finding transformer circuits with edge pruning", "2406.16778");

  private static final String EDGE_SPARSITY = "edge_sparsity";
  private static final String NODE_SPARSITY = "node_sparsity";
  private static final String STEPS = "steps";
  private static final String SPARSITY_WARM_UP = "sparsity_warm_up";
  private static final String RATE_WARM_UP = "learning_rate_warm_up";
  private static final String RATE = "learning_rate";
  private static final String MULTIPLIER_RATE = "multiplier_learning_rate";
  private static final String DECAY = "weight_decay";
  private static final String TEMPERATURE = "temperature";
  private static final String STRETCH = "stretch";
  private static final String INIT = "init";
  private static final String WARM_START = "warm_start";

  /** Half of the steps reach the target, the others have time to settle there. */
  private static final int TO_TARGET = 2;

  /** Of 3000 steps the paper takes 200 to reach the learning rate. */
  private static final int TO_RATE = 15;

  static final List<Setting> SETTINGS = declared();

  /** For the catalogue. */
  public EdgePruningProvider() {}

  private static List<Setting> declared() {
    List<Setting> all = new ArrayList<>();
    all.add(
        Setting.number(
            EDGE_SPARSITY,
            Setting.from(0),
            0.95,
            "wanted share of edges outside the circuit; above 1 for as few as can be"));
    all.add(
        Setting.optional(
            NODE_SPARSITY,
            Setting.from(0),
            "wanted share of nodes outside the circuit; without it none, and where nodes are scored"
                + " that of edges"));
    all.add(Setting.whole(STEPS, 1, 500, "steps of the optimisation, of one batch each"));
    all.add(
        Setting.optional(
            SPARSITY_WARM_UP,
            new SettingType.Whole(0, Integer.MAX_VALUE),
            "steps after which the target sparsity is reached; without it half of them"));
    all.add(
        Setting.optional(
            RATE_WARM_UP,
            new SettingType.Whole(0, Integer.MAX_VALUE),
            "steps in which learning rates rise from 0, before they fall to 0 at the last; without"
                + " it 1/15 of them"));
    all.add(Setting.number(RATE, Setting.above(0), 0.2, "Adam's step of the masks' parameters"));
    all.add(
        Setting.number(
            MULTIPLIER_RATE, Setting.above(0), 1, "Adam's step of the Lagrange multipliers"));
    all.add(
        Setting.number(
            DECAY, Setting.from(0), 0, "decoupled weight decay of the masks' parameters"));
    all.add(
        Setting.number(
            TEMPERATURE,
            Setting.above(0),
            HardConcrete.STANDARD.temperature(),
            "of the hard concrete masks"));
    all.add(
        Setting.number(
            STRETCH,
            Setting.above(0),
            -HardConcrete.STANDARD.left(),
            "how far below 0 and above 1 masks are stretched before they are clamped"));
    all.add(
        Setting.number(
            INIT,
            Setting.finite(),
            2,
            "the learned number of every mask at first; with a warm start that of the best edge"));
    all.add(ProbingSettings.TARGET);
    all.add(ProbingSettings.LEARNED_FOR);
    all.add(
        Setting.optional(
            WARM_START,
            new SettingType.File(),
            "scores whose ranking masks begin with: a file in any format, or the directory of a"
                + " run; without it all edges are in the circuit at first"));
    all.add(
        Setting.optional(
            WARM_START + FINGERPRINT,
            new SettingType.Text(),
            "the SHA-256 of that file, which a run records"));
    all.add(PruneAlgorithmProvider.scoreAblation());
    return List.copyOf(all);
  }

  @Override
  public String key() {
    return "edge-pruning";
  }

  @Override
  public String title() {
    return "Edge pruning";
  }

  @Override
  public String description() {
    return "learns masks of edges and of nodes whose sparsity Lagrange multipliers hold at a target";
  }

  @Override
  public Source source() {
    return SOURCE;
  }

  @Override
  public List<Setting> settings() {
    return SETTINGS;
  }

  @Override
  public List<Preset> presets() {
    return PublishedPresets.EDGE_PRUNING;
  }

  /** Where all prompts are in one batch. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return training(settings, 1);
  }

  /** A forward and a backward pass with masks for each step, over one batch. */
  @Override
  public OptionalDouble passes(Settings settings, ComputationGraph graph, int scored, int batches) {
    return training(settings, batches);
  }

  private static OptionalDouble training(Settings settings, int batches) {
    return OptionalDouble.of(3.0 * settings.whole(STEPS) / Math.max(1, batches));
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    int steps = settings.whole(STEPS);
    double stretch = settings.number(STRETCH);
    Optional<Double> ofNodes = settings.value(NODE_SPARSITY).map(Double.class::cast);
    return new EdgePruning(
        settings.number(EDGE_SPARSITY),
        ofNodes.isPresent() ? OptionalDouble.of(ofNodes.get()) : OptionalDouble.empty(),
        new EdgePruning.Schedule(
            steps,
            some(settings, SPARSITY_WARM_UP, steps, TO_TARGET),
            some(settings, RATE_WARM_UP, steps, TO_RATE),
            settings.number(RATE),
            settings.number(MULTIPLIER_RATE),
            settings.number(DECAY)),
        new HardConcrete(settings.number(TEMPERATURE), -stretch, 1 + stretch),
        settings.number(INIT),
        ProbingSettings.learnFor(settings, context),
        Ablation.of(settings.text(PruneAlgorithmProvider.SCORE_ABLATION)),
        settings.choice("target", SubnetworkProbing.Target.class),
        settings.value(WARM_START).map(file -> Path.of((String) file)),
        context.seed());
  }

  /** As many steps as are set, or one in so many. */
  private static int some(Settings settings, String name, int steps, int oneIn) {
    return settings.value(name).isPresent() ? settings.whole(name) : steps / oneIn;
  }

  /** What is set. */
  static Settings settings(EdgePruning of) {
    Map<String, Object> values = new HashMap<>();
    values.put(EDGE_SPARSITY, of.edgeSparsity());
    of.nodeSparsity().ifPresent(s -> values.put(NODE_SPARSITY, s));
    values.put(STEPS, of.schedule().steps());
    values.put(SPARSITY_WARM_UP, of.schedule().sparsityWarmUp());
    values.put(RATE_WARM_UP, of.schedule().learningRateWarmUp());
    values.put(RATE, of.schedule().learningRate());
    values.put(MULTIPLIER_RATE, of.schedule().multiplierLearningRate());
    values.put(DECAY, of.schedule().weightDecay());
    values.put(TEMPERATURE, of.masks().temperature());
    values.put(STRETCH, -of.masks().left());
    values.put(INIT, of.init());
    values.put("target", of.target());
    values.put("learn_for", of.patchType().key());
    of.warmStart().ifPresent(file -> values.put(WARM_START, file));
    values.put(PruneAlgorithmProvider.SCORE_ABLATION, of.ablation());
    return Settings.of(SETTINGS, values);
  }
}
