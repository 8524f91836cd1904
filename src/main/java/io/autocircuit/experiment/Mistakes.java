package io.autocircuit.experiment;

import io.autocircuit.experiment.Marked.Place;
import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** What is wrong in a file, with the places. */
final class Mistakes {
  /** How many a message lists. */
  static final int LISTED = 10;

  private final String source;
  private final List<Mistake> all = new ArrayList<>();

  /**
   * One of them.
   *
   * @param place where it is
   * @param text what is wrong, one line
   */
  private record Mistake(Place place, String text) {}

  /** None yet, in a file that messages call so. */
  Mistakes(String source) {
    this.source = source;
  }

  /** Notes a mistake. */
  void add(Place place, String text) {
    all.add(new Mistake(place, text));
  }

  int count() {
    return all.size();
  }

  boolean none() {
    return all.isEmpty();
  }

  /** The first ten, each with its place, in the order of the file. */
  List<String> lines() {
    return all.stream()
        .sorted(Comparator.comparing(Mistake::place))
        .limit(LISTED)
        .map(m -> "line " + m.place().line() + ", column " + m.place().column() + ": " + m.text())
        .distinct()
        .toList();
  }

  /** All in one line. */
  DataException exception(Throwable cause) {
    int more = all.size() - LISTED;
    return new DataException(
        "file="
            + source
            + ": "
            + String.join("; ", lines())
            + (more > 0 ? "; and mistakes=" + more + " more" : ""),
        cause);
  }
}
