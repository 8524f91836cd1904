package io.autocircuit.cli;

import io.autocircuit.experiment.ResultFiles;
import io.autocircuit.files.DataException;
import io.autocircuit.formats.EapIgGraph;
import io.autocircuit.formats.ScoreFiles;
import io.autocircuit.formats.ScoreFiles.Content;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PruneScores;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code scores convert IN OUT}: the same scores in the file of another program. */
@Command(
    name = "convert",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Writes scores of edges as another program reads them. What IN is, its content says: a"
            + " result directory, scores.safetensors, edges.json, a graph of EAP-IG or MIB (.json,"
            + " .pt), AutoCircuit's tensors by module (.pt, .pkl). No model is needed: the graph"
            + " follows from the file.")
final class ScoresConvertCommand implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private HubOption hub;

  @Parameters(index = "0", paramLabel = "IN", description = "The scores.")
  private Path in;

  @Parameters(index = "1", paramLabel = "OUT", description = "The file to write.")
  private Path out;

  @Option(
      names = "--to",
      paramLabel = "FORMAT",
      description =
          "safetensors, edges (edges.json), eap_ig (JSON where OUT ends so, else .pt) or"
              + " autocircuit. Default: by OUT's name: .safetensors, edges.json, .pkl (autocircuit),"
              + " else eap_ig.")
  private To to;

  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description =
          "The model whose scores these are: EAP-IG's files state its d_model. Only its settings"
              + " are read, but a name on the hub is downloaded whole: --d-model needs none.")
  private Path model;

  @Option(names = "--d-model", paramLabel = "N", description = "Instead: that number.")
  private Integer dModel;

  @Option(
      names = "--edges",
      paramLabel = "K",
      description =
          "Of EAP-IG's files: the K edges with the largest |score| are in the graph. Default: those"
              + " that IN has there, or none.")
  private Integer edges;

  @Option(
      names = "--part",
      paramLabel = "KEYS",
      description = "Of an AutoCircuit cache with several scores: which, such as TASK/ALGORITHM.")
  private String part;

  /** What scores are written as. */
  enum To {
    SAFETENSORS,
    EDGES,
    EAP_IG,
    AUTOCIRCUIT
  }

  @Override
  public void run() {
    Path file = Files.isDirectory(in) ? in.resolve("scores.safetensors") : in;
    To format = to == null ? byName() : to;
    Optional<EapIgGraph> own =
        format == To.EAP_IG && edges == null ? ScoreFiles.graphIfAny(file) : Optional.empty();
    if (own.isPresent()) {
      copy(own.get());
      return;
    }
    Content read = ScoreFiles.read(file, null, part);
    PruneScores scores = read.scores();
    if (format != To.EAP_IG && read.eapIg() != null && read.eapIg().hasMore()) {
      note(spec, "only EAP-IG's files have nodes and neurons; theirs are left out of " + out);
    }
    if (format == To.EDGES) {
      ResultFiles.writeEdges(out, scores);
    } else {
      try {
        Content content = read;
        if (format == To.EAP_IG && (read.eapIg() == null || edges != null)) {
          Circuit circuit = edges == null ? null : scores.top(edges);
          content =
              new Content(
                  scores,
                  read.eapIg() != null
                      ? read.eapIg().with(circuit)
                      : EapIgGraph.of(scores, circuit, channels()));
          noteCopies(spec, scores.graph());
        }
        ScoreFiles.write(out, ScoreFiles.Format.valueOf(format.name()), content, Map.of());
      } catch (IllegalArgumentException e) {
        throw new DataException("file=" + file + ": " + e.getMessage(), e);
      }
    }
    spec.commandLine().getOut().println(scores.graph().edgeCount() + " edges: " + out);
  }

  /** From EAP-IG's one format to the other all stays as it is, scores that are NaN too. */
  private void copy(EapIgGraph graph) {
    int unscored = graph.unscoredEdges();
    if (unscored > 0) {
      note(
          spec,
          unscored + " scores of edges are NaN, and stay so; circuits cannot be chosen by them");
    }
    ScoreFiles.write(out, ScoreFiles.Format.EAP_IG, new Content(null, graph), Map.of());
    spec.commandLine().getOut().println(graph.edgeCount() + " edges: " + out);
  }

  private To byName() {
    String name = out.getFileName().toString();
    return name.endsWith(".safetensors")
        ? To.SAFETENSORS
        : name.equals("edges.json") ? To.EDGES : name.endsWith(".pkl") ? To.AUTOCIRCUIT : To.EAP_IG;
  }

  private static void note(CommandLine.Model.CommandSpec spec, String what) {
    spec.commandLine().getErr().println("note: " + what);
  }

  /** Says what becomes of scores of groups of heads in EAP-IG's files, which have no groups. */
  static void noteCopies(CommandLine.Model.CommandSpec spec, ComputationGraph graph) {
    int size = graph.heads() / graph.keyValueHeads();
    if (size > 1) {
      note(
          spec,
          "the score of an edge into a group's keys or values is copied to its "
              + size
              + " heads; read back into groups they are summed, to "
              + size
              + " times the score");
    }
  }

  /** The width of the stream; only EAP-IG's files have it. */
  private int channels() {
    if (dModel != null && dModel < 1) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "--d-model=" + dModel + " is below 1; give the width of the model");
    }
    if (dModel == null && model == null) {
      throw new CommandLine.ParameterException(
          spec.commandLine(),
          "EAP-IG's files state the model's d_model, which IN does not; give --model MODEL or"
              + " --d-model N");
    }
    return dModel != null
        ? dModel
        : ModelLoader.config(hub.directory(model, spec.commandLine().getErr())).dModel();
  }
}
