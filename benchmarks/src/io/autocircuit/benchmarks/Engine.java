package io.autocircuit.benchmarks;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.NativeTuning;
import io.autocircuit.tensor.TensorScope;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;

/**
 * A model with its prompts and a running evaluation under resampling, last position's logits: what
 * the benchmarks of the engine start from. Fixed seeds. The counts of native threads are the
 * process's, and the shape's until this is closed.
 */
final class Engine implements AutoCloseable {
  /** Of the largest logit: float32 through up to twelve blocks, in different orders. */
  private static final double TOLERANCE = 1e-4;

  private static final long SEED = 1;

  final PatchableModel model;
  final ComputationGraph graph;
  final PromptBatch batch;
  final Evaluation run;
  private final NativeThreads threads;
  private final Transformer transformer;
  private final AblationValues values;

  /** Work that makes a tensor. */
  interface Making {
    Tensor make();
  }

  Engine(ModelShape shape) {
    // as on the command line; heeded where libtorch has not been used before in this process
    NativeTuning.apply();
    threads = NativeThreads.use(shape.threads);
    transformer = RandomModels.of(RandomModels.shape(shape.model), SEED);
    model =
        PatchableModel.of(
            transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
    graph = model.graph();
    batch = prompts();
    values = AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch));
    run = Evaluation.of(model, batch.clean(), values, batch.corrupt());
  }

  private PromptBatch prompts() {
    SplittableRandom random = new SplittableRandom(SEED);
    int[][][] answers = new int[ModelShape.PROMPTS][1][];
    int[][][] wrong = new int[ModelShape.PROMPTS][1][];
    int[] rows = new int[ModelShape.PROMPTS];
    int outputs = transformer.config().outputs();
    for (int i = 0; i < rows.length; i++) {
      answers[i][0] = new int[] {random.nextInt(outputs)};
      wrong[i][0] = new int[] {random.nextInt(outputs)};
      rows[i] = i;
    }
    return new PromptBatch(tokens(random), tokens(random), answers, wrong, rows);
  }

  private TokenBatch tokens(SplittableRandom random) {
    int[] ids =
        random
            .ints(
                (long) ModelShape.PROMPTS * ModelShape.POSITIONS,
                0,
                transformer.config().vocabulary())
            .toArray();
    return new TokenBatch(
        ids, ModelShape.PROMPTS, ModelShape.POSITIONS, new int[ModelShape.PROMPTS]);
  }

  /** The unpatched pass; its number of logits. */
  long plain() {
    return scoped(() -> model.logits(batch.clean()));
  }

  /** A circuit, as a neighbour of the one run before; its number of logits. */
  long circuit(Circuit circuit) {
    return scoped(() -> run.logits(circuit, PatchType.TREE_PATCH));
  }

  /** A mask of seeded random values on every edge. */
  PatchMask randomMask() {
    SplittableRandom random = new SplittableRandom(SEED);
    float[] values = new float[graph.edgeCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextDouble();
    }
    return PatchMask.of(graph, values);
  }

  /** Does it, frees what it made, and gives the size of that, so that there is a result to use. */
  static long scoped(Making work) {
    try (TensorScope scope = new TensorScope()) {
      return work.make().numel();
    }
  }

  /**
   * Compares a circuit, run as a neighbour of the one before, with its mask run densely.
   *
   * @throws IllegalStateException if their logits differ by more than rounding
   */
  void requireCompiledIsDense(String variant, Circuit circuit) {
    try (TensorScope scope = new TensorScope()) {
      Tensor compiled = run.logits(circuit, PatchType.TREE_PATCH);
      Tensor dense = run.logits(circuit.mask(PatchType.TREE_PATCH));
      Variants.requireClose(variant, dense, compiled, TOLERANCE);
    }
  }

  @Override
  public void close() {
    run.close();
    values.close();
    transformer.close();
    threads.close();
  }
}
