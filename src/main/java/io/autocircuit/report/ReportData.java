package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.SourceActivations;
import io.autocircuit.experiment.TestedCircuit;
import io.autocircuit.metric.EdgeStability;
import io.autocircuit.metric.Roc;
import io.autocircuit.patch.PatchType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * Everything a report shows, as plain values. Start from {@link #of} and add parts with the {@code
 * with…} methods; each returns a new value.
 *
 * @param title heading of the page
 * @param verdict a sentence or two that sum the result up, or null
 * @param summary what was run, shown as cards under the title (model, dataset, algorithm, …), in
 *     the map's order
 * @param settings every setting and its value, shown as a table, in the map's order
 * @param curves the metrics; curves of the same name share one plot and must agree on labels and
 *     axes
 * @param nodes the nodes of the graph with their layers. An attention head needs only one entry:
 *     {@code A0.1} also stands for the inputs {@code A0.1.Q}, {@code A0.1.K} and {@code A0.1.V},
 *     which are drawn as one node.
 * @param edges scored edges; kept by descending |score|, NaN last, equal ones in the given order
 * @param totalEdges how many edges the whole graph has; more than {@code edges.size()} if only the
 *     best ones were handed over
 * @param positionLabels text of each token position, by {@link ScoredEdge#seqIdx}; may be empty or
 *     shorter than the number of positions
 * @param firstDrawn how many edges are drawn when the page is opened; at least 0, and no more are
 *     drawn than there are
 * @param details what else is known of the run
 */
public record ReportData(
    String title,
    String verdict,
    Map<String, String> summary,
    Map<String, String> settings,
    List<Curve> curves,
    List<NodeInfo> nodes,
    List<ScoredEdge> edges,
    long totalEdges,
    List<String> positionLabels,
    int firstDrawn,
    Details details) {
  /**
   * What is known of a run beside its scores and curves.
   *
   * @param patchType which edges a circuit's run ablates; null where that is not known
   * @param activations what the sources of the best edges write; null where that is not known
   * @param roc the curve against a known circuit, in the order of circuit sizes; may be empty
   * @param areas numbers of all circuits together; may be empty
   * @param selection how circuits were chosen, in words; null where that is not known
   * @param stability how far the circuits of single prompts are one; null where that is not known
   * @param tests hypothesis tests of circuits; may be empty
   */
  public record Details(
      PatchType patchType,
      SourceActivations activations,
      List<Roc.Point> roc,
      List<CellResult.Area> areas,
      String selection,
      EdgeStability stability,
      List<TestedCircuit> tests) {
    /** Nothing is known. */
    public static final Details NONE = new Details(null, null, List.of());

    /**
     * Without what is said of circuits as a whole.
     *
     * @param patchType which edges a circuit's run ablates; may be null
     * @param activations what the sources of the best edges write; may be null
     * @param roc the curve against a known circuit; may be empty
     */
    public Details(PatchType patchType, SourceActivations activations, List<Roc.Point> roc) {
      this(patchType, activations, roc, List.of(), null, null, List.of());
    }

    /**
     * Keeps an unmodifiable copy.
     *
     * @param patchType which edges a circuit's run ablates; may be null
     * @param activations what the sources of the best edges write; may be null
     * @param roc the curve against a known circuit; may be empty
     * @param areas numbers of all circuits together; may be empty
     * @param selection how circuits were chosen, in words; may be null
     * @param stability how far the circuits of single prompts are one; may be null
     * @param tests hypothesis tests of circuits; may be empty
     */
    public Details {
      roc = List.copyOf(roc);
      areas = List.copyOf(areas);
      tests = List.copyOf(tests);
    }
  }

  private static final int DRAWN = 50;

  private static final Comparator<ScoredEdge> BY_IMPORTANCE =
      Comparator.comparingDouble(
          edge -> Double.isNaN(edge.score()) ? Double.POSITIVE_INFINITY : -Math.abs(edge.score()));
  private static final Comparator<ScoredEdge> NAN_LAST =
      Comparator.comparing(edge -> Double.isNaN(edge.score()));

  /**
   * Copies and sorts the collections and checks that they fit together.
   *
   * @param title heading of the page
   * @param verdict a sentence or two that sum the result up, or null
   * @param summary what was run, shown as cards under the title (model, dataset, algorithm, …), in
   *     the map's order
   * @param settings every setting and its value, shown as a table, in the map's order
   * @param curves the metrics; curves of the same name share one plot and must agree on labels and
   *     axes
   * @param nodes the nodes of the graph with their layers. An attention head needs only one entry:
   *     {@code A0.1} also stands for the inputs {@code A0.1.Q}, {@code A0.1.K} and {@code A0.1.V},
   *     which are drawn as one node.
   * @param edges scored edges; kept by descending |score|, NaN last, equal ones in the given order
   * @param totalEdges how many edges the whole graph has; more than {@code edges.size()} if only
   *     the best ones were handed over
   * @param positionLabels text of each token position, by {@link ScoredEdge#seqIdx}; may be empty
   *     or shorter than the number of positions
   * @param firstDrawn how many edges are drawn when the page is opened; at least 0, and no more are
   *     drawn than there are
   * @param details what else is known of the run
   * @throws NullPointerException if an argument other than {@code verdict}, or an element, is null
   * @throws IllegalArgumentException if an edge's endpoint is not among {@code nodes} or does not
   *     lead to a later layer, a node occurs twice with different layers, {@code totalEdges} is
   *     smaller than the number of edges, {@code firstDrawn} is negative, or curves of one name
   *     disagree or repeat a series
   */
  public ReportData {
    Objects.requireNonNull(title, "title");
    Objects.requireNonNull(details, "details");
    summary = copyInOrder(summary);
    settings = copyInOrder(settings);
    curves = List.copyOf(curves);
    nodes = List.copyOf(nodes);
    positionLabels = List.copyOf(positionLabels);
    List<ScoredEdge> sorted = new ArrayList<>(edges);
    sorted.sort(NAN_LAST.thenComparing(BY_IMPORTANCE));
    edges = Collections.unmodifiableList(sorted);
    if (totalEdges < edges.size()) {
      throw new IllegalArgumentException(
          "totalEdges="
              + totalEdges
              + " is less than edges.size="
              + edges.size()
              + ": give the number of edges of the whole graph");
    }
    if (firstDrawn < 0) {
      throw new IllegalArgumentException(
          "firstDrawn=" + firstDrawn + " is negative: give the number of edges to draw first");
    }
    checkCurves(curves);
    checkEdges(layers(nodes), edges);
  }

  /**
   * A report with a title, a graph and its scores; the rest is empty and {@code totalEdges} is the
   * number of edges given.
   *
   * @param title heading of the page
   * @param nodes the nodes with their layers
   * @param edges the scored edges, in any order
   * @return the data
   */
  public static ReportData of(String title, List<NodeInfo> nodes, List<ScoredEdge> edges) {
    return new ReportData(
        title,
        null,
        Map.of(),
        Map.of(),
        List.of(),
        nodes,
        edges,
        edges.size(),
        List.of(),
        DRAWN,
        Details.NONE);
  }

  /**
   * Sets the text that sums the result up.
   *
   * @param text the text, or null for none
   * @return a new value
   */
  public ReportData withVerdict(String text) {
    return new ReportData(
        title,
        text,
        summary,
        settings,
        curves,
        nodes,
        edges,
        totalEdges,
        positionLabels,
        firstDrawn,
        details);
  }

  /**
   * Sets the cards under the title.
   *
   * @param values name to value, in the order shown
   * @return a new value
   */
  public ReportData withSummary(Map<String, String> values) {
    return new ReportData(
        title,
        verdict,
        values,
        settings,
        curves,
        nodes,
        edges,
        totalEdges,
        positionLabels,
        firstDrawn,
        details);
  }

  /**
   * Sets the table of settings.
   *
   * @param values name to value, in the order shown
   * @return a new value
   */
  public ReportData withSettings(Map<String, String> values) {
    return new ReportData(
        title,
        verdict,
        summary,
        values,
        curves,
        nodes,
        edges,
        totalEdges,
        positionLabels,
        firstDrawn,
        details);
  }

  /**
   * Sets the curves.
   *
   * @param values the curves, in the order shown
   * @return a new value
   */
  public ReportData withCurves(List<Curve> values) {
    return new ReportData(
        title,
        verdict,
        summary,
        settings,
        values,
        nodes,
        edges,
        totalEdges,
        positionLabels,
        firstDrawn,
        details);
  }

  /**
   * Sets the size of the whole graph, where {@code edges} are only its best ones.
   *
   * @param count number of edges of the graph, at least {@code edges.size()}
   * @return a new value
   */
  public ReportData withTotalEdges(long count) {
    return new ReportData(
        title,
        verdict,
        summary,
        settings,
        curves,
        nodes,
        edges,
        count,
        positionLabels,
        firstDrawn,
        details);
  }

  /**
   * Sets the text of each token position.
   *
   * @param labels the texts, by position
   * @return a new value
   */
  public ReportData withPositionLabels(List<String> labels) {
    return new ReportData(
        title,
        verdict,
        summary,
        settings,
        curves,
        nodes,
        edges,
        totalEdges,
        labels,
        firstDrawn,
        details);
  }

  /**
   * Sets how many edges are drawn when the page is opened.
   *
   * @param count number of edges, at least 0
   * @return a new value
   */
  public ReportData withFirstDrawn(int count) {
    return new ReportData(
        title,
        verdict,
        summary,
        settings,
        curves,
        nodes,
        edges,
        totalEdges,
        positionLabels,
        count,
        details);
  }

  /**
   * Sets what else is known of the run.
   *
   * @param known of the run whose scores these are
   * @return a new value
   */
  public ReportData withDetails(Details known) {
    return new ReportData(
        title,
        verdict,
        summary,
        settings,
        curves,
        nodes,
        edges,
        totalEdges,
        positionLabels,
        firstDrawn,
        known);
  }

  /**
   * Sets the hypothesis tests of circuits.
   *
   * @param tests may be empty
   * @return a new value
   */
  public ReportData withTests(List<TestedCircuit> tests) {
    return withDetails(
        new Details(
            details.patchType(),
            details.activations(),
            details.roc(),
            details.areas(),
            details.selection(),
            details.stability(),
            tests));
  }

  /** Layer of each node by name, and of each head whose inputs are listed instead. */
  static Map<String, Integer> layers(List<NodeInfo> nodes) {
    Map<String, Integer> layers = new LinkedHashMap<>();
    for (NodeInfo node : nodes) {
      Integer before = layers.put(node.name(), node.layer());
      if (before != null && before != node.layer()) {
        throw new IllegalArgumentException(
            "node="
                + node.name()
                + " has layer="
                + before
                + " and layer="
                + node.layer()
                + ": list each node once");
      }
    }
    for (NodeInfo node : nodes) {
      head(node.name()).ifPresent(head -> layers.putIfAbsent(head, node.layer()));
    }
    return layers;
  }

  /** The node that stands for {@code name} in the drawing: a head for its Q, K or V input. */
  static String drawnNode(String name, Map<String, Integer> layers) {
    return head(name).filter(layers::containsKey).orElse(name);
  }

  /** The head of a Q, K or V input. */
  static Optional<String> head(String name) {
    return name.endsWith(".Q") || name.endsWith(".K") || name.endsWith(".V")
        ? Optional.of(name.substring(0, name.length() - 2))
        : Optional.empty();
  }

  private static void checkEdges(Map<String, Integer> layers, List<ScoredEdge> edges) {
    for (ScoredEdge edge : edges) {
      int from = layerOf(edge, edge.source(), layers);
      int to =
          edge.inputs().stream().mapToInt(into -> layerOf(edge, into, layers)).min().orElseThrow();
      if (from >= to) {
        throw new IllegalArgumentException(
            "edge="
                + edge.name()
                + " leads from layer="
                + from
                + " to layer="
                + to
                + ": an edge must lead to a later layer, correct the layers of its nodes");
      }
    }
  }

  private static int layerOf(ScoredEdge edge, String endpoint, Map<String, Integer> layers) {
    Integer layer = layers.get(drawnNode(endpoint, layers));
    if (layer == null) {
      throw new IllegalArgumentException(
          "node="
              + endpoint
              + " of edge="
              + edge.name()
              + " is not among the nodes: add a NodeInfo with its layer");
    }
    return layer;
  }

  private static void checkCurves(List<Curve> curves) {
    Map<String, Curve> first = new HashMap<>();
    Set<List<String>> seen = new HashSet<>();
    for (Curve curve : curves) {
      Curve model = first.computeIfAbsent(curve.name(), name -> curve);
      if (!curve.xLabel().equals(model.xLabel())
          || !curve.yLabel().equals(model.yLabel())
          || curve.logX() != model.logX()
          || curve.logY() != model.logY()
          || curve.lowerIsBetter() != model.lowerIsBetter()) {
        throw new IllegalArgumentException(
            "curve="
                + curve.name()
                + " has series="
                + model.series()
                + " and series="
                + curve.series()
                + " with different labels or axes: give them the same, or different names");
      }
      if (!seen.add(List.of(curve.name(), curve.series()))) {
        throw new IllegalArgumentException(
            "curve="
                + curve.name()
                + " has series="
                + curve.series()
                + " twice: give each line its own series name");
      }
    }
  }

  private static Map<String, String> copyInOrder(Map<String, String> map) {
    Map<String, String> copy = new LinkedHashMap<>();
    map.forEach(
        (name, value) ->
            copy.put(
                Objects.requireNonNull(name, "name"),
                Objects.requireNonNull(value, () -> "value of " + name)));
    return Collections.unmodifiableMap(copy);
  }
}
