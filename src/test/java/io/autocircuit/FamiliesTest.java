package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.LibtorchKernels;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AttentionScore;
import io.autocircuit.patch.AttentionScores;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PlainAcdc;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/**
 * What must hold of every family: the outputs of all sources and attention's biases add up to the
 * stream, so that they make the model's logits; with the kernels of this machine as with libtorch's
 * operations. Of the checkpoints also: a circuit is the run with its complement masked, and the
 * gradient is that of the loss; and of each family EAP and ACDC are what their definitions say.
 */
class FamiliesTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static List<Kernels> kernels() {
    return List.of(KernelsProvider.choose().kernels(), new LibtorchKernels());
  }

  /** Logits of the sum of what all sources write, against the plain forward pass. */
  private static void assertSourcesAddUp(Transformer model, TokenBatch tokens, double most) {
    for (Kernels kernels : kernels()) {
      try (TensorScope scope = new TensorScope()) {
        PatchableModel patchable = PatchableModel.of(model, true, 0, OutputSlice.ALL, kernels);
        Tensor stream = SourceOutputs.of(patchable, tokens).sum(new long[] {0}, false, null);
        Stage end = patchable.graph().end();
        for (Stage stage : patchable.graph().stages()) {
          if (stage.kind() == Stage.Kind.ATTENTION) {
            stream.add_(model.attentionOutputBias(stage));
          }
        }
        double[] ours = Tensors.doubles(model.unembed(model.read(end, stream)));
        double[] expected = Tensors.doubles(model.logits(tokens, OutputSlice.ALL));
        double largest = 0;
        for (int i = 0; i < expected.length; i++) {
          largest = Math.max(largest, Math.abs(ours[i] - expected[i]));
        }
        assertEquals(0, largest, most, model.config().name() + " with " + kernels.name());
      }
    }
  }

  @Test
  void sourcesOfRandomModelsAddUp() {
    for (Architecture a : RandomModels.architectures().toList()) {
      try (TensorScope scope = new TensorScope();
          Transformer model = RandomModels.model(a, ScalarType.Double, 3)) {
        assertSourcesAddUp(model, RandomModels.batch(2, 6, 4).clean(), 1e-10);
        assertSourcesAddUp(model, RandomModels.batch(new int[] {6, 3}, 6, 4).clean(), 1e-10);
      }
    }
  }

  /** What the parts of scores add up to gives, by the softmax, the model's own attention. */
  private static void assertScoresAddUp(Transformer model, TokenBatch tokens) {
    Kernels kernels = KernelsProvider.choose().kernels();
    PatchableModel patchable = PatchableModel.of(model, true, 0, OutputSlice.LAST_SEQ, kernels);
    int last = tokens.length() - 1;
    try (AttentionScores scores = AttentionScores.of(patchable, tokens)) {
      for (int b = 0; b < model.config().blocks(); b++) {
        int head = b % model.config().heads();
        double[] own = scores.attention(b, head, last);
        double[] found = new double[own.length];
        for (int k = 0; k < own.length; k++) {
          if (own[k] > 0) { // else it is not seen
            AttentionScore score = scores.of(b, head, last, k);
            double sum = score.querySide().stream().mapToDouble(c -> c.value()).sum();
            assertEquals(score.value().product(), sum, 1e-10 * Math.max(1, Math.abs(sum)));
            found[k] = Math.exp(score.value().score());
          }
        }
        double all = Arrays.stream(found).sum();
        assertArrayEquals(
            own, Arrays.stream(found).map(x -> x / all).toArray(), 1e-9, model.config().name());
      }
    }
  }

  private static List<Path> folders() throws IOException {
    Path place = Path.of(System.getProperty("reference.dir", "../shared/reference"));
    place = place.resolve("architectures");
    assumeTrue(Files.isDirectory(place), "no model folders at reference.dir: " + place);
    try (Stream<Path> all = Files.list(place)) {
      return all.filter(f -> Files.isRegularFile(f.resolve("hf_logits.json")))
          .sorted(Comparator.comparing(Path::toString))
          .toList();
    }
  }

  private static TokenBatch tokens(JsonNode ids) {
    int[] numbers = new int[ids.size()];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = ids.get(i).asInt();
    }
    return new TokenBatch(numbers, 1, numbers.length, new int[1]);
  }

  /** A prompt of the folder, and another of the same length. */
  private static PromptBatch pair(JsonNode ids) {
    TokenBatch clean = tokens(ids);
    int[] other = clean.ids().clone();
    for (int i = 0; i < other.length; i++) {
      other[i] = clean.ids()[other.length - 1 - i];
    }
    TokenBatch corrupt = new TokenBatch(other, 1, other.length, new int[1]);
    int[][][] answers = {{{1}}};
    return new PromptBatch(clean, corrupt, answers, new int[][][] {{{2}}}, new int[1]);
  }

  private static final LossFunction LOSS =
      (logits, batch, reference) -> logits.mul(logits).mean(new long[] {1, 2}, false, null);

  /** A circuit against the mask of its complement, and the gradient against a difference. */
  private static void assertCircuitsAndGradients(Transformer model, PromptBatch pair) {
    Kernels kernels = KernelsProvider.choose().kernels();
    PatchableModel patchable = PatchableModel.of(model, true, 0, OutputSlice.LAST_SEQ, kernels);
    ComputationGraph graph = patchable.graph();
    Random random = new Random(7);
    try (TensorScope scope = new TensorScope();
        Evaluation run =
            Evaluation.of(patchable, pair.clean(), SourceOutputs.of(patchable, pair.corrupt()))) {
      float[] mask = new float[graph.edgeCount()];
      BitSet kept = new BitSet();
      for (int e = 0; e < mask.length; e++) {
        mask[e] = random.nextInt(3) == 0 ? 1 : 0;
        kept.set(e, mask[e] == 0);
      }
      double[] engine = Tensors.doubles(run.logits(Circuit.of(graph, kept), PatchType.TREE_PATCH));
      double[] dense = Tensors.doubles(run.logits(PatchMask.of(graph, mask)));
      assertArrayEquals(dense, engine, 1e-9, model.config().name());
      float[] direction = new float[mask.length];
      for (int e = 0; e < mask.length; e++) {
        direction[e] = random.nextFloat() - 0.5f;
      }
      float h = 1f / 1024;
      double difference =
          (loss(run, graph, mask, direction, h) - loss(run, graph, mask, direction, -h)) / 2 / h;
      float[] gradient = run.gradient(PatchMask.of(graph, mask), LOSS, pair, null).maskGradient();
      double along = 0;
      double size = 0;
      for (int e = 0; e < mask.length; e++) {
        along += (double) gradient[e] * direction[e];
        size += Math.abs((double) gradient[e] * direction[e]);
      }
      assertEquals(along, difference, 2e-3 * size + 1e-9, model.config().name());
    }
  }

  /** EAP's scores are the gradient of its loss at no edge ablated; ACDC is the plain algorithm. */
  private static void assertAlgorithms(Transformer model, PromptBatch pair) {
    Kernels kernels = KernelsProvider.choose().kernels();
    PatchableModel patchable = PatchableModel.of(model, false, 0, OutputSlice.LAST_SEQ, kernels);
    ComputationGraph graph = patchable.graph();
    String name = model.config().name();
    float[] eap = MaskGradient.eap().score(patchable, List.of(pair)).values();
    LossFunction loss = MaskGradient.eap().loss();
    Random random = new Random(9);
    float[] up = new float[eap.length];
    float[] down = new float[eap.length];
    float h = 1f / 1024;
    double along = 0;
    double size = 0;
    for (int e = 0; e < eap.length; e++) {
      float direction = random.nextFloat() - 0.5f;
      up[e] = h * direction;
      down[e] = -h * direction;
      along += (double) eap[e] * direction;
      size += Math.abs((double) eap[e] * direction);
    }
    try (TensorScope scope = new TensorScope();
        Evaluation run =
            Evaluation.of(patchable, pair.clean(), SourceOutputs.of(patchable, pair.corrupt()))) {
      double a = value(run, graph, up, loss, pair);
      double b = value(run, graph, down, loss, pair);
      assertEquals(along, (a - b) / 2 / h, 2e-3 * size + 1e-9, name + ", EAP");
    }
    for (double tau : new double[] {1e-3, 1e-1}) {
      float[] acdc =
          new Acdc(List.of(tau), Acdc.Target.KL_DIV, Ablation.RESAMPLE)
              .score(patchable, List.of(pair))
              .values();
      assertArrayEquals(
          PlainAcdc.scores(patchable, pair, Acdc.Target.KL_DIV, tau), acdc, name + ", ACDC " + tau);
    }
  }

  private static double value(
      Evaluation run, ComputationGraph graph, float[] mask, LossFunction loss, PromptBatch pair) {
    return Tensors.doubles(loss.perPrompt(run.logits(PatchMask.of(graph, mask)), pair, null))[0];
  }

  private static double loss(
      Evaluation run, ComputationGraph graph, float[] mask, float[] direction, float h) {
    float[] moved = mask.clone();
    for (int e = 0; e < moved.length; e++) {
      moved[e] += h * direction[e];
    }
    return Tensors.doubles(LOSS.perPrompt(run.logits(PatchMask.of(graph, moved)), null, null))[0];
  }

  @Test
  void checkpoints() throws IOException {
    List<String> loaded = new ArrayList<>();
    Set<String> families = new TreeSet<>();
    for (Path folder : folders()) {
      JsonNode file = JSON.readTree(folder.resolve("hf_logits.json").toFile());
      String type =
          JSON.readTree(folder.resolve("model/config.json").toFile()).path("model_type").asText();
      if (!ModelLoader.ARCHITECTURES.contains(type)) {
        assertTrue(
            file.path("or_refused").asBoolean(false), folder + " is of no family that loads");
        continue;
      }
      loaded.add(folder.getFileName().toString());
      try (TensorScope scope = new TensorScope();
          Transformer model =
              ModelLoader.load(
                  folder.resolve("model"), WeightProcessing.DEFAULT, ScalarType.Double)) {
        assertEquals(List.of(), model.notices(), folder.toString());
        JsonNode ids = file.path("ids");
        assertSourcesAddUp(model, tokens(ids.get(ids.size() - 1)), 1e-9);
        assertScoresAddUp(model, tokens(ids.get(0)));
        assertCircuitsAndGradients(model, pair(ids.get(1)));
        if (families.add(type)) {
          assertAlgorithms(model, pair(ids.get(0)));
        }
      }
    }
    System.out.println("FamiliesTest: sources add up in " + loaded);
    System.out.println("FamiliesTest: EAP and ACDC are the plain ones in " + families);
  }
}
