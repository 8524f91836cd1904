package io.autocircuit.graph;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Names that EAP-IG, MIB and Edge-Pruning have for the ends of edges: {@code input}, {@code a0.h1},
 * {@code m0}; {@code a1.h0<q>} or {@code a1.h0.q}, {@code logits} or {@code resid_post}.
 */
public final class ForeignNames {
  private static final Pattern HEAD =
      Pattern.compile("a(\\d{1,6})\\.h(\\d{1,6})(?:<([qkv])>|\\.([qkv]))?");
  private static final Pattern MLP = Pattern.compile("m(\\d{1,6})");
  private static final String ARROW = "->";

  private ForeignNames() {}

  /**
   * The name that a source has here.
   *
   * @param name such as {@code a0.h1}
   * @return such as {@code A0.1}; empty if it is not of these forms
   */
  public static Optional<String> source(String name) {
    Matcher head = HEAD.matcher(name);
    Matcher mlp = MLP.matcher(name);
    if (name.equals("input")) {
      return Optional.of("Resid Start");
    } else if (mlp.matches()) {
      return Optional.of("MLP " + number(mlp.group(1)));
    } else if (head.matches() && head.group(3) == null && head.group(4) == null) {
      return Optional.of("A" + number(head.group(1)) + "." + number(head.group(2)));
    }
    return Optional.empty();
  }

  /**
   * The name that a destination has here.
   *
   * @param name such as {@code a1.h0<q>}
   * @param separateQkv whether the graph tells the inputs of a head apart
   * @return such as {@code A1.0.Q}; empty if it is not of these forms, or does not say which input
   *     of the head is meant where that matters
   */
  public static Optional<String> destination(String name, boolean separateQkv) {
    return destination(name, separateQkv, 1);
  }

  /** The same where so many query heads share a key or value input, which has their number. */
  private static Optional<String> destination(String name, boolean separateQkv, int group) {
    Matcher head = HEAD.matcher(name);
    Matcher mlp = MLP.matcher(name);
    if (name.equals("logits") || name.equals("resid_post")) {
      return Optional.of("Resid End");
    } else if (mlp.matches()) {
      return Optional.of("MLP " + number(mlp.group(1)));
    } else if (head.matches() && (!separateQkv || !input(head).isEmpty())) {
      int size = separateQkv && !input(head).equals("q") ? group : 1;
      return Optional.of(
          "A"
              + number(head.group(1))
              + "."
              + number(head.group(2)) / size
              + (separateQkv ? "." + input(head).toUpperCase(Locale.ROOT) : ""));
    }
    return Optional.empty();
  }

  /**
   * Whether a name is a head's, without the input that an edge leads to.
   *
   * @param name such as {@code a1.h0}
   * @return whether it is of that form
   */
  public static boolean isBareHead(String name) {
    Matcher head = HEAD.matcher(name);
    return head.matches() && input(head).isEmpty();
  }

  /** The input that a head's name ends with, or nothing. */
  private static String input(Matcher head) {
    return head.group(3) != null ? head.group(3) : head.group(4) != null ? head.group(4) : "";
  }

  /**
   * The name that an edge has here; empty if it is not of these forms.
   *
   * @param group how many query heads share a key or value input; those programs name the head
   */
  static Optional<String> edge(String name, boolean separateQkv, int group) {
    int arrow = name.indexOf(ARROW);
    if (arrow < 0) {
      return Optional.empty();
    }
    Optional<String> source = source(name.substring(0, arrow).strip());
    return source.flatMap(
        s ->
            destination(name.substring(arrow + ARROW.length()).strip(), separateQkv, group)
                .map(d -> s + ARROW + d));
  }

  private static int number(String digits) {
    return Integer.parseInt(digits);
  }
}
