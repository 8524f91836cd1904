package io.autocircuit.graph;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** What somebody may have meant by a name that does not exist. */
public final class Suggestions {
  private static final int SHOWN = 3;
  private static final int LISTED = 8;
  private static final int LONGEST_QUOTED = 120;
  private static final int LONGEST_COMPARED = 200;

  private Suggestions() {}

  /**
   * A sentence for the end of an error message: {@code did you mean "A0.1.K" or "A0.1.Q"?} with the
   * up to three nearest names, or, when none is near, the first known names.
   *
   * @param wanted the unknown name
   * @param known the names that exist; their order decides between equally near ones
   * @return one sentence without a full stop
   */
  public static String among(String wanted, Collection<String> known) {
    if (known.isEmpty()) {
      return "none is known";
    }
    List<String> near = nearest(wanted, known, SHOWN);
    if (!near.isEmpty()) {
      return "did you mean " + String.join(" or ", quoted(near)) + "?";
    }
    List<String> first = known.stream().limit(LISTED).collect(Collectors.toList());
    int more = known.size() - first.size();
    return "known: "
        + String.join(", ", quoted(first))
        + (more > 0 ? " and " + more + " more" : "");
  }

  /**
   * The names at most about half of whose characters differ from {@code wanted}, or that contain it
   * or are contained in it, nearest first. Case counts only between otherwise equal names.
   *
   * @param wanted the unknown name
   * @param known the names that exist; their order decides between equally near ones
   * @param limit the largest number of names returned
   * @return names out of {@code known}; none if none is near
   */
  public static List<String> nearest(String wanted, Collection<String> known, int limit) {
    String key = comparable(wanted);
    record Near(String name, double distance) {}
    List<Near> near = new ArrayList<>();
    for (String name : known) {
      String other = comparable(name);
      double edits = edits(key, other);
      if (contains(key, other)) {
        edits = Math.min(edits, 1 + Math.abs(key.length() - other.length()) / 100.0);
      }
      if (edits <= Math.max(1, Math.min(key.length(), other.length()) / 2)) {
        near.add(new Near(name, edits + (name.equals(wanted) ? 0 : edits(wanted, name) / 1e4)));
      }
    }
    return near.stream()
        .sorted(Comparator.comparingDouble(Near::distance))
        .limit(limit)
        .map(Near::name)
        .collect(Collectors.toList());
  }

  private static boolean contains(String a, String b) {
    return Math.min(a.length(), b.length()) >= 2 && (a.contains(b) || b.contains(a));
  }

  private static String comparable(String name) {
    return shortened(name).toLowerCase(Locale.ROOT);
  }

  private static String shortened(String name) {
    return name.substring(0, Math.min(name.length(), LONGEST_COMPARED));
  }

  private static List<String> quoted(List<String> names) {
    return names.stream().map(Suggestions::quote).collect(Collectors.toList());
  }

  /** Insertions, deletions, replacements and swaps of neighbours that turn one into the other. */
  private static int edits(String first, String second) {
    String a = shortened(first);
    String b = shortened(second);
    int[] before = new int[b.length() + 1];
    int[] last = new int[b.length() + 1];
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      last[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replace = last[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        row[j] = Math.min(replace, 1 + Math.min(last[j], row[j - 1]));
        if (i > 1
            && j > 1
            && a.charAt(i - 1) == b.charAt(j - 2)
            && a.charAt(i - 2) == b.charAt(j - 1)) {
          row[j] = Math.min(row[j], before[j - 2] + 1);
        }
      }
      int[] free = before;
      before = last;
      last = row;
      row = free;
    }
    return last[b.length()];
  }

  /** In double quotes, on one line, at most 120 characters. */
  private static String quote(String name) {
    String line = name.replaceAll("[\\p{Cntrl}\\x80-\\x9f]", "?");
    return '"'
        + (line.length() > LONGEST_QUOTED ? line.substring(0, LONGEST_QUOTED) + "…" : line)
        + '"';
  }
}
