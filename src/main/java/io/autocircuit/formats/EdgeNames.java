package io.autocircuit.formats;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.KeyValueGroups;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.patch.Circuit;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** Edges by the names that Edge-Pruning's {@code edges.json} has for them. */
public final class EdgeNames {
  private EdgeNames() {}

  /**
   * The edges of a circuit as pairs of nodes: {@code ["a0.h1", "a1.h0.q"]}, {@code ["m1",
   * "resid_post"]}. An edge into a group of heads is a pair for each of its heads.
   *
   * @param circuit of a factorized graph without positions
   * @return in canonical order
   * @throws IllegalArgumentException if Edge-Pruning has no such graph: it knows no positions, no
   *     latents, no sums, and no source before the first block but the embedding of tokens and of
   *     positions apart, which here is one
   */
  public static List<List<String>> pairs(Circuit circuit) {
    if (!circuit.graph().factorized()
        || circuit.graph().positions() > 0
        || circuit.graph().latents() != null) {
      throw new IllegalArgumentException(
          "Edge-Pruning's format has no positions, latents and sums; give a circuit of a factorized"
              + " graph without them");
    }
    return circuit.edges().stream()
        .flatMap(
            e ->
                heads(circuit.graph(), e.destination())
                    .mapToObj(h -> List.of(source(e.source()), destination(e.destination(), h))))
        .toList();
  }

  private static IntStream heads(ComputationGraph graph, DestNode node) {
    List<Integer> shared = KeyValueGroups.heads(graph, node);
    return shared.isEmpty()
        ? IntStream.of(node.head())
        : shared.stream().mapToInt(Integer::intValue);
  }

  private static String source(SrcNode node) {
    return node.block() < 0
        ? "input"
        : node.head() < 0 ? "m" + node.block() : "a" + node.block() + ".h" + node.head();
  }

  private static String destination(DestNode node, int head) {
    String name = "a" + node.block() + ".h" + head;
    return switch (node.input()) {
      case END -> "resid_post";
      case MLP -> "m" + node.block();
      case ATTENTION -> name;
      default -> name + "." + node.input().name().toLowerCase(Locale.ROOT);
    };
  }
}
