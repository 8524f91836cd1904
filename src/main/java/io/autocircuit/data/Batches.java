package io.autocircuit.data;

import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Ways to put the prompts of a dataset into batches. None of them reorders prompts of one length.
 * {@link PromptBatch#rows} are positions in the dataset that is batched.
 */
public final class Batches {
  private Batches() {}

  /**
   * Batches of prompts that have exactly the same length, shortest first, without padding. Every
   * prompt is in one batch, so the last batch of a length may be smaller.
   *
   * @param dataset the prompts
   * @param batchSize the largest number of prompts in a batch
   * @return one batch or more, by ascending length; {@link PromptBatch#rows} says where each prompt
   *     stood
   * @throws DataException if clean and corrupt of a pair differ in length
   * @throws IllegalArgumentException if {@code batchSize < 1}
   */
  public static List<PromptBatch> byLength(TokenizedDataset dataset, int batchSize) {
    requirePositive(batchSize);
    dataset.requirePairedLengths();
    SortedMap<Integer, SortedMap<Integer, List<Integer>>> groups = new TreeMap<>();
    for (int row = 0; row < dataset.size(); row++) {
      TokenizedPair pair = dataset.prompts().get(row);
      groups
          .computeIfAbsent(pair.clean().length, length -> new TreeMap<>())
          .computeIfAbsent(pair.answers().length, positions -> new ArrayList<>())
          .add(row);
    }
    List<PromptBatch> batches = new ArrayList<>();
    groups.forEach(
        (length, byPositions) ->
            byPositions
                .values()
                .forEach(rows -> batches.addAll(cut(dataset, rows, batchSize, false, null))));
    return List.copyOf(batches);
  }

  /**
   * Batches in the order of the dataset. Clean and corrupt prompts of a batch are padded on the
   * left to the longest among both. The model masks pad positions, so the id that fills them never
   * matters. Every prompt is in one batch.
   *
   * @param dataset the prompts
   * @param batchSize the largest number of prompts in a batch
   * @param padId fills pad positions; any id of the vocabulary
   * @return batches of that size, but for the last
   * @throws DataException if prompts of one batch have answers for different numbers of positions
   * @throws IllegalArgumentException if {@code batchSize < 1}
   */
  public static List<PromptBatch> padded(TokenizedDataset dataset, int batchSize, int padId) {
    requirePositive(batchSize);
    return cut(dataset, allRows(dataset), batchSize, false, padId);
  }

  /**
   * Batches in the order of the dataset, whose prompts must all have one length.
   *
   * @param dataset the prompts
   * @param batchSize the largest number of prompts in a batch
   * @param dropLast whether to leave out a last batch that is not full
   * @return batches of that size, but for the last where it is kept
   * @throws DataException if the lengths differ, or if {@code dropLast} leaves nothing
   * @throws IllegalArgumentException if {@code batchSize < 1}
   */
  public static List<PromptBatch> inOrder(
      TokenizedDataset dataset, int batchSize, boolean dropLast) {
    requirePositive(batchSize);
    dataset.requireEqualLengths();
    if (dropLast && dataset.size() > 0 && dataset.size() < batchSize) {
      throw new DataException(
          String.format(
              "file=%s: prompts=%d do not fill one batch of size=%d; choose a smaller batch size",
              dataset.source(), dataset.size(), batchSize));
    }
    return cut(dataset, allRows(dataset), batchSize, dropLast, null);
  }

  private static List<Integer> allRows(TokenizedDataset dataset) {
    List<Integer> rows = new ArrayList<>();
    for (int row = 0; row < dataset.size(); row++) {
      rows.add(row);
    }
    return rows;
  }

  private static void requirePositive(int batchSize) {
    if (batchSize < 1) {
      throw new IllegalArgumentException(
          "batchSize=" + batchSize + " is not positive; give at least 1");
    }
  }

  private static List<PromptBatch> cut(
      TokenizedDataset dataset,
      List<Integer> rows,
      int batchSize,
      boolean dropLast,
      Integer padId) {
    List<PromptBatch> batches = new ArrayList<>();
    for (int first = 0; first < rows.size(); first += batchSize) {
      int end = (int) Math.min(rows.size(), first + (long) batchSize);
      if (!dropLast || end - first == batchSize) {
        batches.add(batch(dataset, rows.subList(first, end), padId));
      }
      if (end == rows.size()) {
        break;
      }
    }
    return List.copyOf(batches);
  }

  private static PromptBatch batch(TokenizedDataset dataset, List<Integer> rows, Integer padId) {
    List<TokenizedPair> pairs = rows.stream().map(dataset.prompts()::get).toList();
    TokenizedPair first = pairs.get(0);
    for (TokenizedPair pair : pairs) {
      if (pair.answers().length != first.answers().length) {
        throw new DataException(
            String.format(
                "file=%s: prompts[%d] has answer positions=%d but prompts[%d] has %d;"
                    + " prompts of one batch need the same",
                dataset.source(),
                first.index(),
                first.answers().length,
                pair.index(),
                pair.answers().length));
      }
    }
    for (TokenizedPair pair : pairs) {
      if ((pair.numbers() == null) != (first.numbers() == null)) {
        throw new DataException(
            String.format(
                "file=%s: of prompts[%d] and prompts[%d] one has tokens for answers, the other"
                    + " numbers; give all answers in one form",
                dataset.source(), first.index(), pair.index()));
      }
    }
    int length =
        pairs.stream()
            .mapToInt(p -> Math.max(p.clean().length, p.corrupt().length))
            .max()
            .orElse(0);
    return new PromptBatch(
        tokens(pairs.stream().map(TokenizedPair::clean).toList(), length, padId),
        tokens(pairs.stream().map(TokenizedPair::corrupt).toList(), length, padId),
        pairs.stream().map(TokenizedPair::answers).toArray(int[][][]::new),
        pairs.stream().map(TokenizedPair::wrongAnswers).toArray(int[][][]::new),
        rows.stream().mapToInt(Integer::intValue).toArray(),
        first.numbers() == null
            ? null
            : pairs.stream().map(pair -> pair.numbers().answers()).toArray(double[][][]::new));
  }

  private static TokenBatch tokens(List<int[]> prompts, int length, Integer padId) {
    int[] ids = new int[Math.multiplyExact(prompts.size(), length)];
    if (padId != null) {
      Arrays.fill(ids, padId);
    }
    int[] padding = new int[prompts.size()];
    for (int b = 0; b < prompts.size(); b++) {
      int[] prompt = prompts.get(b);
      padding[b] = length - prompt.length;
      System.arraycopy(prompt, 0, ids, b * length + padding[b], prompt.length);
    }
    return new TokenBatch(ids, prompts.size(), length, padding);
  }
}
