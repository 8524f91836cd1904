package io.autocircuit.task;

import io.autocircuit.model.TransformerConfig;
import java.util.List;
import java.util.Optional;

/**
 * The model that a task is about, where it does not travel in the jar: the user has it on the disk.
 *
 * @param hub its id on the Hugging Face hub, such as {@code openai-community/gpt2}
 * @param names names of the directories that may hold it below a folder of models, most usual
 *     first, such as {@code gpt2-small}; besides the hub's id and its last part
 * @param blocks how many blocks it has
 * @param heads how many heads each has
 */
public record WantedModel(String hub, List<String> names, int blocks, int heads) {
  /**
   * Copies the names.
   *
   * @param hub its id on the Hugging Face hub
   * @param names names of the directories that may hold it, most usual first
   * @param blocks how many blocks it has
   * @param heads how many heads each has
   */
  public WantedModel {
    names = List.copyOf(names);
  }

  /**
   * Why a model cannot be the one that is wanted.
   *
   * @param model its shape
   * @return a sentence without a full stop; empty if blocks and heads are as they should be
   */
  public Optional<String> unfit(TransformerConfig model) {
    if (model.blocks() == blocks && model.heads() == heads) {
      return Optional.empty();
    }
    return Optional.of(
        "model="
            + model.name()
            + " has blocks="
            + model.blocks()
            + ", heads="
            + model.heads()
            + "; this task is about "
            + hub
            + " of blocks="
            + blocks
            + ", heads="
            + heads);
  }
}
