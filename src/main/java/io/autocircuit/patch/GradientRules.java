package io.autocircuit.patch;

import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.LibtorchAttention;
import io.autocircuit.model.AttentionStep;
import io.autocircuit.model.MlpRule;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.Placement;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * A backward pass of which some steps are changed, as relevance patching (RelP; Rezaei Jafari et
 * al. 2025, arXiv:2508.21258) and gradient interaction modifications (GIM; Edin et al. 2025,
 * arXiv:2505.17630) change them. The forward pass stays as it is. A rule that finds nothing to act
 * on in a model, such as gates, changes nothing there.
 *
 * @param rules which rules
 * @param temperature T of {@link Rule#TSG}
 */
public record GradientRules(Set<Rule> rules, double temperature) implements BackwardRules {

  /** A change of one step. */
  public enum Rule {
    /**
     * The scale of every normalisation, {@code sqrt(mean x² + ε)}, is a constant (Ali et al. 2022,
     * arXiv:2202.07304).
     */
    LN,
    /**
     * An activation's slope is replaced by {@code φ(x) / x} (Jafari et al. 2024, arXiv:2406.07592).
     */
    IDENTITY,
    /**
     * Both factors of a gated product receive half their gradient (Arras et al. 2019; in GIM gate
     * scaling).
     */
    HALF,
    /** The attention pattern is a constant (Ali et al. 2022, arXiv:2202.07304). */
    AH,
    /**
     * Temperature-adjusted softmax: through the softmax of attention by {@code p_T = softmax(s /
     * T)}, {@code ds = p_T ⊙ (dp − ⟨p_T, dp⟩)}, without a factor 1/T (GIM).
     */
    TSG,
    /** Gradients of queries and keys are quartered, those of values halved (GIM). */
    QKV
  }

  /** The temperature of GIM. */
  public static final double TEMPERATURE = 2;

  /** The true gradient. */
  public static final GradientRules NONE = of();

  /** The default rules of RelP. */
  public static final GradientRules RELP = of(Rule.LN, Rule.IDENTITY, Rule.HALF);

  /** The rules of GIM. */
  public static final GradientRules GIM = of(Rule.LN, Rule.TSG, Rule.QKV, Rule.HALF);

  /**
   * Checks that they go together.
   *
   * @param rules each once
   * @param temperature above 0
   * @throws IllegalArgumentException if the pattern is a constant and has a gradient, or the
   *     temperature is none
   */
  public GradientRules {
    rules = Set.copyOf(rules);
    if (rules.contains(Rule.AH) && rules.contains(Rule.TSG)) {
      throw new IllegalArgumentException(
          "rules=ah,tsg do not go together: a pattern that is constant has no softmax to go back"
              + " through; leave one out");
    }
    if (!(temperature > 0) || Double.isInfinite(temperature)) {
      throw new IllegalArgumentException(
          "temperature=" + temperature + " must be above 0, and finite");
    }
  }

  /**
   * Some rules, with GIM's temperature.
   *
   * @param rules which
   * @return the backward pass
   */
  public static GradientRules of(Rule... rules) {
    return new GradientRules(Set.of(rules), TEMPERATURE);
  }

  /**
   * Rules by their names, with GIM's temperature.
   *
   * @param names such as {@code ln}, in any case
   * @return the backward pass
   * @throws IllegalArgumentException if one is unknown or given twice, or they do not go together
   */
  public static GradientRules of(List<String> names) {
    Set<Rule> rules = EnumSet.noneOf(Rule.class);
    for (String name : names) {
      Rule rule = null;
      for (Rule r : Rule.values()) {
        rule = r.name().equalsIgnoreCase(name.strip()) ? r : rule;
      }
      if (rule == null) {
        throw new IllegalArgumentException(
            "rule=\"" + name + "\" is unknown; give some of ln, identity, half, ah, tsg, qkv");
      }
      if (!rules.add(rule)) {
        throw new IllegalArgumentException("rule=" + name + " is given twice; give it once");
      }
    }
    return new GradientRules(rules, TEMPERATURE);
  }

  /**
   * Their names, in a fixed order.
   *
   * @return such as {@code ln}
   */
  public List<String> names() {
    List<String> names = new ArrayList<>();
    for (Rule r : Rule.values()) {
      if (rules.contains(r)) {
        names.add(r.name().toLowerCase(Locale.ROOT));
      }
    }
    return names;
  }

  private boolean frozen() {
    return rules.contains(Rule.LN);
  }

  @Override
  public void mlp(
      Transformer model, Stage stage, Transformer.MlpState state, Tensor gradient, Tensor out) {
    MlpRule rule = new MlpRule(rules.contains(Rule.IDENTITY), rules.contains(Rule.HALF), frozen());
    model.mlpBackward(stage, state, gradient, out, rule);
  }

  @Override
  public void attention(Kernels kernels, Stage stage, Kernels.AttentionBackward args) {
    if (rules.contains(Rule.TSG)) {
      LibtorchAttention.backward(args, temperature);
    } else {
      kernels.attentionBackward(args);
    }
    if (rules.contains(Rule.AH)) {
      part(args.gradQkv(), 0, 2).zero_();
    }
  }

  @Override
  public void attentionOutput(AttentionStep step, Tensor mixed, Tensor gradient) {
    step.scaleBackward(mixed, gradient, frozen());
  }

  @Override
  public void projections(AttentionStep step, Tensor qkv, Tensor gradient) {
    step.backward(qkv, gradient, frozen());
    if (rules.contains(Rule.QKV)) {
      part(gradient, 0, 2).mul_(new Scalar(0.25));
      part(gradient, 2, 1).mul_(new Scalar(0.5));
    }
  }

  /** Queries, keys or values. */
  private static Tensor part(Tensor qkv, int first, int count) {
    long width = qkv.size(1) / 3;
    return qkv.narrow(1, first * width, count * width);
  }

  @Override
  public void input(Kernels kernels, Stage stage, Kernels.PatchBackward a) {
    kernels.patchBackward(
        frozen()
            ? new Kernels.PatchBackward(
                a.gradOut(),
                none(a.normalized()),
                a.rstd(),
                a.delta(),
                a.mask(),
                a.norm(),
                a.maskGrad(),
                a.residGrad(),
                a.deltaGrad())
            : a);
  }

  @Override
  public void attentionInputs(Kernels kernels, Stage stage, Kernels.PatchProjectBackward a) {
    kernels.patchProjectBackward(
        frozen()
            ? new Kernels.PatchProjectBackward(
                a.gradOut(),
                a.count(),
                a.weight(),
                a.scale(),
                a.width(),
                a.inputs(),
                none(a.normalized()),
                a.rstd(),
                a.delta(),
                a.mask(),
                a.norm(),
                a.carry(),
                a.maskGrad(),
                a.residGrad(),
                a.deltaGrad())
            : a);
  }

  /**
   * In the place of normalised inputs x̂: {@code (g − mean g − x̂ · mean(g x̂)) / σ} is then the
   * gradient where σ is a constant.
   */
  private static Tensor none(Tensor normalized) {
    if (normalized == null) {
      return null;
    }
    long[] shape = normalized.shape();
    Tensor zeros = Placement.of(normalized).zeros(1, shape[1], shape[2], shape[3]);
    return zeros.expand(shape);
  }
}
