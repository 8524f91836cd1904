package io.autocircuit.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.formats.EapIgGraph;
import io.autocircuit.formats.EdgeNames;
import io.autocircuit.formats.ScoreFiles;
import io.autocircuit.formats.ScoreFiles.Content;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.KeyValueGroups;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.task.OfficialCircuit;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code circuit intersect|union|minus|compare A B}: circuits as sets of edges. */
@Command(
    name = "circuit",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Joins or compares two circuits of one graph, whatever files they are in: a graph of EAP-IG"
            + " or MIB (what is in it), a list of edges of any tool, or scores (the best --edges of"
            + " them). No model is needed where one of the files has a graph.",
    subcommands = CircuitExportCommand.class)
final class CircuitCommand implements Runnable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int SHOWN = 10;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private HubOption hub;

  @Parameters(
      index = "0",
      arity = "0..1",
      paramLabel = "WHAT",
      description = "intersect, union, minus (A without B) or compare.")
  private What what;

  @Parameters(
      index = "1",
      arity = "0..1",
      paramLabel = "A",
      description =
          "A circuit: EAP-IG's .json or .pt, a list of edge names, pairs of Edge-Pruning; or scores,"
              + " of which --edges are taken: a result directory, scores.safetensors, edges.json.")
  private Path first;

  @Parameters(index = "2", arity = "0..1", paramLabel = "B", description = "Another.")
  private Path second;

  @Option(
      names = "--edges",
      paramLabel = "K",
      description = "How many of the best edges of scores are the circuit.")
  private Integer edges;

  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description =
          "Whose graph lists of names belong to, where neither file says; only its settings are"
              + " read, but a name on the hub is downloaded whole.")
  private Path model;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Where the circuit is written; discover --official reads it.")
  private Path out;

  @Option(
      names = "--to",
      defaultValue = "names",
      paramLabel = "FORMAT",
      description =
          "names (a JSON list of our names), eap_ig (JSON where FILE ends so, else .pt; with A's"
              + " scores, if it has any) or edge_pruning (pairs) (default: ${DEFAULT-VALUE}).")
  private To to;

  /** What a circuit is written as. */
  enum To {
    NAMES,
    EAP_IG,
    EDGE_PRUNING
  }

  /** What is made of two circuits. */
  enum What {
    INTERSECT,
    UNION,
    MINUS,
    COMPARE
  }

  /**
   * A file: a graph of EAP-IG, whose scores may be NaN, or other scores; neither where it is a list
   * of names.
   */
  private record Source(Path file, EapIgGraph eapIg, PruneScores scores) {
    Optional<ComputationGraph> graph() {
      return eapIg != null
          ? Optional.of(eapIg.circuit().graph())
          : Optional.ofNullable(scores).map(PruneScores::graph);
    }
  }

  @Override
  public void run() {
    if (second == null) { // not required of the subcommand
      throw new CommandLine.ParameterException(
          spec.commandLine(),
          "give WHAT, A and B, such as: circuit compare ours.pt theirs.json; or circuit export");
    }
    Source a = source(first);
    Source b = source(second);
    ComputationGraph graph =
        a.graph()
            .map(g -> b.graph().map(h -> common(g, h)).orElse(g))
            .or(b::graph)
            .orElseGet(this::ofModel);
    BitSet ours = circuit(a, graph).edgeSet();
    BitSet theirs = circuit(b, graph).edgeSet();
    PrintWriter print = spec.commandLine().getOut();
    if (what == What.COMPARE) {
      compare(graph, ours, theirs, print);
      return;
    }
    BitSet made = (BitSet) ours.clone();
    switch (what) {
      case INTERSECT -> made.and(theirs);
      case UNION -> made.or(theirs);
      default -> made.andNot(theirs);
    }
    print.printf(
        Locale.ROOT,
        "%s: %d edges (%d and %d)%n",
        what.name().toLowerCase(Locale.ROOT),
        made.cardinality(),
        ours.cardinality(),
        theirs.cardinality());
    if (out == null) {
      shown(graph, made, print);
    } else {
      write(Circuit.of(graph, made), a, b);
      print.println(out);
    }
  }

  private static Source source(Path given) {
    Path file = Files.isDirectory(given) ? given.resolve("scores.safetensors") : given;
    if (file.toString().endsWith(".json")) {
      JsonNode json = JsonFiles.readPython(file);
      if (json.isArray() && !json.path(0).has("score")) {
        return new Source(file, null, null);
      }
    }
    return ScoreFiles.graphIfAny(file)
        .map(g -> new Source(file, g, null))
        .orElseGet(() -> new Source(file, null, ScoreFiles.read(file, null, null).scores()));
  }

  /** The graph of both: of one model, the one in which groups of heads have inputs in common. */
  private ComputationGraph common(ComputationGraph ours, ComputationGraph theirs) {
    if (theirs.equals(ours) || KeyValueGroups.of(theirs).perQuery().equals(ours)) {
      return theirs;
    }
    if (KeyValueGroups.of(ours).perQuery().equals(theirs)) {
      return ours;
    }
    throw new DataException(
        "file="
            + second
            + " is of another graph ("
            + described(theirs)
            + ") than "
            + first
            + " ("
            + described(ours)
            + "); give two circuits of one graph");
  }

  private static String described(ComputationGraph g) {
    return (g.factorized() ? "" : "unfactorized, ")
        + "blocks="
        + g.blocks()
        + ", heads="
        + g.heads()
        + (g.keyValueHeads() < g.heads() ? ", key/value heads=" + g.keyValueHeads() : "")
        + ", "
        + g.wiring().name().toLowerCase(Locale.ROOT).replace('_', ' ')
        + (g.separateQkv() || !g.factorized() ? "" : ", one input of a head")
        + (g.positions() > 0 ? ", positions=" + g.positions() : "")
        + (g.latents() == null ? "" : ", with latents")
        + ", edges="
        + g.edgeCount();
  }

  private ComputationGraph ofModel() {
    if (model == null) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "neither file says of which graph it is; give --model MODEL");
    }
    Path directory = hub.directory(model, spec.commandLine().getErr());
    return ModelLoader.config(directory).graph(true, 0);
  }

  private Circuit circuit(Source source, ComputationGraph graph) {
    Circuit own = own(source, graph);
    return own.graph().equals(graph)
        ? own
        : Circuit.of(graph, KeyValueGroups.of(graph).union(own.edgeSet()));
  }

  /** A file's circuit, of its own graph if it has one. */
  private Circuit own(Source source, ComputationGraph graph) {
    if (source.graph().isEmpty()) {
      return OfficialCircuit.read(source.file(), graph);
    }
    if (source.eapIg() != null && edges == null) {
      return source.eapIg().circuit();
    }
    if (edges == null) {
      throw new CommandLine.ParameterException(
          spec.commandLine(),
          "file="
              + source.file()
              + " holds scores of all edges; say with --edges how many are the"
              + " circuit");
    }
    PruneScores scores =
        source.eapIg() == null ? source.scores() : source.eapIg().pruneScores(source.file());
    int most = scores.graph().edgeCount();
    if (edges < 0 || edges > most) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "--edges=" + edges + " outside 0.." + most);
    }
    return scores.top(edges);
  }

  private static void compare(
      ComputationGraph graph, BitSet ours, BitSet theirs, PrintWriter print) {
    BitSet both = (BitSet) ours.clone();
    both.and(theirs);
    BitSet onlyOurs = (BitSet) ours.clone();
    onlyOurs.andNot(theirs);
    BitSet onlyTheirs = (BitSet) theirs.clone();
    onlyTheirs.andNot(ours);
    int union = both.cardinality() + onlyOurs.cardinality() + onlyTheirs.cardinality();
    print.printf(Locale.ROOT, "A %d edges, B %d edges%n", ours.cardinality(), theirs.cardinality());
    print.printf(
        Locale.ROOT,
        "in both %d, only in A %d, only in B %d, Jaccard index %.3f%n",
        both.cardinality(),
        onlyOurs.cardinality(),
        onlyTheirs.cardinality(),
        union == 0 ? 1.0 : both.cardinality() / (double) union);
    print.println("only in A:");
    shown(graph, onlyOurs, print);
    print.println("only in B:");
    shown(graph, onlyTheirs, print);
  }

  private static void shown(ComputationGraph graph, BitSet set, PrintWriter print) {
    set.stream().limit(SHOWN).forEach(i -> print.println("  " + graph.edge(i)));
    if (set.cardinality() > SHOWN) {
      print.println("  and " + (set.cardinality() - SHOWN) + " more");
    }
  }

  /** As {@link OfficialCircuit} reads it. */
  private void write(Circuit circuit, Source a, Source b) {
    try {
      if (to == To.EAP_IG) {
        ScoreFiles.write(
            out, ScoreFiles.Format.EAP_IG, new Content(null, eapIg(circuit, a, b)), Map.of());
        return;
      }
      List<?> written =
          to == To.NAMES
              ? circuit.edges().stream().map(e -> named(circuit.graph(), e)).toList()
              : EdgeNames.pairs(circuit);
      AtomicFile.write(
          out, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(written) + "\n");
    } catch (IllegalArgumentException e) {
      throw new DataException("file=" + out + ": " + e.getMessage(), e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** With A's scores, also those of nodes and neurons; inputs of groups are copied to the heads. */
  private EapIgGraph eapIg(Circuit circuit, Source a, Source b) {
    KeyValueGroups groups = KeyValueGroups.of(circuit.graph());
    Circuit perQuery = Circuit.of(groups.perQuery(), groups.copies(circuit.edgeSet()));
    if (a.eapIg() != null) {
      return a.eapIg().with(perQuery);
    }
    float[] none = new float[perQuery.graph().edgeCount()];
    PruneScores scores = a.scores() == null ? new PruneScores(perQuery.graph(), none) : a.scores();
    if (!scores.graph().equals(perQuery.graph())) {
      ScoresConvertCommand.noteCopies(spec, scores.graph());
      scores = new PruneScores(perQuery.graph(), groups.copies(scores.values()));
    }
    return EapIgGraph.of(scores, perQuery, channels(a, b));
  }

  /** An input of a group is written with its heads, since a bare name is a query head's. */
  static Object named(ComputationGraph graph, Edge e) {
    List<Integer> heads = KeyValueGroups.heads(graph, e.destination());
    if (e.position() < 0 && heads.isEmpty()) {
      return e.name();
    }
    Map<String, Object> entry = new LinkedHashMap<>();
    entry.put("name", e.name());
    if (e.position() >= 0) {
      entry.put("seq_idx", e.position());
    }
    if (!heads.isEmpty()) {
      entry.put("heads", heads);
    }
    return entry;
  }

  private int channels(Source a, Source b) {
    return Stream.of(a, b)
        .filter(s -> s.eapIg() != null)
        .findFirst()
        .map(s -> s.eapIg().cfg().dModel())
        .orElseGet(
            () -> {
              if (model == null) {
                throw new CommandLine.ParameterException(
                    spec.commandLine(),
                    "EAP-IG's files state the model's d_model, which neither file does; give"
                        + " --model MODEL");
              }
              return ModelLoader.config(hub.directory(model, spec.commandLine().getErr())).dModel();
            });
  }
}
