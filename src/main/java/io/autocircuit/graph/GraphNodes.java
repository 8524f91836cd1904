package io.autocircuit.graph;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The nodes of a graph that a circuit may have or not: its heads and MLPs (with autoencoders, in an
 * MLP's place its latents and error); with token positions each at every position. The stream
 * itself, its start, its sums and its end, is in every circuit.
 *
 * <p>What belongs to a node: the edges that leave it, and the inputs that it reads. Inputs of
 * queries, keys and values belong to their head; those that several heads share, to each of them;
 * with positions, inputs of keys and values to their head at every position, as queries of all
 * positions look at them.
 *
 * <p>Their order is that in which they are removed: from the end backwards, by layer, then by
 * source index, then by position. Immutable.
 */
public final class GraphNodes {
  /** Of the stream. */
  private static final int STREAM = -1;

  /**
   * A node.
   *
   * @param index its place in the order
   * @param source what it writes
   * @param position its token position; −1 where it stands for all
   */
  public record Node(int index, SrcNode source, int position) {
    /**
     * Its name, without its position.
     *
     * @return {@code A3.2} or {@code MLP 1}
     */
    public String name() {
      return source.name();
    }

    @Override
    public String toString() {
      return position < 0 ? name() : name() + "@" + position;
    }
  }

  /** What reads an edge: its destination's heads or MLP, and whether at every position. */
  private record Reader(int[] sources, boolean everywhere) {}

  private final ComputationGraph graph;
  private final List<Node> nodes;
  private final EdgeGroups groups;
  private final Map<String, Node> byName = new HashMap<>();

  /** The first node of each source; {@link #STREAM} of what is none. */
  private final int[] bySource;

  /** By module and row of its nodes. */
  private final Map<DestNode, Reader> readers = new HashMap<>();

  /** For {@link ComputationGraph#nodes}. */
  GraphNodes(ComputationGraph graph) {
    this.graph = graph;
    List<Node> all = new ArrayList<>();
    bySource = new int[graph.sources().size()];
    Arrays.fill(bySource, STREAM);
    List<SrcNode> parts =
        graph.stages().stream()
            .filter(s -> s.writes() != null && s.parts() > 0 && s.kind() != Stage.Kind.RESIDUAL)
            .flatMap(s -> s.writes().nodes().stream())
            .sorted(
                Comparator.comparingInt((SrcNode s) -> -s.layer()).thenComparingInt(SrcNode::index))
            .toList();
    for (SrcNode s : parts) {
      bySource[s.index()] = all.size();
      for (int t = 0; t < graph.positionCopies(); t++) {
        all.add(new Node(all.size(), s, graph.positions() == 0 ? -1 : t));
      }
    }
    nodes = List.copyOf(all);
    nodes.forEach(n -> byName.put(n.toString(), n));
    for (Stage stage : graph.stages()) {
      for (int row = 0; row < stage.rows(); row++) {
        int first = stage.firstFed(row);
        int[] fed = new int[stage.fed(row)];
        Arrays.setAll(fed, i -> first + i);
        readers.put(
            stage.module(row).nodes().get(stage.node(row)),
            new Reader(fed, stage.readEverywhere(row)));
      }
    }
    int[] group = new int[graph.edgeCount()];
    for (DestModule m : graph.modules()) {
      for (int i = 0; i < m.nodes().size(); i++) {
        for (int s = m.firstSource(); s < m.firstSource() + m.sources(); s++) {
          for (int t = 0; t < graph.positionCopies(); t++) {
            group[graph.index(m, i, s, t)] = bySource[s] < 0 ? STREAM : bySource[s] + t;
          }
        }
      }
    }
    groups = EdgeGroups.of(graph, group, nodes.size());
  }

  /**
   * The graph.
   *
   * @return as given
   */
  public ComputationGraph graph() {
    return graph;
  }

  /**
   * The number of nodes n.
   *
   * @return heads and MLPs, or an MLP's latents and error, times positions where there are
   */
  public int size() {
    return nodes.size();
  }

  /**
   * All nodes.
   *
   * @return {@code all().get(i).index() == i}
   */
  public List<Node> all() {
    return nodes;
  }

  /**
   * The node of that name.
   *
   * @param name such as {@code A3.2} or {@code MLP 1}
   * @param position −1 in a graph without positions
   * @return the node
   * @throws UnknownNameException if there is none
   * @throws IllegalArgumentException if the position does not fit the graph
   */
  public Node node(String name, int position) {
    Node node = byName.get(position < 0 ? name : name + "@" + position);
    if (node == null) {
      List<String> names = nodes.stream().map(Node::name).distinct().toList();
      if (names.contains(name)) {
        throw new IllegalArgumentException(
            "position="
                + position
                + " of node \""
                + name
                + "\" does not fit: this graph has positions="
                + graph.positions()
                + (graph.positions() == 0 ? "; give -1" : ""));
      }
      throw new UnknownNameException("node", name, names);
    }
    return node;
  }

  /**
   * What people call a node: its name, and its span or position.
   *
   * @param node of this graph
   * @return such as {@code A0.2}, {@code A0.2@3}, {@code A0.2@subject}
   */
  public String label(Node node) {
    return graph.spans().isEmpty()
        ? node.toString()
        : node.name() + "@" + graph.spans().get(node.position());
  }

  /**
   * The edges that leave each node, which share its mask value.
   *
   * @return a group for each node, by its index; edges that leave the stream are in none
   */
  public EdgeGroups groups() {
    return groups;
  }

  /**
   * The edges whose both ends are in a circuit of nodes.
   *
   * @param kept indices of nodes; the stream is in every circuit
   * @return canonical indices of edges
   */
  public BitSet edges(BitSet kept) {
    boolean[] anywhere = new boolean[bySource.length];
    kept.stream().forEach(n -> anywhere[nodes.get(n).source().index()] = true);
    BitSet edges = new BitSet(graph.edgeCount());
    int copies = graph.positionCopies();
    for (DestModule m : graph.modules()) {
      for (int i = 0; i < m.nodes().size(); i++) {
        Reader reader = readers.get(m.nodes().get(i));
        for (int t = 0; t < copies; t++) {
          if (!reads(reader, t, kept, anywhere)) {
            continue;
          }
          for (int s = m.firstSource(); s < m.firstSource() + m.sources(); s++) {
            if (bySource[s] < 0 || kept.get(bySource[s] + t)) {
              edges.set(graph.index(m, i, s, t));
            }
          }
        }
      }
    }
    return edges;
  }

  private boolean reads(Reader reader, int position, BitSet kept, boolean[] anywhere) {
    boolean any = reader.sources().length == 0; // the end
    for (int s : reader.sources()) {
      any |=
          bySource[s] < 0 || (reader.everywhere() ? anywhere[s] : kept.get(bySource[s] + position));
    }
    return any;
  }

  /**
   * The nodes that edges join: those that write, and those whose inputs read. With positions, edges
   * into keys and values do not say which positions of their head are meant, and join their source
   * alone.
   *
   * @param edges canonical indices of edges
   * @return indices of nodes
   */
  public BitSet joined(BitSet edges) {
    BitSet joined = new BitSet(nodes.size());
    edges.stream()
        .forEach(
            i -> {
              Edge e = graph.edge(i);
              int t = Math.max(0, e.position());
              if (groups.group(i) >= 0) {
                joined.set(groups.group(i));
              }
              Reader reader = readers.get(e.destination());
              if (graph.positions() == 0 || !reader.everywhere()) {
                for (int s : reader.sources()) {
                  if (bySource[s] >= 0) {
                    joined.set(bySource[s] + t);
                  }
                }
              }
            });
    return joined;
  }

  /**
   * The edges that are left when nodes through which nothing flows are taken out, until there is
   * none: a node stays if an edge leads to one of its inputs and an edge leaves it, an edge if its
   * source and one of its readers stay; the start and the end of the stream always do. Inputs of
   * keys and values belong to their head at every position.
   *
   * @param edges canonical indices of edges
   * @return those of them that are on a path from the start to the end, or beside one: every node
   *     that they touch reads and is read
   * @throws IllegalArgumentException if the graph is unfactorized: there heads and MLPs read the
   *     stream without an edge
   */
  public BitSet connected(BitSet edges) {
    if (!graph.factorized()) {
      throw new IllegalArgumentException(
          "graph=unfactorized cannot be pruned: what reads its stream has no edge; leave --prune"
              + " and --select greedy out, or take --graph factorized");
    }
    BitSet left = (BitSet) edges.clone();
    for (int before = -1; before != left.cardinality(); ) {
      before = left.cardinality();
      BitSet nodesLeft = new BitSet(nodes.size());
      left.stream().map(groups::group).filter(n -> n >= 0).forEach(nodesLeft::set);
      nodesLeft.and(reading(left));
      left.and(edges(nodesLeft));
    }
    return left;
  }

  /** The nodes of which an input reads one of some edges. */
  private BitSet reading(BitSet edges) {
    BitSet reading = new BitSet(nodes.size());
    int copies = graph.positionCopies();
    edges.stream()
        .forEach(
            i -> {
              Edge e = graph.edge(i);
              Reader reader = readers.get(e.destination());
              for (int s : reader.sources()) {
                if (reader.everywhere()) {
                  reading.set(bySource[s], bySource[s] + copies);
                } else {
                  reading.set(bySource[s] + Math.max(0, e.position()));
                }
              }
            });
    return reading;
  }

  /**
   * The edges that lead to the inputs of a source: by ascending source, of each the inputs in the
   * order of the stage's modules (queries, keys, values).
   *
   * @param source an index of the graph's sources; one behind the last for the end of the stream
   * @return canonical indices, at every position; none for the start of the stream
   */
  public int[] into(int source) {
    return into(source, -1);
  }

  /**
   * The same of the inputs that a source reads at one position: keys and values are read at all.
   *
   * @param source an index of the graph's sources; one behind the last for the end of the stream
   * @param position of the source's output; −1 for every position
   * @return canonical indices
   */
  public int[] into(int source, int position) {
    List<Integer> all = new ArrayList<>();
    for (Stage stage : graph.stages()) {
      boolean end = stage.writes() == null;
      int from = stage.firstWritten();
      if (end
          ? source != graph.sources().size()
          : source < from || source >= from + stage.written()) {
        continue;
      }
      for (int s = stage.firstSource(); s < stage.firstSource() + stage.sources(); s++) {
        for (int row = 0; row < stage.rows(); row++) {
          int fed = stage.firstFed(row);
          if (end || (source >= fed && source < fed + stage.fed(row))) {
            for (int t = 0; t < graph.positionCopies(); t++) {
              int edge = graph.index(stage.module(row), stage.node(row), s, t);
              if (position < 0
                  || t == position
                  || readers.get(graph.edge(edge).destination()).everywhere()) {
                all.add(edge);
              }
            }
          }
        }
      }
    }
    return all.stream().mapToInt(Integer::intValue).toArray();
  }

  /**
   * What of two ends decides about each edge: the better of the nodes that read it, if that is
   * worse than its source. Of the edges whose smaller end is at least as good as a node, both ends
   * are in the circuit of the nodes that are.
   *
   * @param better ranks nodes by index: negative if the first comes before the second
   * @return the index of the worse end by canonical edge index; −1 where both are the stream
   */
  public int[] worseEnds(java.util.function.IntBinaryOperator better) {
    int[] best = new int[bySource.length];
    for (int s = 0; s < best.length; s++) {
      best[s] = bySource[s];
      for (int t = 1; bySource[s] >= 0 && t < graph.positionCopies(); t++) {
        best[s] = better.applyAsInt(best[s], bySource[s] + t) <= 0 ? best[s] : bySource[s] + t;
      }
    }
    int[] worse = new int[graph.edgeCount()];
    for (DestModule m : graph.modules()) {
      for (int i = 0; i < m.nodes().size(); i++) {
        Reader reader = readers.get(m.nodes().get(i));
        for (int t = 0; t < graph.positionCopies(); t++) {
          int end = STREAM;
          for (int s : reader.sources()) {
            int n = bySource[s] < 0 ? STREAM : reader.everywhere() ? best[s] : bySource[s] + t;
            end = end < 0 || better.applyAsInt(n, end) < 0 ? n : end;
          }
          for (int s = m.firstSource(); s < m.firstSource() + m.sources(); s++) {
            int source = bySource[s] < 0 ? STREAM : bySource[s] + t;
            worse[graph.index(m, i, s, t)] =
                source < 0 ? end : end < 0 || better.applyAsInt(end, source) <= 0 ? source : end;
          }
        }
      }
    }
    return worse;
  }
}
