package io.autocircuit.catalogue;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Values of an {@link Entry}'s settings that have a name of their own, such as those of a
 * publication.
 *
 * @param key its name in options and files; unique among the presets and the entries of a catalogue
 * @param title its name for people, in place of the entry's
 * @param description what it is, in a sentence without a full stop
 * @param source where it comes from
 * @param values of some settings, by name; the others have their defaults
 * @param names what else it is called, such as by the program that it comes from; the one that its
 *     source uses first comes first
 */
public record Preset(
    String key,
    String title,
    String description,
    Source source,
    Map<String, Object> values,
    List<String> names) {
  /** What may stand before the name of a preset where an entry of the catalogue is asked for. */
  public static final String PREFIX = "preset:";

  /**
   * Keeps an unmodifiable copy; a catalogue checks the rest.
   *
   * @param key its name in options and files
   * @param title its name for people
   * @param description what it is
   * @param source where it comes from
   * @param values of some settings, by name
   * @param names what else it is called
   */
  public Preset {
    values = Collections.unmodifiableMap(new TreeMap<>(values));
    names = List.copyOf(names);
  }

  /**
   * A preset without other names.
   *
   * @param key its name in options and files
   * @param title its name for people
   * @param description what it is
   * @param source where it comes from
   * @param values of some settings, by name
   */
  public Preset(
      String key, String title, String description, Source source, Map<String, Object> values) {
    this(key, title, description, source, values, List.of());
  }

  /**
   * Whether it is called that.
   *
   * @param name in any case
   * @return true for its key and its other names
   */
  public boolean isCalled(String name) {
    return key.equalsIgnoreCase(name) || names.stream().anyMatch(n -> n.equalsIgnoreCase(name));
  }

  /**
   * What is behind {@link #PREFIX}.
   *
   * @param text a key, or {@code preset:} and the name of a preset
   * @return the name of the preset; empty for a text without the prefix
   */
  public static Optional<String> named(String text) {
    String stripped = text.strip();
    return stripped.regionMatches(true, 0, PREFIX, 0, PREFIX.length())
        ? Optional.of(stripped.substring(PREFIX.length()).strip())
        : Optional.empty();
  }

  /**
   * Its values as settings have them.
   *
   * @param entry the entry whose preset it is
   * @return canonical values by name
   */
  public SortedMap<String, Object> valuesOf(Entry entry) {
    Settings all = Settings.of(entry.settings(), values);
    SortedMap<String, Object> canonical = new TreeMap<>();
    values.keySet().forEach(name -> canonical.put(name, all.value(name).orElseThrow()));
    return canonical;
  }
}
