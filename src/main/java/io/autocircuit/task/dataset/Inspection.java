package io.autocircuit.task.dataset;

import io.autocircuit.data.PromptFinding;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What was found in the prompts of a dataset: counts, and the prompts that are to be shown. Prompts
 * are added one after another; as many as are to be shown are kept, first those with a finding that
 * none before had, then others with findings, then the rest, each in the order of the file.
 */
public final class Inspection {
  /** So many numbers of prompts are kept for each finding. */
  private static final int NUMBERED = 5;

  private final int most;
  private final TreeSet<Kept> kept =
      new TreeSet<>(
          Comparator.comparingInt(Kept::priority).thenComparingInt(k -> k.prompt().index()));
  private final Map<PromptFinding, Integer> counts = new EnumMap<>(PromptFinding.class);
  private final Map<PromptFinding, List<Integer>> first = new EnumMap<>(PromptFinding.class);
  private final SortedMap<Integer, Integer> lengths = new TreeMap<>();
  private int size;
  private int usable;
  private int useless;
  private int asked;
  private int right;
  private int top;
  private double probability;
  private double difference;
  private double corruptDifference;
  private double squaredError;

  private record Kept(int priority, InspectedPrompt prompt) {}

  /**
   * Nothing found yet.
   *
   * @param most how many prompts are kept, at least 0
   */
  public Inspection(int most) {
    this.most = most;
  }

  /**
   * Adds a prompt.
   *
   * @param prompt the next one
   */
  public void add(InspectedPrompt prompt) {
    size++;
    boolean good = prompt.faults().isEmpty();
    usable += good ? 1 : 0;
    useless += prompt.findings().isEmpty() ? 0 : 1;
    if (good) {
      lengths.merge(prompt.pair().clean().length, 1, Integer::sum);
    }
    boolean fresh = false;
    for (PromptFinding finding : prompt.findings()) {
      fresh |= counts.merge(finding, 1, Integer::sum) == 1;
      List<Integer> numbers = first.computeIfAbsent(finding, f -> new ArrayList<>());
      if (numbers.size() < NUMBERED) {
        numbers.add(prompt.index());
      }
    }
    prompt.said().ifPresent(this::add);
    kept.add(new Kept(fresh ? 0 : prompt.findings().isEmpty() ? 2 : 1, prompt));
    if (kept.size() > most) {
      kept.pollLast();
    }
  }

  private void add(ModelAnswers.Said said) {
    asked++;
    right += said.right() ? 1 : 0;
    top += said.top() ? 1 : 0;
    probability += said.probability();
    difference += said.difference();
    corruptDifference += said.corruptDifference();
    squaredError += said.squaredError();
  }

  /**
   * How many prompts there were.
   *
   * @return pairs
   */
  public int size() {
    return size;
  }

  /**
   * How many a run would take.
   *
   * @return pairs
   */
  public int usable() {
    return usable;
  }

  /**
   * In how many something was found.
   *
   * @return pairs
   */
  public int troubled() {
    return useless;
  }

  /**
   * How many pairs have each finding.
   *
   * @return only findings that there are, in their order
   */
  public Map<PromptFinding, Integer> counts() {
    return Collections.unmodifiableMap(counts);
  }

  /**
   * The first pairs with a finding.
   *
   * @param finding one of {@link #counts}
   * @return numbers in the file, a few at most
   */
  public List<Integer> first(PromptFinding finding) {
    return List.copyOf(first.getOrDefault(finding, List.of()));
  }

  /**
   * How many clean prompts have each number of tokens.
   *
   * @return of the usable pairs, BOS included
   */
  public SortedMap<Integer, Integer> lengths() {
    return Collections.unmodifiableSortedMap(lengths);
  }

  /**
   * What a model says on the whole.
   *
   * @param prompts how many it was asked
   * @param right for how many it prefers an answer
   * @param top for how many its first choice is an answer
   * @param probability mean probability of the answers
   * @param difference mean logit difference after the clean prompts
   * @param corruptDifference mean logit difference after the corrupt prompts
   * @param squaredError mean squared error where answers are numbers; else NaN
   */
  public record Model(
      int prompts,
      int right,
      int top,
      double probability,
      double difference,
      double corruptDifference,
      double squaredError) {}

  /**
   * What the model says on the whole.
   *
   * @return means over all prompts that it was asked; NaN where there were none
   */
  public Model model() {
    return new Model(
        asked,
        right,
        top,
        probability / asked,
        difference / asked,
        corruptDifference / asked,
        squaredError / asked);
  }

  /**
   * The prompts to be shown.
   *
   * @param atMost how many
   * @return those that were kept first, in the order of the file
   */
  public List<InspectedPrompt> shown(int atMost) {
    return kept.stream()
        .limit(atMost)
        .map(Kept::prompt)
        .sorted(Comparator.comparingInt(InspectedPrompt::index))
        .toList();
  }
}
