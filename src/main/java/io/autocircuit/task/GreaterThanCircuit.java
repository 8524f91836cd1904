package io.autocircuit.task;

import io.autocircuit.catalogue.Source;
import io.autocircuit.graph.ComputationGraph.Wiring;
import java.util.List;

/**
 * The circuit of greater-than in GPT-2 small by Hanna et al. 2023, "How does GPT-2 compute
 * greater-than?" (arXiv:2305.00586), as edges by Conmy et al. 2023 (arXiv:2304.14997). It knows no
 * words: in a graph with positions each edge is in it at all of them.
 */
final class GreaterThanCircuit {
  private static final int BLOCKS = 12;
  private static final int HEADS = 12;

  private static final List<String> FIRST = CircuitNodes.heads("0.3 0.5");
  private static final List<String> EARLY_HEAD = CircuitNodes.heads("0.1");
  private static final List<String> MIDDLE = CircuitNodes.heads("5.5 6.1 6.9 7.10 8.11 9.1");
  private static final List<String> EARLY = CircuitNodes.mlps(0, 4);
  private static final List<String> LATE = CircuitNodes.mlps(8, 12);

  /** The MLPs that are all connected, and write to the queries of the heads in the middle. */
  private static final List<String> ALONG = CircuitNodes.mlps(0, 9);

  private static final Source SOURCE =
      Source.arxiv(
          "Hanna et al. 2023, How does GPT-2 compute greater-than?, edges by Conmy et al. 2023",
          "2305.00586");

  private GreaterThanCircuit() {}

  /** Edges between heads and MLPs. */
  static KnownCircuit edges() {
    String key = "greater-than";
    return new KnownCircuit(
        key,
        "Greater-than",
        "edges between the heads and MLPs of the circuit, at all positions",
        SOURCE,
        (graph, words) -> {
          EdgeCollector circuit =
              new EdgeCollector(key, graph, words)
                  .require(BLOCKS, HEADS, Wiring.SEQUENTIAL)
                  .requireSeparateQkv(true);
          circuit.everywhere().forEach(p -> collect(circuit, p));
          return circuit.edges();
        });
  }

  private static void collect(EdgeCollector circuit, int position) {
    List<String> start = List.of(EdgeCollector.START);
    List<String> end = List.of(EdgeCollector.END);
    List<String> middle = CircuitNodes.inputs(MIDDLE);
    circuit.pairs(start, CircuitNodes.inputs(FIRST), position);
    circuit.pairs(start, CircuitNodes.inputs(EARLY_HEAD), position);
    circuit.pairs(start, EARLY, position);
    circuit.pairs(FIRST, middle, position);
    circuit.pairs(EARLY_HEAD, EARLY, position);
    circuit.pairs(EARLY_HEAD, middle, position);
    circuit.pairs(EARLY, EARLY, position);
    circuit.pairs(EARLY, middle, position);
    circuit.pairs(ALONG, ALONG, position);
    circuit.pairs(ALONG, CircuitNodes.inputs(MIDDLE, "Q"), position);
    circuit.pairs(MIDDLE, LATE, position);
    circuit.pairs(LATE, LATE, position);
    circuit.pairs(MIDDLE, end, position);
    circuit.pairs(LATE, end, position);
  }
}
