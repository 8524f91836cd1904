package io.autocircuit.experiment;

import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.task.TaskDefaults;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.stream.Stream;

/**
 * Which graphs an experiment sees a model as: every combination.
 *
 * @param separateQkv whether queries, keys and values have inputs of their own; empty for what the
 *     task says
 * @param keyValues how many inputs keys and values have; empty for grouped ones
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
    List<KeyValues> keyValues,
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
   * @param keyValues how many inputs keys and values have
   * @param tokenPositions whether there is one edge for each token position
   * @param spans whether there is one edge for each named span of the prompts
   * @param forms what their edges are
   * @param levels what is scored
   * @param autoencoders whose latents are sources in the place of MLPs
   */
  public ExperimentGraphs {
    separateQkv = List.copyOf(separateQkv);
    keyValues = List.copyOf(keyValues);
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
    this(separateQkv, List.of(), tokenPositions, List.of(), List.of(), List.of(), List.of());
  }

  /** Of the fields of {@link ExperimentFields#GRAPHS}, each with its values. */
  static ExperimentGraphs of(SortedMap<String, List<Object>> grid) {
    return new ExperimentGraphs(
        flags(grid, "separate_qkv"),
        constants(grid, GraphJson.KV, KeyValues.class),
        flags(grid, "token_positions"),
        flags(grid, "spans"),
        constants(grid, "form", Form.class),
        constants(grid, "level", Level.class),
        autoencoders(grid));
  }

  private static List<Boolean> flags(SortedMap<String, List<Object>> grid, String name) {
    return grid.getOrDefault(name, List.of()).stream().map(Boolean.class::cast).toList();
  }

  private static <E extends Enum<E>> List<E> constants(
      SortedMap<String, List<Object>> grid, String name, Class<E> type) {
    return grid.getOrDefault(name, List.of()).stream()
        .map(key -> Enum.valueOf(type, ((String) key).replace('-', '_').toUpperCase(Locale.ROOT)))
        .toList();
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
        keyValues.isEmpty() ? others.keyValues : keyValues,
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
          for (KeyValues kv : keyValues.isEmpty() ? List.of(KeyValues.GROUPED) : keyValues) {
            // heads of an unfactorized graph have no edges into them
            boolean own = separate || form != Form.FACTORIZED;
            addAt(
                task,
                new RunSpec.Graph(own, kv, false, false, form, level, Optional.empty()),
                graphs);
          }
        }
      }
    }
    return List.copyOf(graphs);
  }

  /** A graph at all positions, with all autoencoders. */
  private void addAt(TaskDefaults task, RunSpec.Graph graph, Set<RunSpec.Graph> to) {
    for (boolean positions :
        tokenPositions.isEmpty() ? List.of(task.tokenPositions()) : tokenPositions) {
      for (boolean named : spans.isEmpty() ? List.of(false) : spans) {
        RunSpec.Graph at =
            new RunSpec.Graph(
                graph.separateQkv(),
                graph.keyValues(),
                positions && !named,
                named,
                graph.form(),
                graph.level(),
                Optional.empty());
        if (autoencoders.isEmpty()) {
          to.add(at);
        }
        autoencoders.forEach(a -> to.add(AutoencoderSource.of(at, a)));
      }
    }
  }
}
