package io.autocircuit.benchmark;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.model.Autoencoder;
import io.autocircuit.model.Autoencoders;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/** The model of a benchmark seen through other graphs than its factorized one. */
final class OtherGraphs {
  /** As many latents of a block as are usually left of those that a dataset activates. */
  static final int LATENTS = 100;

  /** How many of them are active at a position. */
  private static final int ACTIVE = 32;

  private OtherGraphs() {}

  /** Its unfactorized graph; empty where it has none. */
  static Optional<PatchableModel> unfactorized(PatchableModel model) {
    TransformerConfig c = model.model().config();
    if (c.wiring() == ComputationGraph.Wiring.PARALLEL) {
      return Optional.empty();
    }
    return Optional.of(
        new PatchableModel(
            model.model(),
            ComputationGraph.unfactorized(c.blocks(), c.heads(), c.wiring(), 0),
            model.slice(),
            model.kernels(),
            model.memory(),
            model.workers(),
            model.shared(),
            null));
  }

  /**
   * Random autoencoders for a model, with the error term; the caller closes them. Empty for a model
   * without MLPs.
   */
  static Optional<Autoencoders> autoencoders(PatchableModel model, long seed) {
    TransformerConfig c = model.model().config();
    if (c.wiring() == ComputationGraph.Wiring.ATTENTION_ONLY) {
      return Optional.empty();
    }
    Placement place = model.model().placement();
    SplittableRandom random = new SplittableRandom(seed);
    try (TensorScope scope = new TensorScope()) {
      List<Autoencoder> blocks = new ArrayList<>();
      for (int b = 0; b < c.blocks(); b++) {
        Tensor encode = values(place, random, c.dModel(), LATENTS);
        Tensor decode = values(place, random, LATENTS, c.dModel());
        blocks.add(
            new Autoencoder(
                encode,
                place.zeros(LATENTS),
                null,
                ACTIVE,
                null,
                decode,
                place.zeros(c.dModel()),
                Autoencoder.Scaling.NONE,
                IntStream.range(0, LATENTS).toArray()));
      }
      return Optional.of(Autoencoders.of(blocks, true, place));
    }
  }

  /** The model with latents in the place of its MLPs as sources; has the weights of both. */
  static PatchableModel latents(PatchableModel model, Autoencoders autoencoders) {
    Transformer with = model.model().withAutoencoders(autoencoders);
    ComputationGraph graph = model.graph();
    return new PatchableModel(
            with,
            with.graph(graph.separateQkv(), KeyValues.of(graph), 0),
            model.slice(),
            model.kernels())
        .withMemory(model.memory());
  }

  private static Tensor values(Placement place, SplittableRandom random, int rows, int columns) {
    float[] v = new float[rows * columns];
    double scale = 1 / Math.sqrt(rows);
    for (int i = 0; i < v.length; i++) {
      v[i] = (float) ((random.nextDouble() - 0.5) * 2 * scale);
    }
    return place.tensor(v, rows, columns);
  }
}
