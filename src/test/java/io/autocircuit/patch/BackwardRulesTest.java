package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.tensor.TensorScope;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.Predicate;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** Each step of the backward pass goes through its rule, and through it alone. */
class BackwardRulesTest {
  private static final LossFunction LOSS =
      (logits, prompts, reference) ->
          Answers.difference(
              LogitFunction.LOGIT.apply(logits), prompts.answers(), prompts.wrongAnswers());

  private static float[] gradient(String architecture, BackwardRules rules) {
    PromptBatch batch = RandomModels.batch(2, 5, 3);
    try (Transformer model =
            RandomModels.model(RandomModels.named(architecture), ScalarType.Double, 5);
        TensorScope scope = new TensorScope()) {
      PatchableModel patchable =
          PatchableModel.of(
              model, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      try (Evaluation run =
          Evaluation.of(patchable, batch.clean(), SourceOutputs.of(patchable, batch.corrupt()))) {
        PatchMask mask = PatchMask.uniform(patchable.graph(), 0.25);
        return rules == null
            ? run.gradient(mask, LOSS, batch, null).maskGradient()
            : run.gradient(mask, LOSS, batch, null, rules).maskGradient();
      }
    }
  }

  private static Edge edge(String architecture, int index) {
    return RandomModels.named(architecture).config().graph(true, 0).edge(index);
  }

  private static void assertZeroWhere(String a, float[] gradient, Predicate<DestNode> zero) {
    Map<Input, Integer> others = new EnumMap<>(Input.class);
    for (int e = 0; e < gradient.length; e++) {
      DestNode d = edge(a, e).destination();
      if (zero.test(d)) {
        assertEquals(0f, gradient[e], edge(a, e).name());
      } else if (gradient[e] != 0) {
        others.merge(d.input(), 1, Integer::sum);
      }
    }
    assertTrue(others.getOrDefault(Input.END, 0) > 0, "the others are left: " + others);
  }

  @Test
  void theDefaultIsTheTrueGradient() {
    RandomModels.architectures()
        .map(RandomModels.Architecture::toString)
        .forEach(
            a ->
                assertArrayEquals(
                    gradient(a, null), gradient(a, BackwardRules.TRUE_GRADIENT), 0f, a));
  }

  @Test
  void aPatternThatIsHeldFixedSendsNothingToQueriesAndKeys() {
    BackwardRules fixedPattern =
        new BackwardRules() {
          @Override
          public void attention(Kernels kernels, Stage stage, Kernels.AttentionBackward args) {
            kernels.attentionBackward(args);
            long values = args.gradQkv().size(1) / 3;
            args.gradQkv().narrow(1, 0, 2 * values).zero_();
          }
        };
    for (String a : new String[] {"sequential LN, scaled", "parallel LN, rotary"}) {
      float[] got = gradient(a, fixedPattern);
      assertZeroWhere(a, got, d -> d.input() == Input.Q || d.input() == Input.K);
      // behind the last attention nothing has changed
      float[] want = gradient(a, BackwardRules.TRUE_GRADIENT);
      for (int e = 0; e < got.length; e++) {
        DestNode d = edge(a, e).destination();
        if (d.input() == Input.END || (d.input() == Input.MLP && d.block() == 1)) {
          assertEquals(want[e], got[e], edge(a, e).name());
        }
      }
    }
  }

  @Test
  void anMlpThatSendsNothingBackHasNoGradient() {
    BackwardRules silent =
        new BackwardRules() {
          @Override
          public void mlp(
              Transformer model,
              Stage stage,
              Transformer.MlpState state,
              Tensor gradient,
              Tensor out) {
            out.zero_();
          }
        };
    String a = "gated RMS, grouped heads, biases";
    assertZeroWhere(a, gradient(a, silent), d -> d.input() == Input.MLP);
  }

  @Test
  void theRuleOfTheEndScalesAllThatComesBefore() {
    BackwardRules doubled =
        new BackwardRules() {
          @Override
          public void input(Kernels kernels, Stage stage, Kernels.PatchBackward args) {
            if (stage.kind() == Stage.Kind.END) {
              args.gradOut().mul_(new Scalar(2.0));
            }
            kernels.patchBackward(args);
          }
        };
    String a = "sequential LN, folded";
    float[] want = gradient(a, BackwardRules.TRUE_GRADIENT);
    float[] got = gradient(a, doubled);
    for (int e = 0; e < got.length; e++) {
      assertEquals(2 * want[e], got[e], 1e-6f * Math.abs(want[e]), edge(a, e).name());
    }
  }

  @Test
  void inputsThatSendNothingBackEndTheGradientThere() {
    BackwardRules cut =
        new BackwardRules() {
          @Override
          public void attentionInputs(
              Kernels kernels, Stage stage, Kernels.PatchProjectBackward args) {
            args.gradOut().zero_();
            kernels.patchProjectBackward(args);
          }
        };
    String a = "attention-only LN";
    assertZeroWhere(a, gradient(a, cut), d -> d.input() != Input.END);
  }
}
