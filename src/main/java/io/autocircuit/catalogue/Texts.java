package io.autocircuit.catalogue;

import java.util.List;
import java.util.regex.Pattern;

/** Texts and names as catalogues want them. */
final class Texts {
  private static final Pattern KEY = Pattern.compile("[a-z0-9]+([_-][a-z0-9]+)*");
  private static final Pattern NAME = Pattern.compile("[a-z][a-z0-9]*(_[a-z0-9]+)*");
  private static final int LONGEST_SHOWN = 120;

  private Texts() {}

  /** Refuses what is not one line of text. */
  static void requireLine(String what, String text) {
    if (text.isBlank() || text.lines().count() != 1 || !text.equals(text.strip())) {
      throw new IllegalArgumentException(
          what + "=" + shown(text) + ": give one line of text, without space around it");
    }
  }

  /** Refuses what is no key of an entry. */
  static void requireKey(String what, String key) {
    if (!KEY.matcher(key).matches()) {
      throw new IllegalArgumentException(
          what
              + "="
              + shown(key)
              + ": give lower-case letters and digits, words parted by _ or -, such as logit_diff");
    }
  }

  /** Refuses what is no name of a setting. */
  static void requireName(String name) {
    if (!NAME.matcher(name).matches()) {
      throw new IllegalArgumentException(
          "setting="
              + shown(name)
              + ": give a name of lower-case letters and digits, words parted by _, such as"
              + " mask_value");
    }
  }

  /** A value on one line, shortened. */
  static String shown(Object value) {
    String line = String.valueOf(value).replaceAll("[\\p{Cntrl}\\x80-\\x9f]", "?");
    return line.length() > LONGEST_SHOWN ? line.substring(0, LONGEST_SHOWN) + "…" : line;
  }

  /** {@code a, b or c}. */
  static String alternatives(List<String> items) {
    int last = items.size() - 1;
    return last < 1
        ? String.join("", items)
        : String.join(", ", items.subList(0, last)) + " or " + items.get(last);
  }
}
