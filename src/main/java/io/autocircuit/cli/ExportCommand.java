package io.autocircuit.cli;

import io.autocircuit.files.AtomicFile;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.report.CircuitDrawing;
import io.autocircuit.report.CircuitFiles;
import io.autocircuit.report.GridImage;
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
      names = "--threshold",
      paramLabel = "X",
      description = "Instead: the circuit of all edges whose |score| is at least X.")
  private Double threshold;

  @Option(
      names = "--format",
      defaultValue = "dot",
      paramLabel = "FORMAT",
      description = "dot, svg, png, graphml or json (default: ${DEFAULT-VALUE}).")
  private Format format;

  @Option(
      names = "--position",
      paramLabel = "P",
      description =
          "Of a circuit with token positions the edges of one; or 'each': of svg and png a grid for"
              + " each position with an edge, one below the other. Default: all in one.")
  private String position;

  @Option(
      names = "--kv",
      paramLabel = "HOW",
      defaultValue = "grouped",
      description =
          "Edges into keys and values that heads share: grouped, as they are; per-query, a copy of"
              + " each for every head, for programs that know no groups (default:"
              + " ${DEFAULT-VALUE}). Pictures show a line into every head.")
  private KeyValues keyValues;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Where to (default: circuit.FORMAT in the current directory).")
  private Path out;

  /** What a circuit can be written as. */
  enum Format {
    DOT,
    SVG,
    PNG,
    GRAPHML,
    JSON;

    /** Its name in options, and the end of a file's. */
    String key() {
      return name().toLowerCase(Locale.ROOT);
    }

    /** What the file holds. */
    private byte[] content(CircuitDrawing drawing, boolean each) {
      String text =
          switch (this) {
            case DOT -> CircuitFiles.dot(drawing);
            case SVG, PNG -> each ? CircuitFiles.svgByPosition(drawing) : CircuitFiles.svg(drawing);
            case GRAPHML -> CircuitFiles.graphml(drawing);
            case JSON -> CircuitFiles.json(drawing);
          };
      return this == PNG ? GridImage.png(text) : text.getBytes(StandardCharsets.UTF_8);
    }
  }

  @Override
  public void run() {
    boolean each = "each".equalsIgnoreCase(position);
    if (edges != null && threshold != null) {
      throw usage("give --edges or --threshold, not both");
    }
    if (threshold != null && !(threshold >= 0)) {
      throw usage("--threshold=" + threshold + " is out of range; give a number from 0");
    }
    if (each && format != Format.SVG && format != Format.PNG) {
      throw usage("--position=each makes pictures; give --format svg or png, or one position");
    }
    if (format == Format.PNG && System.getProperty("java.awt.headless") == null) {
      System.setProperty("java.awt.headless", "true"); // no window system is asked for
    }
    ResultEdges results = ResultEdges.read(directory);
    int size = edges == null ? Math.min(USUAL, results.edges().size()) : edges;
    size = threshold == null ? size : results.reaching(threshold);
    Path name = directory.toAbsolutePath().normalize().getFileName();
    String title = (name == null ? "circuit" : name) + ", " + size + " edges";
    CircuitDrawing drawing = results.drawing(title, size);
    if (position != null && !each) {
      drawing = at(results, drawing);
    }
    if (keyValues == KeyValues.PER_QUERY) {
      drawing = drawing.perQuery();
    }
    Path file = out == null ? Path.of("circuit." + format.key()) : out;
    byte[] content = format.content(drawing, each);
    AtomicFile.write(file, stream -> stream.write(content));
    spec.commandLine().getOut().println(file);
    if (size == 0 && threshold != null && !results.edges().isEmpty()) {
      spec.commandLine()
          .getOut()
          .println(
              "note: no edge reaches it; the greatest |score| is "
                  + Math.abs(results.edges().get(0).score()));
    }
  }

  private CircuitDrawing at(ResultEdges results, CircuitDrawing drawing) {
    boolean number = position.matches("\\d{1,9}");
    int wanted = number ? Integer.parseInt(position) : -1;
    int last =
        results.edges().stream()
            .mapToInt(e -> e.seqIdx() == null ? -1 : e.seqIdx())
            .max()
            .orElse(-1);
    if (wanted < 0 || wanted > last) {
      throw usage(
          "--position="
              + position
              + (last < 0
                  ? " does not fit: these edges stand for all positions; leave it away"
                  : " is out of range; give one in 0.." + last + ", or each"));
    }
    return drawing.at(wanted);
  }

  private CommandLine.ParameterException usage(String message) {
    return new CommandLine.ParameterException(spec.commandLine(), message);
  }
}
