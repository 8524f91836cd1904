package io.autocircuit.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** What looks like a mistake in prompts that can be used all the same. */
public final class PromptNotices {
  private static final int LISTED = 5;

  private PromptNotices() {}

  /**
   * A line for each kind of trouble, with the number of prompts and the first of them: answers that
   * are wrong answers too, clean equal to corrupt, and pairs that occur more than once.
   *
   * @param prompts all pairs of a dataset
   * @return empty if nothing is noticed
   */
  public static List<String> of(List<TokenizedPair> prompts) {
    List<String> notices = new ArrayList<>();
    notice(
        notices,
        prompts,
        PromptNotices::sameAnswers,
        "the wrong answers equal the answers, so that no difference between them can be seen;"
            + " check wrong_answers");
    notice(
        notices,
        prompts,
        pair -> !sameAnswers(pair) && overlap(pair),
        "an answer is a wrong answer too; check wrong_answers");
    notice(
        notices,
        prompts,
        pair -> Arrays.equals(pair.clean(), pair.corrupt()),
        "clean equals corrupt, so that ablation changes nothing; leave them out");
    duplicates(prompts, notices);
    return List.copyOf(notices);
  }

  /**
   * One line: how many prompts, the first of them, and what.
   *
   * @param which numbers of the prompts in their file
   * @param of number of all prompts
   */
  static String line(List<Integer> which, int of, String what) {
    return which.size() + " of " + of + " prompts (" + numbers(which) + "): " + what;
  }

  private static String numbers(List<Integer> which) {
    return which.stream().limit(LISTED).map(String::valueOf).collect(Collectors.joining(", "))
        + (which.size() > LISTED ? ", …" : "");
  }

  private static void notice(
      List<String> notices,
      List<TokenizedPair> prompts,
      Predicate<TokenizedPair> troubled,
      String what) {
    List<Integer> which = prompts.stream().filter(troubled).map(TokenizedPair::index).toList();
    if (!which.isEmpty()) {
      notices.add(line(which, prompts.size(), what));
    }
  }

  private static boolean sameAnswers(TokenizedPair pair) {
    return positions(pair)
        .allMatch(
            t ->
                Arrays.equals(answers(pair, t), wrongAnswers(pair, t))
                    && wrongAnswers(pair, t).length > 0);
  }

  private static boolean overlap(TokenizedPair pair) {
    // at some positions of a sequence right and wrong may agree; at the only one they must not
    return pair.answers().length == 1
        && Arrays.stream(answers(pair, 0))
            .anyMatch(answer -> Arrays.binarySearch(wrongAnswers(pair, 0), answer) >= 0);
  }

  private static IntStream positions(TokenizedPair pair) {
    return IntStream.range(0, pair.answers().length);
  }

  private static double[] answers(TokenizedPair pair, int position) {
    return pair.numbers() == null
        ? Arrays.stream(pair.answers()[position]).distinct().sorted().asDoubleStream().toArray()
        : Arrays.stream(pair.numbers().answers()[position]).distinct().sorted().toArray();
  }

  private static double[] wrongAnswers(TokenizedPair pair, int position) {
    return pair.numbers() == null
        ? Arrays.stream(pair.wrongAnswers()[position])
            .distinct()
            .sorted()
            .asDoubleStream()
            .toArray()
        : Arrays.stream(pair.numbers().wrongAnswers()[position]).distinct().sorted().toArray();
  }

  private static void duplicates(List<TokenizedPair> prompts, List<String> notices) {
    Map<List<Object>, Integer> first = new LinkedHashMap<>();
    List<Integer> repeated = new ArrayList<>();
    for (TokenizedPair pair : prompts) {
      List<Object> key =
          List.of(
              boxed(pair.clean()),
              boxed(pair.corrupt()),
              positions(pair).mapToObj(t -> doubles(answers(pair, t))).toList(),
              positions(pair).mapToObj(t -> doubles(wrongAnswers(pair, t))).toList());
      if (first.putIfAbsent(key, pair.index()) != null) {
        repeated.add(pair.index());
      }
    }
    if (!repeated.isEmpty()) {
      notices.add(
          line(
              repeated,
              prompts.size(),
              "the same pair as an earlier one, so that only "
                  + first.size()
                  + (first.size() == 1 ? " differs" : " differ")
                  + "; results rest on fewer prompts than are counted"));
    }
  }

  private static List<Integer> boxed(int[] ids) {
    return Arrays.stream(ids).boxed().toList();
  }

  private static List<Double> doubles(double[] numbers) {
    return Arrays.stream(numbers).boxed().toList();
  }
}
