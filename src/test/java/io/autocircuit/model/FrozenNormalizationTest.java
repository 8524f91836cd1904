package io.autocircuit.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.RandomModels;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/**
 * Gradients of normalisations whose scale is held fixed, and of activations' ratios, against finite
 * differences of what they replace.
 */
class FrozenNormalizationTest {
  private static final int WIDTH = 6;
  private static final double STEP = 1e-5;

  private static Tensor random(Random random) {
    double[] values = random.doubles(WIDTH, -2, 2).toArray();
    return Tensor.create(values, new long[] {1, WIDTH});
  }

  /** ⟨g, normalised⟩ at x, with the scale of x0. */
  private static double value(Normalization.Kind kind, Tensor x, Tensor x0, Tensor g) {
    boolean centers = kind == Normalization.Kind.LAYER_NORM;
    Tensor centered = centers ? x.sub(x.mean()) : x;
    Tensor fixed = centers ? x0.sub(x0.mean()) : x0;
    Tensor root = fixed.mul(fixed).mean().add(new Scalar(1e-3)).sqrt();
    return centered.div(root).mul(g).sum().item_double();
  }

  @Test
  void theScaleIsAConstant() {
    Random random = new Random(4);
    for (Normalization.Kind kind :
        new Normalization.Kind[] {Normalization.Kind.LAYER_NORM, Normalization.Kind.RMS_NORM}) {
      try (TensorScope scope = new TensorScope()) {
        Tensor x = random(random);
        Tensor g = random(random);
        double[] got = Tensors.doubles(Normalizations.frozen(new Normalization(kind, 1e-3), x, g));
        for (int i = 0; i < WIDTH; i++) {
          Tensor step = torch.zeros_like(x);
          step.narrow(1, i, 1).fill_(new Scalar(STEP));
          double slope =
              (value(kind, x.add(step), x, g) - value(kind, x.sub(step), x, g)) / (2 * STEP);
          assertEquals(slope, got[i], 1e-6, kind + " " + i);
        }
      }
    }
  }

  /** φ(x)/x is the slope of the line through 0 and φ(x). */
  @Test
  void theSlopeOfAnActivationIsThatOfALineThroughZero() {
    Random random = new Random(5);
    List<TransformerConfig> all =
        RandomModels.architectures().map(RandomModels.Architecture::config).toList();
    for (TransformerConfig config : all) {
      try (TensorScope scope = new TensorScope()) {
        Tensor x = random(random);
        Tensor g = random(random);
        double[] got = Tensors.doubles(ActivationFunctions.ratio(config, g, x));
        double[] y = Tensors.doubles(ActivationFunctions.apply(config, x));
        double[] in = Tensors.doubles(x);
        double[] gradient = Tensors.doubles(g);
        for (int i = 0; i < WIDTH; i++) {
          assertEquals(gradient[i] * y[i] / in[i], got[i], 1e-4, config.activation() + " " + i);
        }
        double zero = Tensors.doubles(ActivationFunctions.ratio(config, g, torch.zeros_like(x)))[0];
        assertEquals(0, Math.abs(zero), config.activation().toString());
      }
    }
  }
}
