package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.LibtorchAttention;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.AttentionPatterns;
import io.autocircuit.model.AttentionStep;
import io.autocircuit.model.Autoencoder.Scaling;
import io.autocircuit.model.Autoencoders;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.AttentionScore.Contribution;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Of tiny models of every architecture. */
class AttentionScoresTest {
  private static final int LENGTH = 6;

  static Stream<Architecture> architectures() {
    return RandomModels.architectures();
  }

  private static PatchableModel patchable(Transformer model) {
    Kernels kernels = KernelsProvider.choose().kernels();
    return PatchableModel.of(model, true, 0, OutputSlice.LAST_SEQ, kernels);
  }

  private static double sum(List<Contribution> side) {
    return side.stream().mapToDouble(Contribution::value).sum();
  }

  /** What the softmax takes is, to rounding, what gives the model's own attention. */
  private static void assertScoresAreTheModels(
      PatchableModel model, TokenBatch tokens, double error) {
    int blocks = model.model().config().blocks();
    int heads = model.model().config().heads();
    try (TensorScope scope = new TensorScope();
        AttentionScores scores = AttentionScores.of(model, tokens)) {
      Tensor patterns = AttentionPatterns.of(model.model(), tokens);
      for (int b = 0; b < blocks; b++) {
        for (int h = 0; h < heads; h++) {
          for (int q : new int[] {LENGTH - 1 - h % 3}) {
            double[] expected =
                Tensors.doubles(patterns.select(0, b).select(0, 0).select(0, h).select(0, q));
            assertArrayEquals(expected, scores.attention(b, h, q), error);
            assertArrayEquals(expected, softmax(scores, b, h, q, expected, error), error);
          }
        }
      }
    }
  }

  private static double[] softmax(
      AttentionScores scores, int block, int head, int query, double[] own, double error) {
    double[] shares = new double[LENGTH];
    double all = 0;
    for (int k = 0; k < LENGTH; k++) {
      if (own[k] == 0) { // not seen
        int key = k;
        String message =
            assertThrows(IllegalArgumentException.class, () -> scores.of(block, head, query, key))
                .getMessage();
        assertTrue(message.contains("does not see key=" + k), message);
        continue;
      }
      AttentionScore score = scores.of(block, head, query, k);
      AttentionScore.Value value = score.value();
      double size = Math.max(1, Math.abs(value.product()));
      assertEquals(own[k], value.attention(), error);
      assertEquals(value.product(), sum(score.querySide()), 1e-12 * size);
      assertEquals(value.product(), sum(score.keySide()), 1e-12 * size);
      double pairs = 0;
      for (int i = 0; i < score.querySide().size(); i++) {
        double row = 0;
        for (int j = 0; j < score.keySide().size(); j++) {
          row += score.pair(i, j).value();
        }
        assertEquals(score.querySide().get(i).value(), row, 1e-12 * size);
        pairs += row;
      }
      assertEquals(value.product(), pairs, 1e-12 * size);
      shares[k] = Math.exp(value.score());
      all += shares[k];
    }
    for (int k = 0; k < LENGTH; k++) {
      shares[k] /= all;
    }
    return shares;
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void partsAddUpToTheModelsScores(Architecture a) {
    try (TensorScope scope = new TensorScope();
        Transformer model = RandomModels.model(a, ScalarType.Double, 5)) {
      TokenBatch tokens = RandomModels.batch(1, LENGTH, 4).clean();
      assertScoresAreTheModels(patchable(model), tokens, 1e-9);
      TokenBatch padded = RandomModels.batch(new int[] {LENGTH - 2}, LENGTH, 4).clean();
      assertScoresAreTheModels(patchable(model), padded, 1e-9);
    }
  }

  static Stream<Architecture> some() {
    return RandomModels.sample(5);
  }

  @ParameterizedTest
  @MethodSource("some")
  void alsoInFloat32(Architecture a) {
    try (TensorScope scope = new TensorScope();
        Transformer model = RandomModels.model(a, ScalarType.Float, 6)) {
      assertScoresAreTheModels(patchable(model), RandomModels.batch(1, LENGTH, 4).clean(), 2e-5);
    }
  }

  @Test
  void alsoOfLatentsAndWithoutTheirError() {
    Architecture a = RandomModels.named("sequential LN, scaled");
    for (boolean error : new boolean[] {true, false}) {
      for (Scaling scaling : Scaling.values()) {
        try (TensorScope scope = new TensorScope();
            Transformer plain = RandomModels.model(a, ScalarType.Double, 7);
            Autoencoders all = LatentEngineTest.autoencoders(plain, scaling, 0, true, error)) {
          PatchableModel model = patchable(plain.withAutoencoders(all));
          TokenBatch tokens = RandomModels.batch(1, LENGTH, 4).clean();
          assertScoresAreTheModels(model, tokens, 1e-9);
          try (AttentionScores scores = AttentionScores.of(model, tokens)) {
            List<String> names =
                scores.of(1, 0, LENGTH - 1, 2).querySide().stream()
                    .map(Contribution::name)
                    .toList();
            assertTrue(names.stream().anyMatch(n -> n.startsWith("MLP 0 Latent")), names::toString);
            assertTrue(!names.contains("MLP 0 Latent 4"), names::toString); // never active
            assertEquals(error, names.contains("MLP 0 Error"), names::toString);
            assertTrue(names.contains(AttentionScores.STREAM_BIASES), names::toString);
          }
        }
      }
    }
  }

  /**
   * Each contribution on its own, by the other way: the gradient of the product with frozen scales,
   * taken back to the stream, times what the source wrote.
   */
  @ParameterizedTest
  @MethodSource("architectures")
  void eachIsItsOutputTimesTheFrozenGradient(Architecture a) {
    if (a.config().features().clip() > 0) {
      return; // a clipped number has no gradient, and a contribution
    }
    try (TensorScope scope = new TensorScope();
        Transformer model = RandomModels.model(a, ScalarType.Double, 8)) {
      PatchableModel patchable = patchable(model);
      TokenBatch tokens = RandomModels.batch(1, LENGTH, 4).clean();
      Tensor written = SourceOutputs.of(patchable, tokens);
      int head = a.config().heads() - 1;
      int query = LENGTH - 1;
      int key = LENGTH - 2;
      try (AttentionScores scores = AttentionScores.of(patchable, tokens)) {
        AttentionScore score = scores.of(1, head, query, key);
        for (int part = 0; part < 2; part++) {
          Tensor gradient = gradient(patchable, tokens, head, part, query, key);
          int position = part == 0 ? query : key;
          List<Contribution> side = part == 0 ? score.querySide() : score.keySide();
          for (int s = 1; s < patchable.graph().stages(1).get(0).firstWritten(); s++) {
            String name = patchable.graph().sources().get(s).name();
            double expected =
                written.select(0, s).select(0, 0).select(0, position).dot(gradient).item_double();
            double found =
                side.stream().filter(c -> c.name().equals(name)).findFirst().orElseThrow().value();
            assertEquals(expected, found, 1e-9 * Math.max(1, Math.abs(expected)), name);
          }
        }
      }
    }
  }

  /**
   * Of the product, with respect to the stream of block 1 at one of both positions, {@code [D]}.
   */
  private static Tensor gradient(
      PatchableModel patchable, TokenBatch tokens, int head, int part, int query, int key) {
    Transformer model = patchable.model();
    Stage stage =
        patchable.graph().stages(1).stream()
            .filter(s -> s.kind() == Stage.Kind.ATTENTION)
            .findFirst()
            .orElseThrow();
    AttentionStep step = model.attentionStep(stage);
    Kernels.AttentionPattern how = step.pattern(model.context(tokens));
    AttentionPatterns.Recorded recorded = AttentionPatterns.recorded(model, tokens);
    Tensor stream = recorded.inputs().select(0, 1);
    long width = how.width();
    Tensor qkv = model.placement().empty(LENGTH, 3L * how.heads() * width);
    model.projectQkv(stage, model.read(stage, stream), qkv, 0, stage.parts());
    Tensor prepared = step.prepare(qkv).view(1, LENGTH, 3, how.heads(), width);
    int position = part == 0 ? query : key;
    int other = part == 0 ? key : query;
    // the other side, rotated at its own position, comes back rotated as this one is
    Tensor x = prepared.select(2, 1 - part).transpose(1, 2);
    Tensor turned = LibtorchAttention.rotate(x, how.rotation(), false);
    Tensor there = turned.select(1, head).select(0, 0).select(0, other);
    Tensor here = torch.zeros_like(turned);
    here.select(1, head).select(0, 0).select(0, position).copy_(there);
    Tensor back = LibtorchAttention.rotate(here, how.rotation(), true).mul(new Scalar(how.scale()));
    Tensor gradient = torch.zeros_like(qkv);
    gradient
        .view(LENGTH, 3, how.heads(), width)
        .select(1, part)
        .copy_(back.select(0, 0).transpose(0, 1));
    step.backward(qkv, gradient, true);
    Tensor g = torch.mm(gradient, model.qkvWeight(stage).t()).select(0, position);
    g = model.affine(stage).backward(g);
    Normalization norm = model.normalization(stage);
    Tensor read = stream.select(0, position);
    if (norm.kind() == Normalization.Kind.NONE) {
      return g;
    }
    boolean centres = norm.kind() == Normalization.Kind.LAYER_NORM;
    Tensor centred = centres ? read.sub(read.mean()) : read;
    double square = centred.mul(centred).mean().item_double();
    Tensor rest = centres ? g.sub(g.mean()) : g;
    return rest.mul(new Scalar(1 / Math.sqrt(square + norm.epsilon())));
  }

  @Test
  void namesAndWhatIsRefused() {
    try (TensorScope scope = new TensorScope();
        Transformer model =
            RandomModels.model(RandomModels.named("sequential LN, scaled"), ScalarType.Float, 5)) {
      TokenBatch tokens = RandomModels.batch(1, LENGTH, 4).clean();
      ComputationGraph other = model.config().unfactorizedGraph(0);
      PatchableModel unfactorized =
          new PatchableModel(
              model, other, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      try (AttentionScores scores = AttentionScores.of(unfactorized, tokens)) {
        AttentionScore most = scores.ofMost(1, 2, LENGTH - 1);
        double[] row = scores.attention(1, 2, LENGTH - 1);
        for (double share : row) {
          assertTrue(row[most.place().key()] >= share);
        }
        assertEquals("A1.2", most.place().name());
        assertEquals("A1.2", scores.head("a1.h2").name());
        List<AttentionScore.Pair> best = most.pairs(4);
        assertEquals(4, best.size());
        assertTrue(Math.abs(best.get(0).value()) >= Math.abs(best.get(3).value()));
        assertEquals((long) most.querySide().size() * most.keySide().size(), most.pairCount());
        assertThrowsWith("unknown head \"A2.0\"", () -> scores.head("A2.0"));
        assertThrowsWith("head=A0.3 is none", () -> scores.of(0, 3, 1, 1));
        assertThrowsWith("query=6 is outside the prompt", () -> scores.of(0, 0, 6, 1));
        assertThrowsWith("key=-1 is outside the prompt", () -> scores.of(0, 0, 5, -1));
        assertThrowsWith("it comes later", () -> scores.of(0, 0, 2, 3));
      }
      TokenBatch two = RandomModels.batch(2, LENGTH, 4).clean();
      assertThrowsWith("prompts=2", () -> AttentionScores.of(unfactorized, two));
    }
  }

  private static void assertThrowsWith(String part, Executable run) {
    String message = assertThrows(IllegalArgumentException.class, run).getMessage();
    assertTrue(message.contains(part), message);
  }
}
