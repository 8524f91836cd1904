package io.autocircuit.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.ShapedModels;
import io.autocircuit.model.ShapedModels.Kind;
import io.autocircuit.model.Transformer;
import io.autocircuit.task.dataset.WordTokenizers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The tasks about models of the user's: their prompts have what their circuits ask for. */
class AutoCircuitTasksTest {
  @TempDir Path directory;

  private static TaskProvider task(String key) {
    return TaskProvider.catalogue().get(key);
  }

  private Transformer model(WantedModel wanted, Kind kind) throws IOException {
    WordTokenizers.byteLevel(directory, Set.of()).close();
    return ModelLoader.load(ShapedModels.write(directory, wanted.blocks(), wanted.heads(), kind));
  }

  private TokenizedDataset prompts(TaskProvider task, Transformer model, Map<String, ?> given) {
    Settings settings = Settings.of(task.settings(), given);
    return task.prompts(settings, model, Optional.of(directory), 42);
  }

  /** The sizes of a task's circuits by key, at the positions of its prompts. */
  private Map<String, Integer> sizes(TaskProvider task, Wiring wiring, TokenizedDataset prompts) {
    WantedModel wanted = task.wanted().orElseThrow();
    assertTrue(task.defaults().tokenPositions(), "an edge for each position");
    assertEquals(1, prompts.lengths().size(), "prompts of one length");
    ComputationGraph graph =
        ComputationGraph.factorized(
            wanted.blocks(),
            wanted.heads(),
            wiring,
            task.defaults().separateQkv(),
            prompts.lengths().get(0));
    Map<String, Integer> sizes = new TreeMap<>();
    for (KnownCircuit c : task.circuits(Settings.defaults(task.settings()))) {
      sizes.put(c.key(), c.edges().of(graph, prompts.wordIdxs()).size());
    }
    return sizes;
  }

  @Test
  void indirectObjectIdentificationNamesTheWordsOfItsCircuits() throws IOException {
    TaskProvider task = task("ioi-tokens");
    try (Transformer model = model(task.wanted().orElseThrow(), Kind.SEQUENTIAL)) {
      TokenizedDataset vanilla = prompts(task, model, Map.of("count", 4));
      assertEquals(4, vanilla.size());
      assertEquals(
          Map.of("ioi-edges", 869, "ioi-edges-mlp0", 266, "ioi-heads", 47_126),
          sizes(task, Wiring.SEQUENTIAL, vanilla));
      TokenizedDataset other = prompts(task, model, Map.of("count", 4, "frame", "6"));
      assertEquals(869, sizes(task, Wiring.SEQUENTIAL, other).get("ioi-edges"));
    }
  }

  @Test
  void docstringNamesTheWordsOfItsCircuits() throws IOException {
    TaskProvider task = task("docstring-tokens");
    try (Transformer model = model(task.wanted().orElseThrow(), Kind.ATTENTION_ONLY)) {
      Map<String, Integer> sizes =
          sizes(task, Wiring.ATTENTION_ONLY, prompts(task, model, Map.of("count", 4)));
      assertEquals(34, sizes.get("docstring-edges"));
      assertEquals(Set.of("docstring-edges", "docstring-heads"), sizes.keySet());
    }
  }

  @Test
  void sportsPlayersNamesTheWordsOfItsCircuits() throws IOException {
    TaskProvider task = task("sports-players-tokens");
    try (Transformer model = model(task.wanted().orElseThrow(), Kind.PARALLEL)) {
      // names of two tokens: of the circuits of three the first two have half of the edges left
      assertEquals(
          Map.of(
              "sports-players", 2276 + (4518 - 2276) / 2,
              "sports-players-probe", 3600 + (5842 - 3600) / 2),
          sizes(task, Wiring.PARALLEL, prompts(task, model, Map.of("count", 4, "name_tokens", 2))));
    }
  }

  @Test
  void whatTheTokenizerHasNotIsSaid() throws IOException {
    TaskProvider task = task("capital-cities");
    try (Transformer model = model(task.wanted().orElseThrow(), Kind.PARALLEL)) {
      List<String> remarks = prompts(task, model, Map.of()).remarks();
      assertTrue(
          remarks.stream()
              .anyMatch(r -> r.matches("not in the prompts: capitals that .*: \\d+ .*")),
          remarks.toString());
    }
  }

  @Test
  void promptsFollowTheSeed() throws IOException {
    TaskProvider task = task("greater-than");
    Settings settings = Settings.of(task.settings(), Map.of("count", 5));
    try (Transformer model = model(task.wanted().orElseThrow(), Kind.SEQUENTIAL)) {
      List<String> drawn =
          List.of(7L, 7L, 8L).stream()
              .map(
                  seed ->
                      task.prompts(settings, model, Optional.of(directory), seed).prompts().stream()
                          .map(p -> Arrays.toString(p.clean()))
                          .toList()
                          .toString())
              .toList();
      assertEquals(drawn.get(0), drawn.get(1));
      assertTrue(!drawn.get(0).equals(drawn.get(2)), drawn.toString());
    }
  }

  @Test
  void promptsAreSharedAsUsual() {
    assertEquals(shared(300, 100), counts("ioi-tokens", Map.of()));
    assertEquals(shared(6, 2), counts("ioi-tokens", Map.of("count", 8)));
    assertEquals(shared(750, 250), counts("ioi-tokens", Map.of("count", 0)));
    assertEquals(shared(0, 8), counts("animal-diet", Map.of()));
    assertEquals(shared(0, 2), counts("animal-diet", Map.of("count", 4)));
  }

  private static List<Integer> shared(int train, int test) {
    return List.of(train, test);
  }

  private static List<Integer> counts(String key, Map<String, ?> given) {
    TaskDefaults usual = task(key).defaults(Settings.of(task(key).settings(), given));
    return shared(usual.train(), usual.test());
  }

  @Test
  void withoutFoldersTheModelIsNamed() {
    assumeTrue(ModelFolders.standard().folders().isEmpty(), "this machine names folders of models");
    TaskProvider task = task("docstring");
    DataException e =
        assertThrows(
            DataException.class,
            () -> task.open(Settings.defaults(task.settings()), ScalarType.Float, 1));
    assertTrue(
        e.getMessage().startsWith("task=docstring wants model=NeelNanda/Attn_Only_4L512W_C4_Code"),
        e.getMessage());
  }
}
