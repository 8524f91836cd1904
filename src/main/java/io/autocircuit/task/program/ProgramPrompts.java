package io.autocircuit.task.program;

import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.TokenizedPair;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * Prompt pairs for a program: every prompt has BOS and {@link Program#length} letters, clean and
 * corrupt differ in at least one output, and answers are what the program says at each letter.
 */
final class ProgramPrompts {
  private static final int MOST = 100_000;

  /** After so many vain draws in a row there is nothing left to draw. */
  private static final int TRIES = 10_000;

  private final CompiledProgram compiled;
  private final Program program;
  private final Function<SplittableRandom, int[]> draw;
  private final SplittableRandom random;

  /**
   * @param draw the letters of a prompt, by number
   * @param seed the same seed gives the same pairs
   */
  ProgramPrompts(CompiledProgram compiled, Function<SplittableRandom, int[]> draw, long seed) {
    this.compiled = compiled;
    this.program = compiled.program();
    this.draw = draw;
    this.random = new SplittableRandom(seed);
  }

  /** Letters that are independent and equally probable. */
  static int[] uniform(Program program, SplittableRandom random) {
    int letters = program.letters().length;
    int[] prompt = new int[program.length()];
    for (int i = 0; i < prompt.length; i++) {
      prompt[i] = random.nextInt(letters);
    }
    return prompt;
  }

  /**
   * The pairs.
   *
   * @param pairs how many; 0 for one of every possible prompt
   */
  TokenizedDataset pairs(int pairs) {
    double possible = Math.pow(program.letters().length, program.length());
    if (pairs == 0 && possible > MOST) {
      throw new IllegalArgumentException(
          String.format(
              "count=0 stands for one pair of each of %.0f prompts, more than %d; give a number",
              possible, MOST));
    }
    List<int[]> cleans = pairs == 0 || pairs >= possible ? all() : some(pairs);
    List<TokenizedPair> made = new ArrayList<>();
    for (int[] clean : cleans) {
      made.add(pair(made.size(), clean));
    }
    List<String> labels = new ArrayList<>(List.of(Program.BOS));
    IntStream.rangeClosed(1, program.length()).forEach(i -> labels.add("letter " + i));
    return new TokenizedDataset(program.name(), made, labels, new TreeMap<>());
  }

  /** Every prompt, in the order of the alphabet. */
  private List<int[]> all() {
    List<int[]> all = new ArrayList<>();
    int[] prompt = new int[program.length()];
    int at;
    do {
      all.add(prompt.clone());
      at = prompt.length - 1;
      while (at >= 0 && ++prompt[at] == program.letters().length) {
        prompt[at--] = 0;
      }
    } while (at >= 0);
    return all;
  }

  /** Different prompts; fewer if those that are drawn repeat. */
  private List<int[]> some(int count) {
    Set<List<Integer>> seen = new HashSet<>();
    List<int[]> some = new ArrayList<>();
    for (int vain = 0; some.size() < count && vain < TRIES; vain++) {
      int[] prompt = draw.apply(random);
      if (seen.add(Arrays.stream(prompt).boxed().toList())) {
        some.add(prompt);
        vain = 0;
      }
    }
    return some;
  }

  private TokenizedPair pair(int index, int[] clean) {
    double[] right = program.run(clean);
    for (int i = 0; i < TRIES; i++) {
      int[] corrupt = draw.apply(random);
      double[] wrong = program.run(corrupt);
      if (!Arrays.equals(right, wrong)) {
        int[] cleanIds = program.prompt(clean);
        int[] corruptIds = program.prompt(corrupt);
        int[][] none = new int[right.length][0];
        return compiled.numerical()
            ? new TokenizedPair(
                index,
                cleanIds,
                corruptIds,
                none,
                none,
                new TokenizedPair.Numbers(column(right), column(wrong)))
            : new TokenizedPair(index, cleanIds, corruptIds, answers(right), answers(wrong));
      }
    }
    throw new IllegalArgumentException(
        "program="
            + program.name()
            + " says the same of every prompt; give more letters or a larger length");
  }

  private static double[][] column(double[] numbers) {
    return Arrays.stream(numbers).mapToObj(x -> new double[] {x}).toArray(double[][]::new);
  }

  private int[][] answers(double[] values) {
    return Arrays.stream(values)
        .mapToObj(v -> new int[] {compiled.output(v)})
        .toArray(int[][]::new);
  }
}
