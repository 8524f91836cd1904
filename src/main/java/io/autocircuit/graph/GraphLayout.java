package io.autocircuit.graph;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Makes the nodes and stages of a graph, and numbers its edges.
 *
 * @param stages in the order of a run
 * @param modules in canonical order: layer descending, then name
 * @param edgeCount positions counted
 */
record GraphLayout(List<Stage> stages, List<DestModule> modules, int edgeCount) {

  /**
   * Makes a graph.
   *
   * @throws IllegalArgumentException if there are too many edges
   */
  static GraphLayout of(GraphShape shape) {
    List<Stage> planned =
        switch (shape.form()) {
          case FACTORIZED -> FactorizedGraph.stages(shape);
          case UNFACTORIZED -> UnfactorizedGraph.stages(shape);
        };
    List<DestModule> canonical =
        planned.stream()
            .flatMap(s -> s.reads().stream())
            .sorted(
                Comparator.comparingInt((DestModule m) -> -m.nodes().get(0).layer())
                    .thenComparing(DestModule::name))
            .toList();
    Map<String, DestModule> placed = new HashMap<>();
    List<DestModule> modules = new ArrayList<>();
    long offset = 0;
    for (DestModule m : canonical) {
      DestModule at = m.at((int) offset);
      modules.add(at);
      placed.put(m.name(), at);
      offset += (long) m.nodes().size() * m.sources() * shape.positionCopies();
      if (offset > Integer.MAX_VALUE - 8) {
        throw new IllegalArgumentException(
            "the graph has more than 2^31 edges: blocks="
                + shape.blocks()
                + ", heads="
                + shape.heads()
                + ", positions="
                + shape.positions()
                + "; use one mask for all positions or joint Q/K/V inputs");
      }
    }
    List<Stage> stages =
        planned.stream()
            .map(
                s ->
                    new Stage(
                        s.index(),
                        s.kind(),
                        s.block(),
                        s.layer(),
                        s.reads().stream().map(m -> placed.get(m.name())).toList(),
                        s.writes(),
                        s.streamReadAgain()))
            .toList();
    return new GraphLayout(stages, List.copyOf(modules), (int) offset);
  }
}
