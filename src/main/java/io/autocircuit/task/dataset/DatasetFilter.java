package io.autocircuit.task.dataset;

import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.PromptPair;
import io.autocircuit.data.Wording;
import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * Which pairs a model knows the answer of.
 *
 * @param minProbability the answers' probability must be more than that; empty for any
 * @param top whether the likeliest token must be an answer
 * @param balanced whether pairs are left out at the end until each answer is right as often
 */
public record DatasetFilter(OptionalDouble minProbability, boolean top, boolean balanced) {
  /**
   * Checks the probability.
   *
   * @param minProbability the answers' probability must be more than that; empty for any
   * @param top whether the likeliest token must be an answer
   * @param balanced whether each answer is to be right as often
   * @throws IllegalArgumentException if it is not from 0 to 1, or nothing is asked for
   */
  public DatasetFilter {
    double p = minProbability.orElse(0);
    if (!(p >= 0 && p < 1)) {
      throw new IllegalArgumentException(
          "min-prob=" + p + " is out of range; give a number from 0, less than 1");
    }
    if (minProbability.isEmpty() && !top && !balanced) {
      throw new IllegalArgumentException("filter=none; give min-prob, top or balance");
    }
  }

  /**
   * What passed.
   *
   * @param prompts the pairs that did
   * @param unknown how many the model does not know
   * @param corruptUnknown how many have a corrupt prompt that is the clean one of such a pair
   * @param unbalanced how many were left out to balance the answers
   */
  public record Result(PromptDataset prompts, int unknown, int corruptUnknown, int unbalanced) {}

  /**
   * Leaves out what does not pass. A pair whose corrupt prompt is the clean prompt of a pair that
   * the model does not know goes as well.
   *
   * @param dataset the pairs
   * @param said what the model says to each; empty where neither probability nor rank is asked for
   * @return those that pass, in their order
   * @throws DataException if none does
   */
  public Result apply(PromptDataset dataset, List<ModelAnswers.Said> said) {
    List<PromptPair> pairs = dataset.prompts();
    Map<String, Boolean> known = new HashMap<>();
    List<Integer> first = new ArrayList<>();
    for (int i = 0; i < pairs.size(); i++) {
      boolean passes = said.isEmpty() || passes(said.get(i));
      known.merge(key(pairs.get(i).clean()), passes, Boolean::logicalAnd);
      if (passes) {
        first.add(i);
      }
    }
    List<Integer> second =
        first.stream().filter(i -> known.getOrDefault(key(pairs.get(i).corrupt()), true)).toList();
    List<Integer> kept = balanced ? balance(pairs, second) : second;
    if (kept.isEmpty()) {
      throw new DataException(
          String.format(
              "file=%s: of %d pairs none passes; use a smaller --min-prob, or another model",
              dataset.source(), pairs.size()));
    }
    return new Result(
        DatasetCheck.select(dataset, kept),
        pairs.size() - first.size(),
        first.size() - second.size(),
        second.size() - kept.size());
  }

  private boolean passes(ModelAnswers.Said said) {
    return (minProbability.isEmpty() || said.probability() > minProbability.getAsDouble())
        && (!top || said.top());
  }

  /** The first pairs of each list of answers, as many of each. */
  private static List<Integer> balance(List<PromptPair> pairs, List<Integer> which) {
    Map<String, List<Integer>> byAnswer = new LinkedHashMap<>();
    for (int i : which) {
      String answer = pairs.get(i).answers().stream().map(DatasetFilter::keys).toList().toString();
      byAnswer.computeIfAbsent(answer, a -> new ArrayList<>()).add(i);
    }
    int each = byAnswer.values().stream().mapToInt(List::size).min().orElse(0);
    return byAnswer.values().stream().flatMap(of -> of.subList(0, each).stream()).sorted().toList();
  }

  private static List<String> keys(List<Wording> answers) {
    return answers.stream().map(DatasetFilter::key).toList();
  }

  private static String key(Wording wording) {
    return wording instanceof Wording.Ids ids ? Arrays.toString(ids.ids()) : wording.toString();
  }
}
