package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import java.util.ArrayList;
import java.util.List;

/**
 * Neighbouring whole prompts of a batch that are run together.
 *
 * @param batch index of the batch in the list of batches
 * @param first index of the first prompt in the batch
 * @param prompts the prompts, at the batch's length
 */
public record MicroBatch(int batch, int first, PromptBatch prompts) {
  /**
   * Number of prompts.
   *
   * @return b, of the batch's B
   */
  public int size() {
    return prompts.clean().batchSize();
  }

  /**
   * Cuts a batch into as few parts of at most {@code size} prompts as possible, whose sizes differ
   * by at most one.
   *
   * @param index of the batch in the list of batches
   * @param batch the whole batch
   * @param size at least 1
   * @return in the batch's order; one part that is the batch itself where it is small enough
   * @throws IllegalArgumentException if {@code size} is less
   */
  public static List<MicroBatch> split(int index, PromptBatch batch, int size) {
    if (size < 1) {
      throw new IllegalArgumentException("size=" + size + " must be at least 1");
    }
    int prompts = batch.clean().batchSize();
    int count = (int) (((long) prompts + size - 1) / size);
    if (count <= 1) {
      return List.of(new MicroBatch(index, 0, batch));
    }
    List<MicroBatch> parts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int from = (int) ((long) prompts * i / count);
      int to = (int) ((long) prompts * (i + 1) / count);
      parts.add(new MicroBatch(index, from, batch.slice(from, to)));
    }
    return List.copyOf(parts);
  }

  /**
   * Cuts batches into the micro-batches that the memory budget permits: as few as possible, and
   * within a batch as equal as possible.
   *
   * @param model with the budget
   * @param work what each is run for
   * @param ablation what ablated sources are replaced by
   * @param batches whole batches, each of prompts of one length
   * @return for each batch, its micro-batches in order; one of all prompts where that fits
   * @throws IllegalArgumentException if one prompt alone exceeds the budget
   */
  public static List<List<MicroBatch>> within(
      PatchableModel model,
      MemoryEstimate.Work work,
      Ablation ablation,
      List<PromptBatch> batches) {
    return within(model, work, ablation, batches, MemoryEstimate.More.NOTHING);
  }

  /** As the public one; gradients take more. */
  static List<List<MicroBatch>> within(
      PatchableModel model,
      MemoryEstimate.Work work,
      Ablation ablation,
      List<PromptBatch> batches,
      MemoryEstimate.More more) {
    List<List<MicroBatch>> all = new ArrayList<>();
    for (int b = 0; b < batches.size(); b++) {
      PromptBatch batch = batches.get(b);
      int prompts = batch.clean().batchSize();
      int size =
          model.memory().equals(MemoryBudget.UNLIMITED)
              ? prompts
              : MemoryEstimate.of(model, work, ablation, batch.clean().length(), 1, more)
                  .prompts(model.memory(), prompts);
      all.add(split(b, batch, size));
    }
    return List.copyOf(all);
  }
}
