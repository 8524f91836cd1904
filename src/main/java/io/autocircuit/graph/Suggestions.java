package io.autocircuit.graph;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Finds the known names nearest to a misspelt one. */
public final class Suggestions {
  private static final int SHOWN = 3;

  private Suggestions() {}

  /**
   * A phrase for an error message.
   *
   * @param wanted the misspelt name
   * @param known the names that exist
   * @return such as {@code did you mean "A0.1.K" or "A0.1.Q"?}, or that nothing exists
   */
  public static String among(String wanted, Collection<String> known) {
    List<String> nearest = nearest(wanted, known);
    if (nearest.isEmpty()) {
      return "nothing of that kind exists";
    }
    return nearest.stream()
        .map(n -> "\"" + n + "\"")
        .collect(Collectors.joining(" or ", "did you mean ", "?"));
  }

  /** The up to three known names with the smallest edit distance, nearest first. */
  public static List<String> nearest(String wanted, Collection<String> known) {
    record Candidate(String name, int distance) {}
    String lower = wanted.toLowerCase(Locale.ROOT);
    List<Candidate> candidates = new ArrayList<>();
    for (String name : known) {
      candidates.add(new Candidate(name, distance(lower, name.toLowerCase(Locale.ROOT))));
    }
    return candidates.stream()
        .sorted(Comparator.comparingInt(Candidate::distance).thenComparing(Candidate::name))
        .limit(SHOWN)
        .map(Candidate::name)
        .toList();
  }

  /** Levenshtein distance. */
  private static int distance(String a, String b) {
    int[] previous = new int[b.length() + 1];
    int[] current = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      previous[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      current[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int change = previous[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        current[j] = Math.min(change, 1 + Math.min(previous[j], current[j - 1]));
      }
      int[] swap = previous;
      previous = current;
      current = swap;
    }
    return previous[b.length()];
  }
}
