package io.autocircuit.benchmarks;

/** Models of random weights, on 32 clean and 32 corrupt prompts of 16 random tokens. */
public enum ModelShape {
  /**
   * 5 blocks of 8 heads, 64 channels; a plain forward takes some milliseconds. On one thread, as
   * {@code discover} runs so small a model.
   */
  STORIES260K("stories260k", 1),
  /** 12 blocks of 12 heads, 768 channels; on all cores. */
  GPT2_SMALL("gpt2-small", Runtime.getRuntime().availableProcessors());

  static final int PROMPTS = 32;
  static final int POSITIONS = 16;

  /** As {@code RandomModels.shape} knows it. */
  final String model;

  /** Native threads. */
  final int threads;

  ModelShape(String model, int threads) {
    this.model = model;
    this.threads = threads;
  }
}
