package io.autocircuit.patch;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.model.PromptContext;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * What all patched runs of one model on one batch read: the prompts as tensors, and what ablated
 * sources are replaced by. Owns these tensors; nothing here changes.
 */
final class RunInputs implements AutoCloseable {
  final PatchableModel patchable;
  final PromptContext context;

  /** How positions attend to each other, by block. */
  private final List<Kernels.AttentionPattern> patterns = new ArrayList<>();

  /** The start of the stream, {@code [B,T,D]}. */
  final Tensor embedded;

  /** Where the outputs of sources lie, and the ablation values. */
  final SourceRows where;

  /** p of every source, {@code [S,B,T,D]}; axes may be expanded. */
  final Tensor ablations;

  /** Whether a node with all inputs ablated outputs its ablation value. */
  final boolean constantsAreAblations;

  /** Which copy of an edge each position reads. */
  final MaskPlaces places;

  /** Leading positions at which every Δ is 0. */
  final int prefix;

  /** Whether Δ is written over the ablation values, so that only one run can be made. */
  final boolean once;

  private final List<Tensor> owned = new ArrayList<>();

  /**
   * Reads the prompts.
   *
   * @param ablations {@code [S, 1 or B, 1 or T, D]}
   * @param once whether Δ may be written over them, so that only one run can be made
   * @throws IllegalArgumentException if lengths or shapes do not fit the graph
   */
  RunInputs(
      PatchableModel patchable,
      TokenBatch input,
      Tensor ablations,
      boolean constantsAreAblations,
      int prefix,
      boolean once) {
    this.patchable = patchable;
    this.constantsAreAblations = constantsAreAblations;
    this.prefix = prefix;
    this.once = once;
    int length = input.length();
    ComputationGraph graph = patchable.graph();
    places = MaskPlaces.of(graph, input);
    where = patchable.sourceRows();
    int sources = where.count();
    int width = patchable.model().config().dModel();
    if (ablations.dim() != 4 || ablations.size(0) != sources || ablations.size(3) != width) {
      throw new IllegalArgumentException(
          "ablations of shape="
              + Arrays.toString(ablations.shape())
              + " but [sources="
              + sources
              + ", 1 or B, 1 or T, d_model="
              + width
              + "] is needed");
    }
    Transformer model = patchable.model();
    try (TensorScope scope = new TensorScope()) {
      context = model.context(input).map(input.batchSize(), this::own);
      for (Stage stage : graph.stages()) {
        if (stage.kind() == Stage.Kind.ATTENTION) {
          patterns.add(model.attentionStep(stage).pattern(context));
        }
      }
      embedded = own(model.embed(input).contiguous());
      this.ablations = own(ablations.expand(sources, context.batchSize(), length, width));
    }
  }

  /**
   * How many leading positions have the same tokens in every pair of prompts. In a causal model
   * every source has the same output there in both runs, so that patching changes nothing. At most
   * the positions whose logits are not looked at.
   */
  static int sharedPrefix(PatchableModel model, TokenBatch a, TokenBatch b) {
    if (!model.model().config().causal()) {
      return 0;
    }
    int length = a.length();
    int shared = Math.min(model.slice().first(length), length - 1);
    for (int i = 0; i < a.batchSize(); i++) {
      int at =
          Arrays.mismatch(
              a.ids(), i * length, (i + 1) * length, b.ids(), i * length, (i + 1) * length);
      shared = at < 0 ? shared : Math.min(shared, at);
    }
    return shared;
  }

  private Tensor own(Tensor t) {
    if (t != null) {
      t.retainReference();
      owned.add(t);
    }
    return t;
  }

  /** How positions attend to each other in a stage of attention. */
  Kernels.AttentionPattern pattern(Stage stage) {
    return patterns.get(stage.block());
  }

  /**
   * Refuses runs that an evaluation for one gradient cannot make.
   *
   * @param more whether this is one of them
   */
  void requireRuns(boolean more) {
    if (once && more) {
      throw new IllegalStateException(
          "the evaluation was opened for one gradient; open another for what follows");
    }
  }

  Transformer model() {
    return patchable.model();
  }

  ComputationGraph graph() {
    return patchable.graph();
  }

  Placement place() {
    return patchable.model().placement();
  }

  /** Number of prompts B. */
  int batch() {
    return context.batchSize();
  }

  /** Number of positions T. */
  int length() {
    return context.length();
  }

  /** B·T. */
  int rows() {
    return context.rows();
  }

  /** D. */
  int width() {
    return patchable.model().config().dModel();
  }

  /** The first position whose logits are looked at. */
  int firstSliced() {
    return patchable.slice().first(length());
  }

  /**
   * The first position at which somebody reads what a stage writes: of the last block only the end
   * does, where logits are looked at.
   */
  int firstRead(Stage stage) {
    return stage.block() == graph().blocks() - 1 && stage.kind() != Stage.Kind.EMBEDDING
        ? firstSliced()
        : 0;
  }

  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
  }
}
