package io.autocircuit.cli;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.model.TransformerConfig;
import java.util.SplittableRandom;

/** Prompts of random tokens, without padding. */
final class BenchPrompts {
  private BenchPrompts() {}

  /** So many clean and corrupt prompts, with one answer and one wrong answer each. */
  static PromptBatch of(TransformerConfig config, int batch, int length, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[][][] answers = new int[batch][1][];
    int[][][] wrong = new int[batch][1][];
    int[] rows = new int[batch];
    for (int i = 0; i < batch; i++) {
      answers[i][0] = new int[] {random.nextInt(config.outputs())};
      wrong[i][0] = new int[] {random.nextInt(config.outputs())};
      rows[i] = i;
    }
    int vocabulary = config.vocabulary();
    return new PromptBatch(
        tokens(random, vocabulary, batch, length),
        tokens(random, vocabulary, batch, length),
        answers,
        wrong,
        rows);
  }

  private static TokenBatch tokens(SplittableRandom random, int vocabulary, int batch, int length) {
    return new TokenBatch(
        random.ints((long) batch * length, 0, vocabulary).toArray(), batch, length, new int[batch]);
  }
}
