package io.autocircuit.task;

import io.autocircuit.catalogue.Source;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.Edge;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.function.Predicate;

/**
 * The circuits of indirect object identification in GPT-2 small: the heads of Wang et al. 2022,
 * "Interpretability in the wild" (arXiv:2211.00593), and the edges between them as Miller et al.
 * 2024 (arXiv:2407.08734) list them.
 *
 * <p>Words: {@code IO}, {@code S1}, {@code S1+1}, {@code S2}, {@code end}.
 */
final class IoiCircuits {
  private static final int BLOCKS = 12;
  private static final int HEADS = 12;
  private static final String IO = "IO";
  private static final String S1 = "S1";
  private static final String AFTER_S1 = "S1+1";
  private static final String S2 = "S2";
  private static final String LAST = "end";

  private static final List<String> NAME_MOVERS = CircuitNodes.heads("9.9 10.0 9.6");
  private static final List<String> BACKUPS =
      CircuitNodes.heads("10.10 10.6 10.2 10.1 11.2 9.7 9.0 11.9");
  private static final List<String> NEGATIVES = CircuitNodes.heads("10.7 11.10");
  private static final List<String> S_INHIBITION = CircuitNodes.heads("7.3 7.9 8.6 8.10");
  private static final List<String> INDUCTION = CircuitNodes.heads("5.5 5.8 5.9 6.9");
  private static final List<String> DUPLICATES = CircuitNodes.heads("0.1 0.10 3.0");
  private static final List<String> PREVIOUS = CircuitNodes.heads("2.2 4.11");
  private static final List<String> INPUT = List.of(EdgeCollector.START);
  private static final List<String> OUTPUT = List.of(EdgeCollector.END);

  private static final Source HEADS_SOURCE =
      Source.arxiv(
          "Wang et al. 2022, Interpretability in the wild: a circuit for indirect object"
              + " identification in GPT-2 small",
          "2211.00593");
  private static final Source EDGES_SOURCE =
      Source.arxiv(
          "Miller et al. 2024, Transformer circuit faithfulness metrics are not robust, after Wang"
              + " et al. 2022",
          "2407.08734");

  /** Heads, where the name says how one input of each of them is used: a kind, and a word. */
  private record Use(String kind, String word) {}

  /** Who writes to which inputs of whom. */
  private record Connection(List<String> from, List<String> to, List<Use> uses) {
    Connection(List<String> from, List<String> to, Use... uses) {
      this(from, to, List.of(uses));
    }
  }

  private IoiCircuits() {}

  /** Edges between the heads' inputs and outputs, with all MLPs between them. */
  static KnownCircuit edges() {
    String key = "ioi-edges";
    return new KnownCircuit(
        key,
        "Indirect object identification, edges",
        "edges between the heads of the circuit, with the MLPs that lie between them",
        EDGES_SOURCE,
        (graph, words) -> edges(key, graph, words, name -> true));
  }

  /** The same without edges to or from MLPs, unless from or to that of block 0. */
  static KnownCircuit mlp0() {
    String key = "ioi-edges-mlp0";
    return new KnownCircuit(
        key,
        "Indirect object identification, edges, MLP 0 only",
        "edges between the heads of the circuit, and of the MLPs those from and to MLP 0",
        EDGES_SOURCE,
        (graph, words) -> edges(key, graph, words, name -> !name.contains("MLP ") || ofMlp0(name)));
  }

  private static boolean ofMlp0(String edge) {
    return edge.startsWith("MLP 0->") || edge.endsWith("->MLP 0");
  }

  /** All that the heads of the circuit write, each at its word, and all that is no head. */
  static KnownCircuit heads() {
    String key = "ioi-heads";
    return new KnownCircuit(
        key,
        "Indirect object identification, heads",
        "all edges but those from heads outside the circuit, or from its heads at other words than"
            + " theirs",
        HEADS_SOURCE,
        (graph, words) -> {
          EdgeCollector circuit =
              new EdgeCollector(key, graph, words).require(BLOCKS, HEADS, Wiring.SEQUENTIAL);
          Map<String, List<Integer>> kept = new HashMap<>();
          keep(kept, NAME_MOVERS, circuit.positions(LAST));
          keep(kept, BACKUPS, circuit.positions(LAST));
          keep(kept, NEGATIVES, circuit.positions(LAST));
          keep(kept, S_INHIBITION, circuit.positions(LAST));
          keep(kept, INDUCTION, circuit.positions(S2));
          keep(kept, DUPLICATES, circuit.positions(S2));
          keep(kept, PREVIOUS, circuit.positions(AFTER_S1));
          circuit.heads(kept);
          return circuit.edges();
        },
        true);
  }

  private static void keep(Map<String, List<Integer>> kept, List<String> heads, List<Integer> at) {
    heads.forEach(h -> kept.put(h, at));
  }

  private static List<Edge> edges(
      String key,
      ComputationGraph graph,
      SortedMap<String, Integer> words,
      Predicate<String> wanted) {
    EdgeCollector circuit =
        new EdgeCollector(key, graph, words)
            .require(BLOCKS, HEADS, Wiring.SEQUENTIAL)
            .requireSeparateQkv(true);
    connections().forEach(c -> connect(c, circuit));
    return circuit.edges().stream().filter(e -> wanted.test(e.name())).toList();
  }

  private static List<Connection> connections() {
    Use[] matched = {new Use("Q", S2), new Use("K", S1), new Use("V", S1)};
    Use[] shifted = {new Use("Q", AFTER_S1), new Use("K", S1), new Use("V", S1)};
    Use[] found = {new Use("K", AFTER_S1), new Use("V", AFTER_S1)};
    Use[] told = {new Use("K", S2), new Use("V", S2)};
    Use[] named = {new Use("K", IO), new Use("V", IO)};
    Use asked = new Use("Q", LAST);
    List<Connection> all = new ArrayList<>();
    all.add(new Connection(INPUT, PREVIOUS, shifted));
    all.add(new Connection(INPUT, DUPLICATES, matched));
    all.add(new Connection(INPUT, S_INHIBITION, asked));
    all.add(new Connection(PREVIOUS, INDUCTION, found));
    all.add(new Connection(INDUCTION, S_INHIBITION, told));
    all.add(new Connection(DUPLICATES, S_INHIBITION, told));
    for (List<String> movers : List.of(NEGATIVES, NAME_MOVERS, BACKUPS)) {
      all.add(new Connection(INPUT, movers, named));
      all.add(new Connection(S_INHIBITION, movers, asked));
      all.add(new Connection(movers, OUTPUT, new Use("", LAST)));
    }
    return all;
  }

  /**
   * Adds a connection with the MLPs from its first source's block to before its last destination's,
   * as further sources and destinations.
   */
  private static void connect(Connection c, EdgeCollector circuit) {
    int lowest =
        c.from() == INPUT ? 0 : c.from().stream().mapToInt(CircuitNodes::block).min().getAsInt();
    int highest =
        c.to() == OUTPUT ? BLOCKS : c.to().stream().mapToInt(CircuitNodes::block).max().getAsInt();
    List<String> between = CircuitNodes.mlps(lowest, highest);
    List<String> from = new ArrayList<>(c.from());
    from.addAll(between);
    for (Use use : c.uses()) {
      List<String> to =
          new ArrayList<>(c.to() == OUTPUT ? c.to() : CircuitNodes.inputs(c.to(), use.kind()));
      to.addAll(between);
      circuit.pairs(from, to, circuit.position(use.word()));
    }
  }
}
