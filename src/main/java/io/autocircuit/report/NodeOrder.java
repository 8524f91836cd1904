package io.autocircuit.report;

import java.util.Comparator;
import java.util.List;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which nodes of a layer stand where: heads by number, then others by name. */
final class NodeOrder {
  private static final Pattern HEAD = Pattern.compile("A(\\d{1,6})\\.(\\d{1,6})");

  /** Heads by number, then others by name. */
  static final Comparator<String> BY_NAME =
      Comparator.<String>comparingInt(name -> head(name).orElse(Integer.MAX_VALUE))
          .thenComparing(Comparator.naturalOrder());

  private NodeOrder() {}

  /** The number of a head; empty for what is none. */
  static OptionalInt head(String name) {
    Matcher m = HEAD.matcher(name);
    return m.matches() ? OptionalInt.of(Integer.parseInt(m.group(2))) : OptionalInt.empty();
  }

  /** How many columns heads need. */
  static int heads(List<NodeInfo> nodes) {
    return nodes.stream().mapToInt(n -> head(n.name()).orElse(-1)).max().orElse(-1) + 1;
  }

  /** What kind of node it is, for people. */
  static String kind(String name) {
    if (head(name).isPresent()) {
      return "attention";
    }
    return switch (name) {
      case "Resid Start" -> "start";
      case "Resid End" -> "end";
      default -> name.startsWith("MLP ") ? "MLP" : "other";
    };
  }
}
