package io.autocircuit.experiment;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Measurements;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Roc;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.Progress;
import io.autocircuit.prune.PruneAlgorithm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;

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
 * @param metrics what is measured; those that do not apply to the prompts are left out with a
 *     notice
 * @param official a known circuit to compare the scores with, or null
 */
public record Discovery(
    PatchableModel model,
    List<PromptBatch> train,
    List<PromptBatch> test,
    PruneAlgorithm algorithm,
    CircuitRuns runs,
    EdgeCounts counts,
    boolean ties,
    List<Metric> metrics,
    Circuit official) {

  /**
   * What came out.
   *
   * @param discovery what was run
   * @param scores the score of every edge
   * @param measurements one for each metric that applied
   * @param roc the curve against the official circuit; empty without one
   * @param notices what the user should know, one sentence each
   */
  public record Result(
      Discovery discovery,
      PruneScores scores,
      List<Measurement> measurements,
      List<Roc.Point> roc,
      List<String> notices) {}

  /** Keeps unmodifiable copies. */
  public Discovery {
    train = List.copyOf(train);
    test = List.copyOf(test);
    metrics = List.copyOf(metrics);
  }

  /** Number of prompts that circuits are judged on. */
  public int prompts() {
    return test.stream().mapToInt(b -> b.clean().batchSize()).sum();
  }

  /** Runs it. */
  public Result run(Progress progress) {
    PruneScores scores = algorithm.score(model, train, progress);
    return judge(scores, progress);
  }

  /** Judges circuits of given scores. */
  public Result judge(PruneScores scores, Progress progress) {
    List<String> notices = new ArrayList<>();
    List<Metric> applicable = new ArrayList<>();
    for (Metric m : metrics) {
      m.inapplicable(test)
          .ifPresentOrElse(
              why -> notices.add("metric " + m.key() + " is left out: it " + why),
              () -> applicable.add(m));
    }
    int edges = model.graph().edgeCount();
    int[] sizes = counts.resolve(edges, scores.values(), official == null ? -1 : official.size());
    TreeMap<Integer, Circuit> circuits = new TreeMap<>();
    for (int k : sizes) {
      Circuit c = ties ? scores.topWithTies(k) : scores.top(k);
      circuits.put(c.size(), c);
    }
    List<Measurement> measurements =
        Measurements.of(model, runs, test, List.copyOf(circuits.values()), applicable, progress);
    List<Roc.Point> roc =
        official == null
            ? List.of()
            : Roc.curve(scores, official, Arrays.stream(sizes).filter(k -> k <= edges).toArray());
    return new Result(this, scores, measurements, roc, List.copyOf(notices));
  }
}
