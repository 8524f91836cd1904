package io.autocircuit.metric;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.Stage;
import io.autocircuit.patch.Circuit;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** Random circuits that a circuit is compared with; the same of the same seed. */
public final class RandomCircuits {
  private final Circuit of;
  private final ComputationGraph graph;
  private final SplittableRandom random;
  private final Map<Integer, int[]> into = new HashMap<>();

  /** By source, the edges that leave it; made when paths are asked for. */
  private final Map<Integer, List<Integer>> from = new HashMap<>();

  /**
   * A circuit inflated by a path.
   *
   * @param circuit the circuit and the path
   * @param edge one of the edges that the path added, by canonical index
   */
  public record Inflated(Circuit circuit, int edge) {
    /**
     * Without that edge.
     *
     * @return one edge fewer
     */
    public Circuit without() {
      BitSet left = circuit.edgeSet();
      left.clear(edge);
      return Circuit.of(circuit.graph(), left);
    }
  }

  /**
   * What an edge is, where random circuits are matched to another's capacity: the hooks of one
   * block that it joins, not which head, latent or position.
   */
  private record Kind(String source, String destination) {
    static Kind of(Edge edge) {
      return new Kind(edge.source().module(), edge.destination().module());
    }
  }

  /**
   * Circuits to compare one with.
   *
   * @param of the circuit
   * @param seed of the draws
   */
  public RandomCircuits(Circuit of, long seed) {
    this.of = of;
    graph = of.graph();
    random = new SplittableRandom(seed);
  }

  /**
   * A random circuit with as many edges, drawn from all edges of the graph.
   *
   * @return a new one at each call
   */
  public Circuit sameSize() {
    BitSet edges = new BitSet();
    draw(IntStream.range(0, graph.edgeCount()).toArray(), of.size(), edges);
    return Circuit.of(graph, edges);
  }

  /**
   * A random circuit of matched capacity: as many edges of each kind as the circuit has. The kind
   * is what the source is (embedding, head, MLP) with its block, and what the destination is
   * (query, key, value, MLP, end) with its block. Where the circuit has all edges of a kind, so has
   * this one.
   *
   * @return a new one at each call
   */
  public Circuit matched() {
    Map<Kind, Integer> wanted = new LinkedHashMap<>();
    of.edges().forEach(e -> wanted.merge(Kind.of(e), 1, Integer::sum));
    Map<Kind, List<Integer>> all = new HashMap<>();
    for (int e = 0; e < graph.edgeCount(); e++) {
      Kind kind = Kind.of(graph.edge(e));
      if (wanted.containsKey(kind)) {
        all.computeIfAbsent(kind, k -> new ArrayList<>()).add(e);
      }
    }
    BitSet edges = new BitSet();
    wanted.forEach((kind, n) -> draw(all.get(kind).stream().mapToInt(i -> i).toArray(), n, edges));
    return Circuit.of(graph, edges);
  }

  /** Some of several, without replacement (Fisher–Yates). */
  private void draw(int[] several, int some, BitSet to) {
    for (int i = 0; i < some; i++) {
      int j = i + random.nextInt(several.length - i);
      int was = several[i];
      several[i] = several[j];
      several[j] = was;
      to.set(several[i]);
    }
  }

  /**
   * The circuit with a random path from the start to the end of the stream: an edge outside, drawn
   * from all of them, continued to both sides by edges drawn from those that fit.
   *
   * @return the circuit inflated, and one of the edges that are new in it, each with the same
   *     chance
   * @throws IllegalArgumentException if the circuit is the full one, or the graph is unfactorized,
   *     where what reads the stream has no edge
   */
  public Inflated inflated() {
    if (!graph.factorized() || of.size() == graph.edgeCount()) {
      throw new IllegalArgumentException(
          "circuit edges="
              + of.size()
              + " of "
              + graph.edgeCount()
              + ": no random path can be added; give a smaller circuit of a factorized graph");
    }
    BitSet outside = of.edgeSet();
    outside.flip(0, graph.edgeCount());
    int first = pick(outside.stream().toArray());
    BitSet edges = of.edgeSet();
    edges.set(first);
    for (int e = first; e >= 0; e = before(e)) {
      edges.set(e);
    }
    for (int e = first; e >= 0; e = after(e)) {
      edges.set(e);
    }
    BitSet added = (BitSet) edges.clone();
    added.andNot(of.edgeSet());
    return new Inflated(Circuit.of(graph, edges), pick(added.stream().toArray()));
  }

  private int pick(int[] some) {
    return some[random.nextInt(some.length)];
  }

  /** An edge into the source of an edge; −1 where that is the start of the stream. */
  private int before(int edge) {
    Edge next = graph.edge(edge);
    int[] fit =
        IntStream.of(into.computeIfAbsent(next.source().index(), graph.nodes()::into))
            .filter(e -> follows(graph.edge(e), next.position()))
            .toArray();
    return fit.length == 0 ? -1 : pick(fit);
  }

  /** An edge from what the destination of an edge feeds; −1 where that is the end of the stream. */
  private int after(int edge) {
    if (from.isEmpty()) {
      for (int e = 0; e < graph.edgeCount(); e++) {
        from.computeIfAbsent(graph.edge(e).source().index(), s -> new ArrayList<>()).add(e);
      }
    }
    Edge last = graph.edge(edge);
    Stage stage = stage(last);
    int row = stage.row(last.destination());
    int[] fit =
        IntStream.range(stage.firstFed(row), stage.firstFed(row) + stage.fed(row))
            .flatMap(s -> from.getOrDefault(s, List.of()).stream().mapToInt(i -> i))
            .filter(e -> follows(last, graph.edge(e).position()))
            .toArray();
    return fit.length == 0 ? -1 : pick(fit);
  }

  private Stage stage(Edge edge) {
    return graph.stage(graph.module(edge.destination().module()));
  }

  /** Whether what an edge leads to is written at a position: later ones too where all are read. */
  private boolean follows(Edge edge, int position) {
    Stage stage = stage(edge);
    return edge.position() == position
        || (edge.position() < position && stage.readEverywhere(stage.row(edge.destination())));
  }
}
