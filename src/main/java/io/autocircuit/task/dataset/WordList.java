package io.autocircuit.task.dataset;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;

/** The library's own word lists: text files in which lines that begin with # are ignored. */
final class WordList {
  private static final String FOLDER = "/io/autocircuit/words/";

  private WordList() {}

  /** The words of a list, parted by white space, in its order. */
  static List<String> of(String name) {
    return lines(name).stream().flatMap(line -> Stream.of(line.split("\\s+", -1))).toList();
  }

  /** The lines of a list, in its order. */
  static List<String> lines(String name) {
    try (InputStream in = WordList.class.getResourceAsStream(FOLDER + name + ".txt")) {
      if (in == null) {
        throw new IllegalStateException("no word list " + name);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .map(String::strip)
          .filter(line -> !line.isEmpty() && !line.startsWith("#"))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The lines of a list of two columns, parted by a tab. */
  static List<Entry> pairs(String name) {
    return lines(name).stream()
        .map(line -> line.split("\t", -1))
        .map(cells -> new Entry(cells[0].strip(), cells[1].strip()))
        .toList();
  }

  /**
   * A line of two columns.
   *
   * @param word the first
   * @param answer what belongs to it
   */
  record Entry(String word, String answer) {}
}
