package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.model.Unembedding;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.tensor.TensorScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/** The runs of an evaluation of which gradients are taken. */
final class GradientRuns {
  private final RunInputs in;
  private final MaskedRun masked;
  private final Restarts restarts;
  private final ComputationGraph graph;

  GradientRuns(RunInputs in, MaskedRun masked, Restarts restarts) {
    this.in = in;
    this.masked = masked;
    this.restarts = restarts;
    this.graph = in.graph();
  }

  /** See {@link Evaluation#inputGradient}. */
  Evaluation.Gradient atInput(double share, boolean each, GradientOf of) {
    requireNoLatents("between inputs");
    try (TensorScope scope = new TensorScope()) {
      restarts.unpatchedDeltas();
      Tensor start =
          in.embedded.add(in.ablations.select(0, 0).sub(in.embedded).mul(new Scalar(share)));
      masked.freeze(true);
      return unread(none(each), start, 0, of).read();
    } finally {
      masked.freeze(false);
    }
  }

  /** See {@link Evaluation#siteGradient}. */
  Evaluation.Gradient atSite(Stage site, double share, boolean whole, boolean each, GradientOf of) {
    requireNoLatents("between activations");
    if (!(masked instanceof DenseRun run)) {
      throw new IllegalArgumentException(
          "gradients between activations are taken in factorized graphs; choose another method, or"
              + " such a graph");
    }
    if (site.kind() == Stage.Kind.EMBEDDING) {
      return atInput(share, each, of);
    }
    try (TensorScope scope = new TensorScope()) {
      int block = whole ? 0 : site.block();
      Tensor start = restarts.unpatched(block);
      Tensor moved =
          run.delta(site.firstWritten(), site.written())
              .sum(new long[] {0}, false, null)
              .mul(new Scalar(share));
      masked.freeze(true);
      run.move(new DensePass.Moved(site, moved));
      return unread(none(each), start, block, site, of, null).read();
    } finally {
      run.move(DensePass.Moved.NOTHING);
      masked.freeze(false);
    }
  }

  /** See {@link Evaluation#conductance}. */
  double[] conductance(int steps, boolean each, GradientOf of, Runnable pass) {
    requireNoLatents("along paths");
    if (!(masked instanceof DenseRun run)) {
      throw new IllegalArgumentException(
          "conductances are of edges of factorized graphs; choose another method, or such a graph");
    }
    double[] sums = null;
    try (TensorScope scope = new TensorScope()) {
      PatchMask none = none(each);
      try (TensorScope first = new TensorScope()) {
        DenseRun.Kept[] kept = new DenseRun.Kept[graph.stages().size()];
        masked.logits(none, 0, restarts.before(0), kept, null, in.model().unembedding());
      }
      Tensor delta = run.delta(0, graph.sources().size());
      Tensor later = delta.clone();
      Tensor toAblated = in.ablations.select(0, 0).sub(in.embedded);
      for (int j = steps - 1; j >= 0; j--) {
        try (TensorScope inner = new TensorScope()) {
          Tensor start = in.embedded.add(toAblated.mul(new Scalar(1 - (double) j / steps)));
          // Δ becomes what sources write here, less what they write one step nearer to the prompts
          Runnable step =
              () -> {
                delta.neg_().add_(later);
                later.sub_(delta);
              };
          float[] g = unread(none, start, 0, null, of, step).read().maskGradient();
          sums = sums == null ? new double[g.length] : sums;
          for (int i = 0; i < g.length; i++) {
            sums[i] += g[i];
          }
        }
        pass.run();
      }
    }
    return sums;
  }

  /** See {@link Evaluation#terms}. */
  void terms(boolean drop, boolean patterns, GradientOf of, GradientTerms terms) {
    requireNoLatents("with layers left out");
    if (patterns && !(graph.factorized() && graph.separateQkv())) {
      throw new IllegalArgumentException(
          "effects through patterns need the factorized graph with separate inputs of queries,"
              + " keys and values; leave patterns out, or choose that graph");
    }
    try (TensorScope scope = new TensorScope()) {
      Tensor start = restarts.unpatched(0);
      masked.freeze(true);
      new DroppedGradients(in, masked, restarts)
          .visit(drop, patterns, of, r -> ran(none(true), start, 0, r, null), terms);
    } finally {
      masked.freeze(false);
    }
  }

  private PatchMask none(boolean each) {
    return PatchMask.zeros(graph, each ? in.batch() : 0);
  }

  private void requireNoLatents(String where) {
    if (graph.latents() != null) {
      throw new IllegalArgumentException(
          "gradients "
              + where
              + " are not taken in graphs with autoencoders; choose another method, or a graph"
              + " without");
    }
  }

  /**
   * A gradient of a run from a block on; in the current scope.
   *
   * @param start the stream before the first block that is run; overwritten
   */
  Evaluation.Unread unread(PatchMask mask, Tensor start, int firstBlock, GradientOf of) {
    return unread(mask, start, firstBlock, null, of, null);
  }

  /**
   * @param between called when the run is done, before the gradient is taken; may be null
   */
  private Evaluation.Unread unread(
      PatchMask mask, Tensor start, int firstBlock, Stage fixed, GradientOf of, Runnable between) {
    Ran ran = ran(mask, start, firstBlock, of, between);
    MaskGradients gradients = new MaskGradients(mask, in);
    masked.backward(
        new MaskedRun.Way(
            of.rules(), mask, ran.kept(), firstBlock, fixed, of.neurons(), of.values()),
        gradients,
        ran.unembedded());
    return new Evaluation.Unread(ran.losses(), gradients);
  }

  /**
   * A run whose gradient can be taken.
   *
   * @param kept what its stages kept
   * @param losses one for each prompt
   * @param unembedded ∂L/∂ what is unembedded, {@code [B,P,D]}
   */
  record Ran(DenseRun.Kept[] kept, Tensor losses, Tensor unembedded) {}

  /**
   * Runs.
   *
   * @param start the stream before the first block that is run; overwritten
   * @param between called when the run is done; may be null
   */
  Ran ran(PatchMask mask, Tensor start, int firstBlock, GradientOf of, Runnable between) {
    if (of.values() != null) {
      requireNoLatents("with respect to ablation values");
    }
    DenseRun.Kept[] kept = new DenseRun.Kept[graph.stages().size()];
    AnswerOutputs some = AnswerOutputs.of(of.loss(), of.prompts(), in.model().config().outputs());
    Unembedding end = in.model().unembedding();
    end = some == null ? end : end.of(some.outputs());
    Tensor logits = masked.logits(mask, firstBlock, start, kept, null, end);
    LossFunction.WithGradient l =
        some == null
            ? of.loss().withGradient(logits, of.prompts(), of.reference())
            : of.loss().withGradient(logits, some.prompts(), some.of(of.reference()));
    if (between != null) {
      between.run();
    }
    return new Ran(kept, l.losses(), end.backward(l.gradient(), logits));
  }
}
