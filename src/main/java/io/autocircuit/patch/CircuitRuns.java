package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.tensor.TensorScope;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

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

  /** Clean and corrupt in their usual places. */
  public static CircuitRuns of(PatchType patchType, Ablation ablation) {
    return new CircuitRuns(patchType, ablation, false);
  }

  /** Evaluates circuits on batches; batch by batch, all circuits of one batch in turn. */
  public void forEach(
      PatchableModel model, List<PromptBatch> batches, List<Circuit> circuits, Visitor visitor) {
    boolean runClean = (patchType == PatchType.TREE_PATCH) != reverseCleanCorrupt;
    try (AblationValues values = AblationValues.prepare(model, ablation, batches)) {
      for (int b = 0; b < batches.size(); b++) {
        PromptBatch batch = batches.get(b);
        TokenBatch input = runClean ? batch.clean() : batch.corrupt();
        TokenBatch from = runClean ? batch.corrupt() : batch.clean();
        try (TensorScope scope = new TensorScope();
            Evaluation run = model.evaluation(input, values, from)) {
          for (int c = 0; c < circuits.size(); c++) {
            try (TensorScope inner = new TensorScope()) {
              visitor.accept(c, b, run.logits(circuits.get(c), patchType));
            }
          }
        }
      }
    }
  }
}
