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
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The picture of a circuit: a grid of layers and heads, and its edges as curves upwards; or one
 * such grid for each position.
 */
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

  /** Of several grids: the line above each. */
  private static final double HEADING = 30;

  private final CircuitDrawing drawing;
  private final boolean byPosition;

  /** Where each node's middle is, in a grid whose upper edge is 0. */
  private final Map<String, double[]> places = new LinkedHashMap<>();

  private final double width;
  private final double rows;
  private final StringBuilder out = new StringBuilder();

  CircuitGrid(CircuitDrawing drawing, boolean byPosition) {
    this.drawing = drawing;
    this.byPosition = byPosition;
    Set<String> used = CircuitFiles.used(drawing);
    Set<Integer> wanted = new TreeSet<>();
    boolean stream = false;
    for (NodeInfo node : drawing.nodes()) {
      if (!byPosition || used.contains(node.name())) {
        wanted.add(node.layer());
      }
      stream = stream || NodeOrder.kind(node.name()).equals("residual");
    }
    List<Integer> layers = List.copyOf(wanted);
    int heads = NodeOrder.heads(drawing.nodes());
    int first = stream ? 1 : 0; // the stream has a column of its own, on the left
    Map<Integer, Integer> others = new HashMap<>();
    Map<Integer, Integer> latents = new HashMap<>();
    double columns = Math.max(1, first + heads);
    for (NodeInfo node : drawing.nodes()) {
      String kind = NodeOrder.kind(node.name());
      boolean latent = kind.equals("latent");
      if (!wanted.contains(node.layer()) || latent && !used.contains(node.name())) {
        continue; // of thousands of latents those with an edge
      }
      double column =
          switch (kind) {
            case "attention" -> first + NodeOrder.head(node.name()).orElseThrow();
            case "MLP" -> first + heads;
            case "latent", "error" -> first + heads + latents.merge(node.layer(), 1, Integer::sum);
            case "other" -> first + others.merge(node.layer(), 1, Integer::sum) - 1;
            case "residual" -> 0;
            default -> stream ? 0 : Math.max(0, heads - 1) / 2.0;
          };
      columns = Math.max(columns, column + 1);
      places.put(
          node.name(),
          new double[] {
            LEFT + NODE_X / 2 + STEP_X * column,
            NODE_Y / 2 + STEP_Y * (layers.size() - 1 - layers.indexOf(node.layer()))
          });
    }
    rows = STEP_Y * Math.max(0, layers.size() - 1) + NODE_Y;
    width = Math.max(LEAST_WIDTH, 2 * LEFT + STEP_X * (columns - 1) + NODE_X);
  }

  String svg() {
    List<List<Link>> grids = new ArrayList<>();
    if (byPosition) {
      Map<Integer, List<Link>> positions = new TreeMap<>();
      for (Link link : drawing.links()) {
        int position = link.edge().seqIdx() == null ? -1 : link.edge().seqIdx();
        positions.computeIfAbsent(position, p -> new ArrayList<>()).add(link);
      }
      grids.addAll(positions.values());
    } else {
      grids.add(drawing.links());
    }
    double one = rows + (byPosition ? HEADING : 0);
    double height = TOP + BOTTOM + one * grids.size();
    out.append("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"grid\" role=\"img\" width=\"");
    out.append(tenths(width)).append("\" height=\"").append(tenths(height));
    out.append("\" viewBox=\"0 0 ").append(tenths(width)).append(' ').append(tenths(height));
    out.append("\" font-family=\"system-ui, sans-serif\" font-size=\"11\">\n");
    out.append("<title>").append(CircuitFiles.xml(drawing.title())).append("</title>\n");
    out.append("<rect class=\"paper\" width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    out.append("<text class=\"heading\" x=\"").append(tenths(LEFT)).append("\" y=\"30\"");
    out.append(" font-size=\"15\" font-weight=\"600\" fill=\"#1d2126\">");
    out.append(CircuitFiles.xml(drawing.title())).append("</text>\n");
    double greatest = CircuitFiles.greatest(drawing);
    double top = TOP;
    for (List<Link> links : grids) {
      if (byPosition) {
        heading(links.get(0).edge().seqIdx(), top);
        top += HEADING;
      }
      grid(links, top, greatest);
      top += rows;
    }
    legend(height);
    return out.append("</svg>\n").toString();
  }

  private void heading(Integer position, double top) {
    out.append("<text class=\"position\" x=\"").append(tenths(LEFT)).append("\" y=\"");
    out.append(tenths(top + HEADING / 2 + 4)).append("\" font-size=\"12\" font-weight=\"600\"");
    out.append(" fill=\"#1d2126\">");
    out.append(
        position == null
            ? "All positions"
            : "Position " + CircuitFiles.xml(drawing.positionName(position)));
    out.append("</text>\n");
  }

  private void grid(List<Link> links, double top, double greatest) {
    List<Link> weakFirst = new ArrayList<>(links);
    Collections.reverse(weakFirst);
    weakFirst.forEach(link -> link(link, top, greatest));
    Set<String> used = CircuitFiles.used(links);
    places.forEach((name, at) -> node(name, at[0], top + at[1], used.contains(name)));
  }

  private void link(Link link, double top, double greatest) {
    double[] from = places.get(link.source());
    double[] to = places.get(link.destination());
    double x =
        to[0]
            + switch (link.input()) {
              case "Q" -> -PORT;
              case "V" -> PORT;
              default -> 0;
            };
    double y1 = top + from[1] - NODE_Y / 2;
    double y2 = top + to[1] + NODE_Y / 2;
    double between = (from[1] - to[1]) / STEP_Y;
    double reach = (y1 - y2) * 0.45;
    // a link that would run through the nodes between goes round them
    double bow =
        from[0] == to[0] && between > 1 ? Math.min(MOST_BOW, BOW * between) + NODE_X / 2 : 0;
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
      out.append(" at position ");
      out.append(CircuitFiles.xml(drawing.positionName(link.edge().seqIdx())));
    }
    out.append(", score ").append(CircuitFiles.number(link.edge().score(), "Infinity"));
    out.append(", rank ").append(link.rank());
    Map<String, String> written = CircuitFiles.written(drawing, link);
    if (!written.isEmpty()) {
      out.append("; its source writes ").append(written.get("norm")).append(", ablated ");
      out.append(written.get("ablated_norm")).append(", \u0394 ").append(written.get("delta_norm"));
    }
    out.append("</title></path>\n");
  }

  private void node(String name, double x, double y, boolean used) {
    String label = NodeOrder.label(name);
    out.append("<g class=\"node").append(used ? " used" : "").append("\"><rect x=\"");
    out.append(tenths(x - NODE_X / 2)).append("\" y=\"").append(tenths(y - NODE_Y / 2));
    out.append("\" width=\"").append(tenths(NODE_X)).append("\" height=\"");
    out.append(tenths(NODE_Y)).append("\" rx=\"4\" fill=\"#ffffff\" stroke=\"");
    out.append(used ? "#4a5563" : "#dcdfe3").append("\"/><text x=\"").append(tenths(x));
    out.append("\" y=\"").append(tenths(y + 4)).append("\" text-anchor=\"middle\"");
    out.append(label.length() > 8 ? " font-size=\"9\"" : "").append(" fill=\"");
    out.append(used ? "#1d2126" : "#8a929b").append("\">").append(CircuitFiles.xml(label));
    out.append("</text></g>\n");
  }

  private void legend(double height) {
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
