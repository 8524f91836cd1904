package io.autocircuit.report;

import com.fasterxml.jackson.databind.node.TextNode;
import io.autocircuit.files.CanonicalJson;
import io.autocircuit.report.CircuitDrawing.Link;
import io.autocircuit.report.CircuitDrawing.Side;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * A circuit as text for other programs. Numbers have the fewest digits that lead back to them; the
 * same drawing has the same bytes everywhere, also from the buttons of the circuit's page.
 */
public final class CircuitFiles {
  private static final Pattern NO_XML =
      Pattern.compile(
          "[\\x{0}-\\x{8}\\x{b}\\x{c}\\x{e}-\\x{1f}\\x{d800}-\\x{dfff}\\x{fffe}\\x{ffff}]");
  private static final double HAIR = 0.75;
  private static final double GREATEST = 4;
  private static final double HAIR_OF_TWO = 1.5;
  private static final int HUNDRED = 100;

  /** A float has no more decimal digits than that. */
  private static final int FLOAT_DIGITS = 9;

  private CircuitFiles() {}

  /**
   * Graphviz's language: a node for each node with a link, those of a layer at one height, the
   * input of a head and the position as an edge's label; {@code score}, {@code rank}, {@code
   * position}, what its source writes ({@code norm}, {@code ablated_norm}, {@code delta_norm}) and
   * (of two circuits) {@code in} as attributes.
   *
   * @param drawing the circuit
   * @return the text of a {@code .dot} file
   */
  public static String dot(CircuitDrawing drawing) {
    StringBuilder out = new StringBuilder();
    out.append("digraph ").append(quoted(drawing.title())).append(" {\n");
    out.append("  rankdir=BT;\n");
    out.append("  node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=11];\n");
    out.append("  edge [fontname=\"sans-serif\", fontsize=9];\n");
    Set<String> used = used(drawing);
    Map<Integer, StringBuilder> layers = new LinkedHashMap<>();
    for (NodeInfo node : drawing.nodes()) {
      if (used.contains(node.name())) {
        layers
            .computeIfAbsent(node.layer(), k -> new StringBuilder("  { rank=same;"))
            .append(' ')
            .append(quoted(node.name()))
            .append(';');
      }
    }
    layers.values().forEach(line -> out.append(line).append(" }\n"));
    for (NodeInfo node : drawing.nodes()) {
      String label = NodeOrder.label(node.name());
      if (used.contains(node.name()) && !label.equals(node.name())) {
        out.append("  ").append(quoted(node.name())).append(" [label=").append(quoted(label));
        out.append("];\n");
      }
    }
    double greatest = greatest(drawing);
    for (Link link : drawing.links()) {
      Integer position = link.edge().seqIdx();
      String label =
          link.input()
              + (position == null
                  ? ""
                  : (link.input().isEmpty() ? "@" : " @") + drawing.positionName(position));
      out.append("  ").append(quoted(link.source())).append(" -> ");
      out.append(quoted(link.destination())).append(" [label=").append(quoted(label));
      out.append(", score=\"").append(number(link.edge().score(), "inf"));
      out.append("\", rank=").append(link.rank());
      if (position != null) {
        out.append(", position=").append(position);
      }
      if (link.side() != Side.ONLY) {
        out.append(", in=").append(lower(link.side()));
      }
      written(drawing, link)
          .forEach(
              (key, value) -> out.append(", ").append(key).append("=\"").append(value).append('"'));
      out.append(", penwidth=").append(width(link, greatest));
      out.append(", color=\"").append(Look.of(link).colour());
      out.append("\", style=").append(Look.of(link).style()).append("];\n");
    }
    return out.append("}\n").toString();
  }

  /**
   * GraphML: nodes with {@code name}, {@code label}, {@code layer} and {@code kind}, edges with
   * {@code input}, {@code score}, {@code rank}, {@code position} and its {@code token}, what their
   * source writes ({@code norm}, {@code ablated_norm}, {@code delta_norm}) and (of two circuits)
   * {@code in}.
   *
   * @param drawing the circuit
   * @return the text of a {@code .graphml} file, UTF-8 by its declaration
   */
  public static String graphml(CircuitDrawing drawing) {
    StringBuilder out = new StringBuilder("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.append("<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\"");
    out.append(" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"");
    out.append(" xsi:schemaLocation=\"http://graphml.graphdrawing.org/xmlns");
    out.append(" http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd\">\n");
    for (String[] key : KEYS) {
      out.append("  <key id=\"").append(key[0]).append("\" for=\"").append(key[1]);
      out.append("\" attr.name=\"").append(key[0]).append("\" attr.type=\"");
      out.append(key[2]).append("\"/>\n");
    }
    out.append("  <graph id=\"circuit\" edgedefault=\"directed\">\n");
    out.append("    <desc>").append(xml(drawing.title())).append("</desc>\n");
    Set<String> used = used(drawing);
    Map<String, String> ids = new LinkedHashMap<>();
    for (NodeInfo node : drawing.nodes()) {
      if (used.contains(node.name())) {
        ids.put(node.name(), "n" + ids.size());
        out.append("    <node id=\"").append(ids.get(node.name())).append("\">");
        data(out, "name", xml(node.name()));
        data(out, "label", xml(NodeOrder.label(node.name())));
        data(out, "layer", String.valueOf(node.layer()));
        data(out, "kind", NodeOrder.kind(node.name()));
        out.append("</node>\n");
      }
    }
    for (int i = 0; i < drawing.links().size(); i++) {
      Link link = drawing.links().get(i);
      out.append("    <edge id=\"e").append(i).append("\" source=\"");
      out.append(ids.get(link.source())).append("\" target=\"");
      out.append(ids.get(link.destination())).append("\">");
      if (!link.input().isEmpty()) {
        data(out, "input", link.input());
      }
      data(out, "score", number(link.edge().score(), "INF"));
      data(out, "rank", String.valueOf(link.rank()));
      if (link.edge().seqIdx() != null) {
        int position = link.edge().seqIdx();
        data(out, "position", String.valueOf(position));
        if (position < drawing.positionLabels().size()) {
          data(out, "token", xml(drawing.positionLabels().get(position)));
        }
      }
      written(drawing, link).forEach((key, value) -> data(out, key, value));
      if (link.side() != Side.ONLY) {
        data(out, "in", lower(link.side()));
      }
      out.append("</edge>\n");
    }
    return out.append("  </graph>\n</graphml>\n").toString();
  }

  private static final List<String[]> KEYS =
      List.of(
          new String[] {"name", "node", "string"},
          new String[] {"label", "node", "string"},
          new String[] {"layer", "node", "int"},
          new String[] {"kind", "node", "string"},
          new String[] {"input", "edge", "string"},
          new String[] {"score", "edge", "double"},
          new String[] {"rank", "edge", "int"},
          new String[] {"position", "edge", "int"},
          new String[] {"token", "edge", "string"},
          new String[] {"norm", "edge", "double"},
          new String[] {"ablated_norm", "edge", "double"},
          new String[] {"delta_norm", "edge", "double"},
          new String[] {"in", "edge", "string"});

  /**
   * The edges as {@code edges.json} has them, best first.
   *
   * @param drawing the circuit
   * @return the text of a JSON file
   */
  public static String json(CircuitDrawing drawing) {
    StringBuilder out = new StringBuilder("[");
    String comma = "\n";
    for (Link link : drawing.edges()) {
      double score = link.edge().score();
      out.append(comma).append("{\"name\":");
      out.append(CanonicalJson.text(TextNode.valueOf(xmlSafe(link.edge().name())), false));
      out.append(",\"seq_idx\":").append(link.edge().seqIdx()).append(",\"score\":");
      out.append(
          Double.isFinite(score) ? number(score, "") : "\"" + number(score, "Infinity") + "\"");
      if (!link.edge().heads().isEmpty()) {
        out.append(",\"heads\":").append(link.edge().heads().toString().replace(" ", ""));
      }
      if (link.side() != Side.ONLY) {
        out.append(",\"in\":\"").append(lower(link.side())).append('"');
      }
      out.append('}');
      comma = ",\n";
    }
    return out.append("\n]\n").toString();
  }

  /**
   * A picture: heads in columns, layers in rows from the first at the bottom to the last on top,
   * the MLP on the right. The same graph has the same grid, whatever the circuit.
   *
   * @param drawing the circuit
   * @return the text of an SVG file
   */
  public static String svg(CircuitDrawing drawing) {
    return new CircuitGrid(drawing, false).svg();
  }

  /**
   * The picture as one grid for each token position with an edge, the first on top; only the layers
   * that have an edge.
   *
   * @param drawing the circuit
   * @return the text of an SVG file
   */
  public static String svgByPosition(CircuitDrawing drawing) {
    return new CircuitGrid(drawing, true).svg();
  }

  /** What is known of an edge's source, by the name of its attribute. */
  static Map<String, String> written(CircuitDrawing drawing, Link link) {
    Map<String, String> written = new LinkedHashMap<>();
    drawing
        .activation(link)
        .ifPresent(
            s -> {
              written.put("norm", number(s.norm(), "INF"));
              written.put("ablated_norm", number(s.ablatedNorm(), "INF"));
              written.put("delta_norm", number(s.deltaNorm(), "INF"));
            });
    return written;
  }

  /** The names of nodes that have a link. */
  static Set<String> used(CircuitDrawing drawing) {
    return used(drawing.links());
  }

  /** The names of nodes that have one of these links. */
  static Set<String> used(List<Link> links) {
    Set<String> used = new LinkedHashSet<>();
    for (Link link : links) {
      used.add(link.source());
      used.add(link.destination());
    }
    return used;
  }

  /** The greatest finite |score|. */
  static double greatest(CircuitDrawing drawing) {
    return drawing.links().stream()
        .mapToDouble(l -> Math.abs(l.edge().score()))
        .filter(Double::isFinite)
        .max()
        .orElse(0);
  }

  /** The width of a link's line; lines of two circuits are told apart by their dashes too. */
  static String width(Link link, double greatest) {
    double size = Math.abs(link.edge().score());
    double share = Double.isInfinite(size) ? 1 : greatest > 0 ? size / greatest : 0;
    double hair = link.side() == Side.ONLY ? HAIR : HAIR_OF_TWO;
    double width = hair + (GREATEST - hair) * share;
    return CanonicalJson.number(Math.round(width * HUNDRED) / (double) HUNDRED);
  }

  /**
   * A finite number, or an infinite one by that name. Scores are floats: one that is has the digits
   * of a float.
   */
  static String number(double value, String infinite) {
    if (!Double.isFinite(value)) {
      return (value > 0 ? "" : "-") + infinite;
    }
    if ((float) value == value && value != 0) {
      BigDecimal exact = new BigDecimal(Math.abs(value));
      for (int digits = 1; digits <= FLOAT_DIGITS; digits++) {
        double rounded = exact.round(new MathContext(digits, RoundingMode.HALF_UP)).doubleValue();
        if ((float) rounded == (float) Math.abs(value)) {
          return CanonicalJson.number(Math.copySign(rounded, value));
        }
      }
    }
    return CanonicalJson.number(value);
  }

  /** Text for XML; what XML cannot hold becomes a replacement character. */
  static String xml(String text) {
    return Page.escape(xmlSafe(text));
  }

  private static String xmlSafe(String text) {
    return NO_XML.matcher(text).replaceAll("\ufffd");
  }

  private static String quoted(String text) {
    return "\"" + xmlSafe(text).replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
  }

  private static void data(StringBuilder out, String key, String value) {
    out.append("<data key=\"").append(key).append("\">").append(value).append("</data>");
  }

  static String lower(Side side) {
    return side.name().toLowerCase(Locale.ROOT);
  }

  /**
   * How a link is drawn: never by colour alone.
   *
   * @param name its class in the picture
   * @param colour of its line
   * @param style of its line, as Graphviz names it
   * @param dashes of its line, as SVG has them; empty for none
   */
  record Look(String name, String colour, String style, String dashes) {
    static final Look POSITIVE = new Look("positive", "#2456c7", "solid", "");
    static final Look NEGATIVE = new Look("negative", "#c22f2f", "dashed", "6 3");
    static final Look ZERO = new Look("zero", "#8a929b", "dotted", "2 2");
    static final Look BOTH = new Look("both", "#3d4650", "solid", "");
    static final Look FIRST = new Look("first", "#2456c7", "dashed", "6 3");
    static final Look SECOND = new Look("second", "#d1631b", "dotted", "2 3");

    static Look of(Link link) {
      double score = link.edge().score();
      return switch (link.side()) {
        case BOTH -> BOTH;
        case FIRST -> FIRST;
        case SECOND -> SECOND;
        case ONLY -> score > 0 ? POSITIVE : score < 0 ? NEGATIVE : ZERO;
      };
    }
  }
}
