package io.autocircuit.task;

import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.model.TransformerConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Prompt pairs of random tokens, for models with random weights: how many, and how long. They show
 * no behaviour, and make a model's shape run without any file.
 *
 * @param count number of pairs, at least 1
 * @param length tokens of each prompt, at least 2
 */
public record RandomPrompts(int count, int length) {
  private static final Pattern SIZE = Pattern.compile("(\\d{1,9})x(\\d{1,9})");

  /** 32 pairs of 16 tokens. */
  public static final RandomPrompts STANDARD = new RandomPrompts(32, 16);

  /**
   * Checks the numbers.
   *
   * @param count number of pairs, at least 1
   * @param length tokens of each prompt, at least 2
   * @throws IllegalArgumentException if one is too small
   */
  public RandomPrompts {
    if (count < 1 || length < 2) {
      throw new IllegalArgumentException(
          "--random-prompts="
              + count
              + "x"
              + length
              + ": at least one prompt of at least 2 tokens");
    }
  }

  /**
   * Reads a size such as {@code 32x16}.
   *
   * @param text number and length
   * @return the size
   * @throws IllegalArgumentException if it is none
   */
  public static RandomPrompts parse(String text) {
    Matcher m = SIZE.matcher(text);
    if (!m.matches()) {
      throw new IllegalArgumentException("--random-prompts=" + text + " is not NxT, such as 32x16");
    }
    return new RandomPrompts(Integer.parseInt(m.group(1)), Integer.parseInt(m.group(2)));
  }

  /**
   * Draws the prompts: clean and corrupt independent of each other, one answer and one wrong
   * answer.
   *
   * @param config the model that they are for
   * @param seed the same seed gives the same prompts on every machine
   * @return the prompts
   * @throws IllegalArgumentException if they are longer than the model's context
   */
  public TokenizedDataset of(TransformerConfig config, long seed) {
    if (length > config.contextLength()) {
      throw new IllegalArgumentException(
          "--random-prompts="
              + this
              + ": at least one prompt of 2.."
              + config.contextLength()
              + " tokens");
    }
    SplittableRandom random = new SplittableRandom(seed);
    List<TokenizedPair> pairs = new ArrayList<>();
    int outputs = config.outputs();
    for (int i = 0; i < count; i++) {
      int[] clean = random.ints(length, 0, config.vocabulary()).toArray();
      int[] corrupt = random.ints(length, 0, config.vocabulary()).toArray();
      int answer = random.nextInt(outputs);
      int wrong = (answer + 1 + random.nextInt(outputs - 1)) % outputs;
      pairs.add(
          new TokenizedPair(i, clean, corrupt, new int[][] {{answer}}, new int[][] {{wrong}}));
    }
    return new TokenizedDataset("random prompts", pairs, List.of(), new TreeMap<>());
  }

  /** Such as {@code 32x16}. */
  @Override
  public String toString() {
    return count + "x" + length;
  }
}
