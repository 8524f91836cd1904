package io.autocircuit.experiment;

import io.autocircuit.metric.CircuitTests;
import io.autocircuit.metric.Metric;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.Progress;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;

/**
 * Hypothesis tests of the circuits of a cell.
 *
 * @param tests one for each size that could be tested
 * @param notices why others could not
 */
record CellTests(List<TestedCircuit> tests, List<String> notices) {
  /** Nothing was asked for. */
  static final CellTests NONE = new CellTests(List.of(), List.of());

  CellTests {
    tests = List.copyOf(tests);
    notices = List.copyOf(notices);
  }

  /**
   * Tests circuits on the prompts that judge.
   *
   * @param result whose circuits
   * @param how the sizes of the circuits, and how they are tested
   * @param progress told about the work done
   * @return none without sizes and without a known circuit
   */
  static CellTests of(Discovery.Result result, ExperimentSpec.Tests how, Progress progress) {
    Discovery d = result.discovery();
    TreeSet<Integer> sizes = new TreeSet<>(how.sizes());
    Circuits circuits = Circuits.of(d, result.scores());
    if (sizes.isEmpty() && d.official() != null) {
      sizes.add(circuits.officialSize());
    }
    if (d.level() == Level.NODE) {
      return refused("circuits of nodes are not tested: give level edge");
    }
    if (d.selection().rule() == CircuitSelection.Rule.THRESHOLD) {
      return refused(
          "circuits chosen by thresholds have no sizes and are not tested: select top or greedy");
    }
    Optional<Metric> score = how.metric().or(() -> CircuitTests.usualScore(d.test()));
    if (score.isEmpty()) {
      return refused("circuits are not tested: no metric of answers applies; name one");
    }
    Optional<String> unfit = score.get().inapplicable(d.test());
    if (unfit.isPresent()) {
      return refused("circuits are not tested: metric=" + score.get().key() + " " + unfit.get());
    }
    List<TestedCircuit> tests = new ArrayList<>();
    List<String> notices = new ArrayList<>();
    TreeSet<Integer> tested = new TreeSet<>(); // sizes asked for may give one circuit
    for (int size : sizes.headSet(circuits.all(), true)) {
      Circuit circuit = circuits.one(size);
      Optional<String> why = CircuitTests.refusal(circuit, d.test());
      if (why.isPresent()) {
        notices.add("the circuit of " + size + " edges is not tested: " + why.get());
      } else if (tested.add(circuit.size())) {
        tests.add(
            TestedCircuit.of(
                CircuitTests.of(
                    d.model(), d.runs(), d.test(), circuit, score.get(), how.settings(), progress),
                how.settings(),
                false));
      }
    }
    for (int size : sizes.tailSet(circuits.all(), false)) {
      notices.add(
          "the circuit of " + size + " edges is not tested: the graph has edges=" + circuits.all());
    }
    return new CellTests(tests, notices);
  }

  private static CellTests refused(String why) {
    return new CellTests(List.of(), List.of(why));
  }
}
