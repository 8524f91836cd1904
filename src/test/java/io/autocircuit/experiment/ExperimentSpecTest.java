package io.autocircuit.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.data.Columns;
import io.autocircuit.files.DataException;
import io.autocircuit.metric.CircuitTests;
import io.autocircuit.metric.Metric;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.PatchType;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.task.TaskProvider;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Experiment files. */
class ExperimentSpecTest {
  private static final String YAML =
      """
      # a comment
      title: A sweep
      tasks:
        - induction
        - {task: random, random_weights: [tiny, stories260k], random_prompts: 4x6, train: 3}
        - model: models/gpt2
          dataset: ioi.json
          columns: clean=prompt
          official: ../ioi.json
          bos: never
          graph: {token_positions: [true, false]}
      algorithms:
        - EAP
        - algorithm: ig
          samples: [5, 20]
        - {algorithm: acdc, tau: [[0.1], [1e-2, 0.001]], score_ablation: zero}
      ablations: [resample, zero]
      patch_types: edge
      edges: [1, 10, 0.5, all]
      metrics: [kl_div, logit_diff]
      seeds: [1, 2, 1]
      graph: {separate_qkv: false}
      batch_size: 8
      processing: none
      random_baseline: false
      completeness: {sizes: 10, epochs: 3}
      circuit_tests: {sizes: [5, 10], metric: answer_logprob, draws: 20, epsilon: 0}
      """;

  @TempDir Path folder;

  private static ExperimentSpec parse(String text) {
    return ExperimentSpec.parse(text, "sweep.yaml", Path.of("/data"));
  }

  private static String refused(String text) {
    DataException e = assertThrows(DataException.class, () -> parse(text), text);
    assertTrue(e.getMessage().startsWith("file=sweep.yaml: line "), e.getMessage());
    assertEquals(1, e.getMessage().lines().count(), e.getMessage());
    return e.getMessage().substring("file=sweep.yaml: ".length());
  }

  @Test
  void everyFieldIsRead() {
    ExperimentSpec s = parse(YAML);
    assertEquals("A sweep", s.title());
    assertEquals(
        List.of("induction", "random", "ioi"),
        s.tasks().stream().map(ExperimentTask::name).toList());
    ExperimentTask random = s.tasks().get(1);
    assertEquals(
        Map.of("random_weights", List.of("tiny", "stories260k"), "random_prompts", List.of("4x6")),
        random.settings());
    assertEquals(Map.of("train", 3L), random.options().values());
    ExperimentTask files = s.tasks().get(2);
    assertEquals(Optional.of(Path.of("/data/models/gpt2")), files.model());
    assertEquals(Optional.of(Path.of("/data/ioi.json")), files.dataset());
    assertEquals(Optional.of(Path.of("/data/../ioi.json")), files.official());
    assertEquals(Optional.of(Columns.parse("clean=prompt")), files.columns());
    assertEquals(List.of(true, false), files.graph().tokenPositions());
    assertEquals(Map.of("bos", "never"), files.options().values());
    assertEquals(
        List.of(
            ExperimentAlgorithm.of("eap"),
            new ExperimentAlgorithm(
                "ig", Optional.empty(), new TreeMap<>(Map.of("samples", List.of(5L, 20L)))),
            new ExperimentAlgorithm(
                "acdc",
                Optional.empty(),
                new TreeMap<>(
                    Map.of(
                        "tau",
                        List.of(List.of(0.1), List.of(0.01, 0.001)),
                        "score_ablation",
                        List.of("zero"))))),
        s.algorithms());
    assertEquals(List.of(Ablation.RESAMPLE, Ablation.ZERO), s.ablations());
    assertEquals(List.of(PatchType.EDGE_PATCH), s.patchTypes());
    assertEquals(List.of("1", "10", "0.5", "all"), s.sizes().texts());
    assertEquals(List.of(Metric.KL_DIV, Metric.LOGIT_DIFF), s.metrics());
    assertEquals(List.of(1L, 2L), s.seeds());
    assertEquals(new ExperimentGraphs(List.of(false), List.of()), s.graph());
    assertEquals(Map.of("batch_size", 8L, "processing", List.of("none")), s.options().values());
    assertFalse(s.randomBaseline());
    assertEquals(
        Optional.of(new ExperimentSpec.Completeness(List.of(10), 3, 0.1, 1)), s.completeness());
    assertEquals(
        Optional.of(
            new ExperimentSpec.Tests(
                List.of(5, 10),
                Optional.of(Metric.ANSWER_LOGPROB),
                new CircuitTests.Settings(0, 1000, 0.9, 20, 0.05, 0))),
        s.circuitTests());
    assertEquals(new ExperimentSpec.Checks(s.completeness(), s.circuitTests()), s.checks());
  }

  @Test
  void whatIsNotSaidIsUsual() {
    ExperimentSpec s = parse("tasks: induction\nalgorithms: eap\n");
    assertEquals(
        ExperimentSpec.of(
            "sweep",
            List.of(ExperimentTask.of("induction")),
            List.of(ExperimentAlgorithm.of("eap"))),
        s);
  }

  @Test
  void jsonIsReadByTheSameParser() {
    String json =
        """
        {
        \t"title": "\\u00e9\\/\\ud83d\\ude00",
        \t"tasks":["induction"], "algorithms" : [{"algorithm":"ig","samples":[5,2E1]}]
        }
        """;
    assertEquals(
        "line 3, column 72: samples=20.0 is no integer; give a whole number from 1", refused(json));
    ExperimentSpec s = parse(json.replace("2E1", "20"));
    assertEquals("é/😀", s.title());
    assertEquals(Map.of("samples", List.of(5L, 20L)), s.algorithms().get(0).settings());
  }

  @Test
  void aFileHasItsFolderAndItsName() throws IOException {
    Path file = folder.resolve("my sweep.json");
    Files.writeString(
        file,
        "{\"tasks\": [{\"model\": \"m\", \"dataset\": \"d.csv\"}], \"algorithms\": [\"eap\"]}");
    ExperimentSpec s = ExperimentSpec.read(file);
    assertEquals("my sweep", s.title());
    assertEquals(Optional.of(folder.resolve("m")), s.tasks().get(0).model());
    assertEquals("d", s.tasks().get(0).name());
    assertEquals(List.of(), ExperimentSpec.mistakes(file));
    Files.writeString(file, "{\"tasks\": \"induction\",\n \"algorithms\": \"ep\"}");
    assertEquals(
        List.of(
            "line 2, column 16: unknown algorithm \"ep\": did you mean \"eap\" or \"sp\" or"
                + " \"cp\"?"),
        ExperimentSpec.mistakes(file));
    Files.delete(file);
    assertThrows(DataException.class, () -> ExperimentSpec.read(file));
  }

  @Test
  void theFileInTheJarIsRead() {
    assertEquals("Ground truth", ExperimentSpec.embedded().title());
    assertTrue(ExperimentSpec.embeddedText().contains("tasks:"));
  }

  /** {@code |} is a new line. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "taskz: x; line 1, column 1: field \"tasks\" is missing; list at least one",
        "'tasks: induction|algorithms: eap|sedes: [1]'; "
            + "line 3, column 1: unknown field \"sedes\" of the experiment: did you mean \"seeds\" or \"edges\"?",
        "'tasks: [inductoin]|algorithms: eap';"
            + " line 1, column 9: unknown task \"inductoin\": did you mean \"induction\"?",
        "'tasks: induction|algorithms: [eap, {algorithm: egp}]'; "
            + "line 2, column 31: unknown algorithm \"egp\": did you mean \"eap\"?",
        "'tasks: induction|algorithms: {algorithm: ig, sampels: 3}';"
            + " line 2, column 29: unknown field \"sampels\" of an algorithm: did you mean"
            + " \"samples\"?",
        "'tasks: induction|algorithms: {algorithm: ig, samples: [5, 0]}';"
            + " line 2, column 42: samples=0 is out of range; give a whole number from 1",
        "'tasks: induction|algorithms: {algorithm: ig, samples: five}';"
            + " line 2, column 38: samples=five is no integer; give a whole number from 1",
        "'tasks: induction|algorithms: {algorithm: ig, samples: []}'; line 2, column 38:"
            + " samples=[] is an empty list; give at least one, or leave it away",
        "'tasks: induction|algorithms: {algorithm: ig, samples: {a: 1}}'; line 2, column 38:"
            + " samples=names with values is no integer; give a whole number from 1",
        "'tasks: induction|algorithms: eap|ablations: [zero, resmple]'; line 3, column 19:"
            + " unknown ablation \"resmple\": did you mean \"resample\"?",
        "'tasks: induction|algorithms: eap|metrics: kl'; line 3, column 10: unknown metric \"kl\":",
        "'tasks: induction|algorithms: eap|patch_types: [tre]'; line 3, column 15: unknown value of"
            + " patch_types \"tre\": did you mean \"tree\"?",
        "'tasks: induction|algorithms: eap|seeds: [1]|seeds: [2]'; line 4, column 1: field"
            + " \"seeds\" is given twice; keep one",
        "'tasks: induction|algorithms: eap|seeds: [1, 2.5]'; line 3, column 12: seeds=2.5 is no"
            + " integer; give a whole number",
        "'tasks: induction|algorithms: eap|edges: [auto, 5]'; line 3, column 8: edges: \"auto\""
            + " stands alone",
        "'tasks: induction|algorithms: eap|seeds:'; line 3, column 1: seeds has no value; give one",
        "'tasks: induction|algorithms: eap|bos: true'; line 3, column 6: bos=true is no choice;"
            + " give auto, tokenizer, always or never",
        "'tasks: induction|algorithms: eap|graph: {token: true}'; line 3, column 9: unknown field"
            + " \"token\" of graph: did you mean \"token_positions\"?",
        "'tasks: {name: x, model: m}|algorithms: eap'; line 1, column 8: a task has no \"task\";"
            + " give a key, or a model and a dataset",
        "'tasks: [{task: random}, {task: random, pad: true}]|algorithms: eap'; line 1, column 25:"
            + " name=random names two tasks; give one of them another name",
        "'tasks: {task: induction, columns: clean=x}|algorithms: eap'; line 1, column 35: columns is"
            + " given without dataset; give both",
        "'tasks: {task: induction, circuit: nome}|algorithms: eap'; line 1, column 35: unknown"
            + " circuit \"nome\": did you mean \"none\"",
        "'tasks: induction|algorithms: {algorithm: acdc, tau: [0.1, -1]}'; line 2, column 42:"
            + " tau=-1 is out of range; give a number above 0",
        "'tasks: induction|algorithms: {samples: 2}'; line 2, column 13: an algorithm has no"
            + " \"algorithm\"; give a key, or a preset",
        "'tasks: induction|algorithms: eap|graph: {token_positions: true, spans: true}'; line 3,"
            + " column 1: token_positions and spans are both true; leave one of them away",
        "'tasks: induction|algorithms: 5'; line 2, column 13: algorithm=5 is no key; give one",
        "'- tasks'; line 1, column 1: the experiment=a list has no fields; give names with values",
        "'tasks: &a [induction]|algorithms: *a'; line 1, column 8: an anchor (&) is not read",
        "'tasks: induction|algorithms: *a'; line 2, column 13: an alias (*) is not read",
        "'tasks: !!set [x]'; line 1, column 8: tag=tag:yaml.org,2002:set is not read",
        "'tasks: induction|---|algorithms: eap'; line 2, column 1: a second document begins",
        "'tasks: [induction|algorithms: eap'; line 2, column 11: it is not YAML here while parsing a"
            + " flow sequence: expected",
        "'? [a]|: b'; line 1, column 3: a list is no name; give a word",
        "'title: a\u0001b'; line 1, column 9: character=U+0001 is not allowed in YAML",
      })
  void aMistakeHasItsPlaceAndTheNearestName(String text, String message) {
    String said = refused(text.replace('|', '\n'));
    assertTrue(said.contains(message), said);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "# nothing\n", "~", "\n\n"})
  void nothingIsRefused(String text) {
    refused(text);
  }

  @Test
  void upToTenMistakesAreListedInTheOrderOfTheFile() {
    StringBuilder text = new StringBuilder("tasks: induction\nalgorithms: eap\n");
    for (int i = 3; i < 16; i++) {
      text.append("x").append(i).append(": 1\n");
    }
    String said = refused(text.toString());
    assertTrue(said.startsWith("line 3, column 1: unknown field \"x3\""), said);
    assertTrue(said.contains("; line 12, column 1: "), said);
    assertFalse(said.contains("line 13"), said);
    assertTrue(said.endsWith("and mistakes=3 more"), said);
  }

  @Test
  void deepAndManyValuesAreRefused() {
    assertTrue(refused("tasks: " + "[".repeat(50)).contains("depth=33 of nesting is more than 32"));
    assertTrue(refused("tasks: [" + "1,".repeat(100_001) + "]").contains("values=100000"));
    String thousand = "[" + "1, ".repeat(1) + String.join(", ", numbers(2, 1000)) + "]";
    String grid = "{algorithm: sp, epochs: " + thousand + ", circuit_size: " + thousand + "}";
    assertTrue(
        refused("tasks: induction\nalgorithms: " + grid)
            .contains("combinations=1000000 of values"));
  }

  @Test
  void presetsAreChosenByKeyOrBesideSettings() {
    ExperimentSpec s =
        parse(
            "tasks: induction\nalgorithms: [mse-acdc, {preset: MSE-ACDC, tau: 1},"
                + " {preset: integrated-edge-grads, samples: [2, 3]}]\nrandom_baseline: false");
    List<Cell> cells =
        s.cells(
            task -> {
              throw new DataException("no model");
            });
    assertEquals(
        List.of(
            "ACDC (MSE; tau 1e-10,1e-9,1e-8,1e-7,1e-6,1e-5,1e-4,0.001,0.01,0.1)",
            "ACDC (MSE; tau 1)",
            "IEG (Answer Logit; samples 2)",
            "IEG (Answer Logit; samples 3)"),
        cells.stream().map(Cell::label).toList());
    assertEquals("mse-acdc", cells.get(1).coordinates().get("preset"));
    RunSpec.Algorithm last = (RunSpec.Algorithm) cells.get(3).spec().orElseThrow().scoring();
    assertEquals("avg_val", last.settings().text("answer_function"));
    assertEquals(3, last.settings().whole("samples"));
    String head = "tasks: induction\nalgorithms: ";
    assertTrue(
        refused(head + "{preset: mse-adc}")
            .contains("line 2, column 22: unknown preset \"mse-adc\": did you mean \"mse-acdc\""));
    assertTrue(
        refused(head + "{preset: mse-acdc, algorithm: eap}")
            .contains("algorithm=eap has no such preset; it is one of algorithm=acdc"));
  }

  /** AutoCircuit's names, and what an algorithm avoids. */
  @Test
  void presetsHaveOtherNamesAndProbingAvoids() {
    String head = "tasks: induction\nrandom_baseline: false\nalgorithms: ";
    ExperimentSpec s =
        parse(
            head
                + "[preset:TP, \"preset:edge attribution patching\", {preset: GT},"
                + " {algorithm: cp, circuit_sizes: [[5], [7, official]], avoid: official},"
                + " {algorithm: sp, avoid: some/edges.json, avoid_edges: 3}]");
    List<Cell> cells = s.cells(task -> null);
    assertEquals(
        List.of(
            "Circuit tree probing",
            "EAP",
            "Official circuit",
            "Circuit probing (avoid official; circuit sizes 5)",
            "Circuit probing (avoid official; circuit sizes 7,official)",
            "Subnetwork probing (avoid edges.json, first 3)"),
        cells.stream().map(Cell::label).toList());
    assertEquals("tree-probing", cells.get(0).coordinates().get("preset"));
    RunSpec.Algorithm last = (RunSpec.Algorithm) cells.get(5).spec().orElseThrow().scoring();
    assertEquals(
        Optional.of(
            new AvoidedEdges.Stored(
                StoredFile.at(Path.of("/data/some/edges.json")), Optional.of(3))),
        last.avoid());
    RunSpec spec = cells.get(5).spec().orElseThrow();
    RunSpec read = RunSpec.parse(spec.json(), "run.json");
    assertEquals(spec.identity(), read.identity());
    assertTrue(refused(head + "preset:TQ").contains("unknown preset \"preset:TQ\""));
    assertTrue(
        refused(head + "{algorithm: eap, avoid: official}")
            .contains("algorithm=eap avoids nothing; leave --avoid away, or choose one of sp, cp"));
    assertTrue(
        refused(head + "{algorithm: cp, avoid_edges: 3}").contains("is given without avoid"));
    assertTrue(
        refused(head + "{algorithm: cp, avoid: official, avoid_edges: 3}")
            .contains("avoided edges=3 goes with a file"));
    assertTrue(
        refused(head + "{algorithm: cp, circuit_sizes: [0]}")
            .contains("circuit_sizes=0 is out of range; give a whole number from 1 or official"));
  }

  @Test
  void theFilesOfTheDocumentationAreRead() throws IOException {
    Path page = Path.of(System.getProperty("basedir", ""), "docs/experiments.md");
    String[] blocks = Files.readString(page).split("```yaml\n");
    assertEquals(3, blocks.length);
    List<String> files =
        java.util.Arrays.stream(blocks).skip(1).map(b -> b.substring(0, b.indexOf("```"))).toList();
    List<Cell> first =
        parse(files.get(0))
            .cells(
                task -> {
                  throw new DataException("no model");
                });
    // ablations × algorithms with the baseline: at induction random has three seeds, others one
    assertEquals(2 * (4 + 3) + 2 * 2 * 3 * 5, first.size());
    assertEquals(2, parse(files.get(1)).tasks().size());
    Matcher example = Pattern.compile("--only '(.*)'").matcher(Files.readString(page));
    assertTrue(example.find());
    assertEquals(2, Cells.only(first, example.group(1)).size());
  }

  /** The schema has the fields that the reader reads. */
  @Test
  void theSchemaHasTheFieldsOfTheReader() throws IOException {
    JsonNode schema = new ObjectMapper().readTree(ExperimentSpec.schema());
    assertEquals(
        new TreeSet<>(ExperimentFields.experimentNames()), names(schema.get("properties")));
    JsonNode definitions = schema.get("definitions");
    Set<String> task = new TreeSet<>();
    TaskProvider.catalogue().forEach(t -> task.addAll(ExperimentFields.taskNames(t.settings())));
    assertEquals(task, names(definitions.get("task").get("anyOf").get(1).get("properties")));
    int i = 3; // behind the keys of algorithms and presets, and presets with their prefix
    for (PruneAlgorithmProvider a : PruneAlgorithmProvider.catalogue()) {
      Set<String> fields = new TreeSet<>(ExperimentFields.algorithmNames(a.settings()));
      if (a.presets().isEmpty()) {
        fields.remove("preset");
      }
      if (!a.avoids()) { // of these the reader says that they avoid nothing
        fields.removeAll(Set.of("avoid", "avoid_edges"));
      }
      assertEquals(
          fields, names(definitions.get("algorithm").get("anyOf").get(i++).get("properties")));
    }
    for (JsonNode reference : schema.findValues("$ref")) {
      String name = reference.asText().substring("#/definitions/".length()).replace("%20", " ");
      assertTrue(definitions.has(name), name);
    }
  }

  private static Set<String> names(JsonNode object) {
    Set<String> names = new TreeSet<>();
    object.fieldNames().forEachRemaining(names::add);
    return names;
  }

  private static List<String> numbers(int from, int to) {
    return java.util.stream.IntStream.rangeClosed(from, to).mapToObj(String::valueOf).toList();
  }

  /** Whatever becomes of a file, it is read or refused in one line. */
  @Property(tries = 500)
  void aDamagedFileIsReadOrRefused(@ForAll long seed) {
    Random r = new Random(seed);
    String[] pieces = {
      "[",
      "]",
      "{",
      "}",
      ":",
      ": ",
      "-",
      "- ",
      "\n",
      "\n  ",
      "\t",
      "\"",
      "'",
      "#",
      "&a",
      "*a",
      "!x",
      "|",
      ">",
      "%",
      "@",
      "?",
      ",",
      "~",
      "null",
      "0",
      "-1",
      "1e999",
      ".nan",
      "true",
      "\u0001",
      "é",
      "\ud800",
      "tasks",
      "algorithm: sp",
      "seeds: ",
      "<<",
      "---",
      "...",
      "99999999999999999999"
    };
    StringBuilder text = new StringBuilder(YAML);
    for (int n = 1 + r.nextInt(4); n > 0; n--) {
      int at = r.nextInt(text.length());
      switch (r.nextInt(4)) {
        case 0 -> text.deleteCharAt(at);
        case 1 -> text.delete(at, Math.min(text.length(), at + 1 + r.nextInt(40)));
        case 2 -> text.insert(at, pieces[r.nextInt(pieces.length)]);
        default -> text.replace(at, at + 1, pieces[r.nextInt(pieces.length)]);
      }
      if (text.length() < 2) {
        text.append("tasks: x");
      }
    }
    String damaged =
        new String(text.toString().getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    try {
      List<Cell> cells =
          parse(damaged)
              .cells(
                  task -> {
                    throw new DataException("no model");
                  });
      assertFalse(cells.isEmpty(), damaged);
    } catch (DataException e) {
      assertEquals(1, e.getMessage().lines().count(), damaged);
    }
  }
}
