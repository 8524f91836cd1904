package io.autocircuit.cli;

import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.NeuronMeasurements;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.NeuronScores;
import io.autocircuit.prune.NeuronAlgorithm;
import io.autocircuit.prune.PruneAlgorithm;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code neurons DIR}: scores the dimensions of what every source writes. */
@Command(
    name = "neurons",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Scores, by the algorithm and on the prompts of a discovery, every dimension of what each"
          + " head and MLP writes into the stream: the total gradient times what ablation changes."
          + " A node's score is the sum over its dimensions.",
      "With --sizes, or --select threshold, circuits of neurons are chosen by these scores and"
          + " judged on the prompts that judge: a source keeps the neurons that are in, and all"
          + " edges that leave it. Their size counts neurons; an edge's weight is the share of its"
          + " source's neurons that are in."
    })
final class NeuronsCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private RecordedRun recorded;

  @Option(
      names = "--best",
      paramLabel = "N",
      defaultValue = "10",
      description = "How many are printed (default: ${DEFAULT-VALUE}).")
  private int best;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      defaultValue = "neurons.safetensors",
      description =
          "Where they are written, as one tensor [sources, d_model] (default: ${DEFAULT-VALUE}).")
  private Path out;

  @Option(
      names = "--sizes",
      split = ",",
      paramLabel = "SIZE",
      description =
          "Judge circuits of so many neurons: numbers, shares (with a point), or a word, as of"
              + " --edges of discover.")
  private List<String> sizes = List.of();

  @Option(
      names = "--of",
      paramLabel = "WHAT",
      defaultValue = "neurons",
      description =
          "What circuits are chosen of: neurons, or nodes, of which the start of the stream is one"
              + " as well (default: ${DEFAULT-VALUE}).")
  private Of of;

  @CommandLine.Mixin private SelectionOptions selection;

  @Option(
      names = "--metrics",
      split = ",",
      paramLabel = "NAMES",
      description =
          "What is measured of circuits, at most three. Default: kl_div, logit_diff, those that"
              + " apply.")
  private List<String> metrics = List.of();

  /** What circuits are chosen of. */
  enum Of {
    NEURONS,
    NODES
  }

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public Integer call() {
    if (best < 0) {
      throw recorded.usage("--best=" + best + " is out of range; give 0 or more");
    }
    Optional<CircuitSelection> how = how();
    RunSpec found = recorded.recorded();
    AtomicFile.requireWritable(out);
    try (Run run = recorded.open(found)) {
      Discovery d = run.discovery();
      NeuronScores scores = scores(run, d);
      print(d.algorithm(), scores);
      scores.write(out, Map.of("run", run.spec().hash(), "algorithm", d.algorithm().title()));
      how.ifPresent(h -> judge(run, d, scores, h));
      spec.commandLine().getOut().println(out);
    }
    return 0;
  }

  /** How circuits are chosen; empty where none is asked for. */
  private Optional<CircuitSelection> how() {
    CircuitSelection how;
    try {
      how = selection.selection(sizes.isEmpty() ? null : "--sizes");
    } catch (IllegalArgumentException e) {
      throw recorded.usage(e.getMessage());
    }
    if (how.rule() == CircuitSelection.Rule.GREEDY) {
      throw recorded.usage(
          "--select=greedy goes from edge to edge, not from neuron to neuron; choose top or"
              + " threshold");
    }
    boolean judged = !sizes.isEmpty() || how.rule() == CircuitSelection.Rule.THRESHOLD;
    if (!judged && (how.signed() || how.prune() || !metrics.isEmpty() || of == Of.NODES)) {
      throw recorded.usage(
          "--of, --signed, --prune and --metrics are of circuits; give their --sizes too");
    }
    if (metrics.size() > NeuronTable.MOST_METRICS) {
      throw recorded.usage(
          "--metrics=" + String.join(",", metrics) + " are too many for a table; give three");
    }
    try {
      if (!sizes.isEmpty()) {
        EdgeCounts.parse(sizes);
      }
      metrics.forEach(Metric::of);
    } catch (IllegalArgumentException e) {
      throw recorded.usage(e.getMessage());
    }
    return judged ? Optional.of(how) : Optional.empty();
  }

  private void judge(Run run, Discovery d, NeuronScores scores, CircuitSelection how) {
    NeuronTable table = new NeuronTable(scores, of == Of.NODES, how);
    try (Bars bars = Bars.onTerminal()) {
      List<Metric> wanted = wanted(d);
      List<NeuronTable.Chosen> chosen = table.choose(sizes);
      List<Measurement> measured =
          run.with(
              () ->
                  NeuronMeasurements.of(
                      d.model(),
                      d.runs(),
                      d.test(),
                      chosen.stream().map(NeuronTable.Chosen::circuit).toList(),
                      wanted,
                      bars));
      table.print(spec.commandLine().getOut(), chosen, measured, benchmark());
    } catch (IllegalArgumentException e) {
      throw recorded.usage(e.getMessage());
    }
  }

  private boolean benchmark() {
    return sizes.size() == 1 && sizes.get(0).toLowerCase(Locale.ROOT).endsWith("mib");
  }

  private List<Metric> wanted(Discovery d) {
    if (metrics.isEmpty()) {
      return Stream.of(Metric.KL_DIV, Metric.LOGIT_DIFF)
          .filter(m -> m.inapplicable(d.test()).isEmpty())
          .toList();
    }
    List<Metric> wanted = metrics.stream().map(Metric::of).toList();
    for (Metric m : wanted) {
      m.inapplicable(d.test())
          .ifPresent(
              why -> {
                throw recorded.usage("metric \"" + m.key() + "\" " + why);
              });
    }
    return wanted;
  }

  private NeuronScores scores(Run run, Discovery d) {
    if (!(d.algorithm() instanceof NeuronAlgorithm algorithm)) {
      throw recorded.usage(
          "algorithm="
              + d.algorithm().key()
              + " scores no neurons; give a run of eap, eap-ig-inputs, eap-ig-activations or"
              + " clean-corrupted");
    }
    try (Bars bars = Bars.onTerminal()) {
      return run.with(() -> algorithm.scoreNeurons(d.model(), d.train(), bars));
    } catch (IllegalArgumentException e) {
      throw recorded.usage(e.getMessage());
    }
  }

  private void print(PruneAlgorithm algorithm, NeuronScores scores) {
    PrintWriter print = spec.commandLine().getOut();
    print.println(algorithm.title());
    if (best > 0) {
      print.printf(Locale.ROOT, "%-14s  %9s  %11s%n", "source", "dimension", "score");
    }
    for (NeuronScores.Scored s : scores.best(best)) {
      print.printf(
          Locale.ROOT, "%-14s  %,9d  %11.4g%n", s.source().name(), s.dimension(), s.score());
    }
    print.flush();
  }
}
