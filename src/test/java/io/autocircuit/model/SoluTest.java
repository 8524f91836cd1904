package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static io.autocircuit.model.Loaded.complaint;
import static io.autocircuit.model.Loaded.logits;
import static io.autocircuit.model.Loaded.notices;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.model.ModelDirectories.Draft;
import io.autocircuit.tensor.Safetensors.Array;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** TransformerLens's SoLU models: the function, and the norm behind it. */
class SoluTest {
  private static final int BLOCKS = ModelDirectories.BLOCKS;
  private static final int MLP = ModelDirectories.MLP;
  private static final int D = ModelDirectories.D;

  @TempDir Path directory;

  private static Draft solu(String activation) {
    Draft m = ModelDirectories.hooked();
    m.config().put("act_fn", activation);
    return m;
  }

  private static Draft withNorm(boolean own) {
    Draft m = solu("solu_ln");
    for (int b = 0; b < BLOCKS; b++) {
      String p = "blocks." + b + ".mlp.";
      m.put(p + "ln.w", MLP);
      m.put(p + "ln.b", MLP);
      if (own) {
        continue;
      }
      // the same model, with the norm's scale and shift in the matrix behind it
      float[] scale = m.weights().get(p + "ln.w").data();
      float[] shift = m.weights().get(p + "ln.b").data();
      float[] out = m.weights().get(p + "W_out").data().clone();
      float[] bias = m.weights().get(p + "b_out").data().clone();
      for (int i = 0; i < MLP; i++) {
        for (int d = 0; d < D; d++) {
          bias[d] += shift[i] * out[i * D + d];
          out[i * D + d] *= scale[i];
        }
      }
      float[] ones = new float[MLP];
      Arrays.fill(ones, 1);
      m.weights().put(p + "W_out", new Array(new long[] {MLP, D}, out));
      m.weights().put(p + "b_out", new Array(new long[] {D}, bias));
      m.weights().put(p + "ln.w", new Array(new long[] {MLP}, ones));
      m.weights().put(p + "ln.b", new Array(new long[] {MLP}, new float[MLP]));
    }
    return m;
  }

  @Test
  void aNeuronIsScaledByItsShareOfTheSoftmax() throws IOException {
    double[] x = {0.5, -1, 2, 0};
    double sum = Arrays.stream(x).map(Math::exp).sum();
    double[] expected = Arrays.stream(x).map(v -> v * Math.exp(v) / sum).toArray();
    try (TensorScope scope = new TensorScope()) {
      Tensor of = Tensors.of(ScalarType.Double, x, 1, 4);
      assertArrayEquals(
          expected,
          Tensors.doubles(ActivationFunctions.apply(Loaded.config(solu("solu"), directory), of)),
          1e-12);
      double mean = Arrays.stream(expected).average().orElseThrow();
      double variance =
          Arrays.stream(expected).map(v -> (v - mean) * (v - mean)).average().orElseThrow();
      assertArrayEquals(
          Arrays.stream(expected).map(v -> (v - mean) / Math.sqrt(variance + 1e-5)).toArray(),
          Tensors.doubles(ActivationFunctions.apply(Loaded.config(withNorm(true), directory), of)),
          1e-12);
    }
  }

  @Test
  void theNormOfTheNeuronsIsAppliedBehindThem() throws IOException {
    float[] expected = logits(withNorm(false), directory);
    assertArrayEquals(expected, logits(withNorm(true), directory), 1e-4f);
    assertEquals(List.of(), notices(withNorm(true), directory));
  }

  @Test
  void aNormThatIsNotThereIsMissed() throws IOException {
    Draft m = withNorm(true);
    m.weights().remove("blocks.1.mlp.ln.b");
    assertContains(complaint(m, directory), "blocks.1.mlp.ln.b");
    Draft none = solu("solu_ln");
    none.config().putNull("normalization_type");
    none.weights().keySet().removeIf(n -> n.matches(".*ln.*"));
    assertContains(complaint(none, directory), "act_fn=\"solu_ln\" with normalization_type=null");
    assertEquals(List.of(), notices(solu("solu"), directory));
  }
}
