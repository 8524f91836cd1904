package io.autocircuit.task.program;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.Batches;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.LibtorchKernels;
import io.autocircuit.metric.Roc;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.ExactPatching;
import io.autocircuit.prune.MaskFunction;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.SubnetworkProbing;
import io.autocircuit.task.KnownCircuit;
import io.autocircuit.task.Task;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The areas under ROC curves that docs/programs.md states. */
@Tag("slow")
class ProgramRocTest {
  private static final Path PAGE =
      Path.of(System.getProperty("basedir", "")).resolve("docs/programs.md");

  /** Probing is a descent with noise, whose rounding differs between machines. */
  private static final double DESCENT = 0.06;

  /** ACDC's table: reverse under resampling and zero, then xproportion. */
  private static final Map<String, List<String>> PUBLISHED =
      Map.of(
          "ACDC", List.of(".200", "1.000", ".600", "1.000"),
          "mask gradient", List.of(".656", ".656", ".679", ".679"),
          "subnetwork probing", List.of(".416", ".692", ".400", ".561"));

  @Test
  void areasAreThoseOfThePage() throws IOException {
    List<String> page = Files.readAllLines(PAGE);
    List<String> wrong = new ArrayList<>();
    for (ProgramTask task : List.of(new TracrReverseTask(), new TracrXProportionTask())) {
      boolean numbers = task instanceof TracrXProportionTask;
      Settings settings = ProgramTasks.defaults(task);
      try (Task open = task.open(settings, ScalarType.Float, 42)) {
        PatchableModel model =
            PatchableModel.of(
                open.model(), true, 0, OutputSlice.NOT_FIRST_SEQ, new LibtorchKernels());
        List<PromptBatch> batches = Batches.byLength(open.prompts(), 256);
        List<KnownCircuit> known = task.circuits(settings);
        Circuit letters = circuit(model, known.get(0));
        Circuit whole = circuit(model, known.get(1));
        for (Ablation ablation : List.of(Ablation.RESAMPLE, Ablation.ZERO)) {
          int column = (numbers ? 2 : 0) + (ablation == Ablation.ZERO ? 1 : 0);
          for (PruneAlgorithm algorithm : algorithms(ablation, numbers)) {
            PruneScores scores = algorithm.score(model, batches, (what, done, total) -> {});
            String name = name(algorithm);
            String start =
                String.format(
                    "| `%s` | %s | %s | %s | ",
                    task.key(), ablation.key(), name, PUBLISHED.get(name).get(column));
            double[] areas = {
              steps(curve(scores, whole)),
              Roc.area(curve(scores, whole)),
              Roc.area(curve(scores, letters))
            };
            compare(page, start, areas, algorithm instanceof SubnetworkProbing, wrong);
          }
          PruneScores exact = exact(ablation, numbers).score(model, batches, (w, d, t) -> {});
          Circuit truth = ablation == Ablation.ZERO ? whole : letters;
          assertEquals(1, Roc.area(curve(exact, truth)), task.key() + " " + ablation);
        }
      }
    }
    assertEquals(List.of(), wrong);
  }

  private static void compare(
      List<String> page, String start, double[] areas, boolean descent, List<String> wrong) {
    String row =
        start
            + String.join(" | ", Arrays.stream(areas).mapToObj(ProgramRocTest::text).toList())
            + " |";
    List<String> there = page.stream().filter(l -> l.startsWith(start)).toList();
    boolean same = there.equals(List.of(row));
    if (!same && descent && there.size() == 1) {
      double[] stated =
          Arrays.stream(there.get(0).substring(start.length()).split("\\|"))
              .mapToDouble(s -> Double.parseDouble(s.strip()))
              .toArray();
      same =
          stated.length == areas.length
              && IntStream.range(0, areas.length)
                  .allMatch(i -> Math.abs(stated[i] - areas[i]) <= DESCENT);
    }
    if (!same) {
      wrong.add(row);
    }
  }

  private static String text(double area) {
    return String.format(Locale.ROOT, "%.3f", area).replaceFirst("^0", "");
  }

  private static String name(PruneAlgorithm algorithm) {
    return algorithm instanceof Acdc
        ? "ACDC"
        : algorithm instanceof MaskGradient ? "mask gradient" : "subnetwork probing";
  }

  private static Circuit circuit(PatchableModel model, KnownCircuit known) {
    return Circuit.of(model.graph(), known.edges().of(model.graph(), new TreeMap<>()));
  }

  private static List<Roc.Point> curve(PruneScores scores, Circuit truth) {
    int edges = truth.graph().edgeCount();
    List<Roc.Point> curve = Roc.curve(scores, truth, IntStream.rangeClosed(0, edges).toArray());
    assertTrue(curve.size() > 2);
    return curve;
  }

  private static double steps(List<Roc.Point> curve) {
    double area = 0;
    for (int i = 1; i < curve.size(); i++) {
      Roc.Point before = curve.get(i - 1);
      area +=
          (curve.get(i).falsePositiveRate() - before.falsePositiveRate())
              * before.truePositiveRate();
    }
    return area;
  }

  private static List<PruneAlgorithm> algorithms(Ablation ablation, boolean numbers) {
    List<Double> thresholds =
        IntStream.range(0, 44).mapToObj(i -> Math.pow(10, -9 + 8.0 * i / 43)).toList();
    return List.of(
        new Acdc(thresholds, Acdc.Target.MSE, ablation),
        gradient(ablation, numbers, 0.5),
        new SubnetworkProbing(
            0.1,
            100,
            1e-3,
            MaskFunction.HARD_CONCRETE,
            PatchType.TREE_PATCH,
            ablation,
            numbers ? SubnetworkProbing.Target.MSE : SubnetworkProbing.Target.KL_DIV,
            0,
            0,
            null,
            1,
            42));
  }

  private static MaskGradient gradient(Ablation ablation, boolean numbers, double maskValue) {
    return new MaskGradient(
        LogitFunction.LOGIT,
        numbers ? MaskGradient.AnswerFunction.MSE : MaskGradient.AnswerFunction.AVG_DIFF,
        maskValue,
        0,
        ablation,
        MaskGradient.PatchSource.CORRUPT);
  }

  private static ExactPatching exact(Ablation ablation, boolean numbers) {
    return new ExactPatching(gradient(ablation, numbers, 0));
  }
}
