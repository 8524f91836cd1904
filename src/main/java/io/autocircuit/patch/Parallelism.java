package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.model.TransformerConfig;
import java.util.List;

/**
 * How a number of threads is used for a model of some size. Where its products are so small that
 * native threads would only wait for each other, parts of a batch are computed at the same time
 * instead, each on a thread of its own.
 *
 * @param nativeThreads threads of each native operation, for {@code NativeThreads.use}
 * @param workers parts of a batch at the same time, for {@link PatchableModel#withWorkers}
 */
public record Parallelism(int nativeThreads, int workers) {
  /** Multiplications of a batch's largest product from which on native threads pay. */
  private static final long SMALL_PRODUCT = 32_000_000;

  /** A part of a batch has at least that many prompts. */
  private static final int PROMPTS_OF_A_PART = 8;

  /**
   * Checks the numbers.
   *
   * @param nativeThreads at least 1
   * @param workers at least 1
   * @throws IllegalArgumentException if one is not positive
   */
  public Parallelism {
    if (nativeThreads < 1 || workers < 1) {
      throw new IllegalArgumentException(
          "nativeThreads=" + nativeThreads + ", workers=" + workers + " must be at least 1");
    }
  }

  /**
   * The rule.
   *
   * @param config the model's shape
   * @param batches the prompts that score the edges
   * @param threads how many threads there are
   * @return all of them as native threads, or all as workers and one native thread
   */
  public static Parallelism of(TransformerConfig config, List<PromptBatch> batches, int threads) {
    long rows =
        batches.stream()
            .mapToLong(b -> (long) b.clean().batchSize() * b.clean().length())
            .max()
            .orElse(0);
    long width = Math.max(3L * config.heads() * config.dHead(), config.dMlp());
    if (rows * config.dModel() * width >= SMALL_PRODUCT) {
      return new Parallelism(threads, 1);
    }
    int prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).max().orElse(1);
    return new Parallelism(1, Math.min(threads, Math.max(1, prompts / PROMPTS_OF_A_PART)));
  }
}
