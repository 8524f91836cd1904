package io.autocircuit.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.graph.Stage;
import io.autocircuit.model.AttentionPatterns;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.task.RandomPrompts;
import io.autocircuit.task.Task;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Against plain loops over the outputs of all sources. */
class SourceActivationsTest {
  private static final int PROMPTS = 3;
  private static final int LENGTH = 6;
  private static Task task;

  @BeforeAll
  static void load() {
    var model = RandomModels.of(RandomModels.shape("tiny"), 1);
    task = new Task(model, new RandomPrompts(5, LENGTH).of(model.config(), 1));
  }

  @AfterAll
  static void close() {
    task.close();
  }

  private static Discovery discovery(boolean positions, PatchType type, Ablation ablation) {
    return Discovery.builder(task, MaskGradient.eap())
        .tokenPositions(positions)
        .runs(CircuitRuns.of(type, ablation))
        .build();
  }

  /** {@code [prompt][position][channel]} of a source. */
  private static double[][][] outputs(Discovery d, SrcNode source, boolean clean) {
    PromptBatch batch = d.test().get(0).slice(0, PROMPTS);
    try (TensorScope scope = new TensorScope()) {
      var all = SourceOutputs.of(d.model(), clean ? batch.clean() : batch.corrupt());
      int width = (int) all.size(3);
      double[] flat = Tensors.doubles(all.select(0, source.index()));
      double[][][] out = new double[PROMPTS][LENGTH][width];
      for (int i = 0; i < flat.length; i++) {
        out[i / width / LENGTH][i / width % LENGTH][i % width] = flat[i];
      }
      return out;
    }
  }

  private static boolean belongs(Discovery d, int t, Integer position) {
    int[] spans = d.test().get(0).clean().spans();
    return position == null || position == (spans == null ? t : spans[t]);
  }

  private static double norm(Discovery d, double[][][] x, Integer position) {
    double sum = 0;
    int count = 0;
    for (double[][] prompt : x) {
      for (int t = 0; t < LENGTH; t++) {
        if (belongs(d, t, position)) {
          sum += square(prompt[t]);
          count++;
        }
      }
    }
    return Math.sqrt(sum / count);
  }

  private static double[][][] difference(double[][][] p, double[][][] c) {
    double[][][] delta = new double[PROMPTS][LENGTH][p[0][0].length];
    for (int b = 0; b < PROMPTS; b++) {
      for (int t = 0; t < LENGTH; t++) {
        for (int i = 0; i < p[0][0].length; i++) {
          delta[b][t][i] = p[b][t][i] - c[b][t][i];
        }
      }
    }
    return delta;
  }

  private static void compare(Discovery d, boolean cleanIsRun, boolean zero) {
    PruneScores scores = d.score(io.autocircuit.patch.Progress.SILENT);
    SourceActivations found =
        SourceActivations.of(d, scores, PROMPTS, 40, SourceActivationsTest::texts);
    TokenBatch first =
        (cleanIsRun ? d.test().get(0).clean() : d.test().get(0).corrupt()).slice(0, 1);
    assertEquals(texts(first.ids()), found.tokens());
    patterns(d, first, found);
    assertEquals(cleanIsRun ? "clean" : "corrupt", found.run());
    assertEquals(PROMPTS, found.prompts());
    List<List<Object>> wanted =
        scores.best(40).stream()
            .map(s -> List.<Object>of(s.edge().source().name(), s.edge().position()))
            .distinct()
            .toList();
    assertEquals(
        wanted,
        found.sources().stream()
            .map(s -> List.<Object>of(s.name(), s.position() == null ? -1 : s.position()))
            .toList());
    for (SourceActivations.Source s : found.sources()) {
      SrcNode node =
          d.model().graph().sources().stream()
              .filter(n -> n.name().equals(s.name()))
              .findFirst()
              .orElseThrow();
      double[][][] c = outputs(d, node, cleanIsRun);
      double[][][] p =
          zero ? new double[PROMPTS][LENGTH][c[0][0].length] : outputs(d, node, !cleanIsRun);
      double[][][] delta = difference(p, c);
      close(norm(d, c, s.position()), s.norm());
      close(norm(d, p, s.position()), s.ablatedNorm());
      close(norm(d, delta, s.position()), s.deltaNorm());
      if (s.position() == null || !d.model().graph().spans().isEmpty()) {
        assertTrue(belongs(d, s.at(), s.position()));
        double at =
            IntStream.range(0, LENGTH)
                .filter(t -> belongs(d, t, s.position()))
                .mapToDouble(t -> square(delta[0][t]))
                .max()
                .orElse(0);
        close(at, square(delta[0][s.at()]));
      } else {
        assertEquals(s.position(), s.at());
      }
      assertEquals(List.of(0, 1), s.channels().stream().limit(2).map(x -> x.index()).toList());
      double[] row = delta[0][s.at()];
      double third =
          IntStream.range(2, row.length)
              .mapToObj(i -> Math.abs(row[i]))
              .sorted(Comparator.reverseOrder())
              .toList()
              .get(2);
      for (SourceActivations.Channel channel : s.channels()) {
        close(c[0][s.at()][channel.index()], channel.written());
        close(p[0][s.at()][channel.index()], channel.ablated());
        assertTrue(channel.index() < 2 || Math.abs(row[channel.index()]) >= third);
      }
      assertEquals(5, s.channels().stream().map(x -> x.index()).distinct().count());
    }
  }

  private static List<String> texts(int[] ids) {
    return IntStream.of(ids).mapToObj(id -> "t" + id).toList();
  }

  /** Each row sums to one and sees nothing later; a head's outputs follow from it. */
  private static void patterns(Discovery d, TokenBatch first, SourceActivations found) {
    List<String> heads =
        found.sources().stream()
            .map(s -> s.name())
            .filter(n -> n.startsWith("A"))
            .distinct()
            .toList();
    assertEquals(heads, found.patterns().stream().map(p -> p.head()).toList());
    assertEquals(heads, found.attends().stream().map(HeadAttention::head).toList());
    for (HeadAttention why : found.attends()) {
      double[] all = pattern(first, why.head());
      assertEquals(LENGTH - 1, why.query());
      assertEquals(all[(LENGTH - 1) * LENGTH + why.key()], why.attention(), 1e-4);
      for (int k = 0; k < LENGTH; k++) {
        assertTrue(all[(LENGTH - 1) * LENGTH + k] <= why.attention() + 1e-4);
      }
      assertTrue(!why.querySide().isEmpty() && !why.keySide().isEmpty() && !why.pairs().isEmpty());
    }
    for (SourceActivations.Pattern p : found.patterns()) {
      assertEquals(LENGTH, p.rows().size());
      for (int q = 0; q < LENGTH; q++) {
        assertTrue(p.rows().get(q).size() <= q + 1);
        assertEquals(1, p.rows().get(q).stream().mapToDouble(x -> x).sum(), 0.04);
      }
      double[] all = pattern(first, p.head());
      for (int i = 0; i < all.length; i++) {
        List<Double> row = p.rows().get(i / LENGTH);
        double share = i % LENGTH < row.size() ? row.get(i % LENGTH) : 0;
        assertEquals(all[i], share, 0.005 + 1e-6, p.head() + " " + i);
      }
    }
  }

  /** Of a head such as A1.2, by query and key. */
  private static double[] pattern(TokenBatch first, String head) {
    int dot = head.indexOf('.');
    int block = Integer.parseInt(head.substring(1, dot));
    try (TensorScope scope = new TensorScope()) {
      Tensor all = AttentionPatterns.of(task.model(), first);
      return Tensors.doubles(
          all.select(0, block).select(0, 0).select(0, Integer.parseInt(head.substring(dot + 1))));
    }
  }

  /** What a head writes is its values, mixed by its pattern. */
  @Test
  void patternsMixTheValuesOfAHead() {
    Discovery d = discovery(false, PatchType.TREE_PATCH, Ablation.RESAMPLE);
    TokenBatch tokens = d.test().get(0).clean().slice(0, 2);
    Transformer model = task.model();
    try (TensorScope scope = new TensorScope()) {
      Tensor patterns = AttentionPatterns.of(model, tokens);
      // values of what a block reads, mixed by the pattern, are what its heads write
      Tensor outputs = SourceOutputs.of(d.model(), tokens);
      int width = model.config().dHead();
      int heads = model.config().heads();
      Tensor biases = torch.zeros_like(outputs.select(0, 0));
      for (int b = 0; b < model.config().blocks(); b++) {
        Stage stage = d.model().graph().stages(b).get(0);
        Tensor stream =
            outputs.narrow(0, 0, stage.firstWritten()).sum(0).add(biases).view(2L * LENGTH, -1);
        Tensor qkv = model.placement().empty(2L * LENGTH, 3L * heads * width);
        model.projectQkv(stage, model.read(stage, stream), qkv, 0, stage.parts());
        Tensor values = qkv.view(2, LENGTH, 3, heads, width).select(2, 2).transpose(1, 2);
        Tensor mixed = torch.matmul(patterns.select(0, b), values); // [B,H,T,dHead]
        for (int h = 0; h < heads; h++) {
          Tensor expected = outputs.select(0, stage.firstWritten() + h);
          Tensor found = torch.matmul(mixed.select(1, h), model.headOutput(stage, h));
          assertTrue(torch.allclose(expected, found, 1e-4, 1e-5, false), b + "." + h);
        }
        biases = biases.add(model.attentionOutputBias(stage));
      }
    }
  }

  private static double square(double[] x) {
    return IntStream.range(0, x.length).mapToDouble(i -> x[i] * x[i]).sum();
  }

  /** Five digits are kept. */
  private static void close(double expected, double found) {
    assertEquals(expected, found, 1e-4 * Math.abs(expected) + 1e-9);
  }

  @Test
  void edgesForAllPositions() {
    compare(discovery(false, PatchType.TREE_PATCH, Ablation.RESAMPLE), true, false);
  }

  @Test
  void edgesOfOnePosition() {
    compare(discovery(true, PatchType.TREE_PATCH, Ablation.RESAMPLE), true, false);
  }

  /** A span of one token, and the rest. */
  @Test
  void edgesOfOneSpan() {
    TokenizedDataset plain = task.prompts();
    TokenizedDataset named =
        new TokenizedDataset(
            plain.source(), plain.prompts(), List.of(), new TreeMap<>(Map.of("name", 2)));
    Discovery d =
        Discovery.builder(new Task(task.model(), named), MaskGradient.eap()).spans(true).build();
    assertTrue(d.model().graph().spans().contains("name"));
    compare(d, true, false);
  }

  @Test
  void edgePatchingRunsCorruptPrompts() {
    compare(discovery(false, PatchType.EDGE_PATCH, Ablation.RESAMPLE), false, false);
  }

  @Test
  void constantAblations() {
    compare(discovery(true, PatchType.TREE_PATCH, Ablation.ZERO), true, true);
  }

  @Test
  void theFileIsReadBack(@TempDir Path directory) throws Exception {
    Discovery d = discovery(true, PatchType.TREE_PATCH, Ablation.TOKENWISE_MEAN_CLEAN);
    PruneScores scores = d.score(io.autocircuit.patch.Progress.SILENT);
    SourceActivations found = SourceActivations.of(d, scores, 1, 10, SourceActivationsTest::texts);
    Path file = directory.resolve("activations.json");
    found.write(file);
    assertEquals(found, SourceActivations.read(file));
    Files.writeString(file, "{\"sources\": 3}");
    assertTrue(
        assertThrows(DataException.class, () -> SourceActivations.read(file))
            .getMessage()
            .contains("holds no activations"));
    assertTrue(
        assertThrows(
                IllegalArgumentException.class,
                () -> SourceActivations.of(d, scores, 0, 10, SourceActivationsTest::texts))
            .getMessage()
            .startsWith("activations of prompts=0"));
  }
}
