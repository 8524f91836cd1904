package io.autocircuit.report;

import io.autocircuit.report.CircuitDrawing.Link;
import io.autocircuit.report.CircuitDrawing.Side;
import io.autocircuit.report.CircuitFiles.Look;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;

/** The picture of a circuit: a grid of layers and heads, and its edges as curves upwards. */
final class CircuitGrid {
  private static final double STEP_X = 66;
  private static final double STEP_Y = 46;
  private static final double NODE_X = 54;
  private static final double NODE_Y = 20;
  private static final double LEFT = 40;
  private static final double TOP = 58;
  private static final double BOTTOM = 58;
  private static final double PORT = 15;
  private static final double BOW = 9;
  private static final double MOST_BOW = 30;
  private static final double LEGEND = 120;
  private static final double LEAST_WIDTH = 460;

  private final CircuitDrawing drawing;
  private final Map<String, double[]> places = new HashMap<>();
  private final double width;
  private final double height;
  private final StringBuilder out = new StringBuilder();

  CircuitGrid(CircuitDrawing drawing) {
    this.drawing = drawing;
    int heads = NodeOrder.heads(drawing.nodes());
    List<Integer> rows =
        List.copyOf(new TreeSet<>(drawing.nodes().stream().map(NodeInfo::layer).toList()));
    height = TOP + BOTTOM + STEP_Y * Math.max(0, rows.size() - 1) + NODE_Y;
    Map<Integer, Integer> others = new HashMap<>();
    double columns = Math.max(1, heads);
    Map<String, Double> column = new LinkedHashMap<>();
    for (NodeInfo node : drawing.nodes()) {
      OptionalInt head = NodeOrder.head(node.name());
      double at;
      if (head.isPresent()) {
        at = head.getAsInt();
      } else if (NodeOrder.kind(node.name()).equals("MLP")) {
        at = heads;
      } else if (NodeOrder.kind(node.name()).equals("other")) {
        at = others.merge(node.layer(), 1, Integer::sum) - 1;
      } else {
        at = Math.max(0, heads - 1) / 2.0;
      }
      column.put(node.name(), at);
      columns = Math.max(columns, at + 1);
    }
    width = Math.max(LEAST_WIDTH, 2 * LEFT + STEP_X * (columns - 1) + NODE_X);
    for (NodeInfo node : drawing.nodes()) {
      int row = rows.size() - 1 - rows.indexOf(node.layer());
      places.put(
          node.name(),
          new double[] {
            LEFT + NODE_X / 2 + STEP_X * column.get(node.name()), TOP + NODE_Y / 2 + STEP_Y * row
          });
    }
  }

  String svg() {
    out.append("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"grid\" role=\"img\" width=\"");
    out.append(tenths(width)).append("\" height=\"").append(tenths(height));
    out.append("\" viewBox=\"0 0 ").append(tenths(width)).append(' ').append(tenths(height));
    out.append("\" font-family=\"system-ui, sans-serif\" font-size=\"11\">\n");
    out.append("<title>").append(CircuitFiles.xml(drawing.title())).append("</title>\n");
    out.append("<rect class=\"paper\" width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    out.append("<text class=\"heading\" x=\"").append(tenths(LEFT)).append("\" y=\"30\"");
    out.append(" font-size=\"15\" font-weight=\"600\" fill=\"#1d2126\">");
    out.append(CircuitFiles.xml(drawing.title())).append("</text>\n");
    List<Link> weakFirst = new ArrayList<>(drawing.links());
    Collections.reverse(weakFirst);
    double greatest = CircuitFiles.greatest(drawing);
    weakFirst.forEach(link -> link(link, greatest));
    Set<String> used = CircuitFiles.used(drawing);
    drawing.nodes().forEach(node -> node(node.name(), used.contains(node.name())));
    legend();
    return out.append("</svg>\n").toString();
  }

  private void link(Link link, double greatest) {
    double[] from = places.get(link.source());
    double[] to = places.get(link.destination());
    double x =
        to[0]
            + switch (link.input()) {
              case "Q" -> -PORT;
              case "V" -> PORT;
              default -> 0;
            };
    double y1 = from[1] - NODE_Y / 2;
    double y2 = to[1] + NODE_Y / 2;
    double rows = (from[1] - to[1]) / STEP_Y;
    double reach = (y1 - y2) * 0.45;
    // a link that would run through the nodes between goes round them
    double bow = from[0] == to[0] && rows > 1 ? Math.min(MOST_BOW, BOW * rows) + NODE_X / 2 : 0;
    Look look = Look.of(link);
    out.append("<path class=\"link ").append(look.name()).append("\" fill=\"none\" stroke=\"");
    out.append(look.colour()).append("\" stroke-opacity=\"0.75\" stroke-width=\"");
    out.append(CircuitFiles.width(link, greatest)).append('"');
    if (!look.dashes().isEmpty()) {
      out.append(" stroke-dasharray=\"").append(look.dashes()).append('"');
    }
    out.append(" d=\"M").append(tenths(from[0])).append(' ').append(tenths(y1)).append('C');
    out.append(tenths(from[0] + bow)).append(' ').append(tenths(y1 - reach)).append(' ');
    out.append(tenths(x + bow)).append(' ').append(tenths(y2 + reach)).append(' ');
    out.append(tenths(x)).append(' ').append(tenths(y2)).append("\"><title>");
    out.append(CircuitFiles.xml(link.edge().name()));
    if (link.edge().seqIdx() != null) {
      out.append(" at position ").append(link.edge().seqIdx());
    }
    out.append(", score ").append(CircuitFiles.number(link.edge().score(), "Infinity"));
    out.append(", rank ").append(link.rank()).append("</title></path>\n");
  }

  private void node(String name, boolean used) {
    double[] at = places.get(name);
    out.append("<g class=\"node").append(used ? " used" : "").append("\"><rect x=\"");
    out.append(tenths(at[0] - NODE_X / 2)).append("\" y=\"").append(tenths(at[1] - NODE_Y / 2));
    out.append("\" width=\"").append(tenths(NODE_X)).append("\" height=\"");
    out.append(tenths(NODE_Y)).append("\" rx=\"4\" fill=\"#ffffff\" stroke=\"");
    out.append(used ? "#4a5563" : "#dcdfe3").append("\"/><text x=\"").append(tenths(at[0]));
    out.append("\" y=\"").append(tenths(at[1] + 4)).append("\" text-anchor=\"middle\"");
    out.append(name.length() > 8 ? " font-size=\"9\"" : "").append(" fill=\"");
    out.append(used ? "#1d2126" : "#8a929b").append("\">").append(CircuitFiles.xml(name));
    out.append("</text></g>\n");
  }

  private void legend() {
    boolean two = drawing.links().stream().anyMatch(l -> l.side() != Side.ONLY);
    Map<String, Look> lines = new LinkedHashMap<>();
    if (two) {
      lines.put("both: " + drawing.count(Side.BOTH), Look.BOTH);
      lines.put("only first: " + drawing.count(Side.FIRST), Look.FIRST);
      lines.put("only second: " + drawing.count(Side.SECOND), Look.SECOND);
    } else {
      lines.put("positive", Look.POSITIVE);
      lines.put("negative", Look.NEGATIVE);
      lines.put("width: |score|", Look.ZERO);
    }
    double x = LEFT;
    for (Map.Entry<String, Look> line : lines.entrySet()) {
      boolean sample = !line.getValue().equals(Look.ZERO);
      if (sample) {
        out.append("<path class=\"link ").append(line.getValue().name());
        out.append("\" fill=\"none\" stroke=\"").append(line.getValue().colour());
        out.append("\" stroke-width=\"2\"");
        if (!line.getValue().dashes().isEmpty()) {
          out.append(" stroke-dasharray=\"").append(line.getValue().dashes()).append('"');
        }
        out.append(" d=\"M").append(tenths(x)).append(' ').append(tenths(height - 22));
        out.append('h').append("26\"/>\n");
      }
      out.append("<text class=\"key\" x=\"").append(tenths(x + (sample ? 32 : 0)));
      out.append("\" y=\"").append(tenths(height - 18)).append("\" fill=\"#5d6670\">");
      out.append(line.getKey()).append("</text>\n");
      x += LEGEND;
    }
  }

  /** A coordinate with one decimal at most. */
  private static String tenths(double value) {
    return CircuitFiles.number(Math.round(value * 10) / 10.0, "");
  }
}
