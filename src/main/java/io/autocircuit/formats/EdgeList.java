package io.autocircuit.formats;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.patch.PruneScores;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The {@code edges.json} of a discovery as scores: {@code [{"name", "seq_idx", "score"}]}, all
 * edges of a graph, which follows from their names.
 */
final class EdgeList {
  private static final Pattern HEAD = Pattern.compile("A(\\d{1,6})\\.(\\d{1,6})(\\.[QKV])?");
  private static final Pattern MLP = Pattern.compile("MLP (\\d{1,6})");
  private static final String ARROW = "->";

  private EdgeList() {}

  /**
   * Reads scores.
   *
   * @throws DataException if an item is no scored edge, or they are not all edges of a factorized
   *     graph
   */
  static PruneScores read(Path file, JsonNode list) {
    ComputationGraph graph = graph(file, list);
    float[] values = new float[graph.edgeCount()];
    Arrays.fill(values, Float.NaN);
    for (JsonNode item : list) {
      String name = item.path("name").asText();
      int edge;
      try {
        edge = graph.edge(name, item.path("seq_idx").asInt(-1)).index();
      } catch (IllegalArgumentException e) {
        throw new DataException("file=" + file + ": " + e.getMessage(), e);
      }
      if (!Float.isNaN(values[edge])) {
        throw error(file, "edge " + DataException.quote(name) + " is there twice");
      }
      JsonNode score = item.path("score");
      values[edge] =
          score.isNumber()
              ? score.floatValue()
              : score.asText().equals("Infinity")
                  ? Float.POSITIVE_INFINITY
                  : score.asText().equals("-Infinity") ? Float.NEGATIVE_INFINITY : Float.NaN;
      if (score.isNumber()
          && Float.isInfinite(values[edge])
          && Double.isFinite(score.doubleValue())) {
        throw error(
            file,
            "edge "
                + DataException.quote(name)
                + " has score="
                + score.doubleValue()
                + ", beyond float32 (an infinite score means an edge that is never removed)");
      }
      if (Float.isNaN(values[edge])) {
        throw error(file, "edge " + DataException.quote(name) + " has no score");
      }
    }
    return new PruneScores(graph, values);
  }

  /** The only graph of these names with so many edges. */
  private static ComputationGraph graph(Path file, JsonNode list) {
    int blocks = 0;
    int heads = 0;
    int positions = 0;
    int shared = 0;
    boolean separate = false;
    for (JsonNode item : list) {
      if (!item.path("name").isTextual() || item.has("span")) {
        throw error(file, "its items are no scored edges {\"name\", \"seq_idx\", \"score\"}");
      }
      positions = Math.max(positions, 1 + item.path("seq_idx").asInt(-1));
      String[] ends = item.path("name").textValue().split(ARROW, -1);
      for (int i = 0; i < ends.length; i++) {
        Matcher head = HEAD.matcher(ends[i]);
        Matcher mlp = MLP.matcher(ends[i]);
        if (head.matches()) {
          blocks = Math.max(blocks, 1 + Integer.parseInt(head.group(1)));
          int number = 1 + Integer.parseInt(head.group(2));
          heads = Math.max(heads, number);
          separate |= head.group(3) != null;
          if (".K".equals(head.group(3))) {
            shared = Math.max(shared, number);
          }
        } else if (mlp.matches()) {
          blocks = Math.max(blocks, 1 + Integer.parseInt(mlp.group(1)));
        }
      }
    }
    for (Wiring wiring : Wiring.values()) {
      // the sum over blocks of what they read grows with the square of these
      if (blocks == 0 || heads == 0 || (double) blocks * blocks * heads > 4.0 * list.size()) {
        break;
      }
      ComputationGraph graph;
      try {
        graph =
            ComputationGraph.factorized(
                blocks, heads, separate ? shared : heads, wiring, separate, positions);
      } catch (IllegalArgumentException e) {
        continue;
      }
      if (graph.edgeCount() == list.size()) {
        return graph;
      }
    }
    throw error(file, "its edges are not all edges of a factorized graph");
  }

  private static DataException error(Path file, String what) {
    return new DataException(
        "file=" + file + ": " + what + "; give the edges.json that discover wrote, whole");
  }
}
