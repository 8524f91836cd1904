package io.autocircuit.task.dataset;

import io.autocircuit.data.Tokenizer;
import io.autocircuit.task.dataset.Frame.Filled;
import io.autocircuit.task.dataset.Frame.Span;
import io.autocircuit.task.dataset.Layout.Place;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** Finds the {@link Layout} of texts. */
final class Layouts {
  private final Tokenizer tokenizer;
  private final Map<Frame, Known> known = new HashMap<>();

  /**
   * A text of which the layout was found.
   *
   * @param ids its tokens
   * @param fixed its tokens outside slots
   */
  private record Known(int[] ids, BitSet fixed, Layout layout) {}

  Layouts(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** The layout of a text; empty if a part begins or ends within a token. */
  Optional<Layout> of(Filled filled) {
    int[] ids = tokenizer.encodePrompt(filled.text()).ids();
    Known same = known.get(filled.frame());
    if (same != null && fits(same, ids)) {
      return Optional.of(same.layout());
    }
    Optional<Layout> found = search(filled, ids);
    if (same == null && found.isPresent()) {
      fixed(filled, found.get(), ids)
          .ifPresent(f -> known.put(filled.frame(), new Known(ids, f, found.get())));
    }
    return found;
  }

  /**
   * Whether a text of the same frame has the same tokens at the same places outside its slots, so
   * that these lie where they lay.
   */
  private static boolean fits(Known same, int[] ids) {
    return ids.length == same.ids().length
        && same.fixed().stream().allMatch(i -> ids[i] == same.ids()[i]);
  }

  /** The tokens outside slots; empty where two slots touch, which these cannot tell apart. */
  private Optional<BitSet> fixed(Filled filled, Layout layout, int[] ids) {
    int special = tokenizer.leadingSpecialTokens();
    BitSet fixed = new BitSet();
    fixed.set(0, ids.length);
    int before = -2;
    for (Span span : filled.spans().stream().filter(Span::slot).toList()) {
      Place place = layout.places().get(span.name());
      if (place.first() <= before + 1) {
        return Optional.empty();
      }
      before = place.last();
      fixed.clear(special + place.first(), special + place.last() + 1);
    }
    return Optional.of(fixed);
  }

  private Optional<Layout> search(Filled filled, int[] ids) {
    int special = tokenizer.leadingSpecialTokens();
    Map<String, Place> places = new LinkedHashMap<>();
    for (Span span : filled.spans()) {
      int first = span.begin() == 0 ? special : tokens(filled, span.begin(), ids);
      int next = tokens(filled, span.end(), ids);
      if (first < 0 || next <= first) {
        return Optional.empty();
      }
      places.put(span.name(), new Place(first - special, next - 1 - special));
    }
    return Optional.of(new Layout(ids.length - special, places));
  }

  /** How many tokens the text up to a place has; −1 if they are not those of the whole text. */
  private int tokens(Filled filled, int end, int[] ids) {
    int[] head = tokenizer.encodePrompt(filled.text().substring(0, end)).ids();
    return head.length <= ids.length && Arrays.equals(head, 0, head.length, ids, 0, head.length)
        ? head.length
        : -1;
  }
}
