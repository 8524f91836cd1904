package io.autocircuit.data;

import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Which named span each token position of each prompt belongs to, so that prompts of different
 * length can share one edge for each span. Positions in no span belong to the span {@value #REST},
 * which comes last unless a prompt names it; there is none where every position is named.
 *
 * @param names of the spans, in order
 * @param columns by the index of the prompt ({@link TokenizedPair#index}), the span of each of its
 *     positions
 */
public record Spans(List<String> names, Map<Integer, int[]> columns) {
  /** The name of the span of all positions that no other span has. */
  public static final String REST = "rest";

  private static final int NONE = -1;

  /**
   * Keeps unmodifiable copies.
   *
   * @param names of the spans, in order
   * @param columns by the index of the prompt, the span of each of its positions; the arrays are
   *     kept, not copied
   */
  public Spans {
    names = List.copyOf(names);
    columns = Map.copyOf(columns);
  }

  /**
   * The spans of a dataset: those that its prompts have themselves; without any, a span for each
   * name of {@code word_idxs}, at the same position of every prompt; without these, a span for each
   * label of {@code seq_labels}.
   *
   * @param data the prompts
   * @return its spans
   * @throws DataException if it has none, clean and corrupt of a pair differ in length, or a span
   *     has a position that the prompt has not, or that another span has too; the message names the
   *     prompts
   */
  public static Spans of(TokenizedDataset data) {
    data.requirePairedLengths();
    Set<String> named = new LinkedHashSet<>();
    data.prompts().forEach(pair -> named.addAll(pair.spans().keySet()));
    Map<String, int[]> shared = named.isEmpty() ? shared(data) : Map.of();
    List<String> names = new ArrayList<>(named.isEmpty() ? shared.keySet() : named);
    Faults faults = new Faults(data.source(), data.size());
    Map<Integer, int[]> columns = new HashMap<>();
    boolean rest = false;
    for (TokenizedPair pair : data.prompts()) {
      int[] own = columns(pair, named.isEmpty() ? shared : pair.spans(), names, faults);
      rest |= Arrays.stream(own).anyMatch(c -> c == NONE);
      columns.put(pair.index(), own);
    }
    faults.throwIfAny();
    if (rest && !names.contains(REST)) {
      names.add(REST);
    }
    int last = names.indexOf(REST);
    columns.values().forEach(own -> Arrays.setAll(own, t -> own[t] == NONE ? last : own[t]));
    return new Spans(names, columns);
  }

  /** Spans that lie at the same positions of all prompts, in the order of their positions. */
  private static Map<String, int[]> shared(TokenizedDataset data) {
    Map<String, int[]> spans = new LinkedHashMap<>();
    if (!data.wordIdxs().isEmpty()) {
      data.wordIdxs().entrySet().stream()
          .sorted(Map.Entry.comparingByValue(Comparator.naturalOrder()))
          .forEach(word -> spans.put(word.getKey(), new int[] {word.getValue()}));
      return spans;
    }
    if (data.seqLabels().isEmpty()) {
      throw new DataException(
          "file="
              + data.source()
              + ": the prompts have no spans; give each of them spans, or all of them word_idxs or"
              + " seq_labels");
    }
    data.requireEqualLengths();
    for (int t = 0; t < data.seqLabels().size(); t++) {
      int[] before = spans.getOrDefault(data.seqLabels().get(t), new int[0]);
      int[] after = Arrays.copyOf(before, before.length + 1);
      after[before.length] = t;
      spans.put(data.seqLabels().get(t), after);
    }
    return spans;
  }

  private static int[] columns(
      TokenizedPair pair, Map<String, int[]> spans, List<String> names, Faults faults) {
    int[] columns = new int[pair.clean().length];
    Arrays.fill(columns, NONE);
    spans.forEach(
        (name, positions) -> {
          int column = names.indexOf(name);
          for (int t : positions) {
            String where =
                "prompts["
                    + pair.index()
                    + "] span "
                    + DataException.quote(name)
                    + " position="
                    + t;
            if (t >= columns.length) {
              faults.add(
                  pair.index(),
                  where + " (BOS included) is not one of its tokens=" + columns.length,
                  "give positions that do not count the BOS that is put before text");
            } else if (columns[t] != NONE && columns[t] != column) {
              faults.add(
                  pair.index(),
                  where + " belongs to span " + DataException.quote(names.get(columns[t])) + " too",
                  "give each position to one span");
            } else {
              columns[t] = column;
            }
          }
        });
    return columns;
  }

  /**
   * How many positions of the prompts each span has.
   *
   * @return the largest number in a prompt, by name
   */
  public Map<String, Integer> longest() {
    Map<String, Integer> longest = new LinkedHashMap<>();
    for (int c = 0; c < names.size(); c++) {
      int column = c;
      int most =
          columns.values().stream()
              .mapToInt(own -> (int) Arrays.stream(own).filter(o -> o == column).count())
              .max()
              .orElse(0);
      longest.put(names.get(c), most);
    }
    return Collections.unmodifiableMap(longest);
  }

  /**
   * A batch whose prompts know the spans of their positions. Padding belongs to the last span,
   * where it changes nothing.
   *
   * @param batch a batch of some of the prompts
   * @param part the dataset that was batched
   * @return the same batch
   */
  public PromptBatch on(PromptBatch batch, TokenizedDataset part) {
    TokenBatch clean = batch.clean();
    int[] spans = new int[clean.ids().length];
    Arrays.fill(spans, names.size() - 1);
    for (int i = 0; i < clean.batchSize(); i++) {
      int[] own = columns.get(part.prompts().get(batch.rows()[i]).index());
      System.arraycopy(own, 0, spans, i * clean.length() + clean.padding()[i], own.length);
    }
    return new PromptBatch(
        clean.withSpans(spans),
        batch.corrupt().withSpans(spans),
        batch.answers(),
        batch.wrongAnswers(),
        batch.rows(),
        batch.numbers());
  }
}
