package io.autocircuit.patch;

import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.model.AttentionStep;
import io.autocircuit.model.MlpRule;
import io.autocircuit.model.Transformer;
import org.bytedeco.pytorch.Tensor;

/**
 * How the gradient goes back through the functions of a model. Each method is one step of the
 * backward pass; its default is the true gradient. Methods of attribution that change a step
 * (normalisations whose scale is held fixed, attention whose pattern is, other rules for
 * activations and gates) override that step alone: they call the kernels with other arguments, or
 * write the gradient in another way.
 *
 * <p>Linear steps (projections, the sums of the stream, masks) have no rule: they are their own
 * gradient.
 */
public interface BackwardRules {
  /** The true gradient. */
  BackwardRules TRUE_GRADIENT = new BackwardRules() {};

  /**
   * Through an MLP: activation and gate.
   *
   * @param model the model
   * @param stage of an MLP
   * @param state what its forward pass kept
   * @param gradient ∂L/∂output, {@code [N,D]}
   * @param out written: ∂L/∂ its scaled input, {@code [N,D]}
   */
  default void mlp(
      Transformer model, Stage stage, Transformer.MlpState state, Tensor gradient, Tensor out) {
    model.mlpBackward(stage, state, gradient, out, MlpRule.TRUE);
  }

  /**
   * Through the pattern and the mixing of attention.
   *
   * @param kernels the kernels of the run
   * @param stage of attention
   * @param args ∂L/∂z is given, ∂L/∂ of queries, keys and values is to be written
   */
  default void attention(Kernels kernels, Stage stage, Kernels.AttentionBackward args) {
    kernels.attentionBackward(args);
  }

  /**
   * Through the normalisation of what attention writes, where there is one.
   *
   * @param step the attention of a block
   * @param mixed mixed values before they are scaled; null where nothing is normalised
   * @param gradient ∂L/∂ the scaled mixed values; becomes that of the mixed values
   */
  default void attentionOutput(AttentionStep step, Tensor mixed, Tensor gradient) {
    step.scaleBackward(mixed, gradient, false);
  }

  /**
   * Through what is done to projected queries, keys and values: clipping and normalisation, where
   * there are such.
   *
   * @param step the attention of a block
   * @param qkv as projected, {@code [N, 3·H·dHead]}
   * @param gradient ∂L/∂ of queries, keys and values as the scores take them; becomes ∂L/∂qkv
   */
  default void projections(AttentionStep step, Tensor qkv, Tensor gradient) {
    step.backward(qkv, gradient, false);
  }

  /**
   * Through the normalisation of a stage with one input, and to the masks.
   *
   * @param kernels the kernels of the run
   * @param stage of an MLP, or the end
   * @param args as {@link Kernels.PatchBackward} says
   */
  default void input(Kernels kernels, Stage stage, Kernels.PatchBackward args) {
    kernels.patchBackward(args);
  }

  /**
   * Through projections and normalisations of attention's inputs, and to the masks.
   *
   * @param kernels the kernels of the run
   * @param stage of attention
   * @param args as {@link Kernels.PatchProjectBackward} says
   */
  default void attentionInputs(Kernels kernels, Stage stage, Kernels.PatchProjectBackward args) {
    kernels.patchProjectBackward(args);
  }
}
