package io.autocircuit.task.dataset;

import io.autocircuit.data.Tokenizer;
import io.autocircuit.data.UnknownToken;
import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Function;

/** Which words a tokenizer has whole, and what was dropped because it has not. */
final class Slots {
  private final String generator;
  private final Tokenizer tokenizer;
  private final OptionalInt unknown;
  private final List<Dropped> dropped = new ArrayList<>();
  private final Map<String, int[]> heads = new HashMap<>();

  Slots(String generator, Tokenizer tokenizer) {
    if (tokenizer == null) {
      throw new IllegalArgumentException(
          "dataset=" + generator + " is text; give the tokenizer of the model that is to read it");
    }
    this.generator = generator;
    this.tokenizer = tokenizer;
    this.unknown = UnknownToken.of(tokenizer);
  }

  /** What was dropped so far. */
  List<Dropped> dropped() {
    return dropped;
  }

  /**
   * The one token that a text adds to another.
   *
   * @return empty if it adds several or the unknown one, or the tokens before it change
   */
  OptionalInt added(String before, String text) {
    int[] head = heads.computeIfAbsent(before, b -> tokenizer.encodePrompt(b).ids());
    int[] whole = tokenizer.encodePrompt(before + text).ids();
    boolean one =
        whole.length == head.length + 1
            && Arrays.equals(head, 0, head.length, whole, 0, head.length);
    if (!one || (unknown.isPresent() && whole[head.length] == unknown.getAsInt())) {
      return OptionalInt.empty();
    }
    return OptionalInt.of(whole[head.length]);
  }

  /**
   * Those words that are one token of their own, with the space before them, behind a text.
   *
   * @param slot what the words are, in the plural
   * @param before such a text
   * @param least how many are needed
   * @throws DataException if there are fewer
   */
  List<String> whole(String slot, List<String> words, String before, int least) {
    return kept(slot, words, word -> added(before, " " + word), least);
  }

  /** The same without a space before them. */
  List<String> joined(String slot, List<String> words, String before, int least) {
    return kept(slot, words, word -> added(before, word), least);
  }

  /** Those that are one token alone, without a space before them. */
  List<String> alone(String slot, List<String> words, int least) {
    return kept(slot, words, this::alone, least);
  }

  private OptionalInt alone(String text) {
    int[] ids = tokenizer.encodeAnswer(text).ids();
    return ids.length == 1 && !(unknown.isPresent() && ids[0] == unknown.getAsInt())
        ? OptionalInt.of(ids[0])
        : OptionalInt.empty();
  }

  private List<String> kept(
      String slot, List<String> words, Function<String, OptionalInt> tokenOf, int least) {
    List<String> kept = new ArrayList<>();
    List<String> split = new ArrayList<>();
    List<String> same = new ArrayList<>();
    Set<Integer> tokens = new HashSet<>();
    for (String word : words) {
      OptionalInt token = tokenOf.apply(word);
      if (token.isEmpty()) {
        split.add(word);
      } else if (tokens.add(token.getAsInt())) {
        kept.add(word);
      } else {
        same.add(word);
      }
    }
    drop(slot + " that the tokenizer does not have as one token", split);
    drop(slot + " that are the same token as another", same);
    require(slot, kept, words.size(), least);
    return List.copyOf(kept);
  }

  /** Notes what is left out, if anything is. */
  void drop(String what, List<String> words) {
    if (!words.isEmpty()) {
      dropped.add(new Dropped(what, words.size(), words));
    }
  }

  /**
   * That enough is left for a slot.
   *
   * @throws DataException if not
   */
  void require(String slot, List<?> kept, int of, int least) {
    if (kept.size() < least) {
      throw new DataException(
          String.format(
              "dataset=%s slot=%s: of its %d words this tokenizer has %d that fit, and %d are"
                  + " needed; use the tokenizer of another model, or another dataset",
              generator, slot, of, kept.size(), least));
    }
  }
}
