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
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.task.Task;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Locale;
import java.util.OptionalDouble;

/** {@code discover --dry-run}: what a run would take, said before anything is loaded. */
final class DiscoverPlan {
  /** A circuit of a sweep in plain passes; docs/performance.md. */
  private static final double CIRCUIT = 0.65;

  private static final double BILLION = 1e9;

  private DiscoverPlan() {}

  /**
   * Prints the plan of a run of a model and a prompt file.
   *
   * @throws IllegalArgumentException if they come from elsewhere, or positions are spans
   */
  static void print(RunSpec spec, PrintWriter out) {
    Path directory = spec.model().directory().orElse(null);
    if (directory == null || !(spec.prompts().source() instanceof PromptSource.File file)) {
      throw new IllegalArgumentException(
          "--dry-run needs --model MODEL and --dataset FILE; others are small, or drawn: run them");
    }
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
    boolean nodes = spec.graph().level() == Level.NODE;
    int scored = nodes ? graph.nodes().size() : plan.edges();
    out.printf(
        Locale.ROOT,
        "model: %s (%d × %d heads, d_model %d), %,d edges%s%n",
        config.name(),
        config.blocks(),
        config.heads(),
        config.dModel(),
        plan.edges(),
        nodes ? ", " + scored + " nodes are scored" : "");
    out.printf(Locale.ROOT, "prompts: %d, of %d tokens at most%n", prompts.size(), length);
    out.printf(
        Locale.ROOT,
        "memory: %s for weights in %s, some %s beside them for a gradient over a batch%n",
        bytes(plan.weightBytes()),
        spec.numbers().weights().key(),
        bytes(plan.runBytes()));
    time(spec, plan, graph, scored, out);
    out.println("only settings, names of tensors and prompts were read");
  }

  private static void time(
      RunSpec spec, RunPlan plan, ComputationGraph graph, int scored, PrintWriter out) {
    float[] scores = new float[scored];
    for (int i = 0; i < scored; i++) {
      scores[i] = scored - i; // as many different ones as there are
    }
    int circuits = spec.judging().sizes().resolve(scored, scores, -1).length;
    OptionalDouble passes =
        spec.scoring() instanceof RunSpec.Algorithm a
            ? PruneAlgorithmProvider.catalogue().get(a.key()).passes(a.settings(), graph, scored)
            : OptionalDouble.of(0);
    double all = passes.orElse(0) + circuits * CIRCUIT;
    double rate = RunPlan.measuredRate();
    out.printf(
        Locale.ROOT,
        "time: %s%s: %.0f plain passes (%s scoring, %d circuits) of %.3g GFLOP each, at %.0f"
            + " GFLOP/s (measured now, on a product of matrices)%n",
        passes.isPresent() ? "about " : "more than ",
        SweepConsole.duration(all * plan.passOperations() / rate),
        all,
        passes.isPresent() ? String.format(Locale.ROOT, "%.0f", passes.getAsDouble()) : "unknown",
        circuits,
        plan.passOperations() / BILLION,
        rate / BILLION);
  }

  private static ComputationGraph graph(RunSpec spec, TransformerConfig config, int length) {
    if (spec.graph().spans() || spec.graph().autoencoders().isPresent()) {
      throw new IllegalArgumentException(
          "--dry-run knows no spans and autoencoders; leave one of them away");
    }
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
