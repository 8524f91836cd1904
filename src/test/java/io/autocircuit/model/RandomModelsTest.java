package io.autocircuit.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.Stage;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@SuppressWarnings("try") // scopes work without being mentioned
@Tag("slow")
class RandomModelsTest {
  private static final TokenBatch TOKENS =
      new TokenBatch(new int[] {3, 1, 4, 1, 5, 9, 2, 6}, 2, 4, new int[2]);

  private static float[] logits(TransformerConfig config, long seed) {
    try (TensorScope scope = new TensorScope();
        Transformer model = RandomModels.of(config, seed)) {
      return Tensors.floats(model.logits(TOKENS, OutputSlice.ALL));
    }
  }

  @Test
  void theSameSeedGivesTheSameModelWhateverTheThreadsAndTheGlobalGenerator() {
    TransformerConfig tiny = RandomModels.shape("tiny");
    float[] first = logits(tiny, 7);
    int threads = torch.get_num_threads();
    torch.manual_seed(99);
    torch.set_num_threads(2);
    try {
      assertArrayEquals(first, logits(tiny, 7));
    } finally {
      torch.set_num_threads(threads);
    }
    assertFalse(Arrays.equals(first, logits(tiny, 8)));
  }

  /** Worked out apart from this code, so that benchmarks can be repeated elsewhere and later. */
  @Test
  void theNumbersOfASeedNeverChange() {
    try (TensorScope scope = new TensorScope();
        Transformer model = RandomModels.of(RandomModels.shape("tiny"), 0)) {
      float[] bias = Tensors.floats(model.attentionOutputBias(attention(model, 0)));
      assertArrayEquals(
          new float[] {0.0459924316f, 0.0788543701f, -0.0144122314f, -0.039944458f},
          Arrays.copyOf(bias, 4),
          1e-8f);
    }
  }

  @Test
  void makingAModelLeavesTheGlobalGeneratorAlone() {
    try (TensorScope scope = new TensorScope()) {
      torch.manual_seed(5);
      float[] expected = Tensors.floats(torch.rand(new long[] {4}));
      torch.manual_seed(5);
      RandomModels.of(RandomModels.shape("tiny"), 1).close();
      assertArrayEquals(expected, Tensors.floats(torch.rand(new long[] {4})));
    }
  }

  @Test
  void weightsAreNearNormalWithGpt2sDeviations() {
    TransformerConfig c = RandomModels.shape("stories260k");
    try (TensorScope scope = new TensorScope();
        Transformer model = RandomModels.of(c, 3)) {
      double deviation = 0.02 * Math.sqrt(768.0 / 64);
      double[] embedding =
          Tensors.doubles(model.embed(new TokenBatch(ids(512), 1, 512, new int[1])));
      assertMoments(embedding, deviation);
      assertMoments(
          Tensors.doubles(model.attentionOutput(attention(model, 2))), deviation / Math.sqrt(10));
    }
  }

  private static int[] ids(int n) {
    int[] ids = new int[n];
    Arrays.setAll(ids, i -> i);
    return ids;
  }

  /** Mean, deviation and fourth moment within six standard errors of their estimates. */
  private static void assertMoments(double[] x, double deviation) {
    double n = x.length;
    double mean = Arrays.stream(x).map(v -> v / deviation).average().orElseThrow();
    double second = Arrays.stream(x).map(v -> Math.pow(v / deviation, 2)).average().orElseThrow();
    double fourth = Arrays.stream(x).map(v -> Math.pow(v / deviation, 4)).average().orElseThrow();
    assertEquals(0, mean, 6 / Math.sqrt(n), "mean");
    assertEquals(1, second, 6 * Math.sqrt(1.7 / n), "variance");
    // 3 for a normal distribution; a sum of four uniform numbers has 3 − 1.2/4
    assertEquals(2.7, fourth, 6 * Math.sqrt(40 / n), "fourth moment");
  }

  @Test
  void tensorsOfOneShapeDiffer() {
    try (TensorScope scope = new TensorScope();
        Transformer model = RandomModels.of(RandomModels.shape("tiny"), 0)) {
      assertFalse(
          Arrays.equals(
              Tensors.floats(model.attentionOutput(attention(model, 0))),
              Tensors.floats(model.attentionOutput(attention(model, 1)))));
    }
  }

  @Test
  void shapesAreThoseOfTheirModels() {
    assertEquals(
        List.of(
            "gpt2-small",
            "gpt2-medium",
            "gpt2-large",
            "pythia-70m",
            "tinyllama",
            "tinyllama-grouped",
            "stories260k",
            "stories260k-grouped",
            "tiny"),
        RandomModels.names());
    TransformerConfig gpt2 = RandomModels.shape("gpt2-small");
    assertEquals(
        List.of(12, 12, 768, 64, 3072, 50257, 1024),
        List.of(
            gpt2.blocks(),
            gpt2.heads(),
            gpt2.dModel(),
            gpt2.dHead(),
            gpt2.dMlp(),
            gpt2.vocabulary(),
            gpt2.contextLength()));
    assertEquals(TransformerConfig.Activation.GELU_TANH, gpt2.activation());
    assertEquals(8, gpt2.attentionScale());
    TransformerConfig pythia = RandomModels.shape("pythia-70m");
    assertTrue(pythia.parallel());
    assertEquals(16, ((TransformerConfig.Rotary) pythia.positions()).dimensions());
    assertEquals(50304, pythia.vocabulary());
    TransformerConfig stories = RandomModels.shape("stories260k");
    assertTrue(stories.gatedMlp());
    assertEquals(Normalization.Kind.RMS_NORM, stories.normalization().kind());
    assertEquals(8, ((TransformerConfig.Rotary) stories.positions()).dimensions());
    TransformerConfig llama = RandomModels.shape("tinyllama");
    assertEquals(
        List.of(22, 32, 2048, 64, 5632, 32000, 2048),
        List.of(
            llama.blocks(),
            llama.heads(),
            llama.dModel(),
            llama.dHead(),
            llama.dMlp(),
            llama.vocabulary(),
            llama.contextLength()));
    // 28 of 32 heads of keys and of values more than the 1.1 billion with grouped ones
    assertEquals(1_100_048_384L - 2048 * 45, llama.parameters() - 22L * 2 * 28 * 64 * 2048);
  }

  @Test
  void everyShapeButTheLargestRuns() {
    for (String name : RandomModels.names()) {
      if (RandomModels.shape(name).parameters() < 100_000_000) {
        float[] logits = logits(RandomModels.shape(name), 1);
        assertEquals(8 * RandomModels.shape(name).outputs(), logits.length, name);
        for (float x : logits) {
          assertTrue(Float.isFinite(x), name);
        }
        assertTrue(Arrays.stream(toDoubles(logits)).distinct().count() > 8, name);
      }
    }
  }

  private static double[] toDoubles(float[] x) {
    double[] y = new double[x.length];
    Arrays.setAll(y, i -> x[i]);
    return y;
  }

  @Test
  void attentionOnlyAndDoubleModelsAreMade() {
    TransformerConfig c = RandomModels.shape("tiny");
    TransformerConfig attentionOnly =
        new TransformerConfig(
            "a",
            1,
            2,
            8,
            4,
            0,
            11,
            5,
            9,
            c.activation(),
            false,
            c.normalization(),
            c.finalNormalization(),
            true,
            false,
            new TransformerConfig.NoPositions(),
            2);
    try (TensorScope scope = new TensorScope();
        Transformer model = RandomModels.of(attentionOnly, 1, ScalarType.Double)) {
      Tensor logits = model.logits(TOKENS, OutputSlice.LAST_SEQ);
      assertArrayEquals(new long[] {2, 1, 5}, logits.shape());
      assertEquals(ScalarType.Double, logits.scalar_type().intern());
    }
  }

  @Test
  void gpt2SmallIsMadeInSeconds() {
    long start = System.nanoTime();
    long usedBefore = processorTime();
    try (Transformer model = RandomModels.gpt2Small(0)) {
      Duration took = Duration.ofNanos(System.nanoTime() - start);
      System.out.printf(
          "gpt2-small: %d bytes of random weights in %d ms%n", model.bytes(), took.toMillis());
      // embedding, unembedding and its bias, positions, and twelve blocks of 7,085,568 − 6,144
      // folded
      long numbers =
          2L * 50257 * 768
              + 50257
              + 1024 * 768
              + 12L * (4 * 768 * 769 + 2 * 768 * 3072 + 3072 + 768);
      assertEquals(4 * numbers, model.bytes());
      // processor time: another job on the machine makes the clock's longer
      Duration used = Duration.ofNanos(processorTime() - usedBefore);
      assertTrue(used.toSeconds() < 40, "a machine ten times as slow would still pass: " + used);
    }
  }

  private static long processorTime() {
    return ((com.sun.management.OperatingSystemMXBean)
            java.lang.management.ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  @Test
  void anUnknownShapeListsTheKnown() {
    UnknownNameException e =
        assertThrows(UnknownNameException.class, () -> RandomModels.shape("gpt3-smal"));
    assertEquals("unknown model shape \"gpt3-smal\": did you mean \"gpt2-small\"?", e.getMessage());
    assertEquals(
        "unknown model shape \"bert\": known: \"gpt2-small\", \"gpt2-medium\", \"gpt2-large\","
            + " \"pythia-70m\", \"tinyllama\", \"tinyllama-grouped\", \"stories260k\","
            + " \"stories260k-grouped\" and 1 more",
        assertThrows(UnknownNameException.class, () -> RandomModels.shape("bert")).getMessage());
  }

  private static Stage attention(Transformer model, int block) {
    return model.config().graph(true, 0).stages(block).get(0);
  }
}
