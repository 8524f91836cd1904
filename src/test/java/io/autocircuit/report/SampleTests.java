package io.autocircuit.report;

import io.autocircuit.experiment.TestedCircuit;
import io.autocircuit.metric.CircuitTests;
import io.autocircuit.metric.Equivalence;
import io.autocircuit.metric.Independence;
import java.util.List;
import java.util.stream.IntStream;

/** Hypothesis tests with made-up numbers. */
final class SampleTests {
  private SampleTests() {}

  /** Of a circuit of two edges, of which the second is no better than random ones. */
  static TestedCircuit tested(int edges) {
    List<Double> random = IntStream.range(0, 20).mapToObj(i -> 0.001 * (1 + i)).toList();
    List<Double> distances = IntStream.range(0, 20).mapToObj(i -> 3 + 0.1 * i).toList();
    return new TestedCircuit(
        edges,
        false,
        "logit_diff",
        32,
        3,
        3.1,
        -1,
        0.05,
        new Equivalence(14, 18, 0, 0.1, 0.6),
        new Independence(32, 0.05, 99, 0.01),
        List.of(
            new TestedCircuit.Need("A0.0->A1.0.K", -1, 2.5, 20, 1, 1),
            new TestedCircuit.Need("A0.1->Resid End", 3, 0.002, 1, 1e-9, 2e-9)),
        random,
        0.9,
        List.of(
            new CircuitTests.Control(
                CircuitTests.Matching.SIZE, 0.2, distances, 0.1, 0, 1 / 21.0, 20),
            new CircuitTests.Control(
                CircuitTests.Matching.CAPACITY, 0.2, distances, 0.4, 3, 4 / 21.0, 17)));
  }
}
