package io.autocircuit.graph;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The graph of a transformer: every source, every destination, the edges between them, and the
 * {@link Stage}s in which a run computes them.
 *
 * <p>In a {@linkplain Form#FACTORIZED factorized} graph an edge leads from each source to each
 * destination of a strictly greater layer. That each part reads the sum of what all earlier parts
 * wrote, so that this sum has an edge for each of them, is the view of Elhage et al. 2021, "A
 * mathematical framework for transformer circuits". In an {@linkplain Form#UNFACTORIZED
 * unfactorized} graph the residual stream is kept, and only its sums are destinations: a node's
 * edge carries all that it does. Names, layers and source indices are those of AutoCircuit (Miller
 * et al. 2024, "Transformer circuit faithfulness metrics are not robust", arXiv:2407.08734).
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

  /** What the edges of a graph are. */
  public enum Form {
    /** From every source to every later input: of heads, of MLPs, of the end. */
    FACTORIZED,
    /**
     * From every source to the next sum of the residual stream, which is a source in turn: patching
     * an edge patches a node ("node patching").
     */
    UNFACTORIZED;

    /**
     * Its name in files and on the command line.
     *
     * @return {@code factorized} or {@code unfactorized}
     */
    public String key() {
      return name().toLowerCase(java.util.Locale.ROOT);
    }
  }

  private final GraphShape shape;
  private final List<SrcNode> sources;
  private final List<DestModule> modules;
  private final List<Stage> stages;
  private final Map<String, DestModule> moduleByName = new LinkedHashMap<>();
  private final Map<String, SrcNode> sourceByName = new LinkedHashMap<>();
  private final Map<String, DestNode> destinationByName = new LinkedHashMap<>();

  /** The stage of each module, and the row of its first destination there. */
  private final Map<String, Stage> stageByModule = new LinkedHashMap<>();

  private final int edgeCount;

  private ComputationGraph(GraphShape shape) {
    this.shape = shape;
    GraphLayout made = GraphLayout.of(shape);
    this.stages = made.stages();
    this.modules = made.modules();
    this.sources =
        stages.stream()
            .filter(s -> s.writes() != null)
            .flatMap(s -> s.writes().nodes().stream())
            .toList();
    this.edgeCount = made.edgeCount();
    for (SrcNode s : sources) {
      sourceByName.put(s.name(), s);
    }
    for (DestModule m : modules) {
      moduleByName.put(m.name(), m);
      for (DestNode d : m.nodes()) {
        destinationByName.put(d.name(), d);
      }
    }
    for (Stage s : stages) {
      s.reads().forEach(m -> stageByModule.put(m.name(), s));
    }
  }

  /**
   * The factorized graph of a model whose heads all have keys and values of their own.
   *
   * @param blocks number of blocks L, at least 1
   * @param heads number of heads H per block, at least 1
   * @param wiring how the parts of a block are connected
   * @param separateQkv one destination for each of a head's query, key and value inputs, instead of
   *     one for all three
   * @param positions 0 for one edge at all positions, else the number of token positions T, each
   *     with its own copy of every edge
   * @return the graph
   * @throws IllegalArgumentException if an argument is out of range or there are too many edges
   */
  public static ComputationGraph factorized(
      int blocks, int heads, Wiring wiring, boolean separateQkv, int positions) {
    return factorized(blocks, heads, heads, wiring, separateQkv, positions);
  }

  /**
   * The factorized graph, in which groups of neighbouring heads may share one key and one value
   * input.
   *
   * @param blocks number of blocks L, at least 1
   * @param heads number of query heads H per block, at least 1
   * @param keyValueHeads number of key inputs, and of value inputs, per block; divides H. With one
   *     input for queries, keys and values it must be H
   * @param wiring how the parts of a block are connected
   * @param separateQkv one destination for each of a head's query, key and value inputs, instead of
   *     one for all three
   * @param positions 0 for one edge at all positions, else the number of token positions T, each
   *     with its own copy of every edge
   * @return the graph
   * @throws IllegalArgumentException if an argument is out of range or there are too many edges
   */
  public static ComputationGraph factorized(
      int blocks, int heads, int keyValueHeads, Wiring wiring, boolean separateQkv, int positions) {
    return new ComputationGraph(
        GraphShape.factorized(blocks, heads, keyValueHeads, wiring, separateQkv, positions));
  }

  /**
   * The unfactorized graph. Each block has a sum behind its attention, {@code Resid Mid b}, and one
   * behind its MLP, {@code Resid Post b}, the last of which is {@code Resid End}; a sum reads the
   * one before it and what was written since, and is itself a source. Heads and MLPs read the
   * stream as it is: they have no edges into them.
   *
   * <p>Edges: L(H + 3), without MLPs L(H + 1); 180 for GPT-2 small.
   *
   * @param blocks number of blocks L, at least 1
   * @param heads number of heads H per block, at least 1
   * @param wiring how the parts of a block are connected; not parallel, where the stream has no sum
   *     between attention and MLP
   * @param positions 0 for one edge at all positions, else the number of token positions T, each
   *     with its own copy of every edge
   * @return the graph
   * @throws IllegalArgumentException if an argument is out of range, the wiring is parallel or
   *     there are too many edges
   */
  public static ComputationGraph unfactorized(int blocks, int heads, Wiring wiring, int positions) {
    return new ComputationGraph(GraphShape.unfactorized(blocks, heads, wiring, positions));
  }

  /**
   * What its edges are.
   *
   * @return the form of all of them
   */
  public Form form() {
    return shape.form();
  }

  /**
   * Whether an edge leads from every source to every later input.
   *
   * @return false if only sums of the residual stream are destinations
   */
  public boolean factorized() {
    return shape.form() == Form.FACTORIZED;
  }

  /**
   * Number of blocks L.
   *
   * @return at least 1
   */
  public int blocks() {
    return shape.blocks();
  }

  /**
   * Number of query heads H per block.
   *
   * @return at least 1
   */
  public int heads() {
    return shape.heads();
  }

  /**
   * Number of key inputs, and of value inputs, per block.
   *
   * @return H, or a divisor of it where groups of heads share them
   */
  public int keyValueHeads() {
    return shape.keyValueHeads();
  }

  /**
   * How the parts of a block are connected.
   *
   * @return the wiring of every block
   */
  public Wiring wiring() {
    return shape.wiring();
  }

  /**
   * Whether queries, keys and values have inputs of their own.
   *
   * @return false if each head has one input for all three, or heads have no edges into them
   */
  public boolean separateQkv() {
    return shape.separateQkv();
  }

  /**
   * The number of positions with edges of their own.
   *
   * @return 0 when one edge stands for all positions
   */
  public int positions() {
    return shape.positions();
  }

  /**
   * Copies of each edge.
   *
   * @return {@code max(1, positions)}
   */
  public int positionCopies() {
    return shape.positionCopies();
  }

  /**
   * What a run does, in order: the embedding, attention and MLP of each block, the end; in an
   * unfactorized graph also the sums of the residual stream.
   *
   * @return every stage; {@code stages().get(i).index() == i}
   */
  public List<Stage> stages() {
    return stages;
  }

  /**
   * The stage that a module's destinations belong to.
   *
   * @param module of this graph; looked up by its name
   * @return the stage that reads it; null if the graph has no module of that name
   */
  public Stage stage(DestModule module) {
    return stageByModule.get(module.name());
  }

  /**
   * The last stage, which reads the end of the stream.
   *
   * @return the stage of kind {@link Stage.Kind#END}
   */
  public Stage end() {
    return stages.get(stages.size() - 1);
  }

  /**
   * The stages of a block, in order.
   *
   * @param block 0 to {@code blocks() − 1}
   * @return attention, and the MLP where there is one; in an unfactorized graph also the sums
   *     behind them
   */
  public List<Stage> stages(int block) {
    return stages.stream()
        .filter(s -> s.kind() != Stage.Kind.EMBEDDING && s.kind() != Stage.Kind.END)
        .filter(s -> s.block() == block)
        .toList();
  }

  /**
   * What writes into the residual stream: the embedding, heads and MLPs; in an unfactorized graph
   * also its sums.
   *
   * @return the S sources; {@code sources().get(i).index() == i}
   */
  public List<SrcNode> sources() {
    return sources;
  }

  /**
   * The destinations by hook: all query inputs of a block, say.
   *
   * @return in canonical order: layer descending, then by name; their edges follow each other
   */
  public List<DestModule> modules() {
    return modules;
  }

  /**
   * What reads sources: inputs of heads and MLPs, and the end; in an unfactorized graph the sums of
   * the residual stream.
   *
   * @return in canonical order: by module, then by head
   */
  public List<DestNode> destinations() {
    return List.copyOf(destinationByName.values());
  }

  /**
   * Number of edges: the length of masks and scores.
   *
   * @return edges at all positions together; at most 2³¹ − 9
   */
  public int edgeCount() {
    return edgeCount;
  }

  /**
   * The module of that hook name.
   *
   * @param name a TransformerLens hook such as {@code blocks.0.hook_q_input}
   * @return the module
   * @throws UnknownNameException if there is none; the message lists the nearest names
   */
  public DestModule module(String name) {
    DestModule m = moduleByName.get(name);
    if (m == null) {
      throw new UnknownNameException("destination module", name, moduleByName.keySet());
    }
    return m;
  }

  /**
   * The edge with that canonical index.
   *
   * @param index 0 to {@code edgeCount() − 1}
   * @return the edge, made anew by each call
   * @throws IndexOutOfBoundsException if the graph has no such edge
   */
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
    int position = positions() == 0 ? -1 : within % copies;
    int row = within / copies;
    return new Edge(
        sources.get(m.firstSource() + row % m.sources()),
        m.nodes().get(row / m.sources()),
        position,
        index);
  }

  /**
   * The canonical index of an edge; nothing is checked.
   *
   * @param module of this graph
   * @param head index of the destination in the module (0 for modules without heads)
   * @param source source index; one that the module reads
   * @param position the position; 0 when one edge stands for all
   * @return 0 to {@code edgeCount() − 1}
   */
  public int index(DestModule module, int head, int source, int position) {
    int row = head * module.sources() + source - module.firstSource();
    return module.offset() + row * positionCopies() + position;
  }

  /**
   * The edge of that name at that position.
   *
   * @param name {@code source->destination}
   * @param position the position, or −1 in a graph without positions
   * @return the edge
   * @throws UnknownNameException if there is no such edge; the message lists the nearest names
   * @throws IllegalArgumentException if the position does not fit the graph
   */
  public Edge edge(String name, int position) {
    shape.requirePosition(name, position);
    return edge(firstIndex(name) + Math.max(0, position));
  }

  /**
   * The edges of that name: one, or one for each position.
   *
   * @param name {@code source->destination}, such as {@code MLP 2->A4.2.V}; space around the parts
   *     is ignored
   * @return by position; {@code positionCopies()} edges
   * @throws UnknownNameException if there is none; the message lists the nearest names
   */
  public List<Edge> edges(String name) {
    int first = firstIndex(name);
    return IntStream.range(first, first + positionCopies()).mapToObj(this::edge).toList();
  }

  private int firstIndex(String name) {
    int arrow = name.indexOf("->");
    SrcNode s = arrow < 0 ? null : sourceByName.get(name.substring(0, arrow).strip());
    DestNode d = arrow < 0 ? null : destinationByName.get(name.substring(arrow + 2).strip());
    if (s == null || d == null || !d.reads(s)) {
      throw new UnknownNameException("edge", name, edgeNames());
    }
    return index(module(d.module()), Math.max(0, d.head()), s.index(), 0);
  }

  /**
   * The names of all edges, positions not distinguished.
   *
   * @return in canonical order; {@code edgeCount() / positionCopies()} names
   */
  public List<String> edgeNames() {
    int copies = positionCopies();
    return IntStream.range(0, edgeCount / copies).mapToObj(i -> edge(i * copies).name()).toList();
  }

  /**
   * The shape of a module's mask in AutoCircuit's layout.
   *
   * @param module of this graph
   * @return {@code [positions?][heads?][sources]}: positions if the graph has some, heads if the
   *     module has; one to three axes
   */
  public long[] maskShape(DestModule module) {
    List<Long> axes = new ArrayList<>();
    if (positions() > 0) {
      axes.add((long) positions());
    }
    if (module.perHead()) {
      axes.add((long) module.nodes().size());
    }
    axes.add((long) module.sources());
    return axes.stream().mapToLong(Long::longValue).toArray();
  }

  /**
   * The same graph with another number of positions.
   *
   * @param newPositions 0: one edge for all
   * @return the graph
   */
  public ComputationGraph withPositions(int newPositions) {
    return new ComputationGraph(shape.withPositions(newPositions));
  }

  /**
   * The same destinations, with latents of sparse autoencoders as sources, {@code MLP b Latent k},
   * in the place of MLPs; with the error term {@code MLP b Error} follows them.
   *
   * @param latents by block
   * @return the graph
   * @throws IllegalArgumentException if this graph is not factorized, has no MLPs or another number
   *     of blocks, or there are too many edges
   */
  public ComputationGraph withLatents(LatentSources latents) {
    if (!factorized() || wiring() == Wiring.ATTENTION_ONLY || latents.blocks() != blocks()) {
      throw new IllegalArgumentException(
          latents
              + " of blocks="
              + latents.blocks()
              + " do not fit "
              + this
              + "; they take the place of the MLPs of a factorized graph of as many blocks");
    }
    return new ComputationGraph(shape.withLatents(latents));
  }

  /**
   * The latents that are sources in the place of MLPs.
   *
   * @return null if every MLP is a source
   */
  public LatentSources latents() {
    return shape.latents();
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof ComputationGraph g && g.shape.equals(shape);
  }

  @Override
  public int hashCode() {
    return shape.hashCode();
  }

  @Override
  public String toString() {
    return shape.text(edgeCount);
  }
}
