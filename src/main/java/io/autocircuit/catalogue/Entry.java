package io.autocircuit.catalogue;

import io.autocircuit.graph.UnknownNameException;
import java.util.List;

/** Something that a {@link Catalogue} lists. */
public interface Entry {
  /**
   * Its name in options, files and results.
   *
   * @return lower-case letters and digits, words parted by {@code _} or {@code -}; unique in its
   *     catalogue, whatever the case
   */
  String key();

  /**
   * Its name for people.
   *
   * @return one line
   */
  String title();

  /**
   * What it is, in a sentence without a full stop.
   *
   * @return one line
   */
  String description();

  /**
   * Where it comes from.
   *
   * @return a paper, a page, or {@link Source#OURS}
   */
  Source source();

  /**
   * Its settings.
   *
   * @return in the order of help; none unless overridden
   */
  default List<Setting> settings() {
    return List.of();
  }

  /**
   * Values of its settings that have names of their own.
   *
   * @return in the order of a listing; none unless overridden
   */
  default List<Preset> presets() {
    return List.of();
  }

  /**
   * One of its presets.
   *
   * @param name its key or another of its names, in any case
   * @return the preset; the first of those that are called alike
   * @throws UnknownNameException if it has none of that name; the message has the nearest
   */
  default Preset preset(String name) {
    return presets().stream()
        .filter(p -> p.key().equalsIgnoreCase(name))
        .findFirst()
        .or(() -> presets().stream().filter(p -> p.isCalled(name)).findFirst())
        .orElseThrow(
            () ->
                new UnknownNameException(
                    "preset of " + key(), name, presets().stream().map(Preset::key).toList()));
  }
}
