package io.autocircuit.catalogue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;

/**
 * What a setting's values are, and which are allowed.
 *
 * <p>A value has one canonical form for each type, so that equal settings are equal objects: {@link
 * Long}, {@link Double}, {@link Boolean}, {@link String}, or an unmodifiable list of these.
 */
public sealed interface SettingType {

  /**
   * Its name in files and on pages.
   *
   * @return such as {@code integer}
   */
  String key();

  /**
   * Which values are allowed, for people.
   *
   * @return such as {@code a whole number from 1}
   */
  String wanted();

  /**
   * A value in its canonical form.
   *
   * @param value a number, text, an enum's constant, a path, a collection …
   * @return the canonical value; null if the value is of another type
   * @throws OutOfRange if it is of this type and not allowed
   */
  Object canonical(Object value);

  /**
   * A value from its text, as somebody types it.
   *
   * @param text the text
   * @return the canonical value; null if the text is of another type
   * @throws OutOfRange if it is of this type and not allowed
   */
  Object parse(String text);

  /** A value of the right type that is not allowed. */
  final class OutOfRange extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    OutOfRange() {
      super("out of range");
    }
  }

  private static <T> T allowed(T value, boolean allowed) {
    if (!allowed) {
      throw new OutOfRange();
    }
    return value;
  }

  /**
   * Whole numbers.
   *
   * @param least the smallest
   * @param most the largest
   */
  record Whole(long least, long most) implements SettingType {
    /**
     * Checks what it is given.
     *
     * @param least the smallest
     * @param most the largest, not below it
     * @throws IllegalArgumentException if it makes no sense
     */
    public Whole {
      if (least > most) {
        throw new IllegalArgumentException("least=" + least + " exceeds most=" + most);
      }
    }

    @Override
    public String key() {
      return "integer";
    }

    @Override
    public String wanted() {
      boolean above = least > Long.MIN_VALUE;
      boolean below = most != Long.MAX_VALUE && most != Integer.MAX_VALUE;
      return "a whole number" + (above ? " from " + least : "") + (below ? " to " + most : "");
    }

    @Override
    public Object canonical(Object value) {
      if (value instanceof Long || value instanceof Integer || value instanceof Short) {
        long v = ((Number) value).longValue();
        return allowed(v, v >= least && v <= most);
      }
      return null;
    }

    @Override
    public Object parse(String text) {
      try {
        return canonical(Long.parseLong(text.strip()));
      } catch (NumberFormatException e) {
        return null;
      }
    }
  }

  /**
   * Finite numbers.
   *
   * @param least the lower bound; −∞ for none
   * @param leastAllowed whether the lower bound itself is allowed
   * @param most the upper bound; +∞ for none
   * @param mostAllowed whether the upper bound itself is allowed
   */
  record Real(double least, boolean leastAllowed, double most, boolean mostAllowed)
      implements SettingType {
    /**
     * Checks what it is given.
     *
     * @param least the lower bound
     * @param leastAllowed whether it is allowed
     * @param most the upper bound, not below the other
     * @param mostAllowed whether it is allowed
     * @throws IllegalArgumentException if it makes no sense
     */
    public Real {
      if (!(least <= most)) {
        throw new IllegalArgumentException("least=" + least + " exceeds most=" + most);
      }
    }

    @Override
    public String key() {
      return "number";
    }

    @Override
    public String wanted() {
      boolean above = least > Double.NEGATIVE_INFINITY;
      boolean below = most < Double.POSITIVE_INFINITY;
      if (!above && !below) {
        return "a finite number";
      }
      return "a number"
          + (above ? (leastAllowed ? " from " : " above ") + plain(least) : "")
          + (below ? (mostAllowed ? " to " : above ? " to below " : " below ") + plain(most) : "");
    }

    private static String plain(double value) {
      return value == Math.rint(value) && Math.abs(value) < 1e15
          ? Long.toString((long) value)
          : Double.toString(value);
    }

    @Override
    public Object canonical(Object value) {
      if (!(value instanceof Number n)) {
        return null;
      }
      // a float is meant as it is written: 0.1f is 0.1
      double v = value instanceof Float f ? Double.parseDouble(f.toString()) : n.doubleValue();
      boolean above = leastAllowed ? v >= least : v > least;
      boolean below = mostAllowed ? v <= most : v < most;
      return allowed(v == 0 ? 0.0 : v, Double.isFinite(v) && above && below);
    }

    @Override
    public Object parse(String text) {
      try {
        return canonical(Double.parseDouble(text.strip()));
      } catch (NumberFormatException e) {
        return null;
      }
    }
  }

  /**
   * How many there are of something: a whole number, or a word for one that is not known yet.
   *
   * @param least the smallest number
   * @param word what may stand in place of a number
   */
  record Size(long least, String word) implements SettingType {
    /**
     * Checks what it is given.
     *
     * @param least the smallest number
     * @param word what may stand in place of a number
     * @throws IllegalArgumentException if it makes no sense
     */
    public Size {
      Texts.requireKey("word", word);
    }

    @Override
    public String key() {
      return "size";
    }

    @Override
    public String wanted() {
      return new Whole(least, Integer.MAX_VALUE).wanted() + " or " + word;
    }

    @Override
    public Object canonical(Object value) {
      if (value instanceof String s) {
        return s.strip().equalsIgnoreCase(word) ? word : null;
      }
      return new Whole(least, Integer.MAX_VALUE).canonical(value);
    }

    @Override
    public Object parse(String text) {
      return text.strip().equalsIgnoreCase(word)
          ? word
          : new Whole(least, Integer.MAX_VALUE).parse(text);
    }
  }

  /** Yes or no. */
  record Flag() implements SettingType {
    @Override
    public String key() {
      return "boolean";
    }

    @Override
    public String wanted() {
      return "true or false";
    }

    @Override
    public Object canonical(Object value) {
      return value instanceof Boolean ? value : null;
    }

    @Override
    public Object parse(String text) {
      return switch (text.strip().toLowerCase(Locale.ROOT)) {
        case "true" -> true;
        case "false" -> false;
        default -> null;
      };
    }
  }

  /** Text that is not blank. */
  record Text() implements SettingType {
    @Override
    public String key() {
      return "text";
    }

    @Override
    public String wanted() {
      return "text";
    }

    @Override
    public Object canonical(Object value) {
      return value instanceof String s ? allowed(s, !s.isBlank()) : null;
    }

    @Override
    public Object parse(String text) {
      return canonical(text);
    }
  }

  /** A path to a file or directory, as text. */
  record File() implements SettingType {
    @Override
    public String key() {
      return "file";
    }

    @Override
    public String wanted() {
      return "a path";
    }

    @Override
    public Object canonical(Object value) {
      Object text = value instanceof Path p ? p.toString() : value;
      return text instanceof String s ? allowed(s, !s.isBlank() && s.indexOf('\0') < 0) : null;
    }

    @Override
    public Object parse(String text) {
      return canonical(text);
    }
  }

  /**
   * One of several words, in any case.
   *
   * @param options the words, in the order of a listing
   */
  record Choice(List<Option> options) implements SettingType {
    /**
     * One of the words.
     *
     * @param key the word
     * @param meaning what it means, for a parenthesis behind it; empty where the word says it
     */
    public record Option(String key, String meaning) {
      /**
       * Checks what it is given.
       *
       * @param key the word
       * @param meaning what it means
       * @throws IllegalArgumentException if it makes no sense
       */
      public Option {
        Texts.requireKey("choice", key);
      }
    }

    /**
     * Checks what it is given.
     *
     * @param options at least one, each once
     * @throws IllegalArgumentException if it makes no sense
     */
    public Choice {
      options = List.copyOf(options);
      if (options.isEmpty()
          || options.stream().map(Option::key).distinct().count() < options.size()) {
        throw new IllegalArgumentException(
            "choices=" + options.stream().map(Option::key).toList() + ": give some, each once");
      }
    }

    /**
     * The words.
     *
     * @return in order
     */
    public List<String> keys() {
      return options.stream().map(Option::key).toList();
    }

    @Override
    public String key() {
      return "choice";
    }

    @Override
    public String wanted() {
      return Texts.alternatives(keys());
    }

    @Override
    public Object canonical(Object value) {
      String text = value instanceof Enum<?> e ? e.name() : value instanceof String s ? s : null;
      if (text == null) {
        return null;
      }
      String wanted = text.strip();
      for (Option o : options) {
        if (o.key().equalsIgnoreCase(wanted)) {
          return o.key();
        }
      }
      throw new OutOfRange();
    }

    @Override
    public Object parse(String text) {
      return canonical(text);
    }
  }

  /**
   * The key of an entry of another catalogue. Whether it exists is seen by who looks it up there.
   *
   * @param catalogue what is listed there, such as {@code ablations}
   */
  record Key(String catalogue) implements SettingType {
    /**
     * Checks what it is given.
     *
     * @param catalogue what is listed there
     * @throws IllegalArgumentException if it makes no sense
     */
    public Key {
      Texts.requireKey("catalogue", catalogue);
    }

    @Override
    public String key() {
      return "key";
    }

    @Override
    public String wanted() {
      return "a key of the " + catalogue;
    }

    @Override
    public Object canonical(Object value) {
      Object text =
          value instanceof Entry e ? e.key() : value instanceof Enum<?> e ? e.name() : value;
      return text instanceof String s
          ? allowed(s.strip().toLowerCase(Locale.ROOT), !s.isBlank())
          : null;
    }

    @Override
    public Object parse(String text) {
      return canonical(text);
    }
  }

  /**
   * One or more values of a type, parted by commas where they are typed.
   *
   * @param element the type of each
   */
  record Several(SettingType element) implements SettingType {
    /**
     * Checks what it is given.
     *
     * @param element the type of each; no list
     * @throws IllegalArgumentException if it makes no sense
     */
    public Several {
      if (element instanceof Several) {
        throw new IllegalArgumentException("element=several: a list of lists has no text");
      }
    }

    @Override
    public String key() {
      return element.key() + " list";
    }

    @Override
    public String wanted() {
      return "one or more, each " + element.wanted();
    }

    @Override
    public Object canonical(Object value) {
      Collection<?> items =
          value instanceof Collection<?> c
              ? c
              : value instanceof double[] d ? Arrays.stream(d).boxed().toList() : List.of(value);
      allowed(items, !items.isEmpty());
      List<Object> result = new ArrayList<>();
      for (Object item : items) {
        Object canonical = item == null ? null : element.canonical(item);
        if (canonical == null) {
          return null;
        }
        result.add(canonical);
      }
      return List.copyOf(result);
    }

    @Override
    public Object parse(String text) {
      List<Object> result = new ArrayList<>();
      for (String item : text.split(",", -1)) {
        Object canonical = element.parse(item);
        if (canonical == null) {
          return null;
        }
        result.add(canonical);
      }
      return List.copyOf(result);
    }
  }
}
