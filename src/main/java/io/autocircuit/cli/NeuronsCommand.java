package io.autocircuit.cli;

import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.patch.NeuronScores;
import io.autocircuit.prune.NeuronAlgorithm;
import io.autocircuit.prune.PruneAlgorithm;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
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

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public Integer call() {
    if (best < 0) {
      throw recorded.usage("--best=" + best + " is out of range; give 0 or more");
    }
    RunSpec found = recorded.recorded();
    AtomicFile.requireWritable(out);
    try (Run run = recorded.open(found)) {
      Discovery d = run.discovery();
      NeuronScores scores = scores(run, d);
      print(d.algorithm(), scores);
      scores.write(out, Map.of("run", run.spec().hash(), "algorithm", d.algorithm().title()));
      spec.commandLine().getOut().println(out);
    }
    return 0;
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
