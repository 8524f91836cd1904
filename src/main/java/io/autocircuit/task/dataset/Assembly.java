package io.autocircuit.task.dataset;

import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.PromptPair;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Gathers drawn pairs. Clean and corrupt of a pair must differ and be equally long; pairs that are
 * there already are left out; where positions are named, all prompts must have one layout.
 */
final class Assembly {
  /** Draws for each pair that is wanted, before it is given up. */
  private static final int TRIES = 20;

  private static final int FEWEST_TRIES = 2000;

  private final String generator;
  private final Tokenizer tokenizer;
  private final Layouts layouts;
  private final Function<Layout, SortedMap<String, Integer>> positions;
  private final List<PromptPair> pairs = new ArrayList<>();

  /** What each pair is made of. */
  private final List<String> frames = new ArrayList<>();

  private final Set<String> seen = new HashSet<>();
  private final Map<String, List<String>> dropped = new LinkedHashMap<>();
  private SortedMap<String, Integer> words = new TreeMap<>();
  private List<String> labels = List.of();
  private Layout layout;

  /**
   * Nothing gathered yet.
   *
   * @param positions the named positions of a layout; null where prompts may have several
   */
  Assembly(
      String generator,
      Tokenizer tokenizer,
      Function<Layout, SortedMap<String, Integer>> positions) {
    this.generator = generator;
    this.tokenizer = tokenizer;
    this.layouts = new Layouts(tokenizer);
    this.positions = positions;
  }

  /**
   * Draws until there are enough.
   *
   * @throws DataException if there are too few different pairs
   */
  void draw(int count, Supplier<Draft> draw) {
    long tries = Math.max(FEWEST_TRIES, (long) TRIES * count);
    for (long i = 0; i < tries && pairs.size() < count; i++) {
      add(draw.get());
    }
    requireCount(count);
  }

  /**
   * Takes pairs in their order.
   *
   * @param count how many; 0 for all that fit
   * @throws DataException if there are fewer
   */
  void addAll(int count, List<Draft> drafts) {
    for (Draft draft : drafts) {
      if (count == 0 || pairs.size() < count) {
        add(draft);
      }
    }
    requireCount(Math.max(1, count));
  }

  private void requireCount(int count) {
    if (pairs.size() < count) {
      throw new DataException(
          String.format(
              "dataset=%s: count=%d, but no more than %d different pairs were found (left out: %s);"
                  + " ask for fewer, or use a tokenizer that has more of the words",
              generator,
              count,
              pairs.size(),
              dropped().isEmpty()
                  ? "none"
                  : String.join("; ", dropped().stream().map(Dropped::toString).toList())));
    }
  }

  /** Takes a pair, or notes why not. */
  boolean add(Draft draft) {
    String clean = draft.clean().text();
    String corrupt = draft.corrupt().text();
    if (clean.equals(corrupt)) {
      return drop("pairs whose clean and corrupt prompts are equal", clean);
    }
    if (!seen.add(clean + "\u0000" + corrupt)) {
      return drop("pairs that were drawn before", "");
    }
    Optional<Layout> of = layouts.of(draft.clean());
    Optional<Layout> other = layouts.of(draft.corrupt());
    if (of.isEmpty() || other.isEmpty()) {
      return drop("pairs in which a slot does not begin and end with a token", clean);
    }
    if (of.get().length() != other.get().length()) {
      return drop("pairs whose clean and corrupt prompts have different lengths", clean);
    }
    if (positions != null) {
      if (layout == null) {
        layout = of.get();
        words = positions.apply(layout);
        labels = layout.labels(draft.clean(), tokenizer);
      }
      if (!layout.equals(of.get()) || !layout.equals(other.get())) {
        return drop("pairs whose words lie at other positions than those of the first", clean);
      }
    }
    pairs.add(draft.pair());
    frames.add(draft.clean().frame().pattern());
    return true;
  }

  private boolean drop(String what, String example) {
    dropped.computeIfAbsent(what, w -> new ArrayList<>()).add(example);
    return false;
  }

  private List<Dropped> dropped() {
    List<Dropped> all = new ArrayList<>();
    dropped.forEach(
        (what, which) ->
            all.add(
                new Dropped(
                    what, which.size(), which.stream().filter(e -> !e.isEmpty()).toList())));
    return all;
  }

  /** What was left out: words, then pairs. */
  List<Dropped> dropped(Slots slots) {
    List<Dropped> all = new ArrayList<>(slots.dropped());
    all.addAll(dropped());
    return all;
  }

  /** The pairs; of several frames each says its own, as its template. */
  PromptDataset dataset() {
    boolean several = frames.stream().distinct().count() > 1;
    List<PromptPair> all = new ArrayList<>();
    for (int i = 0; i < pairs.size(); i++) {
      all.add(several ? pairs.get(i).withTemplate(frames.get(i)) : pairs.get(i));
    }
    return new PromptDataset(generator, all, labels, words);
  }
}
