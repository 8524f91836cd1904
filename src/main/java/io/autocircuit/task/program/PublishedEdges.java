package io.autocircuit.task.program;

import io.autocircuit.catalogue.Source;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.task.KnownCircuit;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/** The circuits that AutoCircuit lists for Tracr's programs, at the positions that it gives. */
final class PublishedEdges {
  private static final Source AUTO_CIRCUIT =
      Source.web("AutoCircuit, Miller 2024", "https://github.com/UFO-101/auto-circuit");
  private static final Source ACDC =
      Source.arxiv(
          "Conmy et al. 2023, Towards automated circuit discovery, as AutoCircuit lists it",
          "2304.14997");

  private final int[] positions;

  private PublishedEdges(int[] positions) {
    this.positions = positions;
  }

  /** At every letter. */
  static PublishedEdges everywhere(CompiledProgram compiled) {
    return new PublishedEdges(letters(compiled).toArray());
  }

  /** At every letter but the one in the middle, which is its own opposite. */
  static PublishedEdges allButTheMiddle(CompiledProgram compiled) {
    int length = compiled.program().length();
    return new PublishedEdges(letters(compiled).filter(p -> 2 * p != length + 1).toArray());
  }

  private static IntStream letters(CompiledProgram compiled) {
    return IntStream.rangeClosed(1, compiled.program().length());
  }

  KnownCircuit autoCircuit(String key, String... names) {
    return new KnownCircuit(
        key,
        "AutoCircuit's circuit",
        "the edges that AutoCircuit gives for resampling",
        AUTO_CIRCUIT,
        (graph, words) -> edges(graph, names));
  }

  KnownCircuit acdc(String key, String... names) {
    return new KnownCircuit(
        key,
        "ACDC's circuit",
        "the edges that AutoCircuit gives for ablation by zero, after ACDC",
        ACDC,
        (graph, words) -> edges(graph, names));
  }

  private List<Edge> edges(ComputationGraph graph, String[] names) {
    Set<Edge> edges = new LinkedHashSet<>();
    for (String name : names) {
      boolean joint = !graph.separateQkv() && name.matches(".*\\.[QKV]");
      List<Edge> all = graph.edges(joint ? name.substring(0, name.length() - 2) : name);
      if (graph.positions() == 0) {
        edges.addAll(all);
      } else {
        for (int p : positions) {
          edges.add(all.get(p));
        }
      }
    }
    return new ArrayList<>(edges);
  }
}
