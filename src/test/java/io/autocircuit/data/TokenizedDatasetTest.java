package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class TokenizedDatasetTest {

  // ---- selecting ----

  @Test
  void selectKeepsTheOrderWithoutShuffling() {
    TokenizedDataset.Split split = numbered(10).select(3, 2, false, 42);
    assertEquals(List.of(0, 1, 2), indices(split.train()));
    assertEquals(List.of(3, 4), indices(split.test()));
  }

  @Test
  void selectShufflesAsCPythonDoes() {
    TokenizedDataset.Split split = numbered(10).select(6, 4, true, 42);
    assertEquals(List.of(7, 3, 2, 8, 5, 6), indices(split.train()));
    assertEquals(List.of(9, 4, 0, 1), indices(split.test()));
  }

  @Test
  void selectKeepsLabelsAndTestMayBeEmpty() {
    TokenizedDataset dataset =
        new TokenizedDataset(
            "d.json", numbered(2).prompts(), List.of("a"), new TreeMap<>(Map.of("w", 0)));
    TokenizedDataset.Split split = dataset.select(2, 0, false, 0);
    assertEquals(List.of("a"), split.train().seqLabels());
    assertEquals(Map.of("w", 0), split.train().wordIdxs());
    assertEquals(0, split.test().size());
    assertEquals(List.of(), Batches.byLength(split.test(), 4));
  }

  @Test
  @DisplayName("11-C11 too few prompts are noticed when they are selected")
  void tooFewPrompts() {
    rejects(
        () -> numbered(10).select(8, 3, true, 42),
        "train=8 and test=3 prompts wanted, but it holds prompts=10");
    rejects(
        () -> numbered(10).select(Integer.MAX_VALUE, Integer.MAX_VALUE, true, 42),
        "but it holds prompts=10");
  }

  @Test
  void negativeOrNoPromptsWanted() {
    rejects(() -> numbered(10).select(-1, 3, true, 42), "train=-1 test=3");
    rejects(() -> numbered(10).select(3, -3, true, 42), "train=3 test=-3");
    rejects(() -> numbered(10).select(0, 0, true, 42), "train=0 test=0");
  }

  // ---- what a model needs ----

  @Test
  void aDatasetThatFitsIsReturned() {
    TokenizedDataset dataset = dataset(pair(0, ids(1, 2), ids(1, 3), 4, 5));
    assertSame(dataset, dataset.requireFits(6, 2));
    assertSame(dataset, dataset.requireFits(4, 6, 2));
    assertSame(dataset, dataset.requireEqualLengths());
    assertSame(dataset, dataset.requireDifference());
  }

  @Test
  void tokenIdOutsideTheVocabulary() {
    TokenizedDataset dataset =
        dataset(pair(4, ids(1, 2), ids(1, 3), 0, 0), pair(5, ids(1, 2), ids(1, 512), 0, 0));
    rejects(
        () -> dataset.requireFits(512, 8),
        "prompts[5].corrupt has token id=512, outside the model's vocabulary=512");
    rejects(
        () -> dataset(pair(0, ids(-1), ids(1), 0, 0)).requireFits(512, 8),
        "prompts[0].clean has token id=-1");
  }

  @Test
  void answerOutsideTheVocabulary() {
    TokenizedDataset dataset = dataset(pair(0, ids(1), ids(2), 3, 4));
    rejects(() -> dataset.requireFits(4, 8), "prompts[0].wrong_answers has token id=4");
    rejects(() -> dataset.requireFits(9, 3, 8), "prompts[0].answers has token id=3");
  }

  @Test
  void promptLongerThanTheContext() {
    TokenizedDataset dataset = dataset(pair(3, ids(1, 2, 3), ids(1, 2, 4), 0, 0));
    rejects(
        () -> dataset.requireFits(9, 2),
        "prompts[3].clean has tokens=3, more than the model's context=2");
  }

  @Test
  void unequalLengthsWhereTokenPositionsAreWanted() {
    TokenizedDataset dataset =
        dataset(pair(0, ids(1, 2), ids(1, 3), 0, 0), pair(7, ids(1), ids(2), 0, 0));
    assertSame(dataset, dataset.requirePairedLengths());
    rejects(
        dataset::requireEqualLengths,
        "prompts[0] has tokens=2 but prompts[7] has tokens=1; token positions need");
    assertEquals(List.of(1, 2), dataset.lengths());
  }

  @Test
  void unequalLengthsWithinAPair() {
    rejects(
        dataset(pair(6, ids(1, 2), ids(1), 0, 0))::requirePairedLengths,
        "prompts[6] has clean tokens=2 but corrupt tokens=1");
  }

  @Test
  void allThatDoesNotFitIsListedAtOnce() {
    TokenizedDataset dataset =
        dataset(
            IntStream.range(0, 40)
                .mapToObj(
                    i ->
                        i % 3 == 0
                            ? pair(i, ids(1, 2), ids(1, 3), 0, 1)
                            : i % 3 == 1
                                ? pair(i, ids(1, 2, 3, 4), ids(1, 2, 3), 0, 1)
                                : pair(i, ids(1, 99), ids(1, 3), 0, 50))
                .toArray(TokenizedPair[]::new));
    rejects(() -> dataset.requireFits(9, 3), "26 of 40 prompts cannot be used");
    rejects(
        () -> dataset.requireFits(9, 3), "prompts[1].clean has tokens=4, more than the model's");
    rejects(() -> dataset.requireFits(9, 3), "prompts[2].clean has token id=99, outside");
    rejects(() -> dataset.requireFits(9, 3), "; and 8 more prompts; shorten the prompt (2) ");
    rejects(() -> dataset.requireFits(9, 3), "; and 9 more prompts; use ids from");
    rejects(dataset::requirePairedLengths, "13 of 40 prompts cannot be used: prompts[1] has clean");
    rejects(dataset::requirePairedLengths, "prompts[4] has clean tokens=4 but corrupt tokens=3");
    rejects(dataset::requirePairedLengths, "pad them (--pad)");
    DataException e = assertThrows(DataException.class, dataset::requireEqualLengths);
    assertFalse(e.getMessage().contains("--pad"), e.getMessage());
  }

  @Test
  void missingWrongAnswersAndPositionsAreListedAtOnce() {
    TokenizedPair bare =
        new TokenizedPair(3, ids(1, 2), ids(1, 3), new int[][] {{1}, {2}}, new int[][] {{}, {}});
    TokenizedDataset dataset = dataset(pair(0, ids(1, 2), ids(1, 3), 0, 1), bare, bare);
    rejects(
        () -> dataset.requireWrongAnswers("avg_diff compares answers with them", "avg_val"),
        "prompts[3].wrong_answers is empty; but avg_diff compares answers with them: add wrong"
            + " answers, or choose avg_val");
    rejects(
        () -> dataset.requireAnswerPositions(length -> 1, "--slice last"),
        "prompts[3] has answers for positions=2, but --slice last looks at positions=1");
    assertSame(dataset, dataset.requireAnswerPositions(length -> 2, "--slice all"));
  }

  @Test
  void labelsThatDoNotFitThePrompts() {
    List<TokenizedPair> prompts = List.of(pair(0, ids(1, 2), ids(1, 3), 0, 0));
    rejects(
        new TokenizedDataset("d.json", prompts, List.of("a"), new TreeMap<>())::requireEqualLengths,
        "seq_labels has length=1 (BOS included) but the prompts have tokens=2");
  }

  @Test
  @DisplayName("11-A17 word positions shifted beyond the prompt are noticed")
  void wordPositionBeyondThePrompt() {
    List<TokenizedPair> prompts = List.of(pair(0, ids(1, 2), ids(1, 3), 0, 0));
    rejects(
        new TokenizedDataset("d.json", prompts, List.of(), new TreeMap<>(Map.of("end", 2)))
            ::requireEqualLengths,
        "word_idxs entry \"end\"=2 (BOS included) but the prompts have tokens=2");
  }

  @Test
  void cleanEqualToCorruptEverywhere() {
    TokenizedPair same = pair(0, ids(1, 2), ids(1, 2), 0, 0);
    rejects(dataset(same, same)::requireDifference, "clean equals corrupt in all prompts=2");
    dataset(same, pair(1, ids(1, 2), ids(1, 3), 0, 0)).requireDifference();
  }

  // ---- helpers ----

  private static int[] ids(int... ids) {
    return ids;
  }

  private static TokenizedPair pair(int index, int[] clean, int[] corrupt, int right, int wrong) {
    return new TokenizedPair(index, clean, corrupt, new int[][] {{right}}, new int[][] {{wrong}});
  }

  private static TokenizedDataset dataset(TokenizedPair... pairs) {
    return new TokenizedDataset("d.json", List.of(pairs), List.of(), new TreeMap<>());
  }

  private static TokenizedDataset numbered(int n) {
    return dataset(
        IntStream.range(0, n)
            .mapToObj(i -> pair(i, ids(i), ids(i + 1), 0, 1))
            .toArray(TokenizedPair[]::new));
  }

  private static List<Integer> indices(TokenizedDataset dataset) {
    return dataset.prompts().stream().map(TokenizedPair::index).toList();
  }

  private static void rejects(Executable call, String part) {
    DataException e = assertThrows(DataException.class, call);
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }
}
