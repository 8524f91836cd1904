package io.autocircuit.graph;

import java.util.List;
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
  private final GraphNames names;
  private final int edgeCount;

  /** The names of the positions, where these are spans; else empty. */
  private final List<String> spans;

  /** Made when first asked for; if by two threads at once, twice and alike. */
  private volatile GraphNodes nodes;

  private ComputationGraph(GraphShape shape, List<String> spans) {
    this.shape = shape;
    this.spans = List.copyOf(spans);
    GraphLayout made = GraphLayout.of(shape);
    this.stages = made.stages();
    this.modules = made.modules();
    this.sources =
        stages.stream()
            .filter(s -> s.writes() != null)
            .flatMap(s -> s.writes().nodes().stream())
            .toList();
    this.edgeCount = made.edgeCount();
    this.names = new GraphNames(this);
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
        GraphShape.factorized(blocks, heads, keyValueHeads, wiring, separateQkv, positions),
        List.of());
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
    return new ComputationGraph(
        GraphShape.unfactorized(blocks, heads, wiring, positions), List.of());
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
    return names.stage(module);
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
    return modules.stream().flatMap(m -> m.nodes().stream()).toList();
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
   * Its nodes, which scores and circuits can be of in the place of edges.
   *
   * @return its heads and MLPs; with autoencoders, in an MLP's place its latents and error
   */
  public GraphNodes nodes() {
    if (nodes == null) {
      nodes = new GraphNodes(this);
    }
    return nodes;
  }

  /**
   * The module of that hook name.
   *
   * @param name a TransformerLens hook such as {@code blocks.0.hook_q_input}
   * @return the module
   * @throws UnknownNameException if there is none; the message lists the nearest names
   */
  public DestModule module(String name) {
    return names.module(name);
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
    DestModule m = names.module(index);
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
    return edge(names.edge(name) + Math.max(0, position));
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
    int first = names.edge(name);
    return IntStream.range(first, first + positionCopies()).mapToObj(this::edge).toList();
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
    return shape.maskShape(module);
  }

  /**
   * The same graph with another number of positions.
   *
   * @param newPositions 0: one edge for all
   * @return the graph
   */
  public ComputationGraph withPositions(int newPositions) {
    return new ComputationGraph(shape.withPositions(newPositions), List.of());
  }

  /**
   * The same graph with latents of sparse autoencoders as sources, {@code MLP b Latent k}, in the
   * place of the MLPs that they stand for; with the error term {@code MLP b Error} follows them.
   * Destinations are the same.
   *
   * @param latents by block
   * @return the graph
   * @throws IllegalArgumentException if this graph is not factorized, has no MLPs or another number
   *     of blocks, or there are too many edges
   */
  public ComputationGraph withLatents(LatentSources latents) {
    shape.requireFit(latents, this);
    return new ComputationGraph(shape.withLatents(latents), spans);
  }

  /**
   * The latents that are sources in the place of MLPs.
   *
   * @return null if every MLP is a source
   */
  public LatentSources latents() {
    return shape.latents();
  }

  /**
   * The same graph with a copy of each edge for each of some named spans, instead of each position:
   * position p of the graph is span p, wherever that lies in a prompt.
   *
   * @param names of the spans, in order; at least one
   * @return the graph
   * @throws IllegalArgumentException if there is none, or a name is there twice
   */
  public ComputationGraph withSpans(List<String> names) {
    return new ComputationGraph(shape.withSpans(names), names);
  }

  /**
   * The names of the positions where these are spans.
   *
   * @return {@link #positions} names; empty where positions are those of tokens, or one edge stands
   *     for all
   */
  public List<String> spans() {
    return spans;
  }

  /**
   * What people call an edge: its name, and its span or position.
   *
   * @param edge of this graph
   * @return such as {@code A0.2->MLP 1}, {@code A0.2->MLP 1@3}, {@code A0.2->MLP 1@subject}
   */
  public String label(Edge edge) {
    return spans.isEmpty() ? edge.toString() : edge.name() + "@" + spans.get(edge.position());
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof ComputationGraph g && g.shape.equals(shape) && g.spans.equals(spans);
  }

  @Override
  public int hashCode() {
    return 31 * shape.hashCode() + spans.hashCode();
  }

  @Override
  public String toString() {
    return "graph ["
        + shape
        + (spans.isEmpty() ? "" : ", spans=" + spans)
        + (latents() == null ? "" : ", latents=" + latents().total())
        + ", edges="
        + edgeCount
        + "]";
  }
}
