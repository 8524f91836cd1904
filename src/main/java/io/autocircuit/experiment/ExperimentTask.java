package io.autocircuit.experiment;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.Columns;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A task of an {@link ExperimentSpec}: one of the catalogue, or a model directory with a prompt
 * file.
 *
 * @param name what reports call it
 * @param key of the catalogue's task; empty for files alone
 * @param settings values of the catalogue task's settings by name, at least one each, in canonical
 *     form; several span a grid. Those that are not there have their defaults
 * @param model a model directory in place of the task's own model
 * @param dataset a prompt file in place of the task's own prompts
 * @param columns what the prompt file calls its columns; empty for the usual names
 * @param official a known circuit's file in place of the task's own circuit
 * @param circuit the key of one of the task's known circuits, {@code none} for none; empty for the
 *     first
 * @param graph what it says of graphs itself
 * @param options what it says itself of how it is run; see {@link ExperimentSpec#options}
 */
public record ExperimentTask(
    String name,
    Optional<String> key,
    SortedMap<String, List<Object>> settings,
    Optional<Path> model,
    Optional<Path> dataset,
    Optional<Columns> columns,
    Optional<Path> official,
    Optional<String> circuit,
    ExperimentGraphs graph,
    Settings options) {

  /**
   * Keeps unmodifiable copies.
   *
   * @param name what reports call it
   * @param key of the catalogue's task; empty for files alone
   * @param settings values of the catalogue task's settings by name
   * @param model a model directory in place of the task's own model
   * @param dataset a prompt file in place of the task's own prompts
   * @param columns what the prompt file calls its columns
   * @param official a known circuit's file in place of the task's own circuit
   * @param circuit the key of one of the task's known circuits
   * @param graph what it says of graphs itself
   * @param options what it says itself of how it is run
   * @throws IllegalArgumentException if there is neither a key nor a model with a dataset
   */
  public ExperimentTask {
    Objects.requireNonNull(name, "name");
    settings = grid(settings);
    if (key.isEmpty() && (model.isEmpty() || dataset.isEmpty())) {
      throw new IllegalArgumentException(
          "task=" + name + " has no key; give one, or a model and a dataset");
    }
  }

  /** Unmodifiable copies of a map and its lists. */
  static SortedMap<String, List<Object>> grid(Map<String, List<Object>> values) {
    SortedMap<String, List<Object>> copy = new TreeMap<>();
    values.forEach((name, some) -> copy.put(name, List.copyOf(some)));
    return Collections.unmodifiableSortedMap(copy);
  }

  /**
   * A task of the catalogue with its defaults.
   *
   * @param key its key
   * @return the task
   */
  public static ExperimentTask of(String key) {
    return new ExperimentTask(
        key,
        Optional.of(key),
        new TreeMap<>(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        ExperimentGraphs.USUAL,
        Settings.defaults(ExperimentFields.RUN));
  }
}
