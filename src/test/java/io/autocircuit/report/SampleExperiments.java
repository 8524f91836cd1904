package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.metric.Roc;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;

/** Experiments as a store would hold them, with numbers from formulas; nothing was measured. */
final class SampleExperiments {
  /** Edges of the graph of either task. */
  static final int EDGES = 2461;

  /** Edges of the known circuit of the first task. */
  static final int OFFICIAL = 42;

  private static final int[] SIZES = {0, 1, 2, 5, 10, 20, 42, 100, 200, 500, 1000, EDGES};

  private SampleExperiments() {}

  /** How good an algorithm is: half of the behaviour is there at so many edges. */
  private record Kind(String key, String label, double half, double seconds, boolean single) {}

  private static final List<Kind> KINDS =
      List.of(
          new Kind("eap", "Edge attribution patching", 30, 0.8, false),
          new Kind("ig", "Integrated gradients (10 samples)", 18, 4.2, false),
          new Kind("acdc", "ACDC", 24, 61, false),
          new Kind("sp", "Subnetwork probing", 14, 140, false),
          new Kind("ground-truth", "Ground truth", 40, 0.001, true),
          new Kind("random", "Random", 700, 0.002, false));

  /** Two tasks, six algorithms, two ablations, three seeds; two cells failed, three wait. */
  static ExperimentResults usual() {
    List<CellResult> cells = new ArrayList<>();
    List<ExperimentResults.CompletenessResult> completeness = new ArrayList<>();
    for (String task : List.of("indirect-object-identification", "docstring")) {
      for (String ablation : List.of("resample", "zero")) {
        for (Kind kind : KINDS) {
          boolean known = task.startsWith("indirect");
          if (kind.single() && !known) {
            continue;
          }
          for (long seed = 1; seed <= (kind.single() ? 1 : 3); seed++) {
            CellResult cell = cell(task, kind, ablation, seed, known);
            cells.add(cell);
            if (known && seed == 1 && ablation.equals("resample") && !kind.key().equals("random")) {
              double normal = kind.half() / 50;
              completeness.add(
                  new ExperimentResults.CompletenessResult(
                      cell.run(), OFFICIAL, 9, normal, 0.3 + normal * normal));
            }
          }
        }
      }
    }
    return new ExperimentResults(
        "Sample experiment",
        cells,
        List.of(
            new ExperimentResults.Failure(
                "f1",
                "docstring, sp, resample, seed 4",
                "loss=NaN at epoch=12: lower learning-rate"),
            new ExperimentResults.Failure(
                "f2",
                "docstring, acdc, zero, seed 4",
                "memory=2 GiB is less than one prompt needs (3.1 GiB); raise --memory")),
        3,
        completeness);
  }

  /** Scores that resemble each other the more, the better both algorithms are. */
  static Function<CellResult, Optional<float[]>> scores() {
    return cell ->
        KINDS.stream()
            .filter(kind -> kind.key().equals(cell.algorithm()) && !kind.single())
            .findFirst()
            .map(kind -> scores(cell, kind));
  }

  private static float[] scores(CellResult cell, Kind kind) {
    Random common = new Random(cell.task().hashCode());
    Random own = new Random(cell.run().hashCode());
    float[] scores = new float[cell.edges()];
    for (int i = 0; i < scores.length; i++) {
      scores[i] =
          (float) (Math.exp(1.5 * common.nextGaussian()) + kind.half() / 9 * own.nextGaussian());
    }
    return scores;
  }

  private static CellResult cell(
      String task, Kind kind, String ablation, long seed, boolean known) {
    String run = Integer.toHexString((task + kind.key() + ablation + seed).hashCode()) + "0badcafe";
    Random random = new Random(run.hashCode());
    double half =
        kind.half() * (ablation.equals("zero") ? 2.2 : 1) * Math.exp(0.25 * random.nextGaussian());
    SortedMap<String, String> settings = new TreeMap<>();
    settings.put("graph.separate_qkv", "true");
    settings.put("run.precision", "float32");
    settings.put("judging.ablation", ablation);
    settings.put("algorithm.batch", kind.key().equals("sp") ? "16" : "32");
    SortedMap<Integer, Integer> live = new TreeMap<>();
    for (int size : SIZES) {
      live.put(size, (int) (size * Math.min(1, (size + 20) / (half + size + 20.0))));
    }
    return new CellResult(
        run,
        task,
        kind.key(),
        kind.label(),
        ablation,
        "tree",
        seed,
        settings,
        EDGES,
        known ? Optional.of(OFFICIAL) : Optional.empty(),
        200,
        100,
        series(kind, half),
        known ? roc(half) : List.of(),
        kind.single() ? new TreeMap<>() : live,
        kind.key().equals("acdc")
            ? List.of(new CellResult.Found("kept at τ = 0.01", 20))
            : List.of(),
        new CellResult.Cost(
            kind.seconds() * Math.exp(0.2 * random.nextGaussian()), 12.5, task.length() / 40.0),
        Optional.of("20 edges recover 92 % of the logit difference."),
        kind.key().equals("eap") ? List.of("the graph has 3 edges of score 0") : List.of(),
        Path.of("cells", run, "scores.safetensors"),
        Optional.of(Path.of("cells", run, "report.html")));
  }

  private static List<CellResult.Series> series(Kind kind, double half) {
    return List.of(
        series(kind, "kl_div", k -> 4.2 * left(k, half)),
        series(kind, "logit_diff_percent", k -> 100 - 220 * left(k, half)),
        series(kind, "answer_prob", k -> 0.7 - 0.68 * left(k, 1.4 * half)),
        series(kind, "correct_answer_percent", k -> 100 - 100 * left(k, 0.8 * half)),
        series(kind, "logit_diff", k -> 3.1 - 7 * left(k, half)),
        series(kind, "prob_diff", k -> 0.6 - 0.9 * left(k, half)),
        series(kind, "metric_of_another_jar", k -> k / EDGES),
        series(kind, "corrupt_kl_div", k -> 5 * (1 - left(k, half))));
  }

  private static CellResult.Series series(Kind kind, String metric, Function<Double, Double> f) {
    List<CellResult.Point> points = new ArrayList<>();
    for (int size : kind.single() ? new int[] {OFFICIAL} : SIZES) {
      points.add(new CellResult.Point(size, f.apply((double) size)));
    }
    return new CellResult.Series(metric, points);
  }

  /** Falls from 1 at k = 0 to exactly 0 at all edges, to a half at {@code half}. */
  private static double left(double k, double half) {
    return (1 - k / EDGES) / (1 + Math.pow(k / half, 1.5));
  }

  private static List<Roc.Point> roc(double half) {
    double power = Math.min(1, half / 900);
    List<Roc.Point> points = new ArrayList<>();
    for (int i = 0; i <= 20; i++) {
      double x = Math.pow(i / 20.0, 2);
      points.add(new Roc.Point(x, Math.pow(x, power)));
    }
    return points;
  }

  /** One cell for each of many tasks, algorithms and seeds. */
  static ExperimentResults large(int tasks, int seeds) {
    List<CellResult> cells = new ArrayList<>();
    for (int t = 0; t < tasks; t++) {
      for (Kind kind : KINDS) {
        for (long seed = 1; seed <= seeds; seed++) {
          cells.add(cell("task-" + t, kind, "resample", seed, true));
        }
      }
    }
    return new ExperimentResults("Large sample", cells, List.of(), 0, List.of());
  }

  /** The same text in every place that holds text. */
  static ExperimentResults hostile(String text) {
    CellResult model = usual().cells().get(0);
    return new ExperimentResults(
        text,
        List.of(
            new CellResult(
                text,
                text,
                text,
                text,
                text,
                text,
                1,
                new TreeMap<>(Map.of(text, text)),
                10,
                Optional.of(3),
                1,
                1,
                List.of(
                    new CellResult.Series(
                        text, List.of(new CellResult.Point(0, 1), new CellResult.Point(5, 2)))),
                model.roc(),
                new TreeMap<>(),
                List.of(new CellResult.Found(text, 2)),
                model.cost(),
                Optional.of(text),
                List.of(text),
                model.scores(),
                Optional.of(Path.of("page.html")))),
        List.of(new ExperimentResults.Failure(text, text, text)),
        0,
        List.of(new ExperimentResults.CompletenessResult(text, 3, 1, 0.1, 0.2)));
  }
}
