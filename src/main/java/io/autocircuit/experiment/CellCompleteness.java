package io.autocircuit.experiment;

import io.autocircuit.experiment.ExperimentResults.CompletenessResult;
import io.autocircuit.metric.Completeness;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Progress;
import io.autocircuit.prune.KnockoutTraining;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/** How complete the circuits of a cell are. */
final class CellCompleteness {
  private CellCompleteness() {}

  /**
   * Learns knockouts of each circuit on the prompts that score, and measures it on those that
   * judge.
   *
   * @param key of the cell
   * @param run what was run
   * @param result what came out
   * @param how the sizes of the circuits, and how knockouts are learned
   * @param progress told about the work done
   * @return one for each size; none without sizes and without a known circuit
   */
  static List<CompletenessResult> of(
      String key,
      Run run,
      Discovery.Result result,
      ExperimentSpec.Completeness how,
      Progress progress) {
    Discovery d = run.discovery();
    Circuits circuits = Circuits.of(d, result.scores());
    TreeSet<Integer> sizes = new TreeSet<>(how.sizes());
    if (sizes.isEmpty() && d.official() != null) {
      sizes.add(circuits.officialSize());
    }
    KnockoutTraining training = how.training(d.runs().ablation(), run.spec().seed());
    List<CompletenessResult> all = new ArrayList<>();
    for (int size : sizes.headSet(circuits.all(), true)) {
      Circuit circuit = circuits.one(size);
      if (circuit.size() == 0) {
        continue;
      }
      Completeness measured = LearnedCompleteness.of(d, circuit, training, progress).measured();
      all.add(
          new CompletenessResult(
              key,
              measured.edges(),
              measured.knockedOut(),
              measured.normal(),
              measured.knockout()));
    }
    return all;
  }
}
