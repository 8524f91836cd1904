package io.autocircuit.task;

import io.autocircuit.catalogue.Source;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.stream.IntStream;

/**
 * The circuits of sports players in Pythia 2.8B by Nanda et al. 2023, "Fact finding", as Miller et
 * al. 2024 (arXiv:2407.08734) list them: heads of the first two blocks and MLPs look a name up, and
 * later heads carry the sport to the end.
 *
 * <p>Words: {@code first_name_tok}, {@code final_name_tok}, {@code end}.
 */
final class SportsPlayersCircuits {
  private static final int BLOCKS = 32;
  private static final int HEADS = 32;

  /** MLPs that look the name up, and those that a probe reads. */
  private static final int LOOKED_UP = 16;

  private static final List<String> EXTRACTING = CircuitNodes.heads("16.20");
  private static final List<String> MOVING = CircuitNodes.heads("21.9 22.17 22.15 17.30 19.24");

  static final Source SOURCE =
      Source.web(
          "Nanda, Rajamanoharan, Kramár and Shah 2023, Fact finding: attempting to reverse-engineer"
              + " factual recall on the neuron level",
          "https://www.alignmentforum.org/s/hpWHhjvjn67LJ4xXX/p/iGuwZTHWb6DFY3sKB");

  private SportsPlayersCircuits() {}

  /** From the name to the answer. */
  static KnownCircuit edges() {
    String key = "sports-players";
    return new KnownCircuit(
        key,
        "Sports players",
        "heads of blocks 0 and 1 and MLPs 0 to 15 at the name, and the six heads that carry the"
            + " sport to the end",
        SOURCE,
        (graph, words) -> {
          EdgeCollector circuit = collector(key, graph, words);
          List<String> lookUp = lookUp(circuit, LOOKED_UP);
          int name = circuit.position("final_name_tok");
          circuit.pairs(lookUp, EXTRACTING, name);
          circuit.pairs(EXTRACTING, MOVING, name);
          List<String> end = List.of(EdgeCollector.END);
          circuit.pairs(EXTRACTING, end, circuit.position("end"));
          circuit.pairs(MOVING, end, circuit.position("end"));
          return circuit.edges();
        });
  }

  /** The looking up of the name alone, as deep as a probe can read it. */
  static KnownCircuit probe() {
    String key = "sports-players-probe";
    return new KnownCircuit(
        key,
        "Sports players, probe",
        "heads of blocks 0 and 1 and all MLPs at the name, for a probe in place of the answer",
        SOURCE,
        (graph, words) -> {
          EdgeCollector circuit = collector(key, graph, words);
          lookUp(circuit, BLOCKS);
          return circuit.edges();
        });
  }

  private static EdgeCollector collector(
      String key, ComputationGraph graph, SortedMap<String, Integer> words) {
    return new EdgeCollector(key, graph, words)
        .require(BLOCKS, HEADS, Wiring.PARALLEL)
        .requireSeparateQkv(false);
  }

  /**
   * All edges among the embedding, the heads of the first two blocks and MLPs at the last token of
   * the name, and with MLP 0 alone at the tokens before it.
   *
   * @return the sources at the last token
   */
  private static List<String> lookUp(EdgeCollector circuit, int mlps) {
    int first = circuit.position("first_name_tok");
    int last = circuit.position("final_name_tok");
    List<String> heads =
        IntStream.range(0, 2 * HEADS).mapToObj(i -> "A" + i / HEADS + "." + i % HEADS).toList();
    List<Integer> before = IntStream.range(first, last).boxed().toList();
    among(circuit, heads, 1, before);
    return among(circuit, heads, mlps, List.of(last));
  }

  private static List<String> among(
      EdgeCollector circuit, List<String> heads, int mlps, List<Integer> positions) {
    List<String> to = new ArrayList<>(heads);
    to.addAll(CircuitNodes.mlps(0, mlps));
    List<String> from = new ArrayList<>(to);
    from.add(EdgeCollector.START);
    circuit.pairs(from, to, positions);
    return from;
  }
}
