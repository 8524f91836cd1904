package io.autocircuit.report;

import java.util.Comparator;
import java.util.List;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which nodes of a layer stand where: heads by number, then others by name; and what they are. */
final class NodeOrder {
  private static final Pattern HEAD = Pattern.compile("A(\\d{1,6})\\.(\\d{1,6})");
  private static final Pattern LATENT = Pattern.compile("MLP (\\d{1,6}) Latent (\\d{1,9})");
  private static final Pattern ERROR = Pattern.compile("MLP (\\d{1,6}) Error");
  private static final Pattern RESIDUAL = Pattern.compile("Resid (Mid|Post) \\d{1,6}");

  /** Heads by number, then others by name, latents by number. */
  static final Comparator<String> BY_NAME =
      Comparator.<String>comparingInt(name -> head(name).orElse(Integer.MAX_VALUE))
          .thenComparingInt(NodeOrder::latent)
          .thenComparing(Comparator.naturalOrder());

  private NodeOrder() {}

  /** The number of a head; empty for what is none. */
  static OptionalInt head(String name) {
    Matcher m = HEAD.matcher(name);
    return m.matches() ? OptionalInt.of(Integer.parseInt(m.group(2))) : OptionalInt.empty();
  }

  /** The number of a latent; −1 for what is none. */
  static int latent(String name) {
    Matcher m = LATENT.matcher(name);
    return m.matches() ? Integer.parseInt(m.group(2)) : -1;
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
    if (latent(name) >= 0) {
      return "latent";
    }
    if (ERROR.matcher(name).matches()) {
      return "error";
    }
    if (RESIDUAL.matcher(name).matches()) {
      return "residual";
    }
    return switch (name) {
      case "Resid Start" -> "start";
      case "Resid End" -> "end";
      default -> name.startsWith("MLP ") ? "MLP" : "other";
    };
  }

  /** What a node is called in pictures, in few letters. */
  static String label(String name) {
    Matcher latent = LATENT.matcher(name);
    if (latent.matches()) {
      return "MLP " + latent.group(1) + "\u00b7" + latent.group(2);
    }
    return switch (name) {
      case "Resid Start" -> "Embed";
      case "Resid End" -> "Unembed";
      default -> name;
    };
  }
}
