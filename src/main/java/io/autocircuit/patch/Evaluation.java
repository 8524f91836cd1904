package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.BitSet;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * Patched runs of one model on one batch with one set of ablation values, one after another. Holds
 * the working memory that they share; not for use by several threads at once (make one for each).
 *
 * <p>Memory: Δ of every source, {@code S·B·T·D} numbers, and the inputs of one block's
 * destinations, up to {@code 3H·B·T·D}; gradients keep each block's inputs, queries, keys, values
 * and MLP activations besides.
 */
public final class Evaluation implements AutoCloseable {
  private final RunInputs in;
  private final ComputationGraph graph;
  private final DenseRun dense;
  private final Restarts restarts;
  private CircuitEngine engine;

  /**
   * Losses and mask gradients of a batch.
   *
   * @param losses one per prompt
   * @param maskGradient ∂(sum of the losses)/∂mask by canonical edge index; {@code [instances ×
   *     edges]} for masks with instances
   */
  public record Gradient(double[] losses, float[] maskGradient) {}

  Evaluation(
      PatchableModel patchable,
      TokenBatch input,
      Tensor ablations,
      boolean constantsAreAblations,
      int prefix) {
    in = new RunInputs(patchable, input, ablations, constantsAreAblations, prefix);
    graph = patchable.graph();
    dense = new DenseRun(in);
    restarts = new Restarts(in, dense);
  }

  /**
   * Runs the model with that mask.
   *
   * @return the sliced logits, {@code [B,P,V]}, in the current scope
   */
  public Tensor logits(PatchMask mask) {
    return logitsFrom(mask, 0);
  }

  /**
   * Runs a circuit. Only what it contains is computed, and of that only what differs from the
   * circuit run before. ({@link PatchType#EDGE_PATCH} ablates the circuit's edges: it runs the
   * circuit's complement.)
   *
   * @return the sliced logits, {@code [B,P,V]}, in the current scope
   */
  public Tensor logits(Circuit circuit, PatchType type) {
    try (TensorScope scope = new TensorScope()) {
      return scope.keep(logits(List.of(circuit), type).select(0, 0));
    }
  }

  /**
   * Runs several circuits at once: as {@link #logits(Circuit, PatchType)} gives them one after
   * another, but for rounding. Takes the memory of an evaluation for each ({@link
   * MemoryEstimate#of(PatchableModel, MemoryEstimate.Work, Ablation, int, int)}).
   *
   * @param circuits one or more
   * @return the sliced logits, {@code [circuits,B,P,V]}, in the current scope
   * @throws IllegalArgumentException if there is none, or one is for another graph
   */
  public Tensor logits(List<Circuit> circuits, PatchType type) {
    if (circuits.isEmpty()) {
      throw new IllegalArgumentException("circuits=[]; give one or more");
    }
    for (Circuit c : circuits) {
      if (!c.graph().equals(graph)) {
        throw new IllegalArgumentException("the circuit is for another graph: " + c.graph());
      }
    }
    try (TensorScope scope = new TensorScope()) {
      prepareCircuits(circuits.size());
      return scope.keep(engine.logits(circuits.stream().map(c -> notAblated(c, type)).toList()));
    }
  }

  /** The working memory of so many circuits at once, made when first needed. */
  void prepareCircuits(int count) {
    if (engine != null && engine.capacity() >= count) {
      return;
    }
    if (engine != null) {
      engine.close();
    }
    engine = new CircuitEngine(in, count);
  }

  /** The edges that carry what is computed; all others carry ablation values. */
  private static Circuit notAblated(Circuit circuit, PatchType type) {
    if (type == PatchType.TREE_PATCH) {
      return circuit;
    }
    BitSet rest = circuit.edgeSet();
    rest.flip(0, circuit.graph().edgeCount());
    return Circuit.of(circuit.graph(), rest);
  }

  /**
   * Forgets the circuit run before, so that the next one is computed from nothing; results do not
   * change, only the time they take.
   */
  public void forget() {
    if (engine != null) {
      engine.forget();
    }
  }

  /**
   * The operations that a circuit needs, over those of the plain forward: multiplications and
   * additions of its live nodes at the positions at which they are read, and of its live edges.
   */
  public double liveShare(Circuit circuit, PatchType type) {
    boolean last = in.patchable.slice() == OutputSlice.LAST_SEQ;
    return CircuitPlan.of(notAblated(circuit, type), in.constantsAreAblations, last)
        .share(
            in.model().config(),
            in.batch(),
            in.length(),
            in.prefix,
            in.length() - in.firstSliced());
  }

  /**
   * Runs from a block on, taking what comes before from the unpatched run. Exact when the mask is
   * zero on every edge into an earlier block.
   *
   * @param firstBlock the first block to compute; the number of blocks computes the end alone
   * @return the sliced logits, {@code [B,P,V]}, in the current scope
   */
  public Tensor logitsFrom(PatchMask mask, int firstBlock) {
    check(mask);
    try (TensorScope scope = new TensorScope()) {
      Tensor stream = restarts.before(firstBlock);
      return scope.keep(dense.logits(mask, firstBlock, stream, null, null));
    }
  }

  private void check(PatchMask mask) {
    if (!mask.graph().equals(graph)) {
      throw new IllegalArgumentException("the mask is for another graph: " + mask.graph());
    }
    if (mask.instances() != 0 && mask.instances() != in.batch()) {
      throw new IllegalArgumentException(
          "mask instances=" + mask.instances() + " but the batch has prompts=" + in.batch());
    }
  }

  /**
   * The gradient of a loss with respect to every mask value.
   *
   * @param mask where the gradient is taken
   * @param loss the loss of each prompt
   * @param prompts passed to the loss
   * @param reference passed to the loss, {@code [B,P,V]} or null
   * @return losses and gradients
   */
  public Gradient gradient(
      PatchMask mask, LossFunction loss, PromptBatch prompts, Tensor reference) {
    return gradient(mask, loss, prompts, reference, BackwardRules.TRUE_GRADIENT);
  }

  /**
   * What comes out when the gradient of a loss is taken by given rules.
   *
   * @param mask where the gradient is taken
   * @param loss the loss of each prompt
   * @param prompts passed to the loss
   * @param reference passed to the loss, {@code [B,P,V]} or null
   * @param rules how it goes back through the model's functions
   * @return losses, and what takes the place of their gradients
   */
  public Gradient gradient(
      PatchMask mask,
      LossFunction loss,
      PromptBatch prompts,
      Tensor reference,
      BackwardRules rules) {
    try (TensorScope scope = new TensorScope()) {
      Unread g = unread(mask, loss, prompts, reference, rules);
      return new Gradient(Tensors.doubles(g.losses()), g.gradients().read());
    }
  }

  /**
   * What {@link #gradient} computes, still where it was computed: nothing waits for the device
   * before it is read.
   */
  record Unread(Tensor losses, MaskGradients gradients) {}

  /** As {@link #gradient}; in the current scope. */
  Unread unread(
      PatchMask mask,
      LossFunction loss,
      PromptBatch prompts,
      Tensor reference,
      BackwardRules rules) {
    check(mask);
    DenseRun.Kept[] kept = new DenseRun.Kept[graph.stages().size()];
    Tensor logits = dense.logits(mask, 0, restarts.before(0), kept, null);
    LossFunction.WithGradient l = loss.withGradient(logits, prompts, reference);
    MaskGradients gradients = new MaskGradients(mask, in.place());
    new DenseGradient(in, dense, rules, mask, kept, gradients).from(l.gradient());
    return new Unread(l.losses(), gradients);
  }

  /** Frees the working memory. */
  @Override
  public void close() {
    if (engine != null) {
      engine.close();
    }
    restarts.close();
    dense.close();
    in.close();
  }
}
