package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.objective.Divergence;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** ACDC as the paper has it: every edge is run, dense masks, no cache, corrupt resampling. */
public final class PlainAcdc {
  private PlainAcdc() {}

  /**
   * Scores.
   *
   * @param tau one threshold
   */
  public static float[] scores(
      PatchableModel model, PromptBatch batch, Acdc.Target target, double tau) {
    int edges = model.graph().edgeCount();
    float[] scores = new float[edges];
    try (TensorScope scope = new TensorScope();
        AblationValues values = AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch));
        Evaluation run = Evaluation.of(model, batch.clean(), values.of(batch.corrupt()))) {
      Tensor clean = model.logits(batch.clean());
      BitSet kept = new BitSet();
      kept.set(0, edges);
      double previous = 0;
      for (int e = 0; e < edges; e++) {
        kept.clear(e);
        Tensor logits = run.logits(Circuit.of(model.graph(), kept).mask(PatchType.TREE_PATCH));
        Tensor each =
            target == Acdc.Target.KL_DIV
                ? Divergence.kl(logits, clean)
                : Divergence.mse(logits, clean);
        double f = Arrays.stream(Tensors.doubles(each)).average().orElseThrow();
        if (f - previous < tau) {
          scores[e] = (float) tau;
          previous = f;
        } else {
          scores[e] = Float.POSITIVE_INFINITY;
          kept.set(e);
        }
      }
    }
    return scores;
  }
}
