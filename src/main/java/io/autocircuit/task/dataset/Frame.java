package io.autocircuit.task.dataset;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A text with slots. {@code {name}} is a slot that a word goes into; {@code {name=text}} is text
 * whose place has a name.
 *
 * @param pattern the text
 */
record Frame(String pattern) {
  private static final Pattern SLOT = Pattern.compile("\\{([^{}=]+)(?:=([^{}]*))?\\}");

  /**
   * A part of a text that has a name.
   *
   * @param name its name
   * @param begin where it begins, the space before it included
   * @param end where it ends
   * @param slot whether it is a slot, and not text whose place has a name
   */
  record Span(String name, int begin, int end, boolean slot) {}

  /**
   * The text with words in its slots.
   *
   * @param text the text
   * @param spans its named parts, in order
   * @param frame what was filled
   */
  record Filled(String text, List<Span> spans, Frame frame) {}

  /** The text with a word for each slot. */
  Filled fill(Map<String, String> words) {
    StringBuilder text = new StringBuilder();
    List<Span> spans = new ArrayList<>();
    Matcher slots = SLOT.matcher(pattern);
    int at = 0;
    while (slots.find()) {
      text.append(pattern, at, slots.start());
      int length = text.length();
      int begin = length > 0 && text.charAt(length - 1) == ' ' ? length - 1 : length;
      String word = slots.group(2) == null ? words.get(slots.group(1)) : slots.group(2);
      if (word == null) {
        throw new IllegalArgumentException("slot=" + slots.group(1) + " has no word");
      }
      text.append(word);
      spans.add(new Span(slots.group(1), begin, text.length(), slots.group(2) == null));
      at = slots.end();
    }
    return new Filled(text.append(pattern.substring(at)).toString(), List.copyOf(spans), this);
  }
}
