package io.autocircuit.task.dataset;

import io.autocircuit.data.Tokenizer;
import io.autocircuit.task.dataset.Frame.Filled;
import io.autocircuit.task.dataset.Frame.Span;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Where the named parts of a text lie in its tokens. Positions do not count special tokens.
 *
 * @param length number of tokens
 * @param places first and last token of each part, by its name, in order
 */
record Layout(int length, Map<String, Place> places) {
  /**
   * Tokens of a part.
   *
   * @param first its first token
   * @param last its last token
   */
  record Place(int first, int last) {}

  /** Copies the places. */
  Layout {
    places = Collections.unmodifiableMap(new LinkedHashMap<>(places));
  }

  /** The first token of a part. */
  int first(String name) {
    return places.get(name).first();
  }

  /** The last token of a part. */
  int last(String name) {
    return places.get(name).last();
  }

  /** A label for each token: the name of its slot in brackets, else its text. */
  List<String> labels(Filled filled, Tokenizer tokenizer) {
    int[] ids = tokenizer.encodePrompt(filled.text()).ids();
    List<String> labels = new ArrayList<>();
    for (int i = tokenizer.leadingSpecialTokens(); i < ids.length; i++) {
      labels.add(tokenizer.decode(ids[i]));
    }
    for (Span span : filled.spans().stream().filter(Span::slot).toList()) {
      Place place = places.get(span.name());
      int n = place.last() - place.first() + 1;
      for (int i = 0; i < n; i++) {
        labels.set(place.first() + i, "[" + span.name() + (n == 1 ? "" : " " + (i + 1)) + "]");
      }
    }
    return labels;
  }
}
