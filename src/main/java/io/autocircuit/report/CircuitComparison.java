package io.autocircuit.report;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import io.autocircuit.report.CircuitDrawing.Link;
import io.autocircuit.report.CircuitDrawing.Side;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Two circuits of one graph, with as many edges each: what both have, what one of them has.
 *
 * @param first the first circuit's name
 * @param second the second circuit's name
 * @param size how many edges each of them has
 * @param drawing both in one drawing
 * @param edges of the drawing, in its order, with rank and score in either ranking
 */
public record CircuitComparison(
    String first, String second, int size, CircuitDrawing drawing, List<Shared> edges) {
  /**
   * An edge of at least one of the circuits.
   *
   * @param link as the drawing has it
   * @param firstRank its rank in the first ranking, from 1
   * @param firstScore its score there
   * @param secondRank its rank in the second ranking, from 1
   * @param secondScore its score there
   */
  public record Shared(
      Link link, int firstRank, double firstScore, int secondRank, double secondScore) {}

  /**
   * How many edges of a kind there are.
   *
   * @param both in both circuits
   * @param first in the first only
   * @param second in the second only
   */
  public record Counts(int both, int first, int second) {
    private Counts plus(Side side) {
      return new Counts(
          both + (side == Side.BOTH ? 1 : 0),
          first + (side == Side.FIRST ? 1 : 0),
          second + (side == Side.SECOND ? 1 : 0));
    }
  }

  /**
   * Keeps an unmodifiable copy.
   *
   * @param first the first circuit's name
   * @param second the second circuit's name
   * @param size how many edges each of them has
   * @param drawing both in one drawing
   * @param edges of the drawing
   */
  public CircuitComparison {
    edges = List.copyOf(edges);
  }

  /**
   * Compares the best edges of two rankings.
   *
   * @param firstName what the first is called
   * @param first its edges
   * @param secondName what the second is called
   * @param second its edges
   * @param size how many edges each circuit has, 1 to the number of edges
   * @return the comparison
   * @throws IllegalArgumentException if they are not of one graph, or have not so many edges
   */
  public static CircuitComparison of(
      String firstName, ResultEdges first, String secondName, ResultEdges second, int size) {
    if (size < 1 || size > first.edges().size()) {
      throw new IllegalArgumentException(
          "edges="
              + size
              + " outside 1.."
              + first.edges().size()
              + "; choose a size in that range");
    }
    Map<List<Object>, Integer> ours = ranks(first);
    Map<List<Object>, Integer> theirs = ranks(second);
    requireOne(firstName, first, secondName, theirs);
    requireOne(secondName, second, firstName, ours);
    CircuitDrawing drawing =
        CircuitDrawing.of(
            firstName + " and " + secondName + ", " + size + " edges each",
            first.nodes(),
            first.edges(),
            second.edges(),
            size);
    List<Shared> shared =
        drawing.edges().stream()
            .map(
                link -> {
                  List<Object> key = CircuitDrawing.key(link.edge());
                  int a = ours.get(key);
                  int b = theirs.get(key);
                  return new Shared(
                      link,
                      a,
                      first.edges().get(a - 1).score(),
                      b,
                      second.edges().get(b - 1).score());
                })
            .toList();
    return new CircuitComparison(firstName, secondName, size, drawing, shared);
  }

  private static Map<List<Object>, Integer> ranks(ResultEdges edges) {
    Map<List<Object>, Integer> ranks = new HashMap<>();
    for (ScoredEdge edge : edges.edges()) {
      ranks.put(CircuitDrawing.key(edge), ranks.size() + 1);
    }
    return ranks;
  }

  private static void requireOne(
      String name, ResultEdges edges, String other, Map<List<Object>, Integer> ranks) {
    Optional<ScoredEdge> missing =
        edges.edges().stream().filter(e -> !ranks.containsKey(CircuitDrawing.key(e))).findFirst();
    if (missing.isPresent()) {
      throw new IllegalArgumentException(
          "edge="
              + missing.get().name()
              + (missing.get().seqIdx() == null ? "" : "@" + missing.get().seqIdx())
              + " is in the graph of "
              + name
              + " but not in that of "
              + other
              + "; compare circuits of one model, with the same graph, separate-qkv, kv and"
              + " token-positions");
    }
  }

  /**
   * How many edges there are in all.
   *
   * @return in both circuits, in one of them only
   */
  public Counts counts() {
    Counts counts = new Counts(0, 0, 0);
    for (Shared edge : edges) {
      counts = counts.plus(edge.link().side());
    }
    return counts;
  }

  /**
   * The Jaccard index: edges of both circuits over edges of at least one.
   *
   * @return from 0, nothing in common, to 1, the same circuit
   */
  public double jaccard() {
    return (double) counts().both() / edges.size();
  }

  /**
   * How many edges there are by the kinds of nodes that they join.
   *
   * @return by kinds, such as {@code attention → MLP}, in alphabetical order
   */
  public Map<String, Counts> kinds() {
    Map<String, Counts> kinds = new TreeMap<>();
    for (Shared edge : edges) {
      String kind =
          NodeOrder.kind(edge.link().source()) + " → " + NodeOrder.kind(edge.link().destination());
      kinds.put(kind, kinds.getOrDefault(kind, new Counts(0, 0, 0)).plus(edge.link().side()));
    }
    return kinds;
  }

  /**
   * The comparison as one HTML page, which needs no other file and no network.
   *
   * @return the HTML document
   */
  public String page() {
    Counts counts = counts();
    Map<String, String> summary = new LinkedHashMap<>();
    summary.put("First", first);
    summary.put("Second", second);
    summary.put("Edges each", String.valueOf(size));
    summary.put("In both", String.valueOf(counts.both()));
    summary.put("Only in the first", String.valueOf(counts.first()));
    summary.put("Only in the second", String.valueOf(counts.second()));
    summary.put("Jaccard index", String.format(Locale.ROOT, "%.3f", jaccard()));
    Map<String, String> places = new LinkedHashMap<>();
    places.put("title", Page.escape(first + " and " + second));
    places.put("summary", Page.summary(summary));
    places.put("drawing", CircuitFiles.svg(drawing));
    return Page.plain("compare", tree(), places);
  }

  /**
   * Writes {@link #page} into a file, which appears whole or not at all.
   *
   * @param file where to; its directory must exist
   * @throws DataException if it cannot be written
   */
  public void write(Path file) {
    AtomicFile.write(file, page());
  }

  private ObjectNode tree() {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("title", drawing.title());
    ArrayNode kinds = root.putArray("kinds");
    kinds()
        .forEach(
            (kind, counts) ->
                kinds
                    .addArray()
                    .add(kind)
                    .add(counts.both())
                    .add(counts.first())
                    .add(counts.second()));
    ArrayNode rows = root.putArray("edges");
    for (Shared e : edges) {
      rows.addArray()
          .add(CircuitFiles.lower(e.link().side()))
          .add(e.link().edge().name())
          .add(e.link().edge().seqIdx())
          .add(e.firstRank())
          .add(Page.number(e.firstScore()))
          .add(e.secondRank())
          .add(Page.number(e.secondScore()));
    }
    return root;
  }
}
