package io.autocircuit.cli;

import io.autocircuit.files.AtomicFile;
import io.autocircuit.report.CircuitDrawing;
import io.autocircuit.report.CircuitFiles;
import io.autocircuit.report.ResultEdges;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code export DIR}: a circuit as a file for other programs. */
@Command(
    name = "export",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Writes the best edges of a result directory as a graph or a picture; no model is needed.")
final class ExportCommand implements Runnable {
  /** How many edges a circuit has where it is not said. */
  static final int USUAL = 50;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(
      paramLabel = "DIR",
      description = "What discover --out wrote, or an edges.json of it.")
  private Path directory;

  @Option(
      names = "--edges",
      paramLabel = "K",
      description = "How many edges the circuit has (default: 50, or all if there are fewer).")
  private Integer edges;

  @Option(
      names = "--format",
      defaultValue = "dot",
      paramLabel = "FORMAT",
      description = "dot, svg, graphml or json (default: ${DEFAULT-VALUE}).")
  private Format format;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Where to (default: circuit.FORMAT in the current directory).")
  private Path out;

  /** What a circuit can be written as. */
  enum Format {
    DOT,
    SVG,
    GRAPHML,
    JSON;

    /** Its name in options, and the end of a file's. */
    String key() {
      return name().toLowerCase(Locale.ROOT);
    }

    /** The file's text. */
    private String text(CircuitDrawing drawing) {
      return switch (this) {
        case DOT -> CircuitFiles.dot(drawing);
        case SVG -> CircuitFiles.svg(drawing);
        case GRAPHML -> CircuitFiles.graphml(drawing);
        case JSON -> CircuitFiles.json(drawing);
      };
    }
  }

  @Override
  public void run() {
    ResultEdges results = ResultEdges.read(directory);
    int size = edges == null ? Math.min(USUAL, results.edges().size()) : edges;
    Path name = directory.toAbsolutePath().normalize().getFileName();
    CircuitDrawing drawing =
        CircuitDrawing.of(
            (name == null ? "circuit" : name) + ", " + size + " edges",
            results.nodes(),
            results.edges(),
            size);
    Path file = out == null ? Path.of("circuit." + format.key()) : out;
    byte[] text = format.text(drawing).getBytes(StandardCharsets.UTF_8);
    AtomicFile.write(file, stream -> stream.write(text));
    spec.commandLine().getOut().println(file);
  }
}
