package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What weight processing does to activations. Log-probabilities are the same with and without every
 * step, so tests on them cannot see a step that is left out; the stream can.
 */
class WeightProcessingTest {
  private static final double EXACT = 1e-12;

  /** What a run of a model shows. */
  private record Activations(double[][] sources, double[] stream, double[] logits, int width) {
    static Activations of(
        TransformerConfig config, Map<String, Tensor> weights, TokenBatch tokens) {
      try (TensorScope scope = new TensorScope();
          Transformer model = new Transformer(config, weights, ScalarType.Double)) {
        PatchableModel patchable =
            PatchableModel.of(model, true, 0, OutputSlice.ALL, KernelsProvider.choose().kernels());
        Tensor outputs = SourceOutputs.of(patchable, tokens);
        Tensor stream = outputs.sum(0);
        for (Stage stage : patchable.graph().stages()) {
          if (stage.kind() == Stage.Kind.ATTENTION) {
            stream = stream.add(model.attentionOutputBias(stage));
          }
        }
        double[][] sources = new double[(int) outputs.size(0)][];
        Arrays.setAll(sources, s -> Tensors.doubles(outputs.select(0, s)));
        return new Activations(
            sources,
            Tensors.doubles(stream),
            Tensors.doubles(model.logits(tokens, OutputSlice.ALL)),
            config.dModel());
      }
    }
  }

  /** Each row less its mean. */
  private static double[] centred(double[] values, int width) {
    double[] result = values.clone();
    for (int row = 0; row < values.length; row += width) {
      double mean = Arrays.stream(values, row, row + width).average().orElseThrow();
      for (int i = row; i < row + width; i++) {
        result[i] -= mean;
      }
    }
    return result;
  }

  private static void assertCentred(double[] values, int width, String what) {
    double[] want = centred(values, width);
    for (int i = 0; i < values.length; i++) {
      assertEquals(want[i], values[i], EXACT, what + " " + i);
    }
    assertTrue(Arrays.stream(values).anyMatch(v -> Math.abs(v) > 0.01), what + " is all zero");
  }

  @ParameterizedTest
  @ValueSource(strings = {"sequential LN, scaled", "parallel LN, rotary", "attention-only LN"})
  void whatIsWrittenToTheStreamIsCentredAndElseAsItWas(String name) {
    RandomModels.Architecture a = RandomModels.named(name);
    TransformerConfig config = a.config();
    TokenBatch tokens = RandomModels.batch(3, 6, 7).clean();
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> raw = RandomModels.weights(a, ScalarType.Double, 8);
      Activations before = Activations.of(config, raw, tokens);
      Activations after =
          Activations.of(
              config, new WeightProcessing(true, true, true, false).apply(config, raw), tokens);
      for (int s = 0; s < before.sources().length; s++) {
        double[] want = centred(before.sources()[s], config.dModel());
        for (int i = 0; i < want.length; i++) {
          assertEquals(want[i], after.sources()[s][i], EXACT, "source " + s + " element " + i);
        }
        assertCentred(after.sources()[s], config.dModel(), "source " + s);
      }
      // with the attention biases, which belong to no source
      assertCentred(after.stream(), config.dModel(), "stream");
      assertCentred(after.logits(), config.outputs(), "logits");
      double[] want = centred(before.logits(), config.outputs());
      for (int i = 0; i < want.length; i++) {
        assertEquals(want[i], after.logits()[i], EXACT, "logit " + i);
      }
    }
  }

  /** Folding value biases takes from each head's output what it adds to the attention bias. */
  @ParameterizedTest
  @ValueSource(strings = {"sequential LN, scaled", "gated RMS, grouped heads, biases"})
  void valueBiasesMoveFromTheHeadsToTheBias(String name) {
    RandomModels.Architecture a = RandomModels.named(name);
    TransformerConfig config = a.config();
    TokenBatch tokens = RandomModels.batch(3, 6, 7).clean();
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> raw = RandomModels.weights(a, ScalarType.Double, 9);
      Activations before = Activations.of(config, raw, tokens);
      Activations after =
          Activations.of(
              config, new WeightProcessing(false, false, false, true).apply(config, raw), tokens);
      for (int i = 0; i < before.stream().length; i++) {
        assertEquals(before.stream()[i], after.stream()[i], EXACT, "stream " + i);
      }
      Tensor bias = raw.get("blocks.0.attn.b_V");
      double[] values = Tensors.doubles(bias);
      double[] output = Tensors.doubles(raw.get("blocks.0.attn.W_O"));
      int d = config.dModel();
      int group = config.heads() / (int) bias.size(0);
      for (int head = 0; head < config.heads(); head++) {
        for (int i = 0; i < before.sources()[1 + head].length; i++) {
          double moved = 0;
          for (int k = 0; k < config.dHead(); k++) {
            moved +=
                values[head / group * config.dHead() + k]
                    * output[(head * config.dHead() + k) * d + i % d];
          }
          assertEquals(
              before.sources()[1 + head][i] - moved,
              after.sources()[1 + head][i],
              EXACT,
              "head " + head + " element " + i);
        }
      }
    }
  }

  /**
   * What reads a normalised stream is centred over its input. No activation shows it, since the
   * normalisation centres too; the weights do.
   */
  @ParameterizedTest
  @ValueSource(strings = {"sequential LN, scaled", "parallel LN, rotary", "attention-only LN"})
  void whatReadsTheNormalisedStreamIsCentred(String name) {
    RandomModels.Architecture a = RandomModels.named(name);
    TransformerConfig config = a.config();
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> processed =
          new WeightProcessing(true, false, false, false)
              .apply(config, RandomModels.weights(a, ScalarType.Double, 10));
      for (int b = 0; b < config.blocks(); b++) {
        for (String part : List.of("attn.W_Q", "attn.W_K", "attn.W_V", "mlp.W_in")) {
          Tensor t = processed.get("blocks." + b + "." + part);
          if (t != null) {
            assertCentred(Tensors.doubles(t.transpose(-1, -2)), config.dModel(), part + " " + b);
          }
        }
      }
      Tensor unembedding = processed.get("unembed.W_U").transpose(-1, -2);
      assertCentred(Tensors.doubles(unembedding), config.dModel(), "unembedding");
    }
  }
}
