package io.autocircuit.cli;

import io.autocircuit.formats.ScoreEnsemble;
import io.autocircuit.formats.ScoreFiles;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.patch.PruneScores;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code scores combine A B …}: an ensemble. */
@Command(
    name = "combine",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Makes one score for every edge of those in several files, in any of the formats that"
            + " scores convert reads. discover --scores judges what is written, scores convert"
            + " writes it for other programs.")
final class ScoresCombineCommand implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(
      arity = "1..*",
      paramLabel = "IN",
      description = "Scores of one graph: that of the first.")
  private List<Path> in;

  @Option(
      names = "--how",
      paramLabel = "HOW",
      defaultValue = "mean",
      description =
          "mean, weighted (a mean with --weights), max or min (of each edge the score of the largest"
              + " or smallest size, with its sign) (default: ${DEFAULT-VALUE}).")
  private ScoreEnsemble how;

  @Option(
      names = "--weights",
      split = ",",
      paramLabel = "W",
      description = "Of weighted: a number above 0 for each IN, with commas.")
  private List<Double> weights = List.of();

  @Option(
      names = "--normalize",
      paramLabel = "BY",
      defaultValue = "none",
      description =
          "Before: none, or receiver: divide by the sum of |score| over the edges into the same"
              + " input (default: ${DEFAULT-VALUE}).")
  private Normalize normalize;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "FILE",
      description = "The file to write, a scores.safetensors.")
  private Path out;

  /** What scores are divided by. */
  enum Normalize {
    NONE,
    RECEIVER
  }

  @Override
  public void run() {
    List<PruneScores> all = new ArrayList<>();
    ComputationGraph graph = null;
    for (Path given : in) {
      Path file = Files.isDirectory(given) ? given.resolve("scores.safetensors") : given;
      PruneScores scores = ScoreFiles.read(file, graph, null).scores();
      graph = scores.graph();
      all.add(normalize == Normalize.RECEIVER ? ScoreEnsemble.perReceiver(scores) : scores);
    }
    PruneScores made;
    try {
      made = how.of(all, weights);
    } catch (IllegalArgumentException e) {
      throw new CommandLine.ParameterException(spec.commandLine(), e.getMessage(), e);
    }
    made.write(out, Map.of("algorithm", how.key() + " of " + all.size()));
    spec.commandLine()
        .getOut()
        .println(how.key() + " of " + all.size() + ", " + graph.edgeCount() + " edges: " + out);
  }
}
