package io.autocircuit.cli;

import io.autocircuit.experiment.CircuitModel;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.GraphNodes;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.SavedScores;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code circuit export DIR --as-model OUT}: a circuit of nodes as a model. */
@Command(
    name = "export",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Writes the circuit of the best nodes of a discovery with --level node as a model directory"
            + " in Hugging Face's format: heads and MLPs outside it write what the run ablates them"
            + " to, zero or one mean each, and the logits are the circuit's. Edges, resampling and"
            + " means by position cannot be written so.")
final class CircuitExportCommand implements Callable<Integer> {
  private static final int SHOWN = 10;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private RecordedRun recorded;

  @Option(
      names = {"--nodes", "--edges"},
      paramLabel = "K",
      required = true,
      description = "How many of the best nodes the circuit has.")
  private int nodes;

  @Option(
      names = "--as-model",
      paramLabel = "OUT",
      required = true,
      description = "The new model directory; not there yet, or empty.")
  private Path out;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public Integer call() {
    RunSpec found = recorded.recorded();
    CircuitModel.requireFit(found);
    try (Run run = recorded.open(found)) {
      ComputationGraph graph = run.discovery().model().graph();
      PruneScores scores =
          SavedScores.read(recorded.directory().resolve("scores.safetensors"), graph).scores();
      CircuitModel made;
      try {
        made = CircuitModel.write(run, scores, nodes, out);
      } catch (IllegalArgumentException e) {
        throw recorded.usage(e.getMessage());
      }
      PrintWriter print = spec.commandLine().getOut();
      listed("in the circuit", made.kept(), print);
      listed("constant (" + run.discovery().runs().ablation().key() + ")", made.constant(), print);
      print.println(out + ": " + String.join(", ", made.files()));
    }
    return 0;
  }

  private static void listed(String title, List<GraphNodes.Node> nodes, PrintWriter print) {
    print.println(title + ": " + nodes.size() + " of heads and MLPs");
    String names =
        nodes.stream().limit(SHOWN).map(GraphNodes.Node::name).collect(Collectors.joining(", "));
    int more = nodes.size() - SHOWN;
    if (!nodes.isEmpty()) {
      print.println("  " + names + (more > 0 ? " and " + more + " more" : ""));
    }
  }
}
