package io.autocircuit.catalogue;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.graph.UnknownNameException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A setting of an {@link Entry}, as data: what it is called, which values it takes, what it means.
 *
 * @param name words of lower-case letters parted by {@code _}, such as {@code mask_value}
 * @param type which values are allowed
 * @param defaultValue the canonical value where none is given; empty where the entry then does
 *     something of its own, which the meaning says
 * @param unit what numbers count, such as {@code edges}
 * @param meaning one sentence without a full stop, such as {@code the masks where the gradient is
 *     taken}; help adds choices and default itself
 * @param later whether it was added after runs had been recorded: canonical JSON leaves it out
 *     where it has its default, so that their hashes stay
 */
public record Setting(
    String name,
    SettingType type,
    Optional<Object> defaultValue,
    Optional<String> unit,
    String meaning,
    boolean later) {

  /**
   * Checks the name, the default and the meaning.
   *
   * @param name its name
   * @param type which values are allowed
   * @param defaultValue any value that stands for one of the type, or nothing
   * @param unit what numbers count, or nothing
   * @param meaning what it means
   * @param later whether canonical JSON leaves its default out
   * @throws IllegalArgumentException if one of them is unusable
   */
  public Setting {
    Texts.requireName(name);
    Texts.requireLine("meaning", meaning);
    unit.ifPresent(u -> Texts.requireLine("unit", u));
    String shown = name;
    SettingType of = type;
    defaultValue = defaultValue.map(v -> canonical(shown, of, v));
  }

  /**
   * A whole number that fits an {@code int}.
   *
   * @param name its name
   * @param least the smallest that is allowed
   * @param defaultValue where none is given
   * @param meaning what it means
   * @return the setting
   */
  public static Setting whole(String name, int least, int defaultValue, String meaning) {
    return of(name, new SettingType.Whole(least, Integer.MAX_VALUE), defaultValue, meaning);
  }

  /**
   * A number from a range.
   *
   * @param name its name
   * @param range such as {@link #finite()}, {@link #above}, {@link #from}
   * @param defaultValue where none is given
   * @param meaning what it means
   * @return the setting
   */
  public static Setting number(
      String name, SettingType.Real range, double defaultValue, String meaning) {
    return of(name, range, defaultValue, meaning);
  }

  /**
   * Yes or no; no where nothing is said.
   *
   * @param name its name
   * @param meaning what yes means
   * @return the setting
   */
  public static Setting flag(String name, String meaning) {
    return of(name, new SettingType.Flag(), false, meaning);
  }

  /**
   * One of several words.
   *
   * @param name its name
   * @param defaultValue where none is given
   * @param meaning what it means
   * @param words the words; each alone, or with its meaning in parentheses: {@code logit (nothing)}
   * @return the setting
   */
  public static Setting choice(String name, String defaultValue, String meaning, String... words) {
    List<SettingType.Choice.Option> options =
        Arrays.stream(words)
            .map(
                w -> {
                  int bracket = w.indexOf(" (");
                  return bracket < 0
                      ? new SettingType.Choice.Option(w, "")
                      : new SettingType.Choice.Option(
                          w.substring(0, bracket), w.substring(bracket + 2, w.length() - 1));
                })
            .toList();
    return of(name, new SettingType.Choice(options), defaultValue, meaning);
  }

  /**
   * A setting of any type with a default.
   *
   * @param name its name
   * @param type which values are allowed
   * @param defaultValue where none is given
   * @param meaning what it means
   * @return the setting
   */
  public static Setting of(String name, SettingType type, Object defaultValue, String meaning) {
    return new Setting(name, type, Optional.of(defaultValue), Optional.empty(), meaning, false);
  }

  /**
   * A setting that may be left out.
   *
   * @param name its name
   * @param type which values are allowed
   * @param meaning what it means, and what holds without it
   * @return the setting
   */
  public static Setting optional(String name, SettingType type, String meaning) {
    return new Setting(name, type, Optional.empty(), Optional.empty(), meaning, false);
  }

  /**
   * All finite numbers.
   *
   * @return the range
   */
  public static SettingType.Real finite() {
    return new SettingType.Real(Double.NEGATIVE_INFINITY, false, Double.POSITIVE_INFINITY, false);
  }

  /**
   * Finite numbers above a bound.
   *
   * @param bound not allowed itself
   * @return the range
   */
  public static SettingType.Real above(double bound) {
    return new SettingType.Real(bound, false, Double.POSITIVE_INFINITY, false);
  }

  /**
   * Finite numbers from a bound on.
   *
   * @param least allowed itself
   * @return the range
   */
  public static SettingType.Real from(double least) {
    return new SettingType.Real(least, true, Double.POSITIVE_INFINITY, false);
  }

  /**
   * With a unit.
   *
   * @param what what its numbers count, such as {@code edges}
   * @return the setting with it
   */
  public Setting in(String what) {
    return new Setting(name, type, defaultValue, Optional.of(what), meaning, later);
  }

  /**
   * With another default.
   *
   * @param value the default
   * @return the setting with it
   */
  public Setting withDefault(Object value) {
    return new Setting(name, type, Optional.of(value), unit, meaning, later);
  }

  /**
   * The same, as one that was added after runs had been recorded.
   *
   * @return the setting; canonical JSON leaves it out where it has its default
   */
  public Setting addedLater() {
    return new Setting(name, type, defaultValue, unit, meaning, true);
  }

  /**
   * Its option on the command line.
   *
   * @return such as {@code --mask-value}
   */
  public String option() {
    return "--" + name.replace('_', '-');
  }

  /**
   * The canonical form of a value.
   *
   * @param value any value that stands for one of the type
   * @return the canonical value
   * @throws IllegalArgumentException if it is not of the type or not allowed; the message is {@code
   *     name=value …; give …}
   */
  public Object check(Object value) {
    return canonical(name, type, value);
  }

  /**
   * The value that a text stands for.
   *
   * @param shown what messages call the setting, such as its option
   * @param text the text
   * @return the canonical value
   * @throws IllegalArgumentException if the text is not of the type or not allowed
   */
  public Object parse(String shown, String text) {
    try {
      return required(shown, type, text, type.parse(text));
    } catch (SettingType.OutOfRange e) {
      throw outOfRange(shown, type, text);
    }
  }

  /**
   * What it means, its choices and its default, for help and pages: {@code the masks where the
   * gradient is taken (default: 0)}.
   *
   * @return one line without a full stop
   */
  public String help() {
    StringBuilder text = new StringBuilder(meaning);
    if (type instanceof SettingType.Choice choice) {
      text.append(": ")
          .append(
              Texts.alternatives(
                  choice.options().stream()
                      .map(o -> o.key() + (o.meaning().isEmpty() ? "" : " (" + o.meaning() + ")"))
                      .toList()));
    }
    if (!(type instanceof SettingType.Flag)) {
      defaultValue.ifPresent(v -> text.append(" (default: ").append(text(v)).append(')'));
    }
    return text.toString();
  }

  /**
   * This description as data: {@code {"name","option","type","default","values","unit","meaning"}},
   * null for what there is not.
   *
   * @return a new tree
   */
  public ObjectNode json() {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    node.put("name", name);
    node.put("option", option());
    node.put("type", type.key());
    node.set("default", Settings.json(JsonNodeFactory.instance, defaultValue.orElse(null)));
    node.put("values", type.wanted());
    if (type instanceof SettingType.Choice choice) {
      ArrayNode choices = node.putArray("choices");
      choice.keys().forEach(choices::add);
    }
    node.put("unit", unit.orElse(null));
    node.put("meaning", meaning);
    return node;
  }

  /**
   * A canonical value as somebody would type it: {@code 10} and not {@code 10.0}, {@code 1e-6} and
   * not {@code 1.0E-6}, lists with commas.
   *
   * @param value a canonical value
   * @return its text
   */
  public static String text(Object value) {
    if (value instanceof List<?> list) {
      return String.join(",", list.stream().map(Setting::text).toList());
    }
    if (value instanceof Double d && d == Math.rint(d) && Math.abs(d) < 1e7) {
      return Long.toString(d.longValue());
    }
    if (value instanceof Double) {
      return String.valueOf(value).replace(".0E", "e").replace('E', 'e');
    }
    return String.valueOf(value);
  }

  private static Object canonical(String shown, SettingType type, Object value) {
    try {
      return required(shown, type, value, value == null ? null : type.canonical(value));
    } catch (SettingType.OutOfRange e) {
      throw outOfRange(shown, type, value);
    }
  }

  private static Object required(String shown, SettingType type, Object value, Object canonical) {
    if (canonical == null) {
      throw new IllegalArgumentException(
          shown + "=" + Texts.shown(value) + " is no " + type.key() + "; give " + type.wanted());
    }
    return canonical;
  }

  private static IllegalArgumentException outOfRange(String shown, SettingType type, Object value) {
    if (type instanceof SettingType.Choice choice) {
      String word = value instanceof Enum<?> e ? e.name() : String.valueOf(value);
      return new UnknownNameException(
          "value of " + shown, word.strip().toLowerCase(Locale.ROOT), choice.keys());
    }
    return new IllegalArgumentException(
        shown + "=" + Texts.shown(value) + " is out of range; give " + type.wanted());
  }
}
