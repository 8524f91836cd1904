package io.autocircuit.catalogue;

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
}
