package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class BatchesTest {

  @Test
  void byLengthGroupsExactlyAndKeepsThePartialBatch() {
    TokenizedDataset dataset = ofLengths(3, 2, 3, 3, 2, 3, 3);
    List<PromptBatch> batches = Batches.byLength(dataset, 2);
    assertEquals(
        List.of(List.of(1, 4), List.of(0, 2), List.of(3, 5), List.of(6)),
        batches.stream().map(b -> Arrays.stream(b.rows()).boxed().toList()).toList());
    PromptBatch second = batches.get(1);
    assertArrayEquals(new int[] {0, 1, 2, 200, 201, 202}, second.clean().ids());
    assertArrayEquals(new int[] {50, 51, 52, 250, 251, 252}, second.corrupt().ids());
    assertEquals(2, second.clean().batchSize());
    assertEquals(3, second.clean().length());
    assertArrayEquals(new int[] {0, 0}, second.clean().padding());
    assertArrayEquals(new int[][][] {{{0}}, {{2}}}, second.answers());
    assertArrayEquals(new int[][][] {{{1000}}, {{1002}}}, second.wrongAnswers());
  }

  @Property(tries = 200)
  void byLengthHoldsEveryPromptOnceWithoutPadding(
      @ForAll @Size(max = 40) List<@IntRange(min = 1, max = 6) Integer> lengths,
      @ForAll @IntRange(min = 1, max = 9) int batchSize) {
    TokenizedDataset dataset = ofLengths(lengths.stream().mapToInt(Integer::intValue).toArray());
    List<PromptBatch> batches = Batches.byLength(dataset, batchSize);
    int[] rows = batches.stream().flatMapToInt(b -> Arrays.stream(b.rows())).toArray();
    assertArrayEquals(
        IntStream.range(0, dataset.size()).toArray(), Arrays.stream(rows).sorted().toArray());
    for (PromptBatch batch : batches) {
      assertTrue(batch.rows().length <= batchSize);
      for (int b = 0; b < batch.rows().length; b++) {
        assertEquals(0, batch.clean().padding()[b]);
        assertArrayEquals(
            dataset.prompts().get(batch.rows()[b]).clean(),
            Arrays.copyOfRange(
                batch.clean().ids(), b * batch.clean().length(), (b + 1) * batch.clean().length()));
      }
    }
  }

  @Test
  void byLengthRefusesPairsOfUnequalLength() {
    TokenizedDataset dataset = dataset(pair(0, ids(1, 2), ids(3)));
    rejects(
        () -> Batches.byLength(dataset, 2),
        "prompts[0] has clean tokens=2 but corrupt tokens=1; make them equally long, or pad");
  }

  @Test
  void byLengthSeparatesNumbersOfAnswerPositions() {
    TokenizedPair two =
        new TokenizedPair(1, ids(5, 6), ids(7, 8), new int[][] {{1}, {2}}, new int[][] {{}, {}});
    TokenizedDataset dataset = dataset(pair(0, ids(1, 2), ids(3, 4)), two);
    assertEquals(2, Batches.byLength(dataset, 8).size());
    rejects(
        () -> Batches.padded(dataset, 8, 0),
        "prompts[0] has answer positions=1 but prompts[1] has 2");
  }

  @Test
  @DisplayName("11-C10 clean and corrupt are padded to one common length")
  void paddedTogether() {
    TokenizedDataset dataset =
        dataset(
            pair(0, ids(1, 2), ids(3, 4, 5)),
            pair(1, ids(6), ids(7)),
            pair(2, ids(8, 9, 10, 11), ids(12)));
    List<PromptBatch> batches = Batches.padded(dataset, 2, 99);
    assertEquals(2, batches.size());
    PromptBatch first = batches.get(0);
    assertArrayEquals(new int[] {99, 1, 2, 99, 99, 6}, first.clean().ids());
    assertArrayEquals(new int[] {1, 2}, first.clean().padding());
    assertArrayEquals(new int[] {3, 4, 5, 99, 99, 7}, first.corrupt().ids());
    assertArrayEquals(new int[] {0, 2}, first.corrupt().padding());
    assertEquals(3, first.clean().length());
    assertEquals(3, first.corrupt().length());
    PromptBatch last = batches.get(1);
    assertArrayEquals(new int[] {2}, last.rows());
    assertEquals(4, last.corrupt().length());
    assertArrayEquals(new int[] {3}, last.corrupt().padding());
  }

  @Test
  @DisplayName("11-A15 a pad is never taken for a BOS, nor a BOS for a pad")
  void padIdEqualToBosId() {
    TokenizedDataset dataset =
        dataset(pair(0, ids(7, 1), ids(7, 2)), pair(1, ids(7, 7, 1, 2), ids(3, 7, 1, 2)));
    PromptBatch batch = Batches.padded(dataset, 2, 7).get(0);
    assertArrayEquals(new int[] {7, 7, 7, 1, 7, 7, 1, 2}, batch.clean().ids());
    assertArrayEquals(new int[] {2, 0}, batch.clean().padding());
    assertArrayEquals(new int[] {2, 0}, batch.corrupt().padding());
  }

  @Test
  @DisplayName("11-B2 batches of identical prompts are told apart by their rows")
  void identicalPrompts() {
    TokenizedPair same = pair(0, ids(1, 2), ids(1, 3));
    List<PromptBatch> batches = Batches.byLength(dataset(same, same, same), 1);
    assertEquals(
        List.of(0, 1, 2), batches.stream().map(batch -> batch.rows()[0]).sorted().toList());
  }

  @Test
  void inOrderKeepsOrDropsTheLastBatch() {
    TokenizedDataset dataset = ofLengths(2, 2, 2, 2, 2);
    assertEquals(3, Batches.inOrder(dataset, 2, false).size());
    List<PromptBatch> full = Batches.inOrder(dataset, 2, true);
    assertEquals(2, full.size());
    assertArrayEquals(new int[] {2, 3}, full.get(1).rows());
    assertEquals(1, Batches.inOrder(dataset, 5, true).size());
    assertEquals(1, Batches.inOrder(dataset, Integer.MAX_VALUE, false).size());
  }

  @Test
  void inOrderNeedsOneLength() {
    rejects(
        () -> Batches.inOrder(ofLengths(2, 3), 2, false), "prompts[0] has tokens=2 but prompts[1]");
  }

  @Test
  @DisplayName("11-C11 too few prompts for one batch are noticed before iterating")
  void inOrderThatWouldDropEverything() {
    rejects(
        () -> Batches.inOrder(ofLengths(2, 2), 3, true),
        "prompts=2 do not fill one batch of size=3");
  }

  @Test
  void batchSizeBelowOne() {
    TokenizedDataset dataset = ofLengths(2);
    for (Executable call :
        List.<Executable>of(
            () -> Batches.byLength(dataset, 0),
            () -> Batches.padded(dataset, -1, 0),
            () -> Batches.inOrder(dataset, 0, false))) {
      assertTrue(
          assertThrows(IllegalArgumentException.class, call).getMessage().contains("batchSize="));
    }
  }

  // ---- helpers ----

  private static int[] ids(int... ids) {
    return ids;
  }

  private static TokenizedPair pair(int index, int[] clean, int[] corrupt) {
    return new TokenizedPair(
        index, clean, corrupt, new int[][] {{index}}, new int[][] {{1000 + index}});
  }

  private static TokenizedDataset dataset(TokenizedPair... pairs) {
    return new TokenizedDataset("d.json", List.of(pairs), List.of(), new TreeMap<>());
  }

  /** Prompt i has the ids 100·i, 100·i+1, …; its corrupt twin 50 more. */
  private static TokenizedDataset ofLengths(int... lengths) {
    return dataset(
        IntStream.range(0, lengths.length)
            .mapToObj(
                i ->
                    pair(
                        i,
                        IntStream.range(100 * i, 100 * i + lengths[i]).toArray(),
                        IntStream.range(100 * i + 50, 100 * i + 50 + lengths[i]).toArray()))
            .toArray(TokenizedPair[]::new));
  }

  private static void rejects(Executable call, String part) {
    DataException e = assertThrows(DataException.class, call);
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }
}
