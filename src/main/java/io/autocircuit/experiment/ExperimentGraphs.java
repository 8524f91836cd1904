package io.autocircuit.experiment;

import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.task.TaskDefaults;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Which graphs an experiment sees a model as: every combination.
 *
 * @param separateQkv whether queries, keys and values have inputs of their own; empty for what the
 *     task says
 * @param tokenPositions whether there is one edge for each token position; empty for what the task
 *     says
 * @param spans whether there is one edge for each named span of the prompts, which then is in place
 *     of token positions; empty for no
 * @param forms what their edges are; empty for factorized ones
 * @param levels what is scored; empty for edges
 * @param autoencoders whose latents are sources in the place of MLPs; empty for none
 */
public record ExperimentGraphs(
    List<Boolean> separateQkv,
    List<Boolean> tokenPositions,
    List<Boolean> spans,
    List<Form> forms,
    List<Level> levels,
    List<AutoencoderSource> autoencoders) {
  /** What the task says. */
  public static final ExperimentGraphs USUAL = new ExperimentGraphs(List.of(), List.of());

  /**
   * Keeps unmodifiable copies.
   *
   * @param separateQkv whether queries, keys and values have inputs of their own
   * @param tokenPositions whether there is one edge for each token position
   * @param spans whether there is one edge for each named span of the prompts
   * @param forms what their edges are
   * @param levels what is scored
   * @param autoencoders whose latents are sources in the place of MLPs
   */
  public ExperimentGraphs {
    separateQkv = List.copyOf(separateQkv);
    tokenPositions = List.copyOf(tokenPositions);
    spans = List.copyOf(spans);
    forms = List.copyOf(forms);
    levels = List.copyOf(levels);
    autoencoders = List.copyOf(autoencoders);
  }

  /**
   * Factorized graphs without spans, whose edges are scored.
   *
   * @param separateQkv whether queries, keys and values have inputs of their own
   * @param tokenPositions whether there is one edge for each token position
   */
  public ExperimentGraphs(List<Boolean> separateQkv, List<Boolean> tokenPositions) {
    this(separateQkv, tokenPositions, List.of(), List.of(), List.of(), List.of());
  }

  /** Every combination of directories, numbers of latents and error terms. */
  static List<AutoencoderSource> autoencoders(Map<String, List<Object>> grid) {
    List<AutoencoderSource> all = new ArrayList<>();
    for (Object path : grid.getOrDefault(AutoencoderSource.FIELD, List.of())) {
      for (Object most : grid.getOrDefault(AutoencoderSource.MAX_LATENTS, List.of(0))) {
        for (Object error : grid.getOrDefault(AutoencoderSource.ERROR_TERM, List.of(false))) {
          all.add(
              AutoencoderSource.at(
                  Path.of((String) path), ((Number) most).intValue(), (Boolean) error));
        }
      }
    }
    return all;
  }

  /** Why fields do not go together. */
  static Optional<String> unfit(Map<String, List<Object>> grid) {
    if (List.of("token_positions", "spans").stream()
        .allMatch(name -> Set.of(true).containsAll(grid.getOrDefault(name, List.of(false))))) {
      return Optional.of("token_positions and spans are both true; leave one of them away");
    }
    return grid.containsKey(AutoencoderSource.FIELD)
        ? Optional.empty()
        : Stream.of(AutoencoderSource.MAX_LATENTS, AutoencoderSource.ERROR_TERM)
            .filter(grid::containsKey)
            .map(name -> name + " is for autoencoders; give these beside it, or leave it away")
            .findFirst();
  }

  /** With what others say where these say nothing. */
  ExperimentGraphs or(ExperimentGraphs others) {
    return new ExperimentGraphs(
        separateQkv.isEmpty() ? others.separateQkv : separateQkv,
        tokenPositions.isEmpty() ? others.tokenPositions : tokenPositions,
        spans.isEmpty() ? others.spans : spans,
        forms.isEmpty() ? others.forms : forms,
        levels.isEmpty() ? others.levels : levels,
        autoencoders.isEmpty() ? others.autoencoders : autoencoders);
  }

  /** The graphs, forms first counted, then levels, then separate inputs; each once. */
  List<RunSpec.Graph> graphs(TaskDefaults task) {
    Set<RunSpec.Graph> graphs = new LinkedHashSet<>();
    for (Form form : forms.isEmpty() ? List.of(Form.FACTORIZED) : forms) {
      for (Level level : levels.isEmpty() ? List.of(Level.EDGE) : levels) {
        for (boolean separate : separateQkv.isEmpty() ? List.of(task.separateQkv()) : separateQkv) {
          for (boolean positions :
              tokenPositions.isEmpty() ? List.of(task.tokenPositions()) : tokenPositions) {
            for (boolean named : spans.isEmpty() ? List.of(false) : spans) {
              // heads of an unfactorized graph have no edges into them
              boolean own = separate || form != Form.FACTORIZED;
              RunSpec.Graph graph =
                  new RunSpec.Graph(own, positions && !named, named, form, level, Optional.empty());
              if (autoencoders.isEmpty()) {
                graphs.add(graph);
              }
              autoencoders.forEach(a -> graphs.add(AutoencoderSource.of(graph, a)));
            }
          }
        }
      }
    }
    return List.copyOf(graphs);
  }
}
