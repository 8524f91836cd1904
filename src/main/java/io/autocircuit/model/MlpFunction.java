package io.autocircuit.model;

import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.Transformer.MlpState;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * The function of an MLP.
 *
 * @param w its weights
 */
record MlpFunction(TransformerConfig config, TransformerWeights.Mlp w) {

  /** See {@link Transformer#mlp}. */
  MlpState forward(Tensor x, Tensor out) {
    Tensor hidden = Products.addmm(w.bIn(), x, w.wIn());
    Tensor gate = w.wGate() == null ? null : Products.addmm(w.bGate(), x, w.wGate());
    Tensor active =
        gate == null
            ? ActivationFunctions.apply(config, hidden)
            : ActivationFunctions.apply(config, gate).mul_(hidden);
    Products.addmmOut(out, w.bOut(), active, w.wOut());
    if (w.outputScale() == null) {
      return new MlpState(hidden, gate, null);
    }
    Tensor raw = out.clone();
    Normalization norm = config.features().outputNormalization();
    out.copy_(Transformer.normalize(norm, raw).mul_(w.outputScale()));
    return new MlpState(hidden, gate, raw);
  }

  /** See {@link Transformer#mlpBackward}. */
  void backward(MlpState state, Tensor gradient, Tensor out, MlpRule rule) {
    Tensor written = gradient;
    if (w.outputScale() != null) {
      Normalization norm = config.features().outputNormalization();
      Tensor scaled = gradient.mul(w.outputScale());
      written =
          rule.frozenNorm()
              ? Normalizations.frozen(norm, state.output(), scaled)
              : Normalizations.backward(norm, state.output(), scaled);
    }
    Tensor ga = Products.mm(written, w.wOut().t());
    if (state.gate() == null) {
      Products.mmOut(out, activation(ga, state.hidden(), rule), w.wIn().t());
    } else {
      if (rule.halves()) {
        ga.mul_(new Scalar(0.5));
      }
      Products.mmOut(out, ga.mul(ActivationFunctions.apply(config, state.gate())), w.wIn().t());
      Tensor gg = activation(ga.mul(state.hidden()), state.gate(), rule);
      Products.addmmOut(out, out, gg, w.wGate().t());
    }
  }

  private Tensor activation(Tensor gradient, Tensor x, MlpRule rule) {
    return rule.ratio()
        ? ActivationFunctions.ratio(config, gradient, x, rule.frozenNorm())
        : ActivationFunctions.backward(config, gradient, x, rule.frozenNorm());
  }
}
