package io.autocircuit.metric;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.objective.Divergence;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.OpenMicroBatch;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.pytorch.Tensor;

/**
 * Whether a circuit holds all that the behaviour depends on. A complete circuit behaves as the
 * model does not only as it is, but also when the same edges are taken out of both (Wang et al.
 * 2022, "Interpretability in the wild", arXiv:2211.00593; AutoCircuit's "same under knockouts",
 * Miller 2024). All runs are of the clean prompts.
 *
 * @param edges the circuit's size
 * @param knockedOut how many of its edges were taken out
 * @param normal KL(model ‖ circuit), in nats: how unfaithful the circuit is
 * @param knockout KL(model without the edges taken out ‖ circuit without them), in nats; above
 *     {@code normal} where the model makes up for the loss by edges that the circuit lacks
 */
public record Completeness(int edges, int knockedOut, double normal, double knockout) {

  /**
   * The edges of a circuit that scores take out.
   *
   * @param circuit whose edges are taken out; others never are
   * @param scores such as {@link io.autocircuit.patch.PruneScores} of trained knockouts, of the
   *     circuit's graph
   * @param threshold edges are taken out whose score (with its sign) is greater. AutoCircuit says
   *     "greater" and takes out those that are equal too (its defect); {@code −Float.MIN_VALUE} in
   *     place of 0 does what it does
   * @return a part of the circuit
   * @throws IllegalArgumentException if the scores are of another graph
   */
  public static Circuit knockedOut(Circuit circuit, PruneScores scores, float threshold) {
    if (!scores.graph().equals(circuit.graph())) {
      throw new IllegalArgumentException(
          "the knockout scores are for another graph than the circuit: " + scores.graph());
    }
    BitSet out = new BitSet();
    circuit.edgeSet().stream().filter(e -> scores.values()[e] > threshold).forEach(out::set);
    return Circuit.of(circuit.graph(), out);
  }

  /**
   * The model, or a circuit, with edges taken out.
   *
   * @param circuit the circuit, or {@link Circuit#full} for the model
   * @param out the edges to take out; those that it has not are ignored
   * @return what is left of the circuit
   */
  public static Circuit without(Circuit circuit, Circuit out) {
    BitSet left = circuit.edgeSet();
    left.andNot(out.edgeSet());
    return Circuit.of(circuit.graph(), left);
  }

  /**
   * Measures a circuit with {@link Ablation#RESAMPLE resampled} ablations.
   *
   * @param model the model that the circuit is of
   * @param batches the prompts; divergences are means over all of them
   * @param circuit the circuit to judge
   * @param out the edges to take out, such as {@link #knockedOut} names; only those of the circuit
   *     are
   * @return what was measured
   * @throws IllegalArgumentException if a circuit is of another graph, or one prompt alone exceeds
   *     the model's memory budget
   */
  public static Completeness of(
      PatchableModel model, List<PromptBatch> batches, Circuit circuit, Circuit out) {
    return of(model, batches, Ablation.RESAMPLE, circuit, out, Progress.SILENT);
  }

  /**
   * Measures a circuit.
   *
   * @param model the model that the circuit is of
   * @param batches the prompts; divergences are means over all of them
   * @param ablation what the edges outside the circuit, and those taken out, are replaced by
   * @param circuit the circuit to judge
   * @param out the edges to take out; only those of the circuit are
   * @param progress told about the work done
   * @return what was measured
   * @throws IllegalArgumentException if a circuit is of another graph, there are no prompts, or one
   *     prompt alone exceeds the model's memory budget
   */
  public static Completeness of(
      PatchableModel model,
      List<PromptBatch> batches,
      Ablation ablation,
      Circuit circuit,
      Circuit out,
      Progress progress) {
    if (batches.isEmpty()) {
      throw new IllegalArgumentException("batches=0; give prompts to run");
    }
    Circuit left = without(circuit, out);
    Circuit taken = without(circuit, left);
    Circuit rest = without(Circuit.full(circuit.graph()), taken);
    List<Double> normal = new ArrayList<>();
    List<Double> knockout = new ArrayList<>();
    try (AblationValues values = AblationValues.prepare(model, ablation, batches);
        Evaluations all =
            Evaluations.once(
                model,
                batches,
                values,
                Evaluations.Direction.CORRUPT_INTO_CLEAN,
                MemoryEstimate.Work.CIRCUITS)) {
      AtomicInteger done = new AtomicInteger();
      all.compute(
          part -> {
            double[] asItIs = divergences(part, part.clean(), circuit);
            double[] withoutSome =
                taken.size() == 0
                    ? asItIs
                    : divergences(part, part.run().logits(rest, PatchType.TREE_PATCH), left);
            return new double[][] {asItIs, withoutSome};
          },
          (part, both) -> {
            for (int i = 0; i < part.size(); i++) {
              normal.add(both[0][i]);
              knockout.add(both[1][i]);
            }
            progress.update("completeness", done.incrementAndGet(), all.count());
          });
    }
    return new Completeness(circuit.size(), taken.size(), mean(normal), mean(knockout));
  }

  /** KL(target ‖ circuit) on each prompt. */
  private static double[] divergences(OpenMicroBatch part, Tensor target, Circuit circuit) {
    return Tensors.doubles(Divergence.kl(part.run().logits(circuit, PatchType.TREE_PATCH), target));
  }

  private static double mean(List<Double> values) {
    double mean = values.stream().mapToDouble(Double::doubleValue).sum() / values.size();
    return Math.max(0, mean); // rounding may leave less than 0
  }
}
