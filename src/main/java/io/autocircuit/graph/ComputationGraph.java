package io.autocircuit.graph;

import io.autocircuit.graph.DestNode.Input;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The factorized graph of a transformer: every source, every destination, and an edge from each
 * source to each destination of a strictly greater layer.
 *
 * <p>Edges are not materialised: a graph of GPT-2 small at 15 positions has half a million. They
 * are addressed by their canonical index, and {@link #edge(int)} makes the object when one is
 * wanted.
 */
public final class ComputationGraph {

  /** How attention and MLP of a block are wired. */
  public enum Wiring {
    /** The MLP reads the stream after attention has written to it (GPT-2, Llama). */
    SEQUENTIAL,
    /** Attention and MLP read the same stream (GPT-J, GPT-NeoX). */
    PARALLEL,
    /** There is no MLP. */
    ATTENTION_ONLY
  }

  private final int blocks;
  private final int heads;
  private final Wiring wiring;
  private final boolean separateQkv;
  private final int positions;
  private final List<SrcNode> sources;
  private final List<DestModule> modules;
  private final Map<String, DestModule> moduleByName = new LinkedHashMap<>();
  private final Map<String, SrcNode> sourceByName = new LinkedHashMap<>();
  private final Map<String, DestNode> destinationByName = new LinkedHashMap<>();
  private final int edgeCount;

  private ComputationGraph(
      int blocks, int heads, Wiring wiring, boolean separateQkv, int positions) {
    this.blocks = blocks;
    this.heads = heads;
    this.wiring = wiring;
    this.separateQkv = separateQkv;
    this.positions = positions;
    this.sources = List.copyOf(sources(blocks, heads, wiring));
    List<DestModule> found = new ArrayList<>();
    long offset = 0;
    for (DestModule m : modulesInCanonicalOrder()) {
      found.add(new DestModule(m.name(), m.nodes(), m.sources(), (int) offset, m.perHead()));
      offset += (long) m.nodes().size() * m.sources() * Math.max(1, positions);
      if (offset > Integer.MAX_VALUE - 8) {
        throw new IllegalArgumentException(
            "the graph has more than 2^31 edges: blocks="
                + blocks
                + ", heads="
                + heads
                + ", positions="
                + positions
                + "; use one mask for all positions or joint Q/K/V inputs");
      }
    }
    this.modules = List.copyOf(found);
    this.edgeCount = (int) offset;
    for (SrcNode s : sources) {
      sourceByName.put(s.name(), s);
    }
    for (DestModule m : modules) {
      moduleByName.put(m.name(), m);
      for (DestNode d : m.nodes()) {
        destinationByName.put(d.name(), d);
      }
    }
  }

  /**
   * The factorized graph.
   *
   * @param blocks number of blocks L, at least 1
   * @param heads number of (query) heads H per block, at least 1
   * @param wiring how the parts of a block are connected
   * @param separateQkv one destination for each of a head's query, key and value inputs, instead of
   *     one for all three
   * @param positions 0 for one edge at all positions, else the number of token positions T, each
   *     with its own copy of every edge
   * @throws IllegalArgumentException if an argument is out of range or there are too many edges
   */
  public static ComputationGraph factorized(
      int blocks, int heads, Wiring wiring, boolean separateQkv, int positions) {
    if (blocks < 1 || heads < 1 || positions < 0) {
      throw new IllegalArgumentException(
          "blocks=" + blocks + ", heads=" + heads + ", positions=" + positions + " out of range");
    }
    return new ComputationGraph(blocks, heads, wiring, separateQkv, positions);
  }

  private static int attentionLayer(Wiring wiring, int block) {
    return wiring == Wiring.SEQUENTIAL ? 2 * block + 1 : block + 1;
  }

  private static int mlpLayer(Wiring wiring, int block) {
    return wiring == Wiring.SEQUENTIAL ? 2 * block + 2 : block + 1;
  }

  private static List<SrcNode> sources(int blocks, int heads, Wiring wiring) {
    List<SrcNode> list = new ArrayList<>();
    list.add(new SrcNode("Resid Start", "blocks.0.hook_resid_pre", 0, 0, -1, -1));
    for (int b = 0; b < blocks; b++) {
      int layer = attentionLayer(wiring, b);
      for (int h = 0; h < heads; h++) {
        list.add(
            new SrcNode(
                "A" + b + "." + h, "blocks." + b + ".attn.hook_result", layer, list.size(), b, h));
      }
      if (wiring != Wiring.ATTENTION_ONLY) {
        list.add(
            new SrcNode(
                "MLP " + b,
                "blocks." + b + ".hook_mlp_out",
                mlpLayer(wiring, b),
                list.size(),
                b,
                -1));
      }
    }
    return list;
  }

  private List<DestModule> modulesInCanonicalOrder() {
    List<DestModule> list = new ArrayList<>();
    for (int b = 0; b < blocks; b++) {
      int layer = attentionLayer(wiring, b);
      if (separateQkv) {
        list.add(attentionModule(b, layer, Input.Q, "hook_q_input", ".Q"));
        list.add(attentionModule(b, layer, Input.K, "hook_k_input", ".K"));
        list.add(attentionModule(b, layer, Input.V, "hook_v_input", ".V"));
      } else {
        list.add(attentionModule(b, layer, Input.ATTENTION, "hook_attn_in", ""));
      }
      if (wiring != Wiring.ATTENTION_ONLY) {
        list.add(
            single("MLP " + b, "blocks." + b + ".hook_mlp_in", Input.MLP, mlpLayer(wiring, b), b));
      }
    }
    int endLayer = attentionLayer(wiring, blocks);
    String endModule = "blocks." + (blocks - 1) + ".hook_resid_post";
    list.add(single("Resid End", endModule, Input.END, endLayer, blocks));
    list.sort(
        Comparator.comparingInt((DestModule m) -> -m.nodes().get(0).layer())
            .thenComparing(DestModule::name));
    return list;
  }

  private DestModule attentionModule(
      int block, int layer, Input input, String hook, String suffix) {
    String module = "blocks." + block + "." + hook;
    int n = sourcesBelow(layer);
    List<DestNode> nodes =
        IntStream.range(0, heads)
            .mapToObj(
                h ->
                    new DestNode("A" + block + "." + h + suffix, module, input, layer, n, block, h))
            .toList();
    return new DestModule(module, nodes, n, 0, true);
  }

  private DestModule single(String name, String module, Input input, int layer, int block) {
    int n = sourcesBelow(layer);
    DestNode node = new DestNode(name, module, input, layer, n, block, -1);
    return new DestModule(module, List.of(node), n, 0, false);
  }

  private int sourcesBelow(int layer) {
    return (int) sources.stream().filter(s -> s.layer() < layer).count();
  }

  /** Number of blocks L. */
  public int blocks() {
    return blocks;
  }

  /** Number of heads H per block. */
  public int heads() {
    return heads;
  }

  /** How the parts of a block are connected. */
  public Wiring wiring() {
    return wiring;
  }

  /** Whether queries, keys and values have inputs of their own. */
  public boolean separateQkv() {
    return separateQkv;
  }

  /** The number of positions with edges of their own; 0 when one edge stands for all positions. */
  public int positions() {
    return positions;
  }

  /** Copies of each edge: {@code max(1, positions)}. */
  public int positionCopies() {
    return Math.max(1, positions);
  }

  /** The sources by index. */
  public List<SrcNode> sources() {
    return sources;
  }

  /** The destination modules in canonical order. */
  public List<DestModule> modules() {
    return modules;
  }

  /** All destinations in canonical order. */
  public List<DestNode> destinations() {
    return List.copyOf(destinationByName.values());
  }

  /** Number of edges, positions counted. */
  public int edgeCount() {
    return edgeCount;
  }

  /**
   * The module of that hook name.
   *
   * @throws UnknownNameException if there is none
   */
  public DestModule module(String name) {
    DestModule m = moduleByName.get(name);
    if (m == null) {
      throw new UnknownNameException("destination module", name, moduleByName.keySet());
    }
    return m;
  }

  /** The edge with the canonical index {@code index}. */
  public Edge edge(int index) {
    java.util.Objects.checkIndex(index, edgeCount);
    int lo = 0;
    int hi = modules.size() - 1;
    while (lo < hi) {
      int mid = (lo + hi + 1) / 2;
      if (modules.get(mid).offset() <= index) {
        lo = mid;
      } else {
        hi = mid - 1;
      }
    }
    DestModule m = modules.get(lo);
    int within = index - m.offset();
    int copies = positionCopies();
    int position = positions == 0 ? -1 : within % copies;
    int row = within / copies;
    return new Edge(
        sources.get(row % m.sources()), m.nodes().get(row / m.sources()), position, index);
  }

  /**
   * The canonical index of an edge.
   *
   * @param source source index, below the module's {@code sources()}
   * @param head index of the destination in the module (0 for modules without heads)
   * @param position the position; 0 when one edge stands for all
   */
  public int index(DestModule module, int head, int source, int position) {
    return module.offset() + (head * module.sources() + source) * positionCopies() + position;
  }

  /**
   * The edge of that name at that position.
   *
   * @param name {@code source->destination}
   * @param position the position, or −1 in a graph without positions
   * @throws UnknownNameException if there is no such edge; the message lists the nearest names
   * @throws IllegalArgumentException if the position does not fit the graph
   */
  public Edge edge(String name, int position) {
    boolean fits = positions == 0 ? position == -1 : position >= 0 && position < positions;
    if (!fits) {
      throw new IllegalArgumentException(
          "position="
              + position
              + " of edge \""
              + name
              + "\" does not fit: "
              + (positions == 0
                  ? "this graph has one edge for all positions; leave seq_idx out, or give"
                      + " --token-positions"
                  : "this graph has positions="
                      + positions
                      + "; give one in 0.."
                      + (positions - 1)));
    }
    return edge(firstIndex(name) + Math.max(0, position));
  }

  /**
   * The edges of that name: one, or one for each position.
   *
   * @throws UnknownNameException if there is none
   */
  public List<Edge> edges(String name) {
    int first = firstIndex(name);
    return IntStream.range(first, first + positionCopies()).mapToObj(this::edge).toList();
  }

  private int firstIndex(String name) {
    int arrow = name.indexOf("->");
    SrcNode s = arrow < 0 ? null : sourceByName.get(name.substring(0, arrow).strip());
    DestNode d = arrow < 0 ? null : destinationByName.get(name.substring(arrow + 2).strip());
    if (s == null || d == null || s.index() >= d.sources()) {
      throw new UnknownNameException("edge", name, edgeNames());
    }
    return index(module(d.module()), Math.max(0, d.head()), s.index(), 0);
  }

  /** The names of all edges, positions not distinguished, in canonical order. */
  public List<String> edgeNames() {
    int copies = positionCopies();
    return IntStream.range(0, edgeCount / copies).mapToObj(i -> edge(i * copies).name()).toList();
  }

  /**
   * The shape of a module's mask in AutoCircuit's layout: {@code [positions?][heads?][sources]}.
   */
  public long[] maskShape(DestModule module) {
    List<Long> shape = new ArrayList<>();
    if (positions > 0) {
      shape.add((long) positions);
    }
    if (module.perHead()) {
      shape.add((long) heads);
    }
    shape.add((long) module.sources());
    return shape.stream().mapToLong(Long::longValue).toArray();
  }

  /** The same graph with another number of positions (0: one edge for all). */
  public ComputationGraph withPositions(int newPositions) {
    return factorized(blocks, heads, wiring, separateQkv, newPositions);
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof ComputationGraph g
        && g.blocks == blocks
        && g.heads == heads
        && g.wiring == wiring
        && g.separateQkv == separateQkv
        && g.positions == positions;
  }

  @Override
  public int hashCode() {
    return java.util.Objects.hash(blocks, heads, wiring, separateQkv, positions);
  }

  @Override
  public String toString() {
    return "ComputationGraph[blocks="
        + blocks
        + ", heads="
        + heads
        + ", wiring="
        + wiring
        + ", separateQkv="
        + separateQkv
        + ", positions="
        + positions
        + ", edges="
        + edgeCount
        + "]";
  }
}
