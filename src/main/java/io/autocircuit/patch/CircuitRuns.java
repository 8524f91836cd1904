package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.tensor.TensorScope;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * How circuits are evaluated.
 *
 * <p>{@link PatchType#EDGE_PATCH} runs the corrupt prompts and patches the circuit's edges from
 * clean; {@link PatchType#TREE_PATCH} runs the clean prompts and patches all other edges from
 * corrupt. Dataset means replace the patched-in activations whatever the patch type.
 *
 * @param patchType what is ablated
 * @param ablation what ablated sources are replaced by
 * @param reverseCleanCorrupt whether clean and corrupt change places
 */
public record CircuitRuns(PatchType patchType, Ablation ablation, boolean reverseCleanCorrupt) {

  /** Receives the sliced logits of a circuit on a batch. */
  @FunctionalInterface
  public interface Visitor {
    /**
     * Called once for each circuit and batch.
     *
     * @param circuit index in the list of circuits
     * @param batch index in the list of batches
     * @param logits {@code [B,P,V]}; freed after the call
     */
    void accept(int circuit, int batch, Tensor logits);
  }

  /** Receives the sliced logits of a circuit on some prompts of a batch. */
  @FunctionalInterface
  public interface MicroBatchVisitor {
    /**
     * Called once for each circuit and micro-batch.
     *
     * @param circuit index in the list of circuits
     * @param part the prompts, and the unpatched model's logits on them
     * @param logits {@code [b,P,V]}; freed after the call
     */
    void accept(int circuit, OpenMicroBatch part, Tensor logits);
  }

  /**
   * Clean and corrupt in their usual places.
   *
   * @param patchType what is ablated
   * @param ablation what ablated sources are replaced by
   * @return runs that are not reversed
   */
  public static CircuitRuns of(PatchType patchType, Ablation ablation) {
    return new CircuitRuns(patchType, ablation, false);
  }

  /**
   * Which prompts are run and which are patched from.
   *
   * @return corrupt into clean for {@link PatchType#TREE_PATCH}, clean into corrupt for {@link
   *     PatchType#EDGE_PATCH}; reversed, the other one
   */
  public Evaluations.Direction direction() {
    return (patchType == PatchType.TREE_PATCH) == reverseCleanCorrupt
        ? Evaluations.Direction.CLEAN_INTO_CORRUPT
        : Evaluations.Direction.CORRUPT_INTO_CLEAN;
  }

  /**
   * The edges of a circuit that can change its output: its <em>live</em> edges. The others lead to
   * a node that the end does not read, or, where nodes that keep nothing output what they are
   * ablated to (resampling), from such a node.
   *
   * @param circuit the circuit
   * @return the circuit without its dead edges; its outputs are the same
   */
  public Circuit live(Circuit circuit) {
    return live(circuit, false);
  }

  /**
   * As {@link #live(Circuit)}, of a model that may couple its heads.
   *
   * @param circuit the circuit
   * @param coupled whether what a head writes depends on the inputs of all heads of its block
   * @return the circuit without its dead edges; its outputs are the same
   */
  public Circuit live(Circuit circuit, boolean coupled) {
    if (patchType == PatchType.TREE_PATCH) {
      CircuitPlan plan = CircuitPlan.of(circuit, ablation.valuesAreOutputs(), false, coupled);
      return Circuit.of(circuit.graph(), plan.live(circuit.edgeSet()));
    }
    // the circuit's edges are patched in; whatever else there is carries their effect to the end
    BitSet others = circuit.edgeSet();
    others.flip(0, circuit.graph().edgeCount());
    CircuitPlan rest = CircuitPlan.of(Circuit.of(circuit.graph(), others), false, false, coupled);
    BitSet live = new BitSet();
    circuit.edgeSet().stream().filter(rest::reads).forEach(live::set);
    return Circuit.of(circuit.graph(), live);
  }

  /**
   * Whether the end reads, along edges of a circuit, the node that an edge leads to. Edges of which
   * that is not so change nothing.
   *
   * @param circuit the circuit
   * @param edge canonical index of an edge of the graph, in the circuit or not
   * @return true for every edge into the end of the stream
   * @throws IndexOutOfBoundsException if the graph has no such edge
   */
  public static boolean reads(Circuit circuit, int edge) {
    return reads(circuit, IntStream.of(edge), false);
  }

  /**
   * Whether the end reads any of the nodes that some edges lead to.
   *
   * @param circuit the circuit
   * @param edges canonical indices of edges of the graph, in the circuit or not
   * @param coupled whether what a head writes depends on the inputs of all heads of its block
   * @return false if all of them change nothing
   * @throws IndexOutOfBoundsException if the graph has no such edge
   */
  public static boolean reads(Circuit circuit, IntStream edges, boolean coupled) {
    return edges.anyMatch(CircuitPlan.of(circuit, false, false, coupled)::reads);
  }

  /**
   * Evaluates circuits on batches, one micro-batch after another, all circuits of one in turn;
   * where that is faster, several at once ({@link Evaluations#circuitsAtOnce}). With several
   * workers ({@link PatchableModel#withWorkers}) each takes a micro-batch, and the visitor is
   * called by several threads at once.
   *
   * @param model the patchable model
   * @param batches the prompts that are run; dataset means are taken over them too
   * @param circuits of the model's graph
   * @param visitor called once for each circuit and micro-batch, in a scope that is closed
   *     afterwards
   * @throws IllegalArgumentException if one prompt alone exceeds the model's memory budget, a
   *     circuit is of another graph, or there are no prompts to take a mean over
   */
  public void forEachMicroBatch(
      PatchableModel model,
      List<PromptBatch> batches,
      List<Circuit> circuits,
      MicroBatchVisitor visitor) {
    boolean several = model.workers() > 1;
    try (AblationValues values = AblationValues.prepare(model, ablation, batches);
        Evaluations all =
            several
                ? Evaluations.kept(
                    model, batches, values, direction(), MemoryEstimate.Work.CIRCUITS)
                : Evaluations.once(
                    model, batches, values, direction(), MemoryEstimate.Work.CIRCUITS)) {
      all.compute(
          part -> {
            run(part, circuits, all.circuitsAtOnce(), visitor);
            return part.size();
          },
          (part, size) -> {});
    }
  }

  private void run(
      OpenMicroBatch part, List<Circuit> circuits, int atOnce, MicroBatchVisitor visitor) {
    for (int c = 0; c < circuits.size(); c += atOnce) {
      List<Circuit> some = circuits.subList(c, Math.min(circuits.size(), c + atOnce));
      try (TensorScope scope = new TensorScope()) {
        Tensor logits = part.run().logits(some, patchType);
        for (int i = 0; i < some.size(); i++) {
          try (TensorScope inner = new TensorScope()) {
            visitor.accept(c + i, part, logits.select(0, i));
          }
        }
      }
    }
  }

  /**
   * Evaluates circuits on batches; batch by batch, all circuits of one batch in turn. Logits of a
   * whole batch are handed out together; where the memory budget cuts the batch, {@link
   * #forEachMicroBatch} is faster.
   *
   * @param model the patchable model
   * @param batches the prompts that are run; dataset means are taken over them too
   * @param circuits of the model's graph
   * @param visitor called by this thread, once for each circuit and batch, in order
   * @throws IllegalArgumentException if one prompt alone exceeds the model's memory budget, a
   *     circuit is of another graph, or there are no prompts to take a mean over
   */
  public void forEach(
      PatchableModel model, List<PromptBatch> batches, List<Circuit> circuits, Visitor visitor) {
    try (AblationValues values = AblationValues.prepare(model, ablation, batches)) {
      for (int b = 0; b < batches.size(); b++) {
        int batch = b;
        try (Evaluations all =
            Evaluations.kept(
                model,
                List.of(batches.get(b)),
                values,
                direction(),
                MemoryEstimate.Work.CIRCUITS)) {
          int atOnce = all.circuitsAtOnce();
          if (all.count() == 1) {
            all.forEach(
                part ->
                    run(
                        part,
                        circuits,
                        atOnce,
                        (c, same, logits) -> visitor.accept(c, batch, logits)));
            continue;
          }
          for (int c = 0; c < circuits.size(); c += atOnce) {
            List<Circuit> some = circuits.subList(c, Math.min(circuits.size(), c + atOnce));
            try (TensorScope scope = new TensorScope()) {
              TensorVector parts = new TensorVector();
              all.forEach(part -> parts.push_back(part.run().logits(some, patchType)));
              Tensor whole = torch.cat(parts, 1);
              for (int i = 0; i < some.size(); i++) {
                visitor.accept(c + i, b, whole.select(0, i));
              }
            }
          }
        }
      }
    }
  }
}
