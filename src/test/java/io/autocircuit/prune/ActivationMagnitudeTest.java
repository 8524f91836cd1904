package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.List;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The size of activations against plain loops over them. */
class ActivationMagnitudeTest {
  private static final int LENGTH = 5;
  private static final List<PromptBatch> BATCHES =
      List.of(RandomModels.batch(3, LENGTH, 1), RandomModels.batch(2, LENGTH, 2));

  private final Transformer transformer =
      RandomModels.model(RandomModels.named("sequential LN, scaled"), ScalarType.Double, 9);

  @AfterEach
  void close() {
    transformer.close();
  }

  private PatchableModel model(int positions) {
    return PatchableModel.of(
        transformer, true, positions, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
  }

  /** By source: the mean over prompts, positions and dimensions of |a|, or |mean of a| by batch. */
  private static double[] byHand(PatchableModel model, List<PromptBatch> batches, boolean signed) {
    double[] means = new double[model.graph().sources().size()];
    int prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    for (PromptBatch batch : batches) {
      TokenBatch tokens = batch.clean();
      try (TensorScope scope = new TensorScope()) {
        double[] all = Tensors.doubles(SourceOutputs.of(model, tokens));
        int each = all.length / means.length;
        for (int s = 0; s < means.length; s++) {
          double sum = 0;
          for (int i = 0; i < each; i++) {
            double a = all[s * each + i];
            sum += signed ? a : Math.abs(a);
          }
          means[s] +=
              signed
                  ? Math.abs(sum / each) / batches.size()
                  : sum / each * tokens.batchSize() / prompts;
        }
      }
    }
    return means;
  }

  @Test
  void everyEdgeHasTheSizeOfItsSource() {
    for (int positions : new int[] {0, LENGTH}) {
      PatchableModel model = model(positions);
      ComputationGraph graph = model.graph();
      for (boolean signed : new boolean[] {false, true}) {
        double[] want = byHand(model, BATCHES, signed);
        ActivationMagnitude algorithm = new ActivationMagnitude(signed);
        assertArrayEquals(want, algorithm.sourceMeans(model, BATCHES, Progress.SILENT), 1e-12);
        float[] scores = algorithm.score(model, BATCHES).values();
        for (int e = 0; e < scores.length; e++) {
          assertEquals((float) want[graph.edge(e).source().index()], scores[e], 1e-6);
        }
      }
    }
  }

  /** A pad is no token: a padded prompt counts as it does alone. */
  @Test
  void padsDoNotCount() {
    PatchableModel model = model(0);
    int[] alone = {3, 1, 4};
    int[] padded = {0, 0, 3, 1, 4};
    double[] want = sizes(model, new TokenBatch(alone, 1, 3, new int[] {0}));
    double[] got = sizes(model, new TokenBatch(padded, 1, 5, new int[] {2}));
    assertArrayEquals(want, got, 1e-12);
    assertTrue(want[0] > 0.01, "an embedding of size " + want[0]);
  }

  private static double[] sizes(PatchableModel model, TokenBatch tokens) {
    PromptBatch batch =
        new PromptBatch(tokens, tokens, new int[1][1][0], new int[1][1][0], new int[] {0});
    return new ActivationMagnitude(false).sourceMeans(model, List.of(batch), Progress.SILENT);
  }
}
