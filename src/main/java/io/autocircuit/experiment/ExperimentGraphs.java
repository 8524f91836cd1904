package io.autocircuit.experiment;

import io.autocircuit.task.TaskDefaults;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Which graphs an experiment sees a model as: every combination.
 *
 * @param separateQkv whether queries, keys and values have inputs of their own; empty for what the
 *     task says
 * @param tokenPositions whether there is one edge for each token position; empty for what the task
 *     says
 * @param spans whether there is one edge for each named span of the prompts, which then is in place
 *     of token positions; empty for no
 */
public record ExperimentGraphs(
    List<Boolean> separateQkv, List<Boolean> tokenPositions, List<Boolean> spans) {
  /** What the task says. */
  public static final ExperimentGraphs USUAL =
      new ExperimentGraphs(List.of(), List.of(), List.of());

  /**
   * Keeps unmodifiable copies.
   *
   * @param separateQkv whether queries, keys and values have inputs of their own
   * @param tokenPositions whether there is one edge for each token position
   * @param spans whether there is one edge for each named span of the prompts
   */
  public ExperimentGraphs {
    separateQkv = List.copyOf(separateQkv);
    tokenPositions = List.copyOf(tokenPositions);
    spans = List.copyOf(spans);
  }

  /**
   * Without spans.
   *
   * @param separateQkv whether queries, keys and values have inputs of their own
   * @param tokenPositions whether there is one edge for each token position
   */
  public ExperimentGraphs(List<Boolean> separateQkv, List<Boolean> tokenPositions) {
    this(separateQkv, tokenPositions, List.of());
  }

  /** With what others say where these say nothing. */
  ExperimentGraphs or(ExperimentGraphs others) {
    return new ExperimentGraphs(
        separateQkv.isEmpty() ? others.separateQkv : separateQkv,
        tokenPositions.isEmpty() ? others.tokenPositions : tokenPositions,
        spans.isEmpty() ? others.spans : spans);
  }

  /** The graphs, separate inputs first counted. */
  List<RunSpec.Graph> graphs(TaskDefaults task) {
    List<RunSpec.Graph> graphs = new ArrayList<>();
    for (boolean separate : separateQkv.isEmpty() ? List.of(task.separateQkv()) : separateQkv) {
      for (boolean positions :
          tokenPositions.isEmpty() ? List.of(task.tokenPositions()) : tokenPositions) {
        for (boolean named : spans.isEmpty() ? List.of(false) : spans) {
          graphs.add(new RunSpec.Graph(separate, positions && !named, named, Optional.empty()));
        }
      }
    }
    return graphs.stream().distinct().toList();
  }
}
