package io.autocircuit.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.autocircuit.kernels.Normalization;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
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

  /** The norm behind SoLU is a normalisation as others: its scale can be held fixed. */
  @Test
  void theNormBehindSoluCanBeFrozen() {
    Random random = new Random(7);
    TransformerConfig config = config(TransformerConfig.Activation.SOLU_NORM);
    try (TensorScope scope = new TensorScope()) {
      Tensor x = random(random);
      Tensor g = random(random);
      Tensor solu = x.softmax(-1).mul(x);
      Normalization norm =
          new Normalization(Normalization.Kind.LAYER_NORM, config.normalization().epsilon());
      double[] frozen = Tensors.doubles(Normalizations.frozen(norm, solu, g).mul(x.softmax(-1)));
      double[] own = Tensors.doubles(Normalizations.backward(norm, solu, g).mul(x.softmax(-1)));
      assertArrayEquals(
          frozen, Tensors.doubles(ActivationFunctions.ratio(config, g, x, true)), 1e-12);
      assertArrayEquals(
          own, Tensors.doubles(ActivationFunctions.ratio(config, g, x, false)), 1e-12);
      assertNotEquals(frozen[0], own[0], 1e-9);
    }
  }

  /** φ(x)/x is the slope of the line through 0 and φ(x). */
  @Test
  void theSlopeOfAnActivationIsThatOfALineThroughZero() {
    Random random = new Random(5);
    for (TransformerConfig.Activation activation : TransformerConfig.Activation.values()) {
      if (activation == TransformerConfig.Activation.SOLU_NORM) {
        continue; // its norm has a gradient of its own
      }
      TransformerConfig config = config(activation);
      try (TensorScope scope = new TensorScope()) {
        Tensor x = random(random);
        Tensor g = random(random);
        double[] got = Tensors.doubles(ActivationFunctions.ratio(config, g, x, false));
        double[] y = Tensors.doubles(ActivationFunctions.apply(config, x));
        double[] in = Tensors.doubles(x);
        double[] gradient = Tensors.doubles(g);
        for (int i = 0; i < WIDTH; i++) {
          assertEquals(gradient[i] * y[i] / in[i], got[i], 1e-4, activation + " " + i);
        }
        double zero =
            Tensors.doubles(ActivationFunctions.ratio(config, g, torch.zeros_like(x), false))[0];
        assertEquals(0, Math.abs(zero), activation.toString());
      }
    }
  }

  private static TransformerConfig config(TransformerConfig.Activation activation) {
    Normalization norm = new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);
    return new TransformerConfig(
        "one",
        1,
        1,
        4,
        4,
        4,
        5,
        5,
        6,
        activation,
        false,
        norm,
        norm,
        true,
        false,
        new TransformerConfig.Learned(),
        2,
        Features.NONE);
  }
}
