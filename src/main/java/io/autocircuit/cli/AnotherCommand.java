package io.autocircuit.cli;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.experiment.AvoidedEdges;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.experiment.StoredFile;
import io.autocircuit.patch.Circuit;
import io.autocircuit.prune.CircuitProbingProvider;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.report.DiscoveryReport;
import io.autocircuit.report.ResultDirectory;
import io.autocircuit.task.OfficialCircuit;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code another DIR}: a circuit that avoids the one of a discovery. */
@Command(
    name = "another",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Probes for another circuit than the one that a discovery found: of the same model and"
          + " prompts, as large, and with as few of its edges as the behaviour permits.",
      "It is circuit probing with --avoid; what it writes is what discover writes."
    })
final class AnotherCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private RecordedRun recorded;

  @Option(
      names = "--edges",
      paramLabel = "K",
      required = true,
      description = "How many edges the circuit has that is avoided, and the one looked for.")
  private int edges;

  @Option(
      names = "--epochs",
      paramLabel = "N",
      defaultValue = "2000",
      description = "Passes over the prompts (default: ${DEFAULT-VALUE}).")
  private int epochs;

  @Option(
      names = "--learning-rate",
      paramLabel = "X",
      defaultValue = "0.1",
      description = "Adam's step (default: ${DEFAULT-VALUE}).")
  private double learningRate;

  @Option(
      names = "--lambda",
      paramLabel = "X",
      defaultValue = "0.1",
      description = "Weight of the size penalty (default: ${DEFAULT-VALUE}).")
  private double lambda;

  @Option(
      names = "--avoid-lambda",
      paramLabel = "X",
      defaultValue = "0.3",
      description =
          "Weight of the penalty of edges that are avoided, within that of the size (default:"
              + " ${DEFAULT-VALUE}).")
  private double avoidLambda;

  @Option(
      names = "--mask-fn",
      paramLabel = "NAME",
      defaultValue = "hard_concrete",
      description =
          "What makes a mask of a learned number: none, sigmoid or hard_concrete (default:"
              + " ${DEFAULT-VALUE}).")
  private String maskFunction;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "another",
      description = "Where results are written (default: ${DEFAULT-VALUE}).")
  private Path out;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public Integer call() {
    if (out.toAbsolutePath()
        .normalize()
        .equals(recorded.directory().toAbsolutePath().normalize())) {
      throw recorded.usage(
          "--out=" + out + " is the directory of the circuit to avoid; choose another");
    }
    RunSpec found = recorded.recorded();
    recorded.requireEdges(found, "avoid one");
    RunSpec wanted = found.withScoring(algorithm()).withJudging(found.judging().withPerPrompt(0));
    ResultDirectory.requireWritable(out);
    PrintWriter print = spec.commandLine().getOut();
    try (Run run = recorded.open(wanted)) {
      Printout printout = new Printout(print, false);
      printout.before(
          run.discovery(),
          DiscoveryReport.dataset(run),
          run.task().prompts().beginning(),
          run.spec().machine().orElseThrow().device());
      Discovery.Result result;
      try (Bars bars = Bars.onTerminal()) {
        result = run.run(bars);
      }
      ResultDirectory.write(out, run, result);
      printout.after(result);
      Circuit avoided =
          OfficialCircuit.read(recorded.edges(), run.discovery().model().graph(), edges);
      BitSet shared = result.scores().top(edges).edgeSet();
      shared.and(avoided.edgeSet());
      print.println("report: " + out.resolve("report.html"));
      print.printf(
          Locale.ROOT,
          "of its %,d edges %,d are among the %,d avoided%n",
          edges,
          shared.cardinality(),
          avoided.size());
      print.flush();
    }
    return 0;
  }

  private RunSpec.Algorithm algorithm() {
    PruneAlgorithmProvider entry = new CircuitProbingProvider();
    try {
      return new RunSpec.Algorithm(
          entry.key(),
          Settings.of(
              entry.settings(),
              Map.of(
                  "circuit_sizes",
                  List.of(edges),
                  "epochs",
                  epochs,
                  "learning_rate",
                  learningRate,
                  "lambda",
                  lambda,
                  "avoid_lambda",
                  avoidLambda,
                  "mask_fn",
                  maskFunction)),
          Optional.of(
              new AvoidedEdges.Stored(StoredFile.at(recorded.edges()), Optional.of(edges))));
    } catch (IllegalArgumentException e) {
      throw recorded.usage(e.getMessage());
    }
  }
}
