package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.Autoencoder;
import io.autocircuit.model.Autoencoders;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
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
        Tensor outputs = SourceOutputs.of(model, tokens);
        for (SrcNode source : model.graph().sources()) {
          int s = source.index();
          double[] all = Tensors.doubles(written(model, outputs, source));
          int each = all.length;
          double sum = 0;
          for (double a : all) {
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

  private static Tensor written(PatchableModel model, Tensor outputs, SrcNode source) {
    return model.sourceRows().written(outputs, source, model.model()).contiguous();
  }

  /** With random latents, some of which are hardly ever active. */
  private Autoencoder autoencoder(int latents, long seed) {
    int d = transformer.config().dModel();
    return new Autoencoder(
        random(seed, d, latents),
        random(seed + 1, latents),
        null,
        0,
        random(seed + 2, d),
        random(seed + 3, latents, d),
        random(seed + 4, d),
        Autoencoder.Scaling.NONE,
        IntStream.range(0, latents).toArray());
  }

  private static Tensor random(long seed, long... shape) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[(int) LongStream.of(shape).reduce(1, (a, b) -> a * b)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (2 * random.nextDouble() - 1);
    }
    return Tensors.of(ScalarType.Double, values, shape);
  }

  @Test
  void aLatentHasTheSizeOfWhatItWrites() {
    for (boolean error : new boolean[] {false, true}) {
      try (TensorScope scope = new TensorScope();
          Autoencoders all =
              Autoencoders.of(
                  List.of(autoencoder(6, 1), autoencoder(11, 20)),
                  error,
                  transformer.placement())) {
        PatchableModel model =
            PatchableModel.of(
                transformer.withAutoencoders(all),
                true,
                0,
                OutputSlice.LAST_SEQ,
                KernelsProvider.choose().kernels());
        assertTrue(model.graph().sources().size() > 17, model.graph()::toString);
        for (boolean signed : new boolean[] {false, true}) {
          assertArrayEquals(
              byHand(model, BATCHES, signed),
              new ActivationMagnitude(signed).sourceMeans(model, BATCHES, Progress.SILENT),
              1e-12);
        }
      }
    }
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
