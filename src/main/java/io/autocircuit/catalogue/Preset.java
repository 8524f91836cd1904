package io.autocircuit.catalogue;

import java.util.Collections;
import java.util.Map;
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
 */
public record Preset(
    String key, String title, String description, Source source, Map<String, Object> values) {
  /**
   * Keeps an unmodifiable copy; a catalogue checks the rest.
   *
   * @param key its name in options and files
   * @param title its name for people
   * @param description what it is
   * @param source where it comes from
   * @param values of some settings, by name
   */
  public Preset {
    values = Collections.unmodifiableMap(new TreeMap<>(values));
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
