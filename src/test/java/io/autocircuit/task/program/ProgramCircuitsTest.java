package io.autocircuit.task.program;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.Exhaustive;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.Batches;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.kernels.ReferenceKernels;
import io.autocircuit.metric.Roc;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.GroundTruth;
import io.autocircuit.task.KnownCircuit;
import io.autocircuit.task.Task;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The circuits that programs state are those that ablating every edge alone finds. */
class ProgramCircuitsTest {
  /** Outputs are categories, or shares of a few letters: what matters moves one by far more. */
  private static final double BEYOND_ROUNDING = 1e-3;

  /** Tasks in which one position alone can be ablated without effect; docs/programs.md says why. */
  private static final Set<String> REDUNDANT = Set.of("most-frequent", "shuffle-dyck");

  static Stream<ProgramTask> tasks() {
    return ProgramTasks.all();
  }

  static Stream<ProgramTask> some() {
    return Exhaustive.sample(tasks().toList(), 2).stream();
  }

  @Test
  void thereAreEight() {
    assertEquals(8, tasks().count());
  }

  @ParameterizedTest
  @MethodSource("tasks")
  void circuitsAreWhatExactPatchingFinds(ProgramTask task) {
    assertEquals(known(task, "resample", 0), exact(task, Ablation.RESAMPLE, 0, 64));
    assertEquals(known(task, "zero", 0), exact(task, Ablation.ZERO, 0, 64));
  }

  @ParameterizedTest
  @MethodSource("tasks")
  void thePageSaysHowManyThereAre(ProgramTask task) throws IOException {
    Path page = Path.of(System.getProperty("basedir", "")).resolve("docs/programs.md");
    TransformerConfig c = compiled(task).config();
    int resample = known(task, "resample", 0).size();
    int zero = known(task, "zero", 0).size();
    String row =
        String.format(
            "| `%s` | %d × %d | %d | %d | %d, the same | %d | %d, the same |",
            task.key(),
            c.blocks(),
            c.heads(),
            c.graph(true, 0).edgeCount(),
            resample,
            resample,
            zero,
            zero);
    assertTrue(Files.readAllLines(page).contains(row), row);
  }

  @Tag("slow")
  @ParameterizedTest
  @MethodSource("some")
  void withPositionsToo(ProgramTask task) {
    for (Ablation ablation : List.of(Ablation.RESAMPLE, Ablation.ZERO)) {
      int positions = compiled(task).config().contextLength();
      Set<String> known = known(task, ablation.key(), positions);
      Set<String> exact = exact(task, ablation, positions, 64);
      if (REDUNDANT.contains(task.key())) {
        assertTrue(known.containsAll(exact) && known.size() > exact.size());
      } else {
        assertEquals(known, exact);
      }
    }
  }

  private static CompiledProgram compiled(ProgramTask task) {
    return CompiledProgram.of(task.program(ProgramTasks.defaults(task)));
  }

  private static KnownCircuit circuit(ProgramTask task, String key) {
    return task.circuits(ProgramTasks.defaults(task)).stream()
        .filter(c -> c.key().equals(key))
        .findFirst()
        .orElseThrow();
  }

  private static Set<String> known(ProgramTask task, String key, int positions) {
    ComputationGraph graph = compiled(task).config().graph(true, positions);
    return names(circuit(task, key).edges().of(graph, new TreeMap<>()));
  }

  private static Set<String> names(List<Edge> edges) {
    Set<String> names = new TreeSet<>();
    edges.forEach(e -> names.add(e.toString()));
    assertEquals(edges.size(), names.size(), "each edge once");
    return names;
  }

  /** The edges whose ablation, alone, changes some output on some prompt. */
  private static Set<String> exact(ProgramTask task, Ablation ablation, int positions, int pairs) {
    Settings settings = Settings.of(task.settings(), Map.of("count", pairs));
    try (Task open = task.open(settings, ScalarType.Float, 42)) {
      return exact(open.model(), Batches.byLength(open.prompts(), pairs), ablation, positions);
    }
  }

  private static Set<String> exact(
      Transformer transformer, List<PromptBatch> batches, Ablation ablation, int positions) {
    PatchableModel model =
        PatchableModel.of(
            transformer, true, positions, OutputSlice.NOT_FIRST_SEQ, new ReferenceKernels());
    Set<String> found = new TreeSet<>();
    try (AblationValues values = AblationValues.prepare(model, ablation, batches);
        Evaluations all =
            Evaluations.once(
                model, batches, values, Evaluations.Direction.CORRUPT_INTO_CLEAN, Work.MASKS)) {
      all.forEach(
          part -> {
            double[] clean = Tensors.doubles(part.clean());
            float[] mask = new float[model.graph().edgeCount()];
            for (int e = 0; e < mask.length; e++) {
              try (TensorScope scope = new TensorScope()) {
                Edge edge = model.graph().edge(e);
                mask[e] = 1;
                PatchMask one = PatchMask.of(model.graph(), mask);
                double[] ablated =
                    Tensors.doubles(part.run().logitsFrom(one, edge.destination().block()));
                mask[e] = 0;
                if (IntStream.range(0, clean.length)
                    .anyMatch(i -> Math.abs(ablated[i] - clean[i]) > BEYOND_ROUNDING)) {
                  found.add(edge.toString());
                }
              }
            }
          });
    }
    return found;
  }

  @ParameterizedTest
  @MethodSource("tasks")
  void groundTruthHasAnAreaOfOne(ProgramTask task) {
    try (Task open = task.open(ProgramTasks.defaults(task), ScalarType.Float, 1)) {
      PatchableModel model =
          PatchableModel.of(
              open.model(), true, 0, OutputSlice.NOT_FIRST_SEQ, new ReferenceKernels());
      int[] sizes = IntStream.rangeClosed(0, model.graph().edgeCount()).toArray();
      for (KnownCircuit known : task.circuits(ProgramTasks.defaults(task))) {
        Circuit truth = Circuit.of(model.graph(), known.edges().of(model.graph(), new TreeMap<>()));
        PruneScores scores =
            new GroundTruth(truth).score(model, List.of(), (what, done, total) -> {});
        assertEquals(1, Roc.area(Roc.curve(scores, truth, sizes)), known.key());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tasks")
  void jointInputsHaveTheirEdges(ProgramTask task) {
    ComputationGraph joint = compiled(task).config().graph(false, 0);
    for (KnownCircuit known : task.circuits(ProgramTasks.defaults(task))) {
      Set<String> expected = new TreeSet<>();
      known(task, known.key(), 0).forEach(n -> expected.add(n.replaceAll("\\.[QKV]$", "")));
      assertEquals(expected, names(known.edges().of(joint, new TreeMap<>())), known.key());
    }
  }

  @Test
  void anotherShapeIsRefused() {
    ProgramTask task = tasks().filter(t -> t.key().equals("sort")).findFirst().orElseThrow();
    ComputationGraph other =
        ComputationGraph.factorized(2, 2, ComputationGraph.Wiring.SEQUENTIAL, true, 0);
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> circuit(task, "zero").edges().of(other, new TreeMap<>()))
            .getMessage();
    assertTrue(message.contains("is not of the shape of program=sort: blocks=3, heads=1"), message);
  }

  private static Path reference() {
    String dir = System.getProperty("reference.dir");
    assumeTrue(dir != null && Files.isDirectory(Path.of(dir)), "no reference.dir");
    return Path.of(dir);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "tracr-reverse",
        "tracr-reverse-acdc",
        "tracr-xproportion",
        "tracr-xproportion-acdc"
      })
  void publishedEdgesAreAutoCircuits(String key) throws IOException {
    JsonNode file =
        new ObjectMapper().readTree(reference().resolve("official/" + key + ".json").toFile());
    ProgramTask task =
        tasks().filter(t -> t.key().equals(key.replace("-acdc", ""))).findFirst().orElseThrow();
    int variants = 0;
    for (JsonNode variant : file.get("variants")) {
      boolean positions = variant.get("token_positions").asBoolean();
      int length = positions ? variant.get("seq_len").asInt() : 0;
      Set<String> expected = new TreeSet<>();
      if (positions) {
        variant
            .get("edges")
            .properties()
            .forEach(e -> e.getValue().forEach(p -> expected.add(e.getKey() + "@" + p.asInt())));
      } else {
        variant.get("edges").forEach(e -> expected.add(e.asText()));
      }
      assertEquals(variant.get("count").asInt(), expected.size());
      assertEquals(expected, known(task, key, length), key + " " + variant.get("id").asText());
      ComputationGraph graph = compiled(task).config().graph(true, length);
      assertEquals(variant.get("n_edges_of_graph").asInt(), graph.edgeCount());
      variants++;
    }
    assertEquals(2, variants);
  }

  /** The model that Tracr's library made of the same program. */
  @Test
  void reverseDoesWhatTracrsModelDoes() {
    Path directory = reference().resolve("tracr-reverse/model");
    Program program = Programs.reverse();
    List<int[]> prompts = ProgramTasks.letters(program, 243);
    assertEquals(243, prompts.size());
    try (Transformer theirs = ModelLoader.load(directory);
        Transformer ours = CompiledProgram.of(program).transformer(ScalarType.Float)) {
      double[][] expected = ProgramTasks.logits(theirs, program, prompts);
      double[][] actual = ProgramTasks.logits(ours, program, prompts);
      for (int i = 0; i < expected.length; i++) {
        assertArrayEquals(expected[i], actual[i], 1e-5, "prompt " + i);
      }
    }
  }

  /**
   * In Tracr's weights two of the edges do nothing when they are ablated by zero: without what the
   * head says its MLP takes the largest length, which is the right one.
   */
  @Test
  void inTracrsModelTwoEdgesMatterLess() {
    Path directory = reference().resolve("tracr-reverse/model");
    ProgramTask task =
        tasks().filter(t -> t.key().equals("tracr-reverse")).findFirst().orElseThrow();
    try (Transformer theirs = ModelLoader.load(directory)) {
      List<PromptBatch> batches =
          new ArrayList<>(
              Batches.byLength(task.prompts(ProgramTasks.defaults(task), theirs, 42), 64));
      assertEquals(known(task, "resample", 0), exact(theirs, batches, Ablation.RESAMPLE, 0));
      Set<String> zero = known(task, "zero", 0);
      zero.removeAll(Set.of("A0.0->MLP 0", "Resid Start->A0.0.V"));
      assertEquals(8, zero.size());
      assertEquals(zero, exact(theirs, batches, Ablation.ZERO, 0));
    }
  }
}
