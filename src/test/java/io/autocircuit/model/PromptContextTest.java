package io.autocircuit.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.TransformerConfig.Activation;
import io.autocircuit.model.TransformerConfig.Alibi;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is added to attention scores. */
class PromptContextTest {
  private static final int LENGTH = 4;

  /** Keys lose by their distance before the query; later ones are seen as they are, or not. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void alibiDoesNotFavourLaterKeys(boolean causal) {
    Alibi alibi = Alibi.of(2);
    TransformerConfig config =
        new TransformerConfig(
            "x",
            1,
            2,
            4,
            2,
            4,
            5,
            5,
            LENGTH,
            Activation.GELU,
            false,
            Normalization.NONE,
            Normalization.NONE,
            causal,
            false,
            alibi,
            1);
    ArrayList<TransformerWeights.Angles> none = new ArrayList<>();
    none.add(null);
    try (TensorScope scope = new TensorScope()) {
      TokenBatch tokens = new TokenBatch(new int[LENGTH], 1, LENGTH, new int[1]);
      Placement place = new Placement(ScalarType.Double, Device.CPU);
      double[] mask =
          Tensors.doubles(PromptContext.of(tokens, place, config, none).kinds().get(0).mask());
      for (int i = 0; i < mask.length; i++) {
        int q = i / LENGTH % LENGTH;
        int k = i % LENGTH;
        double seen = k > q ? 0 : alibi.slopes()[i / LENGTH / LENGTH] * (k - q);
        assertEquals(
            causal && k > q ? Double.NEGATIVE_INFINITY : seen, mask[i], 1e-7, q + ", " + k);
      }
      assertEquals(2 * LENGTH * LENGTH, mask.length);
    }
  }
}
