package io.autocircuit.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.WeightType;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.PatchType;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The cells of experiments. */
class CellsTest {
  private static final String CIRCUIT = "induction";

  private static List<Cell> cells(String... lines) {
    return ExperimentSpec.parse(String.join("\n", lines), "sweep.yaml", Path.of("/data"))
        .cells(
            task -> {
              throw new DataException("no model of task=" + task.key());
            });
  }

  private static List<String> names(List<Cell> cells) {
    return cells.stream().map(Cell::name).toList();
  }

  private static Settings settings(Cell cell) {
    return ((RunSpec.Algorithm) cell.spec().orElseThrow().scoring()).settings();
  }

  @Test
  void keysAndValuesSpanAGridWhereTheyHaveInputs() {
    List<Cell> cells =
        cells(
            "tasks: [{task: random, random_weights: stories260k-grouped}]",
            "algorithms: [eap]",
            "graph: {kv: [grouped, per-query], form: [factorized, unfactorized]}");
    assertEquals(
        Set.of(
            "kv grouped, form factorized",
            "kv per-query, form factorized",
            "kv per-query, form unfactorized"),
        cells.stream().map(Cell::graph).collect(Collectors.toSet()));
    for (Cell cell : cells) {
      assertEquals(
          cell.coordinates().get("kv"), cell.spec().orElseThrow().graph().keyValues().key());
    }
    assertEquals(
        KeyValues.GROUPED,
        cells("tasks: [{task: random}]", "algorithms: [eap]")
            .get(0)
            .spec()
            .orElseThrow()
            .graph()
            .keyValues());
  }

  @Test
  void theGridIsWalkedInItsOrder() {
    List<Cell> cells =
        cells(
            "tasks: [{task: random, random_weights: [tiny, stories260k]}]",
            "algorithms: [random, {algorithm: ig, samples: [5, 20]}]",
            "ablations: [resample, zero]",
            "patch_types: [tree, edge]",
            "seeds: [1, 2]",
            "graph: {token_positions: [false, true]}");
    assertEquals(2 * 2 * 2 * 3 * 2 * 2, cells.size());
    assertEquals(cells.size(), new HashSet<>(names(cells)).size());
    assertEquals(
        List.of(
            "random (random weights tiny), token positions false, Random, resample, tree, seed 1",
            "random (random weights tiny), token positions false, Random, resample, edge, seed 1",
            "random (random weights tiny), token positions false, Random, zero, tree, seed 1",
            "random (random weights tiny), token positions false, Random, zero, edge, seed 1",
            "random (random weights tiny), token positions false, Integrated gradients (samples"
                + " 5), resample, tree, seed 1"),
        names(cells).subList(0, 5));
    assertEquals(
        "random (random weights tiny), token positions true, Random, resample, tree, seed 1",
        cells.get(12).name());
    assertEquals(
        "random (random weights tiny), token positions false, Random, resample, tree, seed 2",
        cells.get(24).name());
    assertEquals(
        "random (random weights stories260k), token positions false, Random, resample, tree, seed 1",
        cells.get(48).name());
    Cell last = cells.get(95);
    assertEquals(
        Map.of(
            "task", "random",
            "random_weights", "stories260k",
            "algorithm", "ig",
            "samples", "20",
            "label", "Integrated gradients (samples 20)",
            "ablation", "zero",
            "patch_type", "edge",
            "token_positions", "true",
            "seed", "2"),
        last.coordinates());
    RunSpec spec = last.spec().orElseThrow();
    assertEquals(ModelSource.random("stories260k"), spec.model());
    assertEquals(new RunSpec.Graph(true, true), spec.graph());
    assertEquals(2, spec.seed());
    assertEquals(PatchType.EDGE_PATCH, spec.judging().runs().patchType());
    assertEquals(Ablation.ZERO, spec.judging().runs().ablation());
    assertEquals(20, settings(last).whole("samples"));
  }

  /** Constants are learned by the seed, also for algorithms that do not draw. */
  @Test
  void optimalAblationIsRunForEverySeed() {
    List<Cell> cells =
        cells(
            "tasks: [induction]",
            "algorithms: [eap]",
            "ablations: [optimal, zero]",
            "random_baseline: false",
            "seeds: [1, 2]");
    assertEquals(
        List.of("optimal 1", "zero 1", "optimal 2"),
        cells.stream()
            .map(c -> c.coordinates().get("ablation") + " " + c.coordinates().get("seed"))
            .toList());
    List<Cell> scored =
        cells(
            "tasks: [induction]",
            "algorithms: [{algorithm: eap, score_ablation: optimal}]",
            "ablations: [zero]",
            "random_baseline: false",
            "seeds: [1, 2]");
    assertEquals(2, scored.size());
  }

  @Test
  void everyCellIsARunThatCanBeWrittenAndRead() {
    for (Cell c :
        cells("tasks: [induction, random]", "algorithms: [eap, sp, acdc]", "ablations: [zero]")) {
      RunSpec spec = c.spec().orElseThrow();
      assertEquals(spec, RunSpec.parse(spec.json(), "run.json"));
    }
  }

  /** That of {@code discover} without options. */
  private static RunSpec usual(RunSpec.Scoring scoring) {
    return RunSpec.of(ModelSource.embedded(), PromptSource.embedded(), scoring)
        .withOfficial(Optional.of(new OfficialSource.Known(CIRCUIT)));
  }

  @Test
  void aCellIsTheRunThatDiscoverMakes() {
    Cell eap = cells("tasks: induction", "algorithms: eap").get(0);
    assertEquals(usual(eap.spec().get().scoring()), eap.spec().get());
  }

  @Test
  void theKnownCircuitIsTheTasksOrTheFilesOrNone() {
    List<Cell> cells =
        cells(
            "tasks:",
            "  - induction",
            "  - {name: first, task: induction, circuit: " + CIRCUIT + "}",
            "  - {name: none, task: induction, circuit: none}",
            "  - {name: file, task: induction, official: a.json}",
            "  - random",
            "algorithms: [eap, ground-truth]",
            "random_baseline: false");
    Optional<OfficialSource> known = Optional.of(new OfficialSource.Known(CIRCUIT));
    Optional<OfficialSource> file = Optional.of(OfficialSource.at(Path.of("/data/a.json")));
    assertEquals(
        Map.of(
            "induction", known, "none", Optional.empty(), "file", file, "random", Optional.empty()),
        cells.stream()
            .filter(c -> c.algorithm().equals("eap"))
            .collect(Collectors.toMap(Cell::task, c -> c.spec().get().official())));
    // without a known circuit there is nothing that ground-truth could score
    assertEquals(
        List.of("induction", "file"),
        cells.stream().filter(c -> c.algorithm().equals("ground-truth")).map(Cell::task).toList());
  }

  @Test
  void runsThatDependOnNoSeedAreThereOnce() {
    List<Cell> plain = cells("tasks: induction", "algorithms: [eap, sp]", "seeds: [3, 4]");
    assertEquals(
        List.of("eap 3", "sp 3", "random 3", "sp 4", "random 4"),
        plain.stream().map(c -> c.algorithm() + " " + c.coordinates().get("seed")).toList());
    assertEquals(
        6, cells("tasks: induction", "algorithms: [eap, sp]", "seeds: [3, 4]", "train: 8").size());
    assertEquals(
        5,
        cells(
                "tasks: induction",
                "algorithms: [eap, sp]",
                "seeds: [3, 4]",
                "train: 8",
                "shuffle: false")
            .size());
    assertEquals(6, cells("tasks: random", "algorithms: [eap, sp]", "seeds: [3, 4]").size());
  }

  @Test
  void theBaselineIsAddedWhereItIsNotListed() {
    assertEquals(
        List.of("eap", "random"),
        cells("tasks: induction", "algorithms: eap").stream().map(Cell::algorithm).toList());
    assertEquals(
        List.of("random", "eap"),
        cells("tasks: induction", "algorithms: [random, eap]").stream()
            .map(Cell::algorithm)
            .toList());
    assertEquals(1, cells("tasks: induction", "algorithms: eap", "random_baseline: false").size());
  }

  @Test
  void sameRunsAreThereOnce() {
    List<Cell> cells =
        cells(
            "tasks: [induction, induction]",
            "algorithms: [acdc, {algorithm: acdc, tau: [0.001]}, {algorithm: acdc, tau: 0.01}]",
            "random_baseline: false");
    assertEquals(
        List.of("ACDC (tau 0.001)", "ACDC (tau 0.01)"), cells.stream().map(Cell::label).toList());
  }

  @Test
  void edgesAreScoredUnderTheCellsAblationUnlessItIsSaid() {
    List<Cell> cells =
        cells(
            "tasks: induction",
            "algorithms: [eap, {algorithm: ig, score_ablation: zero}, sp]",
            "ablations: [batch_tokenwise_mean]",
            "random_baseline: false");
    assertEquals(
        List.of("batch_tokenwise_mean", "zero", "batch_tokenwise_mean"),
        cells.stream().map(c -> settings(c).text("score_ablation")).toList());
    List<Cell> usual = cells("tasks: induction", "algorithms: [eap, sp]", "random_baseline: false");
    assertEquals(
        List.of(Optional.of("resample"), Optional.empty()),
        usual.stream().map(c -> settings(c).value("score_ablation")).toList());
  }

  @Test
  void aTaskSaysItsOptionsBeforeTheExperiment() {
    List<Cell> cells =
        cells(
            "tasks:",
            "  - {name: all, task: induction, slice: all, train: 5, test: 4, pad: true}",
            "  - induction",
            "algorithms: eap",
            "slice: not_first",
            "batch_size: 7",
            "precision: float64",
            "weights: float16",
            "processing: [fold_ln]",
            "ties: true",
            "random_baseline: false");
    assertEquals(List.of("all", "induction"), cells.stream().map(Cell::task).toList());
    RunSpec all = cells.get(0).spec().orElseThrow();
    assertEquals(OutputSlice.ALL, all.judging().slice());
    assertEquals(new PromptSplit(5, 4, true), all.prompts().split());
    assertTrue(all.prompts().padded());
    assertEquals(7, all.prompts().batchSize());
    assertEquals(new NumberTypes(Precision.FLOAT64, WeightType.FLOAT16), all.numbers());
    assertEquals(List.of("fold_ln"), all.processing().orElseThrow().steps());
    assertTrue(all.judging().ties());
    assertEquals(OutputSlice.NOT_FIRST_SEQ, cells.get(1).spec().get().judging().slice());
    assertEquals(PromptSplit.ALL, cells.get(1).spec().get().prompts().split());
  }

  @Test
  void aTaskThatCannotBeRunKeepsItsCellsAndSaysWhy() {
    List<Cell> cells =
        cells(
            "tasks: [{task: random, random_prompts: many}, induction]",
            "algorithms: [eap, ig]",
            "random_baseline: false");
    assertEquals(4, cells.size());
    assertEquals(
        List.of(true, true, false, false),
        cells.stream().map(c -> c.refusal().isPresent()).toList());
    assertTrue(cells.get(0).refusal().get().contains("many"), cells.get(0).refusal().get());
  }

  @Test
  void aTaskThatBringsNoModelAsksForOne() {
    String file =
        String.join(
            "\n",
            "tasks: [ioi, {task: ioi, name: own, model: m, dataset: d.json}]",
            "algorithms: eap",
            "random_baseline: false");
    ExperimentSpec e = ExperimentSpec.parse(file, "sweep.yaml", Path.of("/data"));
    List<Cell> cells = e.cells(task -> ModelSource.at(Path.of("/models/" + task.key())));
    RunSpec found = cells.get(0).spec().orElseThrow();
    assertEquals(ModelSource.at(Path.of("/models/ioi")), found.model());
    assertEquals(new PromptSplit(128, 128, true), found.prompts().split());
    assertTrue(found.official().isPresent());
    RunSpec own = cells.get(1).spec().orElseThrow();
    assertEquals(ModelSource.at(Path.of("/data/m")), own.model());
    assertEquals(PromptSource.at(Path.of("/data/d.json")), own.prompts().source());
    assertEquals(PromptSplit.ALL, own.prompts().split());
    Cell refused = cells(file.split("\n")).get(0);
    assertEquals(Optional.of("no model of task=ioi"), refused.refusal());
    assertEquals("ioi, Edge attribution patching, resample, tree, seed 42", refused.name());
  }

  @Test
  void tooManyCellsAreRefused() {
    String seeds = java.util.stream.IntStream.range(0, 60_000).boxed().toList().toString();
    DataException e =
        assertThrows(
            DataException.class,
            () -> cells("tasks: induction", "algorithms: eap", "seeds: " + seeds));
    assertTrue(e.getMessage().startsWith("cells=120000 are more than 100000"), e.getMessage());
  }

  @Test
  void listsOfOptionsAreTheSameSweep() {
    RunSpec base = usual(new RunSpec.Algorithm("random", Settings.none()));
    List<Cell> product =
        Cells.product(
            base,
            "induction",
            List.of(
                ExperimentAlgorithm.of("eap"),
                new ExperimentAlgorithm(
                    "ig", Optional.empty(), new TreeMap<>(Map.of("samples", List.of(5L, 20L))))),
            List.of(Ablation.RESAMPLE, Ablation.ZERO),
            List.of(),
            List.of());
    assertEquals(
        cells(
            "tasks: induction",
            "algorithms: [eap, {algorithm: ig, samples: [5, 20]}]",
            "ablations: [resample, zero]",
            "random_baseline: false"),
        product);
    List<Cell> own = Cells.product(base, "induction", List.of(), List.of(), List.of(), List.of());
    assertEquals(List.of(base), own.stream().map(c -> c.spec().orElseThrow()).toList());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "task=induction; 6",
        "algorithm=eap|random; 4",
        "task=ind*,label=*gradients*; 2",
        "task=induction, algorithm=ACDC, tau=0.1,0.01; 1",
        "seed=42,ablation=resample,patch_type=tree; 12",
        "samples=20; 2",
        "*=x; unknown coordinate \"*\"",
        "sample=5; unknown coordinate \"sample\": did you mean \"samples\"?",
        "algorithm=egp; unknown algorithm \"egp\": did you mean \"eap\"?",
        "nothing; only=nothing is no name=value",
        "samples=5,algorithm=eap; only=samples=5,algorithm=eap selects none of cells=12",
      })
  void someAreSelected(String filter, String expected) {
    List<Cell> all =
        cells(
            "tasks: [induction, random]",
            "algorithms:",
            "  [eap, {algorithm: ig, samples: [5, 20]}, {algorithm: acdc, tau: [[0.1, 0.01], 0.5]}]");
    if (Character.isDigit(expected.charAt(0))) {
      List<Cell> some = Cells.only(all, filter);
      assertEquals(Integer.parseInt(expected), some.size(), names(some).toString());
      assertTrue(all.containsAll(some));
    } else {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> Cells.only(all, filter));
      assertTrue(e.getMessage().contains(expected), e.getMessage());
    }
  }
}
