package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.metric.Roc;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Experiments with made-up numbers. */
final class SampleResults {
  private SampleResults() {}

  /**
   * A cell.
   *
   * @param divergence of the circuits of 0, 10 and 100 edges
   */
  static CellResult cell(
      String task,
      String algorithm,
      String label,
      String ablation,
      long seed,
      Map<String, String> settings,
      double... divergence) {
    List<CellResult.Point> points = new ArrayList<>();
    int[] sizes = {0, 10, 100};
    for (int i = 0; i < divergence.length; i++) {
      points.add(new CellResult.Point(sizes[i], divergence[i]));
    }
    double hit = algorithm.equals("random") ? 0.5 : 0.75 + seed / 100.0;
    return new CellResult(
        task + "-" + algorithm + "-" + ablation + "-" + seed,
        task,
        algorithm,
        label,
        ablation,
        "tree",
        seed,
        new TreeMap<>(settings),
        100,
        task.equals("induction") ? Optional.of(10) : Optional.empty(),
        32,
        64,
        points.isEmpty()
            ? List.of()
            : List.of(
                new CellResult.Series("kl_div", points),
                new CellResult.Series(
                    "logit_diff",
                    points.stream()
                        .map(p -> new CellResult.Point(p.edges(), 3 - p.value()))
                        .toList())),
        task.equals("induction")
            ? List.of(new Roc.Point(0, 0), new Roc.Point(1 - hit, hit), new Roc.Point(1, 1))
            : List.of(),
        new TreeMap<>(Map.of(0, 0, 10, 9, 100, 100)),
        List.of(new CellResult.Found("kept at τ = 0.01", 12)),
        new CellResult.Cost(algorithm.length() / 4.0, 2, 0.5),
        Optional.of("10 of 100 edges, \"enough\""),
        List.of("a notice"),
        Path.of("cells", task, "scores.safetensors"),
        Optional.empty());
  }

  static ExperimentResults of(List<CellResult> cells) {
    return new ExperimentResults(
        "induction, twice",
        cells,
        List.of(
            new ExperimentResults.Failure(
                "77aa", "task=docstring, algorithm=acdc", "model=\"attn-only-4l\" is not there")),
        3,
        List.of(
            new ExperimentResults.CompletenessResult("induction-eap-resample-1", 10, 2, 0.1, 0.4)));
  }

  /** Two tasks, two algorithms, one seed. */
  static ExperimentResults plain() {
    Map<String, String> none = Map.of();
    return of(
        List.of(
            cell("induction", "eap", "Edge attribution", "resample", 1, none, 2, 0.5, 0.01),
            cell("induction", "random", "Random", "resample", 1, none, 2, 1.9, 0.01),
            cell("tracr_reverse", "eap", "Edge attribution", "resample", 1, none, 1.5, 1.2, 0.1),
            cell("tracr_reverse", "random", "Random", "resample", 1, none, 1.5, 1.1, 0.1)));
  }

  /** Two ablations, two seeds, integrated gradients with two numbers of samples. */
  static ExperimentResults grid() {
    List<CellResult> cells = new ArrayList<>();
    for (String ablation : List.of("resample", "zero")) {
      for (long seed = 1; seed < 3; seed++) {
        double shift = (ablation.equals("zero") ? 0.2 : 0) + seed / 10.0;
        cells.add(
            cell(
                "induction",
                "eap",
                "EAP",
                ablation,
                seed,
                Map.of("run.seed", "" + seed),
                2,
                0.5 + shift,
                0.01));
        for (int samples : new int[] {5, 50}) {
          cells.add(
              cell(
                  "induction",
                  "ig",
                  "IG, samples " + samples,
                  ablation,
                  seed,
                  Map.of("run.seed", "" + seed, "algorithm.samples", "" + samples),
                  2,
                  0.4 + shift / samples,
                  0.01));
        }
      }
    }
    return of(cells);
  }
}
