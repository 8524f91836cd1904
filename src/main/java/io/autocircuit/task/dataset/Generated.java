package io.autocircuit.task.dataset;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptDataset;
import java.util.List;

/**
 * Prompt pairs that a generator made, and what made them.
 *
 * @param prompts the pairs, with word positions and labels where all prompts have one layout
 * @param generator the key of the {@link DatasetGenerator}
 * @param version the number of its rule
 * @param settings its settings
 * @param seed of all that was drawn
 * @param dropped what was left out; empty if nothing was
 */
public record Generated(
    PromptDataset prompts,
    String generator,
    int version,
    Settings settings,
    long seed,
    List<Dropped> dropped) {
  /**
   * Copies the list.
   *
   * @param prompts the pairs
   * @param generator the key of the generator
   * @param version the number of its rule
   * @param settings its settings
   * @param seed of all that was drawn
   * @param dropped what was left out
   */
  public Generated {
    dropped = List.copyOf(dropped);
  }
}
