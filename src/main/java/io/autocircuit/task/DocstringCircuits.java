package io.autocircuit.task;

import io.autocircuit.catalogue.Source;
import io.autocircuit.graph.ComputationGraph.Wiring;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The circuits of docstring completion in the attention-only model of four blocks, by Heimersheim
 * and Janiak 2023, as Miller et al. 2024 (arXiv:2407.08734) list them.
 *
 * <p>Words: {@code A_def}, {@code B_def}, {@code ,_B} (the comma behind B), {@code C_def}, {@code
 * A_doc}, {@code B_doc}, {@code param_3}.
 */
final class DocstringCircuits {
  private static final int BLOCKS = 4;
  private static final int HEADS = 8;
  private static final String A_DEF = "A_def";
  private static final String B_DEF = "B_def";
  private static final String AFTER_B = ",_B";
  private static final String C_DEF = "C_def";
  private static final String A_DOC = "A_doc";
  private static final String B_DOC = "B_doc";
  private static final String LAST = "param_3";
  private static final String START = EdgeCollector.START;

  static final Source SOURCE =
      Source.web(
          "Heimersheim and Janiak 2023, A circuit for Python docstrings in a 4-layer attention-only"
              + " transformer",
          "https://www.alignmentforum.org/posts/u6KXXmKFbXfWzoAXn");

  /** An edge and the words at which it is; none where it is only known without positions. */
  private record At(String from, String to, List<String> words) {
    At(String from, String to, String... words) {
      this(from, to, List.of(words));
    }
  }

  private DocstringCircuits() {}

  /** Edges between heads. */
  static KnownCircuit edges() {
    String key = "docstring-edges";
    return new KnownCircuit(
        key,
        "Docstring, edges",
        "edges between the heads of the circuit, each at its words",
        SOURCE,
        (graph, words) -> {
          EdgeCollector circuit =
              new EdgeCollector(key, graph, words)
                  .require(BLOCKS, HEADS, Wiring.ATTENTION_ONLY)
                  .requireSeparateQkv(true);
          for (At edge : list()) {
            List<Integer> positions =
                graph.positions() == 0
                    ? List.of(-1)
                    : circuit.positions(edge.words().toArray(String[]::new));
            circuit.pairs(List.of(edge.from()), List.of(edge.to()), positions);
          }
          return circuit.edges();
        });
  }

  private static List<At> list() {
    return List.of(
        new At(START, "A0.5.V", B_DEF, C_DEF, B_DOC),
        new At(START, "A1.2.K", A_DEF, B_DEF, A_DOC, B_DOC),
        new At(START, "A1.2.Q", A_DOC, B_DOC),
        new At(START, "A1.4.V", B_DEF, B_DOC),
        new At(START, "A2.0.Q", C_DEF),
        new At(START, "A2.0.K"),
        new At("A0.5", "A1.2.K", B_DEF, B_DOC),
        new At("A0.5", "A1.2.Q", B_DOC),
        new At("A0.5", "A1.4.V", B_DEF, B_DOC),
        new At("A0.5", "A2.0.Q", C_DEF),
        new At("A0.5", "A2.0.K", B_DEF),
        new At("A1.4", "A2.0.V", AFTER_B),
        new At("A1.4", "A3.0.Q", LAST),
        new At("A1.4", "A3.6.Q", LAST),
        new At("A1.2", "A3.0.K", A_DOC, B_DOC),
        new At("A1.2", "A3.6.K", A_DOC, B_DOC),
        new At("A2.0", "A3.0.K", C_DEF),
        new At("A2.0", "A3.6.K", C_DEF),
        new At(START, "A3.0.V", C_DEF),
        new At(START, "A3.6.V", C_DEF),
        new At("A0.5", "A3.0.V", C_DEF),
        new At("A0.5", "A3.6.V", C_DEF),
        new At("A3.0", EdgeCollector.END, LAST),
        new At("A3.6", EdgeCollector.END, LAST));
  }

  /** All that the heads of the circuit write, each at its words, and all that is no head. */
  static KnownCircuit heads() {
    String key = "docstring-heads";
    return new KnownCircuit(
        key,
        "Docstring, heads",
        "all edges but those from heads outside the circuit, or from its heads at other words than"
            + " theirs",
        SOURCE,
        (graph, words) -> {
          EdgeCollector circuit =
              new EdgeCollector(key, graph, words).require(BLOCKS, HEADS, Wiring.ATTENTION_ONLY);
          circuit.heads(kept(circuit));
          return circuit.edges();
        },
        true);
  }

  private static Map<String, List<Integer>> kept(EdgeCollector circuit) {
    Map<String, List<Integer>> kept = new HashMap<>();
    kept.put("A1.4", circuit.positions(AFTER_B));
    kept.put("A2.0", circuit.positions(C_DEF));
    kept.put("A3.0", circuit.positions(LAST));
    kept.put("A3.6", circuit.positions(LAST));
    kept.put("A0.5", circuit.positions(B_DEF, C_DEF, B_DOC));
    kept.put("A1.2", circuit.positions(A_DOC, B_DOC));
    kept.put("A0.2", circuit.positions(B_DOC));
    kept.put("A0.4", circuit.positions(LAST));
    List<Integer> all = circuit.positions(B_DEF, AFTER_B, C_DEF, A_DOC, B_DOC, LAST);
    int first = all.stream().mapToInt(Integer::intValue).min().getAsInt();
    int last = all.stream().mapToInt(Integer::intValue).max().getAsInt();
    List<Integer> range = IntStream.rangeClosed(first, last).boxed().toList();
    CircuitNodes.heads("1.0 0.1 2.3").forEach(h -> kept.put(h, range));
    return kept;
  }
}
