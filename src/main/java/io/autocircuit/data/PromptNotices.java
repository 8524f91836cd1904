package io.autocircuit.data;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

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
    for (PromptFinding finding :
        List.of(
            PromptFinding.SAME_ANSWERS, PromptFinding.SHARED_ANSWER, PromptFinding.SAME_PROMPTS)) {
      List<Integer> which =
          prompts.stream()
              .filter(pair -> PromptFinding.of(pair).contains(finding))
              .map(TokenizedPair::index)
              .toList();
      if (!which.isEmpty()) {
        notices.add(line(which, prompts.size(), finding.text()));
      }
    }
    repeated(prompts, notices);
    return List.copyOf(notices);
  }

  /**
   * One line: how many prompts, the first of them, and what.
   *
   * @param which numbers of the prompts in their file, of some that there are
   * @param of number of all prompts
   * @param what what is noticed
   * @return the line
   */
  static String line(List<Integer> which, int of, String what) {
    return which.size() + " of " + of + " prompts (" + numbers(which) + "): " + what;
  }

  private static String numbers(List<Integer> which) {
    return which.stream().limit(LISTED).map(String::valueOf).collect(Collectors.joining(", "))
        + (which.size() > LISTED ? ", …" : "");
  }

  private static void repeated(List<TokenizedPair> prompts, List<String> notices) {
    Set<String> seen = new HashSet<>();
    List<Integer> repeated =
        prompts.stream()
            .filter(pair -> !seen.add(pair.contentKey()))
            .map(TokenizedPair::index)
            .toList();
    if (!repeated.isEmpty()) {
      notices.add(
          line(
              repeated,
              prompts.size(),
              "the same pair as an earlier one, so that only "
                  + seen.size()
                  + (seen.size() == 1 ? " differs" : " differ")
                  + "; results rest on fewer prompts than are counted"));
    }
  }
}
