package io.autocircuit.experiment;

import java.util.Collections;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * One run of an experiment, and where it stands among the others.
 *
 * @param task the name of its task; with its settings in parentheses where those vary
 * @param algorithm the key of its algorithm; {@code saved} for saved scores
 * @param label what tells its algorithm from the others of the experiment: the title, and in
 *     parentheses those settings that have several values
 * @param coordinates what selects it ({@link Cells#only}): {@code task}, {@code algorithm}, {@code
 *     label}, {@code ablation}, {@code patch_type}, {@code seed}, {@code preset} where it has one,
 *     and those settings and graph options that vary
 * @param spec the run; empty where it cannot be run
 * @param refusal why it cannot be run; empty where it can
 */
public record Cell(
    String task,
    String algorithm,
    String label,
    SortedMap<String, String> coordinates,
    Optional<RunSpec> spec,
    Optional<String> refusal) {

  /**
   * Keeps an unmodifiable copy.
   *
   * @param task the name of its task
   * @param algorithm the key of its algorithm
   * @param label what tells its algorithm from the others of the experiment
   * @param coordinates what selects it
   * @param spec the run; empty where it cannot be run
   * @param refusal why it cannot be run; empty where it can
   * @throws IllegalArgumentException if it has neither a run nor a refusal, or both
   */
  public Cell {
    coordinates = Collections.unmodifiableSortedMap(new TreeMap<>(coordinates));
    if (spec.isPresent() == refusal.isPresent()) {
      throw new IllegalArgumentException("a cell has a run, or says why it has none");
    }
  }

  /**
   * The graph options that vary in its experiment.
   *
   * @return such as {@code form unfactorized, level node}; empty where none does
   */
  public String graph() {
    return Stream.of(
            "separate_qkv",
            GraphJson.KV,
            "token_positions",
            "spans",
            "form",
            "level",
            AutoencoderSource.FIELD)
        .filter(option -> coordinates.get(option) != null)
        .map(option -> option.replace('_', ' ') + " " + coordinates.get(option))
        .collect(Collectors.joining(", "));
  }

  /**
   * Its name for people and in messages.
   *
   * @return such as {@code induction, Integrated gradients (samples 20), resample, tree, seed 42};
   *     graph options that vary stand behind the task
   */
  public String name() {
    StringBuilder name = new StringBuilder(task);
    if (!graph().isEmpty()) {
      name.append(", ").append(graph());
    }
    return name.append(", ")
        .append(label)
        .append(", ")
        .append(coordinates.get("ablation"))
        .append(", ")
        .append(coordinates.get("patch_type"))
        .append(", seed ")
        .append(coordinates.get("seed"))
        .toString();
  }
}
