package io.autocircuit.task;

import java.util.Arrays;
import java.util.random.RandomGenerator;

/**
 * Random token sequences in which one block of tokens occurs twice: what an induction head feeds
 * on.
 *
 * <p>A row is {@code BOS, noise, block, noise, block, noise}. Token 0 is the beginning of the
 * sequence; all others in a row are distinct, but for the repetition, so the second copy of the
 * block is predictable from its second token on, and from the first copy only. Block length, place
 * and distance are drawn anew for every row: no fixed offset predicts anything, the earlier
 * occurrence has to be found by content.
 */
final class InductionSequences {
  /** Begins every sequence. */
  static final int BOS = 0;

  private static final int SHORTEST_BLOCK = 2;

  private InductionSequences() {}

  /**
   * Several rows and the places in them where the next token is predictable.
   *
   * @param ids input tokens, row-major {@code [rows × length]}
   * @param rows number of rows
   * @param length tokens in a row
   * @param queries flat indices (row · length + position) of tokens whose successor is predictable
   * @param targets the successor at each query, {@code [queries.length]}
   * @param sources the earlier position that holds the successor at each query: where an induction
   *     head looks
   */
  record Batch(long[] ids, int rows, int length, long[] queries, long[] targets, int[] sources) {}

  /** Draws {@code rows} rows of {@code length} tokens below {@code vocab}. */
  static Batch draw(int rows, int length, int vocab, RandomGenerator random) {
    // One token more than the input: the last position is a query too.
    int total = length + 1;
    long[] ids = new long[rows * length];
    int[] row = new int[total];
    int[] bag = new int[vocab - 1];
    long[] queries = new long[rows * length];
    long[] targets = new long[rows * length];
    int[] sources = new int[rows * length];
    int count = 0;
    for (int r = 0; r < rows; r++) {
      int longest = (total - 1) / 2;
      int block = SHORTEST_BLOCK + random.nextInt(longest - SHORTEST_BLOCK + 1);
      int slack = total - 1 - 2 * block;
      int before = random.nextInt(slack + 1);
      int first = 1 + before;
      int second = first + block + random.nextInt(slack - before + 1);
      shuffledTokens(bag, random);
      row[0] = BOS;
      for (int t = 1, next = 0; t < total; t++) {
        boolean repeated = t >= second && t < second + block;
        row[t] = repeated ? row[t - second + first] : bag[next++];
      }
      for (int t = 0; t < length; t++) {
        ids[r * length + t] = row[t];
      }
      for (int t = second; t < second + block - 1; t++) {
        queries[count] = (long) r * length + t;
        targets[count] = row[t + 1];
        sources[count] = t - second + first + 1;
        count++;
      }
    }
    return new Batch(
        ids,
        rows,
        length,
        Arrays.copyOf(queries, count),
        Arrays.copyOf(targets, count),
        Arrays.copyOf(sources, count));
  }

  /** Fills {@code bag} with the tokens 1, 2, … in random order. */
  static void shuffledTokens(int[] bag, RandomGenerator random) {
    for (int i = 0; i < bag.length; i++) {
      int j = random.nextInt(i + 1);
      bag[i] = bag[j];
      bag[j] = i + 1;
    }
  }
}
