package io.autocircuit.graph;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Finds parts of a graph by their names, and edges by their numbers. */
final class GraphNames {
  /** Of more edges a message does not look for near names. */
  private static final int MOST_NAMES = 1_000_000;

  private final ComputationGraph graph;
  private final Map<String, DestModule> modules = new LinkedHashMap<>();
  private final Map<String, SrcNode> sources = new LinkedHashMap<>();
  private final Map<String, DestNode> destinations = new LinkedHashMap<>();

  /** The stage of each module. */
  private final Map<String, Stage> stages = new LinkedHashMap<>();

  /** Of a graph that has its stages, sources and modules. */
  GraphNames(ComputationGraph graph) {
    this.graph = graph;
    graph.sources().forEach(s -> sources.put(s.name(), s));
    for (DestModule m : graph.modules()) {
      modules.put(m.name(), m);
      m.nodes().forEach(d -> destinations.put(d.name(), d));
    }
    graph.stages().forEach(s -> s.reads().forEach(m -> stages.put(m.name(), s)));
  }

  /**
   * The module of a hook name.
   *
   * @throws UnknownNameException if there is none
   */
  DestModule module(String name) {
    DestModule m = modules.get(name);
    if (m == null) {
      throw new UnknownNameException("destination module", name, modules.keySet());
    }
    return m;
  }

  /** The module that an edge leads to, by the edge's index. */
  DestModule module(int edge) {
    List<DestModule> all = graph.modules();
    int lo = 0;
    int hi = all.size() - 1;
    while (lo < hi) {
      int mid = (lo + hi + 1) / 2;
      if (all.get(mid).offset() <= edge) {
        lo = mid;
      } else {
        hi = mid - 1;
      }
    }
    return all.get(lo);
  }

  /** The stage that a module belongs to. */
  Stage stage(DestModule module) {
    return stages.get(module.name());
  }

  /**
   * The index of an edge, at the first position; by its name here or one that other tools have.
   *
   * @throws UnknownNameException if there is none
   */
  int edge(String given) {
    int group = graph.heads() / graph.keyValueHeads();
    String name = ForeignNames.edge(given, graph.separateQkv(), group).orElse(given);
    int arrow = name.indexOf("->");
    SrcNode s = arrow < 0 ? null : sources.get(name.substring(0, arrow).strip());
    DestNode d = arrow < 0 ? null : destinations.get(name.substring(arrow + 2).strip());
    if (s == null || d == null || !d.reads(s)) {
      throw new UnknownNameException("edge", name, near(s, d));
    }
    return graph.index(module(d.module()), Math.max(0, d.head()), s.index(), 0);
  }

  /** Names of edges that share an end with what was meant; of all only where they are few. */
  private Collection<String> near(SrcNode s, DestNode d) {
    if (d != null) {
      return graph.sources().stream()
          .filter(d::reads)
          .map(x -> x.name() + "->" + d.name())
          .toList();
    }
    if (s != null) {
      return destinations.values().stream()
          .filter(x -> x.reads(s))
          .map(x -> s.name() + "->" + x.name())
          .toList();
    }
    return graph.edgeCount() / graph.positionCopies() <= MOST_NAMES
        ? graph.edgeNames()
        : destinations.keySet();
  }
}
