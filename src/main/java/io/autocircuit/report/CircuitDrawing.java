package io.autocircuit.report;

import io.autocircuit.experiment.SourceActivations;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * A circuit, or two in one drawing, as nodes and links: what {@link CircuitFiles} writes. A head is
 * one node; which of its inputs an edge enters is said by the link. An edge into a key or value
 * that heads share has a link into each of them.
 *
 * @param title for people
 * @param nodes all nodes of the graph, by layer, then as {@link NodeOrder} has them; also those
 *     without a link
 * @param links the edges, best first
 * @param positionLabels text of each token position, by {@link ScoredEdge#seqIdx}; may be empty or
 *     shorter than the number of positions
 * @param activations what sources write, by {@link #activation}; may be empty
 */
public record CircuitDrawing(
    String title,
    List<NodeInfo> nodes,
    List<Link> links,
    List<String> positionLabels,
    Map<List<Object>, SourceActivations.Source> activations) {
  /** In which circuit an edge is. */
  public enum Side {
    /** In the one that is drawn. */
    ONLY,
    /** In both of two. */
    BOTH,
    /** In the first of two only. */
    FIRST,
    /** In the second of two only. */
    SECOND
  }

  /**
   * An edge of the drawing.
   *
   * @param edge the edge and its score; not NaN
   * @param source the node it leaves
   * @param destination the node it enters
   * @param input which input of a head it enters: {@code Q}, {@code K}, {@code V}; else empty
   * @param rank its place among the edges of its circuit, from 1
   * @param side in which circuit it is
   */
  public record Link(
      ScoredEdge edge, String source, String destination, String input, int rank, Side side) {}

  /**
   * Sorts the nodes.
   *
   * @param title for people
   * @param nodes all nodes of the graph, in any order; inputs of heads stand for their heads
   * @param links the edges, best first
   * @param positionLabels text of each token position; may be empty
   * @param activations what sources write, by name and position (−1 for all); may be empty
   * @throws NullPointerException if an argument is null
   */
  public CircuitDrawing {
    Objects.requireNonNull(title, "title");
    Map<String, Integer> layers = ReportData.layers(nodes);
    Map<String, NodeInfo> drawn = new LinkedHashMap<>();
    for (NodeInfo node : nodes) {
      String name = ReportData.drawnNode(node.name(), layers);
      drawn.putIfAbsent(name, new NodeInfo(name, layers.get(name)));
    }
    List<NodeInfo> sorted = new ArrayList<>(drawn.values());
    sorted.sort(
        Comparator.comparingInt(NodeInfo::layer).thenComparing(NodeInfo::name, NodeOrder.BY_NAME));
    nodes = List.copyOf(sorted);
    links = List.copyOf(links);
    positionLabels = List.copyOf(positionLabels);
    activations = Map.copyOf(activations);
  }

  /**
   * The same drawing with the texts of token positions.
   *
   * @param labels the texts, by position
   * @return a new value
   */
  public CircuitDrawing withPositionLabels(List<String> labels) {
    return new CircuitDrawing(title, nodes, links, labels, activations);
  }

  /**
   * The same drawing with what its sources write.
   *
   * @param written of the run that the scores are from
   * @return a new value
   */
  public CircuitDrawing withActivations(SourceActivations written) {
    Map<List<Object>, SourceActivations.Source> all = new HashMap<>();
    for (SourceActivations.Source s : written.sources()) {
      all.put(List.of(s.name(), s.position() == null ? -1 : s.position()), s);
    }
    return new CircuitDrawing(title, nodes, links, positionLabels, all);
  }

  /**
   * The same drawing with the edges of one position.
   *
   * @param position from 0; edges that stand for all positions stay
   * @return a new value
   */
  public CircuitDrawing at(int position) {
    List<Link> some =
        links.stream()
            .filter(l -> l.edge().seqIdx() == null || l.edge().seqIdx() == position)
            .toList();
    String place = title + ", position " + positionName(position) + ": " + some.size();
    return new CircuitDrawing(place, nodes, some, positionLabels, activations);
  }

  /**
   * What an edge's source writes at its position.
   *
   * @param link of this drawing
   * @return empty where it was not looked at
   */
  public Optional<SourceActivations.Source> activation(Link link) {
    Integer position = link.edge().seqIdx();
    return Optional.ofNullable(
        activations.get(List.of(link.edge().source(), position == null ? -1 : position)));
  }

  /**
   * What a position is called.
   *
   * @param position from 0
   * @return its number, and its text in quotation marks where it has one
   */
  public String positionName(int position) {
    return position < positionLabels.size()
        ? position + " \u201c" + positionLabels.get(position) + "\u201d"
        : String.valueOf(position);
  }

  /**
   * The circuit of the best edges.
   *
   * @param title for people
   * @param nodes all nodes of the graph
   * @param edges scored edges, best first
   * @param size how many of them are in the circuit
   * @return the drawing
   * @throws IllegalArgumentException if there are not so many edges, or one of them leads to no
   *     later layer or has the score NaN
   */
  public static CircuitDrawing of(
      String title, List<NodeInfo> nodes, List<ScoredEdge> edges, int size) {
    requireSize(size, edges);
    List<Link> links = new ArrayList<>();
    Map<String, Integer> layers = ReportData.layers(nodes);
    for (int i = 0; i < size; i++) {
      links.addAll(links(edges.get(i), i + 1, Side.ONLY, layers));
    }
    return new CircuitDrawing(title, nodes, links, List.of(), Map.of());
  }

  /**
   * Two circuits of the best edges of two rankings of one graph.
   *
   * @param title for people
   * @param nodes all nodes of the graph
   * @param first scored edges, best first
   * @param second the same edges with other scores, best first
   * @param size how many of them are in each circuit
   * @return the drawing; edges of both circuits, then of the first, then of the second, each with
   *     the score and rank of the first circuit that has it
   * @throws IllegalArgumentException if there are not so many edges, or one of them leads to no
   *     later layer or has the score NaN
   */
  public static CircuitDrawing of(
      String title,
      List<NodeInfo> nodes,
      List<ScoredEdge> first,
      List<ScoredEdge> second,
      int size) {
    requireSize(size, first);
    requireSize(size, second);
    Map<String, Integer> layers = ReportData.layers(nodes);
    Set<List<Object>> ours = keys(first.subList(0, size));
    Set<List<Object>> theirs = keys(second.subList(0, size));
    List<Link> links = new ArrayList<>();
    for (Side side : List.of(Side.BOTH, Side.FIRST, Side.SECOND)) {
      List<ScoredEdge> from = side == Side.SECOND ? second : first;
      for (int i = 0; i < size; i++) {
        List<Object> key = key(from.get(i));
        if ((side == Side.BOTH) == (ours.contains(key) && theirs.contains(key))) {
          links.addAll(links(from.get(i), i + 1, side, layers));
        }
      }
    }
    return new CircuitDrawing(title, nodes, links, List.of(), Map.of());
  }

  /**
   * How many edges are on a side.
   *
   * @param side the side
   * @return their number
   */
  public int count(Side side) {
    return (int) edges().stream().filter(l -> l.side() == side).count();
  }

  /**
   * The edges.
   *
   * @return of each the first of its links, in their order
   */
  public List<Link> edges() {
    Set<List<Object>> seen = new HashSet<>();
    return links.stream().filter(l -> seen.add(key(l.edge()))).toList();
  }

  /**
   * The same drawing with an edge for each head in the place of one into a key or value that heads
   * share, as of a model whose query heads all have keys and values of their own: they have its
   * score and rank.
   *
   * @return a new value
   */
  public CircuitDrawing perQuery() {
    List<Link> all = links.stream().map(CircuitDrawing::perQuery).toList();
    return new CircuitDrawing(title, nodes, all, positionLabels, activations);
  }

  private static Link perQuery(Link link) {
    ScoredEdge e = link.edge();
    if (e.heads().isEmpty()) {
      return link;
    }
    String into = link.destination() + (link.input().isEmpty() ? "" : "." + link.input());
    ScoredEdge own =
        new ScoredEdge(e.source() + "->" + into, e.source(), into, e.seqIdx(), e.score());
    return new Link(own, link.source(), link.destination(), link.input(), link.rank(), link.side());
  }

  /** What two rankings call the same edge. */
  static List<Object> key(ScoredEdge edge) {
    return List.of(edge.name(), edge.seqIdx() == null ? -1 : edge.seqIdx());
  }

  private static Set<List<Object>> keys(Collection<ScoredEdge> edges) {
    Set<List<Object>> keys = new HashSet<>();
    edges.forEach(e -> keys.add(key(e)));
    return keys;
  }

  private static void requireSize(int size, List<ScoredEdge> edges) {
    if (size < 0 || size > edges.size()) {
      throw new IllegalArgumentException(
          "edges=" + size + " outside 0.." + edges.size() + "; choose a size in that range");
    }
  }

  private static List<Link> links(
      ScoredEdge edge, int rank, Side side, Map<String, Integer> layers) {
    if (Double.isNaN(edge.score())) {
      throw new IllegalArgumentException(
          "score of edge=" + edge.name() + " is NaN; give a smaller circuit, or other scores");
    }
    String source = ReportData.drawnNode(edge.source(), layers);
    List<Link> links = new ArrayList<>();
    for (String into : edge.inputs()) {
      String destination = ReportData.drawnNode(into, layers);
      Integer from = layers.get(source);
      Integer to = layers.get(destination);
      if (from == null || to == null || from >= to) {
        throw new IllegalArgumentException(
            "edge=" + edge.name() + " leads to no later layer of the nodes; give all nodes");
      }
      String input = destination.equals(into) ? "" : into.substring(destination.length() + 1);
      links.add(new Link(edge, source, destination, input, rank, side));
    }
    return links;
  }
}
