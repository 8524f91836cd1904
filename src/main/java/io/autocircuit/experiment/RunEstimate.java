package io.autocircuit.experiment;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.prune.OptimalAblation;
import io.autocircuit.prune.PruneAlgorithmProvider;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * What cells would take: plain forward passes, of which one is timed for each task, by what {@link
 * PruneAlgorithmProvider#passes} says and by the number of circuits. Loads the models.
 */
public final class RunEstimate implements AutoCloseable {
  /** A circuit of a sweep in plain passes; docs/performance.md. */
  private static final double CIRCUIT = 0.65;

  private final Run.Means means;
  private final RunResources resources;
  private final boolean alone;
  private final Map<List<?>, Task> tasks = new HashMap<>();

  /**
   * How much is scored of a task's graph, how many circuits are judged of it, what plain passes
   * take, and what it takes to learn constants.
   */
  private record Task(
      ComputationGraph graph,
      int edges,
      int batches,
      int circuits,
      double scoreSeconds,
      double judgeSeconds,
      double learnSeconds) {}

  /**
   * What a cell would take.
   *
   * @param seconds about so long, without loading the model
   * @param complete false where scoring is not counted, because its algorithm's cost is not known
   */
  public record Cost(double seconds, boolean complete) {}

  /**
   * For runs by some means.
   *
   * @param means how they would be computed
   */
  public RunEstimate(Run.Means means) {
    this(means, new RunResources(), true);
  }

  /**
   * For runs that share what they can with others.
   *
   * @param means how they would be computed
   * @param resources of these runs; the caller closes them
   */
  public RunEstimate(Run.Means means, RunResources resources) {
    this(means, resources, false);
  }

  private RunEstimate(Run.Means means, RunResources resources, boolean alone) {
    this.means = means;
    this.resources = resources;
    this.alone = alone;
  }

  /**
   * What a cell would take.
   *
   * @param cell any cell
   * @return its cost
   * @throws io.autocircuit.files.DataException if its files cannot be used
   * @throws IllegalArgumentException if it cannot be run
   */
  public Cost of(Cell cell) {
    RunSpec spec = cell.spec().orElseThrow(() -> refused(cell));
    List<?> key =
        List.of(
            spec.model(),
            spec.prompts(),
            spec.graph(),
            spec.seed(),
            spec.numbers(),
            spec.judging().sizes(),
            spec.judging().slice(),
            spec.official());
    Task task = tasks.get(key);
    if (task == null) {
      task = open(spec);
      tasks.put(key, task);
    }
    boolean learns = spec.ablatesToConstants() && spec.constants().isEmpty();
    double judging =
        task.circuits() * CIRCUIT * task.judgeSeconds() + (learns ? task.learnSeconds() : 0);
    if (!(spec.scoring() instanceof RunSpec.Algorithm a)) {
      return new Cost(judging, true);
    }
    OptionalDouble passes = passes(a, task);
    return new Cost(judging + passes.orElse(0) * task.scoreSeconds(), passes.isPresent());
  }

  private static IllegalArgumentException refused(Cell cell) {
    return new IllegalArgumentException(cell.refusal().orElseThrow());
  }

  private static OptionalDouble passes(RunSpec.Algorithm a, Task task) {
    return PruneAlgorithmProvider.catalogue()
        .get(a.key())
        .passes(a.settings(), task.graph(), task.edges(), task.batches());
  }

  private Task open(RunSpec spec) {
    try (Run run = Run.open(spec, means, resources)) {
      Discovery d = run.discovery();
      ComputationGraph graph = d.model().graph();
      // what is scored
      int edges = d.level() == Level.NODE ? graph.nodes().size() : graph.edgeCount();
      double seconds = run.plainPass();
      // as many different scores as edges: what "auto" makes of most algorithms
      float[] scores = new float[edges];
      for (int i = 0; i < edges; i++) {
        scores[i] = edges - i;
      }
      int circuits =
          d.counts().resolve(edges, scores, d.official() == null ? -1 : d.official().size()).length;
      double batch = seconds / d.train().size();
      return new Task(
          graph,
          edges,
          d.train().size(),
          circuits,
          seconds,
          seconds * d.prompts() / d.trainPrompts(),
          batch * OptimalAblation.PASSES);
    }
  }

  @Override
  public void close() {
    if (alone) {
      resources.close();
    }
  }
}
