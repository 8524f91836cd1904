package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.tensor.TensorScope;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Subnetwork probing against the same optimisation in plain loops: masks, the size of the circuit,
 * the penalty on edges to avoid, and Adam as its authors write it. Only the gradient of the
 * faithfulness with respect to a mask comes from the library; {@code EngineOracleTest} checks that.
 */
class SubnetworkProbingOracleTest {
  private static final int EPOCHS = 4;
  private static final List<PromptBatch> BATCHES =
      List.of(RandomModels.batch(3, 5, 11), RandomModels.batch(2, 4, 12));

  /** Every mask function both ways, with and without a wanted size, dropout and avoided edges. */
  static Stream<SubnetworkProbing> settings() {
    return Stream.of(MaskFunction.values())
        .flatMap(
            f ->
                Stream.of(PatchType.values())
                    .flatMap(
                        p ->
                            Stream.of(
                                probing(f, p, 0, 0, false),
                                probing(f, p, 5, 0, false),
                                probing(f, p, 0, 0.3, true))));
  }

  private static SubnetworkProbing probing(
      MaskFunction function, PatchType type, int size, double dropout, boolean avoids) {
    Circuit avoid = null;
    if (avoids) {
      try (Transformer transformer = transformer()) {
        BitSet edges = new BitSet();
        edges.set(3, 9);
        avoid = Circuit.of(model(transformer).graph(), edges);
      }
    }
    return new SubnetworkProbing(
        0.05,
        EPOCHS,
        0.4,
        function,
        type,
        Ablation.RESAMPLE,
        SubnetworkProbing.Target.KL_DIV,
        size,
        dropout,
        avoid,
        0.7,
        42);
  }

  private static Transformer transformer() {
    return RandomModels.model(RandomModels.named("sequential LN, folded"), ScalarType.Double, 5);
  }

  private static PatchableModel model(Transformer transformer) {
    return PatchableModel.of(
        transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
  }

  @ParameterizedTest
  @MethodSource("settings")
  void equalsPlainLoops(SubnetworkProbing probing) {
    try (Transformer transformer = transformer()) {
      equalsPlainLoops(probing, model(transformer));
    }
  }

  /** Where groups of heads share inputs, an edge is one number as any other. */
  @Test
  void equalsPlainLoopsWhereHeadsShareKeysAndValues() {
    try (Transformer transformer =
        RandomModels.model(
            RandomModels.named("gated RMS, grouped heads, biases"), ScalarType.Double, 5)) {
      PatchableModel model =
          new PatchableModel(
              transformer,
              transformer.graph(true, KeyValues.GROUPED, 0),
              OutputSlice.LAST_SEQ,
              KernelsProvider.choose().kernels());
      equalsPlainLoops(probing(MaskFunction.SIGMOID, PatchType.TREE_PATCH, 5, 0, false), model);
    }
  }

  private static void equalsPlainLoops(SubnetworkProbing probing, PatchableModel model) {
    try (TensorScope scope = new TensorScope()) {
      float[] got = probing.score(model, BATCHES, Progress.SILENT).values();
      double[] want = scores(probing, model);
      double moved = 0;
      for (int e = 0; e < got.length; e++) {
        assertEquals(want[e], got[e], 2e-6 * (1 + Math.abs(want[e])), probing + " edge " + e);
        moved = Math.max(moved, Math.abs(want[e] - want[0]));
      }
      assertTrue(moved > 0.01, "nothing was learnt: " + moved);
    }
  }

  private static double[] scores(SubnetworkProbing s, PatchableModel model) {
    boolean tree = s.patchType() == PatchType.TREE_PATCH;
    int edges = model.graph().edgeCount();
    double first = Math.log(5); // σ(ln 5) = 1/1.2, whose stretched value is 0.9
    double[] theta = new double[edges];
    double[] mean = new double[edges];
    double[] square = new double[edges];
    for (int e = 0; e < edges; e++) {
      theta[e] = tree ? first : -first;
    }
    SplittableRandom random = new SplittableRandom(s.seed());
    int t = 0;
    for (int epoch = 0; epoch < s.epochs(); epoch++) {
      for (PromptBatch batch : BATCHES) {
        double[] gradient = faithfulness(s, model, batch, theta, random);
        addPenalty(s, theta, random, gradient);
        t++;
        for (int e = 0; e < edges; e++) {
          mean[e] = 0.9 * mean[e] + (1 - 0.9) * gradient[e];
          square[e] = 0.999 * square[e] + (1 - 0.999) * gradient[e] * gradient[e];
          double unbiasedMean = mean[e] / (1 - Math.pow(0.9, t));
          double unbiasedSquare = square[e] / (1 - Math.pow(0.999, t));
          theta[e] -= s.learningRate() * unbiasedMean / (Math.sqrt(unbiasedSquare) + 1e-8);
        }
      }
    }
    double extreme = theta[0];
    for (double x : theta) {
      extreme = tree ? Math.max(extreme, x) : Math.min(extreme, x);
    }
    for (int e = 0; e < edges; e++) {
      theta[e] = Math.abs(extreme) + (tree ? -theta[e] : theta[e]);
    }
    return theta;
  }

  /** ∂F/∂θ, with F the mean over the prompts. */
  private static double[] faithfulness(
      SubnetworkProbing s,
      PatchableModel model,
      PromptBatch batch,
      double[] theta,
      SplittableRandom random) {
    boolean tree = s.patchType() == PatchType.TREE_PATCH;
    int prompts = batch.clean().batchSize();
    int edges = theta.length;
    boolean own = s.maskFunction() == MaskFunction.HARD_CONCRETE || s.dropout() > 0;
    int masks = own ? prompts : 1;
    float[] mask = new float[masks * edges];
    double[] slope = new double[masks * edges];
    for (int i = 0; i < mask.length; i++) {
      double[] m = mask(s.maskFunction(), theta[i % edges], random);
      double kept = 1;
      if (s.dropout() > 0) {
        kept = random.nextDouble() < s.dropout() ? 0 : 1 / (1 - s.dropout());
      }
      mask[i] = (float) (m[0] * kept);
      slope[i] = m[1] * kept;
    }
    double[] gradient = new double[edges];
    try (TensorScope scope = new TensorScope();
        AblationValues values = AblationValues.prepare(model, s.ablation(), BATCHES);
        Evaluation run =
            tree
                ? Evaluation.of(model, batch.clean(), values, batch.corrupt())
                : Evaluation.of(model, batch.corrupt(), values, batch.clean())) {
      Tensor full = model.logits(batch.clean());
      float[] g =
          run.gradient(new PatchMask(model.graph(), mask, own ? prompts : 0), s.loss(), batch, full)
              .maskGradient();
      for (int i = 0; i < g.length; i++) {
        gradient[i % edges] += g[i] * slope[i] / prompts;
      }
    }
    return gradient;
  }

  /** Adds λ ∂R/∂θ; R is taken from a mask of its own. */
  private static void addPenalty(
      SubnetworkProbing s, double[] theta, SplittableRandom random, double[] gradient) {
    boolean tree = s.patchType() == PatchType.TREE_PATCH;
    double size = 0;
    double[] slope = new double[theta.length];
    for (int e = 0; e < theta.length; e++) {
      double[] m = mask(s.maskFunction(), theta[e], random);
      size += tree ? 1 - m[0] : m[0];
      slope[e] = tree ? -m[1] : m[1];
    }
    for (int e = 0; e < theta.length; e++) {
      if (s.circuitSize() == 0) {
        gradient[e] += s.lambda() * slope[e] / theta.length;
      } else if (size > s.circuitSize()) {
        gradient[e] += s.lambda() * slope[e] / s.circuitSize();
      }
      if (s.avoid() != null && s.avoid().contains(e)) {
        double share = (tree ? -1 : 1) * s.avoidLambda() / s.avoid().size();
        double x = theta[e];
        if (s.maskFunction() == MaskFunction.HARD_CONCRETE) {
          x -= 2.0 / 3 * Math.log(0.1 / 1.1);
        }
        double sigma = 1 / (1 + Math.exp(-x));
        double change = s.maskFunction() == MaskFunction.NONE ? 1 : sigma * (1 - sigma);
        gradient[e] += s.lambda() * share * change;
      }
    }
  }

  /** A mask value and its derivative with respect to θ. */
  private static double[] mask(MaskFunction function, double theta, SplittableRandom random) {
    switch (function) {
      case NONE:
        return new double[] {theta, 1};
      case SIGMOID:
        double sigma = 1 / (1 + Math.exp(-theta));
        return new double[] {sigma, sigma * (1 - sigma)};
      default:
        double u = Math.min(0.9999, Math.max(0.0001, random.nextDouble()));
        double s = 1 / (1 + Math.exp(-1.5 * (Math.log(u) - Math.log(1 - u) + theta)));
        double m = 1.2 * s - 0.1;
        return m <= 0
            ? new double[] {0, 0}
            : m >= 1 ? new double[] {1, 0} : new double[] {m, 1.2 * 1.5 * s * (1 - s)};
    }
  }
}
