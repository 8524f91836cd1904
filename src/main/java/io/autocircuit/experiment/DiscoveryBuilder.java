package io.autocircuit.experiment;

import io.autocircuit.data.Batches;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.Spans;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.graph.GraphNodes;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.LearnedConstants;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.Parallelism;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.SharedOutputs;
import io.autocircuit.prune.OptimalAblation;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.task.Task;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * Makes a {@link Discovery} of a task and an algorithm; whatever is not said is as {@link
 * Discovery#of(Task, PruneAlgorithm)} says. Immutable: every method returns another builder.
 *
 * <pre>{@code
 * Discovery d =
 *     Discovery.builder(task, Acdc.kl(0.01))
 *         .split(new PromptSplit(32, 32, true), 1)
 *         .sizes(EdgeCounts.exactly(0, 10, 20))
 *         .ablation(Ablation.ZERO)
 *         .build();
 * }</pre>
 */
public final class DiscoveryBuilder {
  private static final int BATCH_SIZE = 32;

  private final Task task;
  private PruneAlgorithm algorithm;
  private Kernels kernels;
  private Form form = Form.FACTORIZED;
  private Level level = Level.EDGE;
  private boolean separateQkv = true;
  private KeyValues keyValues = KeyValues.GROUPED;
  private boolean tokenPositions;
  private OutputSlice slice = OutputSlice.LAST_SEQ;
  private int batchSize = BATCH_SIZE;
  private boolean padded;
  private PromptSplit split = PromptSplit.ALL;
  private long seed;
  private CircuitRuns runs = CircuitRuns.of(PatchType.TREE_PATCH, Ablation.RESAMPLE);
  private EdgeCounts sizes = EdgeCounts.parse(List.of("auto"));
  private boolean ties;
  private CircuitSelection selection = CircuitSelection.TOP;
  private List<Metric> metrics = Metric.all();
  private Circuit official;
  private MemoryBudget memory = MemoryBudget.UNLIMITED;
  private int threads;
  private SharedOutputs shared;
  private int perPrompt;
  private boolean spans;
  private LearnedConstants constants;

  /** A builder for a task. */
  DiscoveryBuilder(Task task, PruneAlgorithm algorithm) {
    this.task = Objects.requireNonNull(task, "task");
    this.algorithm = algorithm;
  }

  private DiscoveryBuilder with(Consumer<DiscoveryBuilder> change) {
    DiscoveryBuilder b = new DiscoveryBuilder(task, algorithm);
    b.kernels = kernels;
    b.form = form;
    b.level = level;
    b.separateQkv = separateQkv;
    b.keyValues = keyValues;
    b.tokenPositions = tokenPositions;
    b.slice = slice;
    b.batchSize = batchSize;
    b.padded = padded;
    b.split = split;
    b.seed = seed;
    b.runs = runs;
    b.sizes = sizes;
    b.ties = ties;
    b.selection = selection;
    b.metrics = metrics;
    b.official = official;
    b.memory = memory;
    b.threads = threads;
    b.shared = shared;
    b.perPrompt = perPrompt;
    b.spans = spans;
    b.constants = constants;
    change.accept(b);
    return b;
  }

  /**
   * What scores the edges.
   *
   * @param scores an algorithm, or saved scores
   * @return a builder with it
   */
  public DiscoveryBuilder algorithm(PruneAlgorithm scores) {
    return with(b -> b.algorithm = Objects.requireNonNull(scores, "algorithm"));
  }

  /**
   * The kernels.
   *
   * @param used for the device that the model is on; see {@link KernelsProvider#choose}. Default:
   *     the best for the processor
   * @return a builder with them
   */
  public DiscoveryBuilder kernels(Kernels used) {
    return with(b -> b.kernels = used);
  }

  /**
   * What the edges of the graph are.
   *
   * @param which default: factorized
   * @return a builder with it
   */
  public DiscoveryBuilder graph(Form which) {
    return with(b -> b.form = Objects.requireNonNull(which, "form"));
  }

  /**
   * What is scored, and what circuits are made of.
   *
   * @param which default: edges
   * @return a builder with it
   */
  public DiscoveryBuilder level(Level which) {
    return with(b -> b.level = Objects.requireNonNull(which, "level"));
  }

  /**
   * Whether queries, keys and values of a head have inputs, and so edges, of their own. Only read
   * of a factorized graph.
   *
   * @param separate default: true
   * @return a builder with it
   */
  public DiscoveryBuilder separateQkv(boolean separate) {
    return with(b -> b.separateQkv = separate);
  }

  /**
   * How many key and value inputs there are in a model in which groups of heads share keys and
   * values. Only read where these have inputs of their own.
   *
   * @param which default: as many as the model has key/value heads
   * @return a builder with it
   */
  public DiscoveryBuilder keyValues(KeyValues which) {
    return with(b -> b.keyValues = Objects.requireNonNull(which, "keyValues"));
  }

  /**
   * Whether there is one edge for each token position. All prompts then need one length.
   *
   * @param each default: false
   * @return a builder with it
   */
  public DiscoveryBuilder tokenPositions(boolean each) {
    return with(b -> b.tokenPositions = each);
  }

  /**
   * Whether there is one edge for each named span of the prompts ({@link Spans}), which may then
   * differ in length; in place of token positions.
   *
   * @param each default: false
   * @return a builder with it
   */
  public DiscoveryBuilder spans(boolean each) {
    return with(b -> b.spans = each);
  }

  /**
   * Which positions' logits are looked at.
   *
   * @param positions default: the last
   * @return a builder with it
   */
  public DiscoveryBuilder slice(OutputSlice positions) {
    return with(b -> b.slice = Objects.requireNonNull(positions, "slice"));
  }

  /**
   * How many prompts a batch has at most.
   *
   * @param prompts at least 1; default: 32
   * @return a builder with it
   */
  public DiscoveryBuilder batchSize(int prompts) {
    return with(b -> b.batchSize = prompts);
  }

  /**
   * Whether prompts of different length are padded on the left, instead of batched by length.
   *
   * @param pad default: false
   * @return a builder with it
   */
  public DiscoveryBuilder padded(boolean pad) {
    return with(b -> b.padded = pad);
  }

  /**
   * Which prompts score the edges and which judge circuits.
   *
   * @param which default: all do both
   * @param shuffleSeed of the shuffling, where prompts are shuffled
   * @return a builder with it
   */
  public DiscoveryBuilder split(PromptSplit which, long shuffleSeed) {
    return with(
        b -> {
          b.split = Objects.requireNonNull(which, "split");
          b.seed = shuffleSeed;
        });
  }

  /**
   * How circuits are evaluated: patch type, ablation and direction.
   *
   * @param how default: tree patching, resampling
   * @return a builder with it
   */
  public DiscoveryBuilder runs(CircuitRuns how) {
    return with(b -> b.runs = Objects.requireNonNull(how, "runs"));
  }

  /**
   * What ablated sources are replaced by when circuits are judged; the algorithm has its own.
   *
   * @param ablation default: resample
   * @return a builder with it
   */
  public DiscoveryBuilder ablation(Ablation ablation) {
    return runs(new CircuitRuns(runs.patchType(), ablation, runs.reverseCleanCorrupt()));
  }

  /**
   * Which circuit sizes are judged.
   *
   * @param which default: a choice of sizes with the empty and the full circuit
   * @return a builder with them
   */
  public DiscoveryBuilder sizes(EdgeCounts which) {
    return with(b -> b.sizes = Objects.requireNonNull(which, "sizes"));
  }

  /**
   * Whether a circuit includes all edges whose score equals its last (AutoCircuit's rule).
   *
   * @param include default: false
   * @return a builder with it
   */
  public DiscoveryBuilder ties(boolean include) {
    return with(b -> b.ties = include);
  }

  /**
   * How circuits are chosen by scores.
   *
   * @param how default: the edges of the largest |score|, not pruned
   * @return a builder with it
   */
  public DiscoveryBuilder selection(CircuitSelection how) {
    return with(b -> b.selection = Objects.requireNonNull(how, "selection"));
  }

  /**
   * What is measured.
   *
   * @param which those that do not apply to the prompts are left out with a notice; default: all
   * @return a builder with them
   */
  public DiscoveryBuilder metrics(List<Metric> which) {
    return with(b -> b.metrics = List.copyOf(which));
  }

  /**
   * A known circuit to compare the scores with.
   *
   * @param circuit of {@link #graph}; null for none, the default
   * @return a builder with it
   */
  public DiscoveryBuilder official(Circuit circuit) {
    return with(b -> b.official = circuit);
  }

  /**
   * How much native memory runs may take beside the model's weights.
   *
   * @param budget default: no limit
   * @return a builder with it
   */
  public DiscoveryBuilder memory(MemoryBudget budget) {
    return with(b -> b.memory = Objects.requireNonNull(budget, "memory"));
  }

  /**
   * How many threads there are: of a small model, as many parts of a batch are computed at the same
   * time, as {@link Parallelism} says. The number of native threads is the process's, and set by
   * {@code NativeThreads.use}.
   *
   * @param count 0, the default, for one part at a time
   * @return a builder with it
   */
  public DiscoveryBuilder threads(int count) {
    return with(b -> b.threads = count);
  }

  /**
   * What it shares with other discoveries of the same model.
   *
   * @param outputs the caller closes them, after all runs
   * @return a new builder
   */
  public DiscoveryBuilder sharing(SharedOutputs outputs) {
    return with(b -> b.shared = outputs);
  }

  /**
   * What {@link Ablation#OPTIMAL} ablates to.
   *
   * @param given null, the default, for what {@link OptimalAblation#usual} learns on the prompts
   *     that score, with the seed of {@link #split}
   * @return a builder with it
   */
  public DiscoveryBuilder constants(LearnedConstants given) {
    return with(b -> b.constants = given);
  }

  /**
   * Whether edges are scored for each prompt besides, and of how many edges the circuit of each
   * prompt then is.
   *
   * @param edges all of them if the graph has fewer; 0, the default, for no scores of each prompt
   * @return a builder with it
   * @throws IllegalArgumentException if it is negative
   */
  public DiscoveryBuilder perPrompt(int edges) {
    if (edges < 0) {
      throw new IllegalArgumentException("edges=" + edges + " of each prompt; give 0 or more");
    }
    return with(b -> b.perPrompt = edges);
  }

  /**
   * The graph that the model is seen through, for reading circuits and scores that belong to it.
   *
   * @return as separate inputs and token positions or spans make it
   * @throws DataException if there are token positions, and prompts of different length; or spans,
   *     and the prompts have none
   * @throws IllegalArgumentException if there are both, or the model has no such graph
   */
  public ComputationGraph graph() {
    return patchable(kernels).graph();
  }

  /** The positions of words in the graph: of spans their numbers. */
  SortedMap<String, Integer> words() {
    if (!spans) {
      return task.prompts().wordIdxs();
    }
    SortedMap<String, Integer> words = new TreeMap<>();
    List<String> names = graph().spans();
    names.forEach(span -> words.put(span, names.indexOf(span)));
    return words;
  }

  private PatchableModel patchable(Kernels used) {
    TokenizedDataset data = task.prompts();
    if (tokenPositions && spans) {
      throw new IllegalArgumentException(
          "--token-positions and --spans are both given; choose one of them");
    }
    if (tokenPositions) {
      data.requireEqualLengths();
    }
    int positions = tokenPositions ? data.lengths().get(0) : 0;
    if (form != Form.FACTORIZED && task.model().autoencoders() != null) {
      throw new IllegalArgumentException(
          "graph=unfactorized does not fit autoencoders, whose latents are sources of a factorized"
              + " graph; leave one of them out");
    }
    ComputationGraph graph =
        form == Form.FACTORIZED
            ? task.model().graph(separateQkv, keyValues, positions)
            : task.model().config().unfactorizedGraph(positions);
    PatchableModel model = new PatchableModel(task.model(), graph, slice, used).withMemory(memory);
    return spans ? model.withSpans(Spans.of(data).names()) : model;
  }

  /**
   * Makes the discovery.
   *
   * @return what {@link Discovery#run} runs
   * @throws DataException if the prompts cannot be used in this way, or lack answers that are
   *     looked at; the message names them
   * @throws IllegalArgumentException if a setting does not fit the model or the prompts
   * @throws IllegalStateException if no algorithm was given
   */
  public Discovery build() {
    if (algorithm == null) {
      throw new IllegalStateException("algorithm=null; give one, or saved scores");
    }
    TokenizedDataset data = task.prompts();
    PatchableModel model =
        patchable(kernels == null ? KernelsProvider.choose().kernels() : kernels);
    if (!padded) {
      data.requirePairedLengths();
    }
    requireAnswerPositions(data);
    if (DiscoveryChecks.optimal(runs, algorithm)) {
      OptimalAblation.requireFit(model.graph());
    }
    GraphNodes nodes = level == Level.NODE ? model.graph().nodes() : null;
    if (nodes == null) {
      algorithm.requireFit(model.graph(), data);
    } else {
      algorithm.requireFit(nodes.groups(), data);
    }
    try {
      if (nodes == null) {
        sizes.requireWithin(model.graph().edgeCount());
      } else {
        sizes.requireWithin(nodes.size(), "nodes");
      }
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("--edges: " + e.getMessage(), e);
    }
    TokenizedDataset.Split parts = split.of(data, seed);
    List<PromptBatch> train = batches(parts.train());
    List<PromptBatch> test = parts.test().equals(parts.train()) ? train : batches(parts.test());
    int workers =
        threads == 0 ? 1 : Parallelism.of(task.model().config(), train, threads).workers();
    PatchableModel working = model.withWorkers(workers);
    PatchableModel run = shared == null ? working : working.sharing(shared);
    LearnedConstants learned = OptimalAblation.usual(seed).whenNeeded(run, train);
    return new Discovery(
        run.withConstants(constants == null ? learned : constants),
        train,
        test,
        algorithm,
        runs,
        sizes,
        ties,
        selection,
        metrics,
        official,
        data.notices(),
        Math.min(perPrompt, model.graph().edgeCount()),
        level);
  }

  /** The slice is a setting: where the answers are for other positions, it is wrong. */
  private void requireAnswerPositions(TokenizedDataset data) {
    try {
      data.requireAnswerPositions(length -> length - slice.first(length), "--slice " + slice.key());
    } catch (DataException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }

  private List<PromptBatch> batches(TokenizedDataset data) {
    List<PromptBatch> batches =
        padded ? Batches.padded(data, batchSize, 0) : Batches.byLength(data, batchSize);
    if (!spans) {
      return batches;
    }
    Spans all = Spans.of(task.prompts()); // a part may lack some
    return batches.stream().map(batch -> all.on(batch, data)).toList();
  }
}
