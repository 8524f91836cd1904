package io.autocircuit.cli;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.metric.FaithfulnessCurve;
import io.autocircuit.metric.Measurement;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.NeuronCircuit;
import io.autocircuit.patch.NeuronScores;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/**
 * Circuits of neurons, or of nodes with the start of the stream, as a table.
 *
 * @param scores of neurons
 * @param nodes whether nodes are chosen, by the sums of their neurons' scores
 * @param how they are chosen
 */
record NeuronTable(NeuronScores scores, boolean nodes, CircuitSelection how) {
  /** What fits beside the counts. */
  static final int MOST_METRICS = 3;

  /**
   * A circuit.
   *
   * @param threshold the least score; empty where a number was asked for
   * @param edges how many edges leave what was chosen
   * @param circuit what is left of them
   */
  record Chosen(OptionalDouble threshold, int edges, NeuronCircuit circuit) {}

  private String what() {
    return nodes ? "nodes" : "neurons";
  }

  private int width() {
    return nodes ? 1 : scores.width();
  }

  private float[] values() {
    if (!nodes) {
      return scores.values();
    }
    float[] values = new float[scores.graph().sources().size()];
    for (int s = 0; s < values.length; s++) {
      values[s] = (float) scores.node(s);
    }
    return values;
  }

  /**
   * The circuits of sizes, or of thresholds, by ascending size.
   *
   * @param sizes not read where thresholds choose
   * @throws IllegalArgumentException if there are no such sizes
   */
  List<Chosen> choose(List<String> sizes) {
    ComputationGraph graph = scores.graph();
    float[] values = values();
    CircuitSelection open = new CircuitSelection(CircuitSelection.Rule.TOP, how.signed(), false);
    List<Chosen> all = new ArrayList<>();
    if (how.rule() == CircuitSelection.Rule.THRESHOLD) {
      for (double t : how.thresholds()) {
        all.add(
            new Chosen(
                OptionalDouble.of(t),
                NeuronCircuit.reaching(graph, values, width(), t, open).circuit().size(),
                NeuronCircuit.reaching(graph, values, width(), t, how)));
      }
      all.sort(Comparator.comparingInt(c -> c.circuit().neurons().cardinality()));
      return all;
    }
    EdgeCounts counts = EdgeCounts.parse(sizes).requireWithin(values.length, what());
    for (int k : counts.resolve(values.length, values, -1)) {
      all.add(
          new Chosen(
              OptionalDouble.empty(),
              NeuronCircuit.top(graph, values, width(), k, open).circuit().size(),
              NeuronCircuit.top(graph, values, width(), k, how)));
    }
    return all;
  }

  /**
   * Prints it.
   *
   * @param measured with a point for each circuit
   * @param benchmark whether the sizes are the benchmark's, so that there are areas
   */
  void print(PrintWriter out, List<Chosen> chosen, List<Measurement> measured, boolean benchmark) {
    out.printf("%ncircuits of %s: %s%n", what(), how.title());
    out.printf("%9s%9s%9s%11s", what(), "edges", how.prune() ? "left" : "", "weighted");
    measured.forEach(m -> out.printf("  %12s", m.metric().key()));
    out.println();
    for (int i = 0; i < chosen.size(); i++) {
      Chosen c = chosen.get(i);
      out.printf(
          Locale.ROOT,
          "%,9d%,9d%9s%,11.2f",
          c.circuit().neurons().cardinality(),
          c.edges(),
          how.prune() ? String.format(Locale.ROOT, "%,d", c.circuit().circuit().size()) : "",
          c.circuit().weightedEdges());
      for (Measurement m : measured) {
        out.printf(Locale.ROOT, "  %12.5g", m.points().get(i).value());
      }
      out.println(
          c.threshold().isPresent()
              ? String.format(Locale.ROOT, "  from %.4g", c.threshold().getAsDouble())
              : "");
    }
    if (benchmark) {
      measured.forEach(m -> areas(out, m));
    }
  }

  private void areas(PrintWriter out, Measurement m) {
    List<Measurement.Point> points = m.points();
    double[] values =
        Arrays.stream(EdgeCounts.ofShares(values().length))
            .mapToDouble(
                k -> points.stream().filter(p -> p.edges() == k).findFirst().orElseThrow().value())
            .toArray();
    double full = points.get(points.size() - 1).value();
    FaithfulnessCurve curve = FaithfulnessCurve.mib(values, points.get(0).value(), full);
    out.printf(
        Locale.ROOT,
        "%s: CPR %.4f, CMD %.4f%n",
        m.metric().key(),
        curve.areaUnder(),
        curve.areaFromOne());
  }
}
