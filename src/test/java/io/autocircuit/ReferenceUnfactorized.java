package io.autocircuit;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.SrcNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.LongStream;
import java.util.stream.StreamSupport;

/** The tables of unfactorized graphs in {@code more.json}. */
final class ReferenceUnfactorized {
  private ReferenceUnfactorized() {}

  /** What of a graph is otherwise than a case says. */
  static List<String> graph(String name, ComputationGraph graph, JsonNode c) {
    List<String> wrong = new ArrayList<>();
    check(wrong, name + " n_edges", graph.edgeCount(), c.get("n_edges").asInt());
    check(
        wrong,
        name + " srcs",
        graph.sources().stream().map(ReferenceUnfactorized::text).toList(),
        rows(c.get("srcs"), "name", "module", "layer", "head_idx", "src_idx"));
    check(
        wrong,
        name + " dests",
        graph.destinations().stream().map(ReferenceUnfactorized::text).sorted().toList(),
        rows(c.get("dests"), "name", "module", "layer", "head_idx", "min_src_idx", "n_in").stream()
            .sorted()
            .toList());
    TreeMap<String, List<Long>> shapes = new TreeMap<>();
    graph
        .modules()
        .forEach(m -> shapes.put(m.name(), Arrays.stream(graph.maskShape(m)).boxed().toList()));
    TreeMap<String, List<Long>> want = new TreeMap<>();
    c.get("mask_shapes")
        .properties()
        .forEach(
            e ->
                want.put(
                    e.getKey(),
                    StreamSupport.stream(e.getValue().spliterator(), false)
                        .flatMapToLong(n -> LongStream.of(n.asLong()))
                        .boxed()
                        .toList()));
    check(wrong, name + " mask_shapes", shapes, want);
    int i = 0;
    for (JsonNode e : c.get("edges_in_canonical_order")) {
      Edge mine = graph.edge(i++);
      check(
          wrong,
          name + " edge " + (i - 1),
          mine.name() + "@" + mine.position(),
          e.get(0).asText() + "@" + (e.get(1).isNull() ? -1 : e.get(1).asInt()));
    }
    check(wrong, name + " all edges", i == graph.edgeCount(), c.get("edges_complete").asBoolean());
    return wrong;
  }

  private static String text(SrcNode s) {
    return String.join(" ", s.name(), s.module(), "" + s.layer(), head(s.head()), "" + s.index());
  }

  private static String text(DestNode d) {
    return String.join(
        " ",
        d.name(),
        d.module(),
        "" + d.layer(),
        head(d.head()),
        "" + d.firstSource(),
        "" + d.sources());
  }

  private static String head(int head) {
    return head < 0 ? "null" : "" + head;
  }

  private static List<String> rows(JsonNode nodes, String... fields) {
    List<String> rows = new ArrayList<>();
    for (JsonNode node : nodes) {
      rows.add(
          String.join(" ", Arrays.stream(fields).map(f -> node.get(f).asText("null")).toList()));
    }
    return rows;
  }

  private static void check(List<String> wrong, String what, Object mine, Object want) {
    if (!mine.equals(want)) {
      wrong.add(what + " is " + mine + " but should be " + want);
    }
  }
}
