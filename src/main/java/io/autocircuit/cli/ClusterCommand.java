package io.autocircuit.cli;

import io.autocircuit.data.TokenizedPair;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.PromptResultFiles;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.metric.ClusterCircuits;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.PromptClusters;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.task.Task;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code cluster DIR}: groups of prompts with a circuit each. */
@Command(
    name = "cluster",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Puts the prompts of a discovery with --per-prompt into clusters by their scores, and judges"
          + " the circuit of each cluster on its own prompts and on the others': do the prompts"
          + " share one circuit?"
    })
final class ClusterCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private RecordedRun recorded;

  @Option(
      names = "--clusters",
      paramLabel = "K",
      defaultValue = "auto",
      description =
          "How many; auto is the number of 2 to 10 with the greatest mean silhouette, or 1 where"
              + " that is below 0.25 (default: ${DEFAULT-VALUE}).")
  private String clusters;

  @Option(
      names = "--by",
      paramLabel = "WHAT",
      defaultValue = "edges",
      description =
          "What of prompts is compared: edges (which are among their best), scores, or magnitudes"
              + " (|score|; default: ${DEFAULT-VALUE}).")
  private String by;

  @Option(
      names = "--top",
      paramLabel = "N",
      description =
          "Of each prompt only its N best edges count. Default: all; with --by edges as many as"
              + " the circuit of each prompt has (--per-prompt).")
  private Integer top;

  @Option(
      names = "--edges",
      paramLabel = "K",
      description =
          "How many edges the circuits have. Default: as many as the circuit of each prompt.")
  private Integer edges;

  @Option(
      names = "--metric",
      paramLabel = "NAME",
      description =
          "What circuits are judged by. Default: logit_diff_percent, or answer_mse or kl_div"
              + " where the prompts have no wrong answers.")
  private String metric;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Of the starts of k-means (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--out",
      paramLabel = "OUT",
      defaultValue = "clusters",
      description =
          "Where clusters.json is written, and for each cluster N cluster-N/ with scores and"
              + " circuit (default: ${DEFAULT-VALUE}).")
  private Path out;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public Integer call() {
    RunSpec found = recorded.recorded();
    recorded.requireEdges(found, "put prompts into clusters");
    int each = found.judging().perPrompt();
    Path file = recorded.directory().resolve(PromptResultFiles.SCORES);
    if (each == 0 || !Files.isRegularFile(file)) {
      throw recorded.usage(
          "directory="
              + recorded.directory()
              + " has no scores of prompts; give a run with --per-prompt");
    }
    PromptClusters.Settings settings = settings(each);
    requireMetric();
    ClusterFiles files = new ClusterFiles(out);
    boolean fresh = files.prepare();
    boolean done = false;
    try (Run run = recorded.open(found)) {
      Discovery d = run.discovery();
      PromptScores scores = PromptScores.read(file, d.model().graph());
      if (scores.prompts() != d.trainPrompts()) {
        throw new DataException(
            "file="
                + file
                + " has scores of prompts="
                + scores.prompts()
                + ", but the run of prompts="
                + d.trainPrompts()
                + "; give the results of discover, unchanged");
      }
      PromptClusters together = clusters(run, scores, settings);
      ClusterCircuits circuits = judged(run, scores, together, edges == null ? each : edges);
      List<String> templates = run.trainTemplates();
      Optional<Double> rand =
          templates.stream().distinct().count() < 2
              ? Optional.empty()
              : Optional.of(together.adjustedRand(templates));
      new ClusterPrintout(spec.commandLine().getOut(), scores.graph())
          .print(together, circuits, run.trainPrompts(), texts(run), templates, rand);
      files.write(run.spec().hash(), settings, together, circuits, run.trainPrompts(), rand);
      spec.commandLine().getOut().println(out.resolve(ClusterFiles.CLUSTERS));
      spec.commandLine().getOut().flush();
      done = true;
    } finally {
      if (fresh && !done) {
        files.abandon();
      }
    }
    return 0;
  }

  private void requireMetric() {
    try {
      if (metric != null) {
        Metric.of(metric);
      }
    } catch (UnknownNameException e) {
      throw recorded.usage(e.getMessage());
    }
  }

  private PromptClusters.Settings settings(int each) {
    OptionalInt count = OptionalInt.empty();
    if (!clusters.equalsIgnoreCase("auto")) {
      try {
        count = OptionalInt.of(Integer.parseInt(clusters));
      } catch (NumberFormatException e) {
        throw recorded.usage("--clusters=" + clusters + " is no number; give one, or auto");
      }
    }
    if (top != null && top < 1) {
      throw recorded.usage("--top=" + top + " is out of range; give 1 or more");
    }
    try {
      PromptClusters.By what = PromptClusters.By.of(by);
      int best = top != null ? top : what == PromptClusters.By.EDGES ? each : 0;
      return new PromptClusters.Settings(what, best, count, seed);
    } catch (IllegalArgumentException e) {
      throw recorded.usage("--" + e.getMessage());
    }
  }

  private PromptClusters clusters(Run run, PromptScores scores, PromptClusters.Settings settings) {
    try {
      return run.with(() -> PromptClusters.of(scores, settings));
    } catch (IllegalArgumentException e) {
      throw recorded.usage(e.getMessage());
    }
  }

  private ClusterCircuits judged(Run run, PromptScores scores, PromptClusters found, int size) {
    Discovery d = run.discovery();
    CircuitSelection selection =
        d.selection().rule() == CircuitSelection.Rule.THRESHOLD
            ? CircuitSelection.TOP
            : d.selection();
    try (Bars bars = Bars.onTerminal()) {
      Metric measured = metric(d);
      return run.with(
          () ->
              ClusterCircuits.of(
                  new ClusterCircuits.On(d.model(), d.runs(), d.train()),
                  scores,
                  found,
                  selection,
                  size,
                  measured,
                  bars));
    } catch (IllegalArgumentException e) {
      throw recorded.usage(e.getMessage());
    }
  }

  private Metric metric(Discovery d) {
    return metric != null
        ? Metric.of(metric)
        : Stream.of(Metric.LOGIT_DIFF_PERCENT, Metric.ANSWER_MSE)
            .filter(m -> m.inapplicable(d.train()).isEmpty())
            .findFirst()
            .orElse(Metric.KL_DIV);
  }

  /** The clean prompts that scored, by their number in the file. */
  private static Map<Integer, String> texts(Run run) {
    Path files = run.spec().model().directory().orElse(null);
    Map<Integer, TokenizedPair> pairs = new HashMap<>();
    run.task().prompts().prompts().forEach(p -> pairs.put(p.index(), p));
    int[] wanted = run.trainPrompts();
    List<List<String>> words =
        Task.texts(IntStream.of(wanted).mapToObj(i -> pairs.get(i).clean()).toList(), files);
    Map<Integer, String> texts = new HashMap<>();
    for (int i = 0; i < wanted.length; i++) {
      boolean ids = words.get(i).stream().allMatch(w -> w.matches("\\d+"));
      texts.put(wanted[i], String.join(ids ? " " : "", words.get(i)));
    }
    return texts;
  }
}
