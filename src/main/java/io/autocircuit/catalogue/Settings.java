package io.autocircuit.catalogue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.graph.UnknownNameException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Values of declared {@link Setting}s, checked; immutable.
 *
 * <p>All settings are there: one that was not given has its default, or nothing where it has none.
 * Two are equal if they have the same names and values, however these were given, and then have the
 * same JSON.
 */
public final class Settings {
  private static final Settings NONE = new Settings(List.of(), new TreeMap<>());

  private final List<Setting> declared;

  /** Canonical values by name; null where there is none. */
  private final Map<String, Object> values;

  private Settings(List<Setting> declared, SortedMap<String, Object> values) {
    this.declared = declared;
    this.values = Collections.unmodifiableMap(values);
  }

  /**
   * Of an entry without settings.
   *
   * @return no values
   */
  public static Settings none() {
    return NONE;
  }

  /**
   * All at their defaults.
   *
   * @param declared which settings there are, each name once
   * @return the values
   * @throws IllegalArgumentException if a name is declared twice
   */
  public static Settings defaults(List<Setting> declared) {
    return of(declared, Map.of());
  }

  /**
   * Given values, and defaults for the rest.
   *
   * @param declared which settings there are, each name once
   * @param given values by name: numbers, text, booleans, enums' constants, paths, collections
   * @return the values
   * @throws UnknownNameException if no setting has a name that is given; the message has the
   *     nearest
   * @throws IllegalArgumentException if a value is of another type or not allowed
   */
  public static Settings of(List<Setting> declared, Map<String, ?> given) {
    Set<String> names = new HashSet<>();
    for (Setting s : declared) {
      if (!names.add(s.name())) {
        throw new IllegalArgumentException("setting=" + s.name() + " is declared twice");
      }
    }
    for (String name : given.keySet()) {
      find(declared, name);
    }
    TreeMap<String, Object> values = new TreeMap<>();
    for (Setting s : declared) {
      Object value = given.get(s.name());
      values.put(s.name(), value == null ? s.defaultValue().orElse(null) : s.check(value));
    }
    return new Settings(List.copyOf(declared), values);
  }

  /**
   * From JSON.
   *
   * @param declared which settings there are, each name once
   * @param json an object; what it does not have, or has as null, gets its default
   * @return the values
   * @throws UnknownNameException if no setting has a name that is given; the message has the
   *     nearest
   * @throws IllegalArgumentException if it is no object, or a value is of another type or not
   *     allowed
   */
  public static Settings read(List<Setting> declared, JsonNode json) {
    if (!json.isObject()) {
      throw new IllegalArgumentException(
          "settings=" + Texts.shown(json) + " is no object; give names and values in braces");
    }
    Map<String, Object> given = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> field : json.properties()) {
      find(declared, field.getKey());
      if (!field.getValue().isNull()) {
        given.put(field.getKey(), plain(field.getKey(), field.getValue()));
      }
    }
    return of(declared, given);
  }

  private static Object plain(String name, JsonNode node) {
    if (node.isArray()) {
      List<Object> items = new ArrayList<>();
      node.forEach(item -> items.add(plain(name, item)));
      return items;
    }
    if (node.isIntegralNumber() && node.canConvertToLong()) {
      return node.longValue();
    }
    if (node.isNumber()) {
      return node.doubleValue();
    }
    if (node.isBoolean()) {
      return node.booleanValue();
    }
    if (node.isTextual()) {
      return node.textValue();
    }
    throw new IllegalArgumentException(
        name
            + "="
            + Texts.shown(node)
            + " is no value; give a number, text, true, false or a list");
  }

  private static Setting find(List<Setting> declared, String name) {
    return declared.stream()
        .filter(s -> s.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new UnknownNameException(
                    "setting", name, declared.stream().map(Setting::name).toList()));
  }

  /**
   * With another value.
   *
   * @param name of the setting
   * @param value its value
   * @return the values with it
   * @throws IllegalArgumentException if there is no such setting, or the value is not allowed
   */
  public Settings with(String name, Object value) {
    TreeMap<String, Object> changed = new TreeMap<>(values);
    changed.put(name, find(declared, name).check(value));
    return new Settings(declared, changed);
  }

  /**
   * Which settings there are.
   *
   * @return in the order of their declaration
   */
  public List<Setting> declared() {
    return declared;
  }

  /**
   * All values that there are.
   *
   * @return canonical values by name, sorted; without those that have none
   */
  public Map<String, Object> values() {
    Map<String, Object> present = new TreeMap<>(values);
    present.values().removeIf(v -> v == null);
    return Collections.unmodifiableMap(present);
  }

  /**
   * The canonical value.
   *
   * @param name of a setting
   * @return its value; empty where it has none
   * @throws UnknownNameException if there is no such setting
   */
  public Optional<Object> value(String name) {
    find(declared, name);
    return Optional.ofNullable(values.get(name));
  }

  private <T> T value(String name, Class<T> type) {
    Object value =
        value(name)
            .orElseThrow(() -> new IllegalStateException("setting=" + name + " has no value"));
    if (!type.isInstance(value)) {
      throw new IllegalStateException(
          "setting=" + name + " is a " + find(declared, name).type().key());
    }
    return type.cast(value);
  }

  /**
   * Of a setting of whole numbers.
   *
   * @param name of the setting
   * @return its value
   * @throws ArithmeticException if it does not fit an int
   */
  public int whole(String name) {
    return Math.toIntExact(value(name, Long.class));
  }

  /**
   * Of a setting of whole numbers, such as a seed.
   *
   * @param name of the setting
   * @return its value
   */
  public long integer(String name) {
    return value(name, Long.class);
  }

  /**
   * Of a setting of numbers.
   *
   * @param name of the setting
   * @return its value
   */
  public double number(String name) {
    return value(name, Double.class);
  }

  /**
   * Of a setting that is yes or no.
   *
   * @param name of the setting
   * @return its value
   */
  public boolean flag(String name) {
    return value(name, Boolean.class);
  }

  /**
   * Of a setting of text, of choices, of keys or of files.
   *
   * @param name of the setting
   * @return its value
   */
  public String text(String name) {
    return value(name, String.class);
  }

  /**
   * Of a setting whose choices are the constants of an enum, in lower case.
   *
   * @param <E> the enum
   * @param name of the setting
   * @param type the enum
   * @return its value
   */
  public <E extends Enum<E>> E choice(String name, Class<E> type) {
    return Enum.valueOf(type, text(name).toUpperCase(Locale.ROOT));
  }

  /**
   * Of a setting that is a file.
   *
   * @param name of the setting
   * @return its path
   */
  public Path file(String name) {
    return Path.of(text(name));
  }

  /**
   * Of a setting of several numbers.
   *
   * @param name of the setting
   * @return its values, in order
   */
  public List<Double> numbers(String name) {
    return list(name, Double.class);
  }

  /**
   * Of a setting of several whole numbers.
   *
   * @param name of the setting
   * @return its values, in order
   */
  public List<Long> integers(String name) {
    return list(name, Long.class);
  }

  /**
   * Of a setting of several texts, choices, keys or files.
   *
   * @param name of the setting
   * @return its values, in order
   */
  public List<String> texts(String name) {
    return list(name, String.class);
  }

  private <T> List<T> list(String name, Class<T> type) {
    List<?> items = value(name, List.class);
    return items.stream().<T>map(type::cast).toList();
  }

  /**
   * As canonical JSON: every setting, sorted by name, null where it has no value; without those
   * that were {@link Setting#addedLater} and have their default.
   *
   * @return a new tree
   */
  public ObjectNode json() {
    JsonNodeFactory nodes = JsonNodeFactory.instance;
    ObjectNode object = nodes.objectNode();
    values.forEach(
        (name, value) -> {
          Setting setting = find(declared, name);
          if (!setting.later() || !Objects.equals(value, setting.defaultValue().orElse(null))) {
            object.set(name, json(nodes, value));
          }
        });
    return object;
  }

  static JsonNode json(JsonNodeFactory nodes, Object value) {
    if (value instanceof List<?> list) {
      ArrayNode array = nodes.arrayNode();
      list.forEach(item -> array.add(json(nodes, item)));
      return array;
    }
    if (value instanceof Long l) {
      return nodes.numberNode(l);
    }
    if (value instanceof Double d) {
      return nodes.numberNode(d);
    }
    if (value instanceof Boolean b) {
      return nodes.booleanNode(b);
    }
    return value == null ? nodes.nullNode() : nodes.textNode((String) value);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Settings s && values.equals(s.values);
  }

  @Override
  public int hashCode() {
    return values.hashCode();
  }

  /**
   * For people.
   *
   * @return such as {@code {mask_value=0, samples=5}}
   */
  @Override
  public String toString() {
    Map<String, String> texts = new LinkedHashMap<>();
    values().forEach((name, value) -> texts.put(name, Setting.text(value)));
    return texts.toString();
  }
}
