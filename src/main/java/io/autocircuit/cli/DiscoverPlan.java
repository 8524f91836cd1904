package io.autocircuit.cli;

import io.autocircuit.benchmark.RunPlan;
import io.autocircuit.data.PromptLimits;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.experiment.Level;
import io.autocircuit.experiment.PromptSource;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.model.WeightType;
import io.autocircuit.prune.OptimalAblation;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.prune.PruneContext;
import io.autocircuit.task.Task;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What a run of a model and prompts in files would take, said before anything is loaded: {@code
 * --dry-run}.
 *
 * @param spec the run
 * @param config of the model
 * @param prompts all of them
 * @param graph of the longest prompts
 * @param plan what a plain pass takes
 */
record DiscoverPlan(
    RunSpec spec,
    TransformerConfig config,
    TokenizedDataset prompts,
    ComputationGraph graph,
    RunPlan plan) {
  /** A circuit of a sweep in plain passes; docs/performance.md. */
  private static final double CIRCUIT = 0.65;

  private static final double BILLION = 1e9;

  /** Why a run cannot be planned without loading it; empty if it can. */
  static Optional<String> refusal(RunSpec spec) {
    if (spec.model().directory().isEmpty()
        || !(spec.prompts().source() instanceof PromptSource.File)) {
      return Optional.of(
          "--dry-run needs --model MODEL and --dataset FILE; others are small, or drawn: run them");
    }
    return spec.graph().spans() || spec.graph().autoencoders().isPresent()
        ? Optional.of("--dry-run knows no spans and autoencoders; leave one of them away")
        : Optional.empty();
  }

  /**
   * Plans a run.
   *
   * @throws IllegalArgumentException if it cannot be planned
   */
  static DiscoverPlan of(RunSpec spec) {
    refusal(spec)
        .ifPresent(
            why -> {
              throw new IllegalArgumentException(why);
            });
    Path directory = spec.model().directory().orElseThrow();
    PromptSource.File file = (PromptSource.File) spec.prompts().source();
    TransformerConfig config = ModelLoader.config(directory);
    TokenizedDataset prompts =
        Task.tokenize(
            file.file().path(),
            file.columns(),
            directory,
            spec.prompts().bos(),
            spec.prompts().multiTokenAnswers(),
            new PromptLimits(
                config.vocabulary(),
                config.outputs(),
                config.contextLength(),
                !spec.prompts().padded()));
    int length = Collections.max(prompts.lengths());
    ComputationGraph graph = graph(spec, config, length);
    boolean narrow = spec.numbers().weights() != WeightType.FLOAT32;
    RunPlan plan =
        RunPlan.of(
            config,
            graph,
            prompts.size(),
            length,
            spec.prompts().batchSize(),
            narrow ? Short.BYTES : Float.BYTES);
    return new DiscoverPlan(spec, config, prompts, graph, plan);
  }

  /** Prints it. */
  void print(PrintWriter out) {
    boolean nodes = spec.graph().level() == Level.NODE;
    out.printf(
        Locale.ROOT,
        "model: %s (%d × %d heads, d_model %d), %,d edges%s%n",
        config.name(),
        config.blocks(),
        config.heads(),
        config.dModel(),
        plan.edges(),
        nodes ? ", " + scored() + " nodes are scored" : "");
    out.printf(
        Locale.ROOT,
        "prompts: %d, of %d tokens at most%n",
        prompts.size(),
        Collections.max(prompts.lengths()));
    out.printf(
        Locale.ROOT,
        "memory: %s for weights in %s, some %s beside them for a gradient over a batch%n",
        bytes(plan.weightBytes()),
        spec.numbers().weights().key(),
        bytes(plan.runBytes()));
    OptionalDouble passes = passes(spec);
    double rate = RunPlan.measuredRate();
    out.printf(
        Locale.ROOT,
        "time: %s%s: %.0f plain passes (%s scoring, %d circuits) of %.3g GFLOP each, at %.0f"
            + " GFLOP/s (measured now, on a product of matrices)%n",
        passes.isPresent() ? "about " : "more than ",
        SweepConsole.duration(seconds(spec, rate)),
        all(spec),
        passes.isPresent() ? String.format(Locale.ROOT, "%.0f", passes.getAsDouble()) : "unknown",
        circuits(),
        plan.passOperations() / BILLION,
        rate / BILLION);
    out.println("only settings, names of tensors and prompts were read");
  }

  private int scored() {
    return spec.graph().level() == Level.NODE ? graph.nodes().size() : plan.edges();
  }

  private int batches() {
    int size = spec.prompts().batchSize();
    return (prompts.size() + size - 1) / size;
  }

  private int circuits() {
    float[] scores = new float[scored()];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = scores.length - i; // as many different ones as there are
    }
    return spec.judging().sizes().resolve(scores.length, scores, -1).length;
  }

  /**
   * Plain passes of scoring.
   *
   * @param other a run of the same model, prompts and graph
   * @return empty where its algorithm's cost is not known
   */
  OptionalDouble passes(RunSpec other) {
    return other.scoring() instanceof RunSpec.Algorithm a
        ? PruneAlgorithmProvider.catalogue()
            .get(a.key())
            .passes(a.settings(), graph, scored(), batches())
        : OptionalDouble.of(0);
  }

  /**
   * About so long, without loading the model, and without scoring where that is not known.
   *
   * @param other a run of the same model, prompts and graph
   * @param rate operations in a second
   */
  double seconds(RunSpec other, double rate) {
    return all(other) * plan.passOperations() / rate;
  }

  /** Plain passes of scoring, of circuits, and of learning constants. */
  private double all(RunSpec other) {
    boolean learns = other.ablatesToConstants() && other.constants().isEmpty();
    return passes(other).orElse(0)
        + circuits() * CIRCUIT
        + (learns ? (double) OptimalAblation.PASSES / batches() : 0);
  }

  /**
   * Checks that the algorithm of a run fits the graph and the prompts, unless a known circuit is
   * part of it.
   *
   * @param other a run of the same model, prompts and graph
   * @throws IllegalArgumentException if it does not
   * @throws io.autocircuit.files.DataException if the prompts lack what it looks at
   */
  void requireFit(RunSpec other) {
    boolean nodes = other.graph().level() == Level.NODE;
    if (other.scoring() instanceof RunSpec.Algorithm a
        && other.official().isEmpty()
        && a.avoid().isEmpty()) {
      PruneContext context =
          new PruneContext(
              other.seed(),
              other.judging().runs().patchType(),
              Optional.empty(),
              Optional.empty(),
              nodes);
      PruneAlgorithm made =
          PruneAlgorithmProvider.catalogue().get(a.key()).create(a.settings(), context);
      if (nodes) {
        made.requireFit(graph.nodes().groups(), prompts);
      } else {
        made.requireFit(graph, prompts);
      }
    }
  }

  private static ComputationGraph graph(RunSpec spec, TransformerConfig config, int length) {
    int positions = spec.graph().tokenPositions() ? length : 0;
    return spec.graph().form() == ComputationGraph.Form.UNFACTORIZED
        ? config.unfactorizedGraph(positions)
        : config.graph(spec.graph().separateQkv(), spec.graph().keyValues(), positions);
  }

  private static String bytes(double bytes) {
    return bytes < BILLION
        ? String.format(Locale.ROOT, "%.1f MB", bytes / 1e6)
        : String.format(Locale.ROOT, "%.1f GB", bytes / BILLION);
  }
}
