package io.autocircuit.task;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.PromptDataset;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

@Tag("slow")
class InductionModelTrainerTest {

  /** A model that learns induction in seconds; chance is at best 1 in 11, the tokens seen. */
  private static final InductionModelTrainer.Settings SMALL =
      new InductionModelTrainer.Settings(2, 2, 32, 16, 32, 12, 700, 32, 6e-3, 0.3, 50, 2, 6, 1);

  private static InductionModelTrainer.Settings brief(long seed) {
    return new InductionModelTrainer.Settings(2, 2, 16, 8, 20, 12, 20, 8, 6e-3, 0.3, 5, 2, 6, seed);
  }

  @Test
  void smallModelLearnsInductionAndItsFilesSaySo(@TempDir Path directory) throws IOException {
    List<InductionModelTrainer.Progress> steps = new ArrayList<>();
    Path out = directory.resolve("made/here");
    InductionModelTrainer.Result result =
        InductionModelTrainer.trainTo(out, SMALL, 16, 10, steps::add);

    double first = steps.get(0).loss();
    System.out.printf(
        "small induction model: loss %.3f -> %.4f, held-out accuracy %.4f%n",
        first, result.heldOut().loss(), result.heldOut().accuracy());
    assertTrue(first > 2.5, "untrained loss=" + first);
    assertTrue(result.heldOut().loss() < 0.1, "loss=" + result.heldOut().loss());
    assertTrue(result.heldOut().accuracy() > 0.95, "accuracy=" + result.heldOut().accuracy());
    double previous = Arrays.stream(result.heldOut().previousToken()[0]).max().orElseThrow();
    double induction = Arrays.stream(result.heldOut().induction()[1]).max().orElseThrow();
    assertTrue(previous > 0.4, "previousToken=" + previous);
    assertTrue(induction > 0.4, "induction=" + induction);
    assertEquals(1, steps.get(0).step());
    assertEquals(SMALL.steps(), steps.get(steps.size() - 1).step());

    Map<String, Safetensors.Array> read = new LinkedHashMap<>();
    try (Safetensors file = Safetensors.open(out)) {
      for (String name : file.names()) {
        read.put(name, new Safetensors.Array(file.shape(name), file.floats(name)));
      }
    }
    assertEquals(result.weights().keySet(), read.keySet());
    InductionModelTrainer.Evaluation again = InductionModelTrainer.evaluate(SMALL, read, 300, 77);
    assertTrue(again.accuracy() > 0.95, "accuracy of the files=" + again.accuracy());
    assertEquals(32, JsonFiles.read(out.resolve("config.json")).path("d_model").intValue());
    assertEquals(16, PromptDataset.read(out.resolve("prompts.json")).prompts().size());
    try (var files = Files.list(out)) {
      assertEquals(3, files.count(), "nothing else is left behind");
    }
  }

  @Test
  void sameSeedSameBitsWhateverTheThreads() {
    InductionModelTrainer.Result one = InductionModelTrainer.train(brief(3), p -> {});
    int threads = torch.get_num_threads();
    torch.set_num_threads(threads + 1);
    try {
      InductionModelTrainer.Result two = InductionModelTrainer.train(brief(3), p -> {});
      assertEquals(one.finalLoss(), two.finalLoss());
      one.weights()
          .forEach(
              (name, array) ->
                  assertArrayEquals(array.data(), two.weights().get(name).data(), name));
      assertEquals(threads + 1, torch.get_num_threads(), "the caller's thread count is back");
    } finally {
      torch.set_num_threads(threads);
    }
    InductionModelTrainer.Result other = InductionModelTrainer.train(brief(4), p -> {});
    assertFalse(
        Arrays.equals(
            one.weights().get("embed.W_E").data(), other.weights().get("embed.W_E").data()));
  }

  @Test
  @SuppressWarnings("try")
  void processingLeavesProbabilitiesAsTheyAre() {
    AttentionOnlyNetwork network = new AttentionOnlyNetwork(2, 3, 12, 5, 17, 9);
    SplittableRandom random = new SplittableRandom(8);
    float[] flat = new float[network.size()];
    for (int i = 0; i < flat.length; i++) {
      flat[i] = (float) (random.nextDouble() - 0.3);
    }
    Map<String, Safetensors.Array> raw = InductionModelFiles.split(network, flat);
    Map<String, Safetensors.Array> processed = InductionModelFiles.processed(network, raw);
    InductionSequences.Batch batch = InductionSequences.draw(6, 9, 17, random);
    assertArrayEquals(
        logProbabilities(network, raw, batch), logProbabilities(network, processed, batch), 2e-5f);
    for (float bias : processed.get("blocks.1.attn.b_V").data()) {
      assertEquals(0, bias);
    }
    assertArrayEquals(new double[17], rowMeans(processed.get("embed.W_E"), 12), 1e-6);
    assertArrayEquals(new double[15], rowMeans(processed.get("blocks.0.attn.W_O"), 12), 1e-6);
    assertArrayEquals(new double[1], rowMeans(processed.get("blocks.0.attn.b_O"), 12), 1e-6);
    assertArrayEquals(new double[12], rowMeans(processed.get("unembed.W_U"), 17), 1e-6);
  }

  private static double[] rowMeans(Safetensors.Array array, int width) {
    double[] means = new double[array.data().length / width];
    for (int i = 0; i < array.data().length; i++) {
      means[i / width] += array.data()[i] / width;
    }
    return means;
  }

  @SuppressWarnings("try")
  private static float[] logProbabilities(
      AttentionOnlyNetwork network,
      Map<String, Safetensors.Array> weights,
      InductionSequences.Batch batch) {
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      weights.forEach((name, a) -> tensors.put(name, torch.tensor(a.data()).view(a.shape())));
      Tensor ids = torch.tensor(batch.ids()).view(batch.rows(), batch.length());
      Tensor result =
          network
              .forward(tensors, ids, torch.tensor(batch.queries()))
              .logits()
              .log_softmax(-1)
              .contiguous();
      float[] values = new float[(int) result.numel()];
      new FloatPointer(result.data_ptr_float()).get(values);
      return values;
    }
  }

  @Test
  void settingsOutOfRangeAreNamed() {
    assertMessage(
        "vocab=12",
        () ->
            new InductionModelTrainer.Settings(2, 2, 32, 16, 12, 12, 9, 9, 6e-3, 0.3, 50, 2, 6, 1));
    assertMessage(
        "learningRate=0.0",
        () -> new InductionModelTrainer.Settings(2, 2, 32, 16, 20, 12, 9, 9, 0, 0.3, 50, 2, 6, 1));
    assertMessage(
        "weightDecay=NaN",
        () ->
            new InductionModelTrainer.Settings(
                2, 2, 32, 16, 20, 12, 9, 9, 1e-3, Double.NaN, 50, 2, 6, 1));
    assertMessage(
        "promptLength=13",
        () -> InductionModelTrainer.trainTo(Path.of("unused"), brief(1), 4, 13, p -> {}));
    assertFalse(Files.exists(Path.of("unused")));
  }

  private static void assertMessage(String part, Executable call) {
    String message = assertThrows(IllegalArgumentException.class, call).getMessage();
    assertTrue(message.contains(part), message);
  }

  @Test
  void unwritableDirectoryIsOneClearError(@TempDir Path directory) throws IOException {
    Path file = Files.writeString(directory.resolve("file"), "in the way");
    InductionModelTrainer.Result result = InductionModelTrainer.train(brief(1), p -> {});
    DataException error =
        assertThrows(DataException.class, () -> result.write(file.resolve("model")));
    assertTrue(error.getMessage().startsWith("directory="), error.getMessage());
  }
}
