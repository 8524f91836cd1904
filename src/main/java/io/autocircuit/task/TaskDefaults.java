package io.autocircuit.task;

import io.autocircuit.model.OutputSlice;
import java.util.Objects;

/**
 * How a task is usually run; whatever the user says goes before it.
 *
 * @param separateQkv whether queries, keys and values have inputs of their own
 * @param tokenPositions whether there is one edge for each token position
 * @param slice which positions' logits are looked at
 * @param train how many prompts score the edges; 0 for all that do not judge
 * @param test how many further ones judge circuits; 0 for those that score
 */
public record TaskDefaults(
    boolean separateQkv, boolean tokenPositions, OutputSlice slice, int train, int test) {
  /** Separate inputs, one edge for all positions, the last position, all prompts do both. */
  public static final TaskDefaults USUAL =
      new TaskDefaults(true, false, OutputSlice.LAST_SEQ, 0, 0);

  /**
   * Checks the numbers.
   *
   * @param separateQkv whether queries, keys and values have inputs of their own
   * @param tokenPositions whether there is one edge for each token position
   * @param slice which positions' logits are looked at
   * @param train how many prompts score the edges; 0 for all that do not judge
   * @param test how many further ones judge circuits; 0 for those that score
   * @throws IllegalArgumentException if one is negative
   */
  public TaskDefaults {
    Objects.requireNonNull(slice, "slice");
    if (train < 0 || test < 0) {
      throw new IllegalArgumentException(
          "train=" + train + ", test=" + test + " must not be negative");
    }
  }
}
