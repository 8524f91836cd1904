package io.autocircuit.task.dataset;

import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.data.PairReader;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.data.Wording;
import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.stream.Collectors;

/**
 * What the prompts of a file are like.
 *
 * @param pairs how many there are
 * @param usable how many can be tokenised with answers of one token
 * @param severalTokens how many have answers of several tokens
 * @param faults why the others cannot be used, as a run would say it
 * @param tokens the usable ones; empty if there are none
 * @param lengths how many clean prompts have each number of tokens, BOS included
 * @param unequalLengths pairs whose clean and corrupt prompts have different lengths
 * @param repeated pairs that are there already
 * @param cleanEqualsCorrupt pairs whose prompts are equal
 * @param answers how often each answer is right, the most frequent first; of numbers none
 * @param misplaced positions and labels that do not fit the prompts, in words
 */
public record DatasetCheck(
    int pairs,
    int usable,
    int severalTokens,
    Optional<String> faults,
    Optional<TokenizedDataset> tokens,
    SortedMap<Integer, Integer> lengths,
    int unequalLengths,
    int repeated,
    int cleanEqualsCorrupt,
    Map<String, Integer> answers,
    List<String> misplaced) {

  /**
   * Copies the collections.
   *
   * @param pairs how many there are
   * @param usable how many can be tokenised with answers of one token
   * @param severalTokens how many have answers of several tokens
   * @param faults why the others cannot be used
   * @param tokens the usable ones
   * @param lengths how many clean prompts have each number of tokens
   * @param unequalLengths pairs whose prompts have different lengths
   * @param repeated pairs that are there already
   * @param cleanEqualsCorrupt pairs whose prompts are equal
   * @param answers how often each answer is right
   * @param misplaced positions and labels that do not fit
   */
  public DatasetCheck {
    lengths = Collections.unmodifiableSortedMap(new TreeMap<>(lengths));
    answers = Collections.unmodifiableMap(new LinkedHashMap<>(answers));
    misplaced = List.copyOf(misplaced);
  }

  /**
   * Looks at prompts.
   *
   * @param dataset the prompts
   * @param tokenizer who reads them; null where they hold no text
   * @return what they are like
   */
  public static DatasetCheck of(PromptDataset dataset, Tokenizer tokenizer) {
    int pairs = dataset.prompts().size();
    TokenizedDataset tokens = null;
    String faults = null;
    int several = 0;
    try {
      tokens = dataset.tokenize(tokenizer);
    } catch (DataException e) {
      faults = e.getMessage();
      Sorted sorted = sorted(dataset, tokenizer);
      several = sorted.several();
      tokens = sorted.usable().map(d -> d.tokenize(tokenizer)).orElse(null);
    }
    List<TokenizedPair> read = tokens == null ? List.of() : tokens.prompts();
    SortedMap<Integer, Integer> lengths = new TreeMap<>();
    Set<String> seen = new HashSet<>();
    int unequal = 0;
    int repeated = 0;
    int same = 0;
    for (TokenizedPair pair : read) {
      lengths.merge(pair.clean().length, 1, Integer::sum);
      unequal += pair.clean().length == pair.corrupt().length ? 0 : 1;
      same += Arrays.equals(pair.clean(), pair.corrupt()) ? 1 : 0;
      String text = Arrays.toString(pair.clean()) + Arrays.toString(pair.corrupt());
      repeated += seen.add(text) ? 0 : 1;
    }
    return new DatasetCheck(
        pairs,
        read.size(),
        several,
        Optional.ofNullable(faults),
        Optional.ofNullable(tokens),
        lengths,
        unequal,
        repeated,
        same,
        balance(dataset),
        tokens == null ? List.of() : misplaced(tokens));
  }

  /**
   * Pairs apart.
   *
   * @param usable those that can be used; empty if there are none
   * @param several how many others have answers of several tokens
   */
  private record Sorted(Optional<PromptDataset> usable, int several) {}

  private static Sorted sorted(PromptDataset dataset, Tokenizer tokenizer) {
    PairReader single = PairReader.of(dataset, tokenizer, MultiTokenAnswers.REFUSE, null);
    PairReader joined = PairReader.of(dataset, tokenizer, MultiTokenAnswers.FIRST_DIFFERING, null);
    List<Integer> kept = new ArrayList<>();
    int several = 0;
    for (int i = 0; i < single.size(); i++) {
      if (single.read(i).usable()) {
        kept.add(i);
      } else if (joined.read(i).usable()) {
        several++;
      }
    }
    return new Sorted(
        kept.isEmpty() ? Optional.empty() : Optional.of(select(dataset, kept)), several);
  }

  /** Some of the pairs, with the positions and labels of all. */
  static PromptDataset select(PromptDataset dataset, List<Integer> which) {
    return new PromptDataset(
        dataset.source(),
        which.stream().map(dataset.prompts()::get).toList(),
        dataset.seqLabels(),
        dataset.wordIdxs());
  }

  /** How often each answer is right, as it is written. */
  private static Map<String, Integer> balance(PromptDataset dataset) {
    Map<String, Integer> counts = new HashMap<>();
    dataset
        .prompts()
        .forEach(
            pair ->
                pair.answers().stream()
                    .flatMap(List::stream)
                    .map(DatasetCheck::written)
                    .filter(Objects::nonNull)
                    .forEach(answer -> counts.merge(answer, 1, Integer::sum)));
    return counts.entrySet().stream()
        .sorted(
            Map.Entry.<String, Integer>comparingByValue()
                .reversed()
                .thenComparing(Map.Entry.comparingByKey()))
        .collect(
            Collectors.toMap(
                Map.Entry::getKey, Map.Entry::getValue, (a, b) -> a, LinkedHashMap::new));
  }

  private static String written(Wording answer) {
    if (answer instanceof Wording.Text text) {
      return text.text();
    }
    return answer instanceof Wording.Ids ids ? "id " + ids.ids()[0] : null;
  }

  private static List<String> misplaced(TokenizedDataset tokens) {
    List<String> wrong = new ArrayList<>();
    Set<Integer> lengths =
        tokens.prompts().stream().map(p -> p.clean().length).collect(Collectors.toSet());
    int shortest = Collections.min(lengths);
    BiConsumer<Boolean, String> note =
        (bad, what) -> {
          if (bad) {
            wrong.add(what);
          }
        };
    note.accept(
        lengths.size() > 1 && !tokens.wordIdxs().isEmpty(),
        "word_idxs names positions, and prompts have different lengths");
    note.accept(
        !tokens.seqLabels().isEmpty() && !lengths.equals(Set.of(tokens.seqLabels().size())),
        "seq_labels has labels="
            + tokens.seqLabels().size()
            + ", BOS included, and prompts have tokens="
            + (lengths.size() == 1 ? shortest : "several numbers of them"));
    tokens
        .wordIdxs()
        .forEach(
            (name, at) ->
                note.accept(
                    at >= shortest,
                    "word_idxs."
                        + name
                        + "="
                        + at
                        + ", BOS included, and a prompt has tokens="
                        + shortest));
    return wrong;
  }
}
