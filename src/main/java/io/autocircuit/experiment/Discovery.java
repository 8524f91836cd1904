package io.autocircuit.experiment;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.metric.EdgeStability;
import io.autocircuit.metric.Faithfulness;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Roc;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.NodeScores;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.Verification;
import io.autocircuit.task.Task;
import io.autocircuit.tensor.Device;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * One discovery: an algorithm scores the edges on the training prompts, circuits of the largest
 * scores are evaluated on the test prompts, and metrics judge them.
 *
 * @param model the model and its graph
 * @param train prompts that the algorithm sees
 * @param test prompts that circuits are judged on
 * @param algorithm scores the edges
 * @param runs how circuits are evaluated
 * @param counts the sizes of the circuits
 * @param ties whether a circuit includes all edges whose score equals its last (AutoCircuit's
 *     rule), and so may be larger than asked; otherwise it has exactly the size asked for
 * @param selection how circuits are chosen by scores
 * @param metrics what is measured; those that do not apply to the prompts are left out with a
 *     notice
 * @param official a known circuit to compare the scores with, or null
 * @param remarks what the user should know of the prompts, one sentence each; passed on to the
 *     result's notices, after those of the model
 * @param perPrompt how many edges the circuit of each prompt has; 0 where prompts are not scored
 *     one by one
 * @param level what is scored, and what circuits are made of
 */
public record Discovery(
    PatchableModel model,
    List<PromptBatch> train,
    List<PromptBatch> test,
    PruneAlgorithm algorithm,
    CircuitRuns runs,
    EdgeCounts counts,
    boolean ties,
    CircuitSelection selection,
    List<Metric> metrics,
    Circuit official,
    List<String> remarks,
    int perPrompt,
    Level level) {

  /**
   * What came out.
   *
   * @param discovery what was run
   * @param scores the score of every edge
   * @param measurements one for each metric that applied; where nodes are scored their points count
   *     nodes, as all sizes here do
   * @param liveEdges how many edges of each measured circuit can change its output, by the
   *     circuit's size; see {@link CircuitRuns#live}
   * @param found the circuits that the algorithm itself arrived at; each is among those measured
   * @param verdict a sentence that sums the measurements up, if there is one to say
   * @param roc the curve against the official circuit; empty without one
   * @param notices what the user should know, one sentence each
   * @param prompts the scores of each prompt that scored, in the order of the batches; empty where
   *     they were not asked for
   * @param stability how stable edges are across those prompts; empty where they were not scored
   *     one by one
   * @param selected how the circuits were chosen, in the order of what was asked for
   * @param faithfulness areas under curves of faithfulness, for the metrics that people judge by
   * @param verification what exact patching says of the scores; empty unless the algorithm asks it
   */
  public record Result(
      Discovery discovery,
      PruneScores scores,
      List<Measurement> measurements,
      SortedMap<Integer, Integer> liveEdges,
      List<PruneAlgorithm.Found> found,
      Optional<String> verdict,
      List<Roc.Point> roc,
      List<String> notices,
      Optional<PromptScores> prompts,
      Optional<EdgeStability> stability,
      List<Selected> selected,
      List<Faithfulness> faithfulness,
      Optional<Verification> verification) {

    /**
     * Keeps unmodifiable copies.
     *
     * @param discovery what was run
     * @param scores the score of every edge
     * @param measurements one for each metric that applied
     * @param liveEdges how many edges of each measured circuit can change its output, by the
     *     circuit's size; see {@link CircuitRuns#live}
     * @param found the circuits that the algorithm itself arrived at; each is among those measured
     * @param verdict a sentence that sums the measurements up, if there is one to say
     * @param roc the curve against the official circuit; empty without one
     * @param notices what the user should know, one sentence each
     * @param prompts the scores of each prompt that scored, in the order of the batches
     * @param stability how stable edges are across those prompts
     * @param selected how the circuits were chosen
     * @param faithfulness areas under curves of faithfulness
     * @param verification what exact patching says of the scores
     */
    public Result {
      measurements = List.copyOf(measurements);
      liveEdges = Collections.unmodifiableSortedMap(new TreeMap<>(liveEdges));
      found = List.copyOf(found);
      roc = List.copyOf(roc);
      notices = List.copyOf(notices);
      selected = List.copyOf(selected);
      faithfulness = List.copyOf(faithfulness);
    }

    /**
     * The scores of the nodes, where these were scored.
     *
     * @return empty at level edge
     */
    public Optional<NodeScores> nodes() {
      return discovery.level() == Level.NODE
          ? Optional.of(NodeScores.of(scores.graph().nodes(), scores))
          : Optional.empty();
    }

    /**
     * The size of the full circuit, in what {@link Measurement.Point#edges} counts.
     *
     * @return its number of edges, or of nodes
     */
    public int fullSize() {
      return Circuits.of(discovery, scores).all();
    }

    /**
     * The size of the known circuit, counted likewise.
     *
     * @return its number of edges, or of the nodes that they join; −1 without one
     */
    public int officialSize() {
      return Circuits.of(discovery, scores).officialSize();
    }

    /**
     * A circuit of that size.
     *
     * @param size number of edges, or of nodes, 0 to {@link #fullSize}
     * @return the best, with all that tie with the last where the discovery says so
     */
    public Circuit circuit(int size) {
      return Circuits.of(discovery, scores).one(size);
    }

    /**
     * The areas under the curve against the known circuit.
     *
     * @return empty without one, of nodes, or where it has no edge or all
     */
    public Optional<Roc.Areas> auroc() {
      Circuit official = discovery.official();
      return official == null || discovery.level() == Level.NODE || roc.isEmpty()
          ? Optional.empty()
          : Optional.of(Roc.Areas.of(scores, official));
    }

    /** With other notices. */
    Result withNotices(List<String> other) {
      return with(other, stability);
    }

    /** With what the templates of the prompts that scored have in common. */
    Result withTemplates(List<String> templates) {
      return with(notices, stability.map(s -> s.withTemplates(prompts.orElseThrow(), templates)));
    }

    private Result with(List<String> other, Optional<EdgeStability> stable) {
      return new Result(
          discovery,
          scores,
          measurements,
          liveEdges,
          found,
          verdict,
          roc,
          other,
          prompts,
          stable,
          selected,
          faithfulness,
          verification);
    }
  }

  /**
   * One circuit that was chosen.
   *
   * @param threshold the least score of its edges; empty where a number was asked for
   * @param chosen how many edges, or nodes, the rule took
   * @param left how many are left after pruning: the size of the circuit
   */
  public record Selected(OptionalDouble threshold, int chosen, int left) {}

  /**
   * Keeps unmodifiable copies.
   *
   * @param model the model and its graph
   * @param train prompts that the algorithm sees
   * @param test prompts that circuits are judged on
   * @param algorithm scores the edges
   * @param runs how circuits are evaluated
   * @param counts the sizes of the circuits
   * @param ties whether a circuit includes all edges whose score equals its last (AutoCircuit's
   *     rule), and so may be larger than asked; otherwise it has exactly the size asked for
   * @param selection how circuits are chosen by scores
   * @param metrics what is measured; those that do not apply to the prompts are left out with a
   *     notice
   * @param official a known circuit to compare the scores with, or null
   * @param remarks what the user should know of the prompts, one sentence each; passed on to the
   *     result's notices, after those of the model
   * @param perPrompt how many edges the circuit of each prompt has; 0 where prompts are not scored
   *     one by one
   * @param level what is scored, and what circuits are made of
   * @throws IllegalArgumentException if prompts shall be scored one by one, and the algorithm
   *     cannot, or nodes are scored; if nodes shall be chosen from edge to edge
   */
  public Discovery {
    train = List.copyOf(train);
    test = List.copyOf(test);
    metrics = List.copyOf(metrics);
    remarks = List.copyOf(remarks);
    DiscoveryChecks.require(level, selection, perPrompt, algorithm);
  }

  /**
   * Whether edges are scored, or circuits judged, under {@link Ablation#OPTIMAL}.
   *
   * @return true where the model's constants are needed
   */
  public boolean usesConstants() {
    return DiscoveryChecks.optimal(runs, algorithm);
  }

  /**
   * Notices that are known before the work.
   *
   * @return those of the model, the remarks, and those of the algorithm
   */
  public List<String> knownNotices() {
    return Stream.of(model.model().notices(), remarks, algorithm.remarks(model.graph()))
        .flatMap(List::stream)
        .toList();
  }

  /**
   * How many prompts circuits are judged on.
   *
   * @return their number
   */
  public int prompts() {
    return count(test);
  }

  /**
   * How many prompts score the edges.
   *
   * @return their number
   */
  public int trainPrompts() {
    return count(train);
  }

  private static int count(List<PromptBatch> batches) {
    return batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
  }

  /**
   * The usual discovery: all prompts, in batches of equal length, score and judge; one edge for all
   * positions, separate query, key and value inputs; the last position's logits; resampled
   * ablation, tree patching; a choice of sizes with the empty and the full circuit; every metric
   * that applies.
   *
   * @param task the model, on the processor, and its prompts
   * @param algorithm scores the edges
   * @return what {@link #run()} runs
   * @throws DataException if clean and corrupt of a pair differ in length
   */
  public static Discovery of(Task task, PruneAlgorithm algorithm) {
    return of(task, algorithm, KernelsProvider.choose().kernels());
  }

  /**
   * As {@link #of(Task, PruneAlgorithm)}, for a model on any device.
   *
   * @param task the model and its prompts
   * @param algorithm scores the edges
   * @param kernels for the model's device; see {@link KernelsProvider#choose(Device)}
   * @return what {@link #run()} runs
   * @throws DataException if clean and corrupt of a pair differ in length
   */
  public static Discovery of(Task task, PruneAlgorithm algorithm, Kernels kernels) {
    return builder(task, algorithm).kernels(kernels).build();
  }

  /**
   * A builder whose algorithm is given later: one that belongs to {@link DiscoveryBuilder#graph},
   * such as {@link io.autocircuit.prune.SavedScores#read saved scores}.
   *
   * @param task the model and its prompts
   * @return a builder without an algorithm
   */
  public static DiscoveryBuilder builder(Task task) {
    return new DiscoveryBuilder(task, null);
  }

  /**
   * A builder for discoveries that are not the usual one.
   *
   * @param task the model and its prompts
   * @param algorithm scores the edges
   * @return a builder of {@link #of(Task, PruneAlgorithm)}
   */
  public static DiscoveryBuilder builder(Task task, PruneAlgorithm algorithm) {
    return new DiscoveryBuilder(task, algorithm);
  }

  /**
   * Runs it, silently.
   *
   * @return what came out
   * @throws DataException if the model's outputs are not finite
   */
  public Result run() {
    return run(Progress.SILENT);
  }

  /**
   * Runs it.
   *
   * @param progress told about the work done
   * @return what came out
   * @throws DataException if the model's outputs are not finite
   */
  public Result run(Progress progress) {
    return judge(scored(progress), progress);
  }

  /**
   * What scoring gives.
   *
   * @param scores the score of every edge; where prompts are scored one by one their mean
   * @param prompts the scores of each prompt; empty where they were not asked for
   * @param notices what the algorithm has to say of them, one sentence each
   * @param verification what exact patching says of the scores; empty unless the algorithm asks it
   */
  public record Scored(
      PruneScores scores,
      Optional<PromptScores> prompts,
      List<String> notices,
      Optional<Verification> verification) {
    /**
     * Keeps an unmodifiable copy.
     *
     * @param scores the score of every edge
     * @param prompts the scores of each prompt
     * @param notices what the algorithm has to say of them
     * @param verification what exact patching says of the scores
     */
    public Scored {
      notices = List.copyOf(notices);
    }
  }

  /**
   * Scores the edges, for each prompt if that was asked for.
   *
   * @param progress told about the work done
   * @return the scores
   * @throws DataException if the model's outputs are not finite
   * @throws IllegalArgumentException if one prompt alone exceeds the model's memory budget, here or
   *     when circuits are judged
   */
  public Scored scored(Progress progress) {
    return new DiscoveryScoring(this).scored(progress);
  }

  /**
   * Judges circuits of given scores.
   *
   * @param scores of this discovery's graph
   * @param progress told about the work done
   * @return what came out
   */
  public Result judge(PruneScores scores, Progress progress) {
    return judge(new Scored(scores, Optional.empty(), List.of(), Optional.empty()), progress);
  }

  /**
   * Scores the edges, or the nodes.
   *
   * @param progress told about the work done
   * @return the score of every edge; of nodes, that of its less important end
   * @throws DataException if the model's outputs are not finite
   * @throws IllegalArgumentException if one prompt alone exceeds the model's memory budget, here or
   *     when circuits are judged
   */
  public PruneScores score(Progress progress) {
    return new DiscoveryScoring(this).score(progress);
  }

  /**
   * Judges circuits of given scores.
   *
   * @param scored of this discovery's graph
   * @param progress told about the work done
   * @return what came out
   */
  public Result judge(Scored scored, Progress progress) {
    return new DiscoveryJudge(this, progress).judge(scored);
  }
}
