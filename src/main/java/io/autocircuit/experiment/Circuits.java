package io.autocircuit.experiment;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Roc;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.NodeScores;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.PruneAlgorithm;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.OptionalDouble;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.IntStream;

/** The circuits of a discovery's scores: by their number of edges, or of nodes. */
interface Circuits {
  /** Those of a discovery's level. */
  static Circuits of(Discovery d, PruneScores scores) {
    return d.level() == Level.NODE
        ? new OfNodes(d, NodeScores.of(scores.graph().nodes(), scores))
        : new OfEdges(d, scores);
  }

  /** The size of the full circuit. */
  int all();

  /** The size of the official circuit; −1 without one. */
  int officialSize();

  /** The sizes that are asked for; none where scores make no groups. */
  int[] sizes();

  /** The circuits that the algorithm itself arrived at. */
  List<PruneAlgorithm.Found> found();

  /**
   * Circuits that were chosen.
   *
   * @param circuits by the size that they really have
   * @param selected what each was chosen by; several may have become the same circuit
   */
  record Chosen(SortedMap<Integer, Circuit> circuits, List<Discovery.Selected> selected) {}

  /** The circuits of those sizes; of thresholds, where these choose. */
  Chosen some(IntStream sizes);

  /** The circuit of that size, with all that tie with its last where ties are included. */
  default Circuit one(int size) {
    SortedMap<Integer, Circuit> one = some(IntStream.of(size)).circuits();
    return one.get(one.firstKey());
  }

  /** Measurements of circuits, by their size. */
  List<Measurement> counted(SortedMap<Integer, Circuit> circuits, List<Measurement> measurements);

  /** The curve against the official circuit; empty where no node, or every node, is part of it. */
  List<Roc.Point> roc(int[] sizes);

  /** Sizes are numbers of edges. */
  record OfEdges(Discovery d, PruneScores scores) implements Circuits {
    @Override
    public int all() {
      return scores.graph().edgeCount();
    }

    @Override
    public int officialSize() {
      return d.official() == null ? -1 : d.official().size();
    }

    @Override
    public int[] sizes() {
      return d.counts().resolve(all(), scores.values(), officialSize());
    }

    @Override
    public List<PruneAlgorithm.Found> found() {
      return d.selection().equals(CircuitSelection.TOP)
          ? d.algorithm().found(scores.values(), "edges")
          : List.of(); // circuits of the largest |scores|
    }

    @Override
    public Chosen some(IntStream sizes) {
      TreeMap<Integer, Circuit> circuits = new TreeMap<>();
      List<Discovery.Selected> selected = new ArrayList<>();
      CircuitSelection how = d.selection();
      if (how.rule() == CircuitSelection.Rule.THRESHOLD) {
        List<CircuitSelection.Selected> all = how.ofThresholds(scores);
        for (int i = 0; i < all.size(); i++) {
          selected.add(selected(OptionalDouble.of(how.thresholds().get(i)), all.get(i), circuits));
        }
        for (Circuit end : List.of(Circuit.empty(graph()), Circuit.full(graph()))) {
          selected.add(
              selected(OptionalDouble.empty(), new CircuitSelection.Selected(end, end), circuits));
        }
        return new Chosen(circuits, selected);
      }
      int[] counts = sizes.sorted().distinct().toArray();
      if (d.ties()) {
        for (int k : counts) {
          Circuit c = scores.topWithTies(k);
          circuits.put(c.size(), c);
          selected.add(new Discovery.Selected(OptionalDouble.empty(), k, c.size()));
        }
        return new Chosen(circuits, selected);
      }
      for (CircuitSelection.Selected one : how.ofCounts(scores, counts)) {
        selected.add(selected(OptionalDouble.empty(), one, circuits));
      }
      return new Chosen(circuits, selected);
    }

    private ComputationGraph graph() {
      return scores.graph();
    }

    private static Discovery.Selected selected(
        OptionalDouble threshold,
        CircuitSelection.Selected one,
        SortedMap<Integer, Circuit> circuits) {
      circuits.put(one.circuit().size(), one.circuit());
      return new Discovery.Selected(threshold, one.chosen().size(), one.circuit().size());
    }

    @Override
    public List<Measurement> counted(
        SortedMap<Integer, Circuit> circuits, List<Measurement> measurements) {
      return measurements;
    }

    @Override
    public List<Roc.Point> roc(int[] sizes) {
      return Roc.curve(scores, d.official(), sizes);
    }
  }

  /** Sizes are numbers of nodes. */
  record OfNodes(Discovery d, NodeScores scores) implements Circuits {
    /** The nodes of the official circuit. */
    private BitSet official() {
      return scores.nodes().joined(d.official().edgeSet());
    }

    @Override
    public int all() {
      return scores.nodes().size();
    }

    @Override
    public int officialSize() {
      return d.official() == null ? -1 : official().cardinality();
    }

    @Override
    public int[] sizes() {
      return d.counts().resolve(all(), scores.values(), officialSize());
    }

    @Override
    public List<PruneAlgorithm.Found> found() {
      return d.selection().equals(CircuitSelection.TOP)
          ? d.algorithm().found(scores.values(), "nodes")
          : List.of();
    }

    @Override
    public Chosen some(IntStream sizes) {
      TreeMap<Integer, Circuit> circuits = new TreeMap<>();
      List<Discovery.Selected> selected = new ArrayList<>();
      CircuitSelection how = d.selection();
      if (how.rule() == CircuitSelection.Rule.THRESHOLD) {
        for (double t : how.thresholds()) {
          BitSet nodes = scores.reaching(t, how.signed());
          put(OptionalDouble.of(t), nodes.cardinality(), nodes, circuits, selected);
        }
      }
      int[] counts =
          how.rule() == CircuitSelection.Rule.THRESHOLD
              ? new int[] {0, all()}
              : sizes.sorted().distinct().toArray();
      for (int k : counts) {
        BitSet nodes =
            d.ties()
                ? scores.bestWithTies(k)
                : how.signed() ? scores.bestSigned(k) : scores.best(k);
        put(OptionalDouble.empty(), k, nodes, circuits, selected);
      }
      return new Chosen(circuits, selected);
    }

    /** There is nothing to prune: every node reads the start of the stream and leads to its end. */
    private void put(
        OptionalDouble threshold,
        int chosen,
        BitSet nodes,
        SortedMap<Integer, Circuit> circuits,
        List<Discovery.Selected> selected) {
      circuits.put(nodes.cardinality(), scores.circuit(nodes));
      selected.add(new Discovery.Selected(threshold, chosen, nodes.cardinality()));
    }

    @Override
    public List<Measurement> counted(
        SortedMap<Integer, Circuit> circuits, List<Measurement> measurements) {
      List<Integer> sizes = List.copyOf(circuits.keySet());
      List<Measurement> counted = new ArrayList<>();
      for (Measurement m : measurements) {
        List<Measurement.Point> points = new ArrayList<>();
        for (int i = 0; i < sizes.size(); i++) {
          Measurement.Point p = m.points().get(i);
          points.add(new Measurement.Point(sizes.get(i), p.value(), p.prompts()));
        }
        counted.add(new Measurement(m.metric(), points));
      }
      return counted;
    }

    @Override
    public List<Roc.Point> roc(int[] sizes) {
      BitSet official = official();
      return official.isEmpty() || official.cardinality() == all()
          ? List.of()
          : Roc.curve(scores, official, sizes);
    }
  }
}
