package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.GradientRules.Rule;
import io.autocircuit.tensor.TensorScope;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/**
 * Rules of the backward pass, on both forms of the graph. What each of them gives is compared with
 * RelP's and GIM's numbers in {@code ReferenceEapIg}.
 */
class GradientRulesTest {
  private static final LossFunction LOSS =
      (logits, prompts, reference) ->
          Answers.difference(logits, prompts.answers(), prompts.wrongAnswers());

  private record Result(ComputationGraph graph, float[] gradient) {}

  private static Result gradient(String architecture, boolean factorized, BackwardRules rules) {
    PromptBatch batch = RandomModels.batch(2, 5, 3);
    try (Transformer model =
            RandomModels.model(RandomModels.named(architecture), ScalarType.Double, 5);
        TensorScope scope = new TensorScope()) {
      ComputationGraph graph =
          factorized
              ? model.graph(true, KeyValues.GROUPED, 0)
              : model.config().unfactorizedGraph(0);
      PatchableModel patchable =
          new PatchableModel(
              model, graph, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      try (Evaluation run =
          Evaluation.of(patchable, batch.clean(), SourceOutputs.of(patchable, batch.corrupt()))) {
        PatchMask mask = PatchMask.uniform(graph, 0);
        return new Result(graph, run.gradient(mask, LOSS, batch, null, rules).maskGradient());
      }
    }
  }

  private static final List<String> SOME =
      RandomModels.architectures().map(RandomModels.Architecture::toString).toList();

  @Test
  void withoutRulesItIsTheTrueGradient() {
    for (String a : SOME) {
      assertArrayEquals(
          gradient(a, true, BackwardRules.TRUE_GRADIENT).gradient(),
          gradient(a, true, GradientRules.NONE).gradient(),
          0f,
          a);
    }
  }

  @Test
  void everyRuleActsOnEitherGraph() {
    for (String a : List.of("gated RMS, grouped heads, biases", "sequential LN, scaled")) {
      for (boolean factorized : new boolean[] {true, false}) {
        float[] plain = gradient(a, factorized, GradientRules.NONE).gradient();
        for (Rule rule : Rule.values()) {
          float[] ruled = gradient(a, factorized, GradientRules.of(rule)).gradient();
          boolean gates = a.startsWith("gated");
          boolean same = rule == Rule.HALF && !gates;
          assertEquals(same, Arrays.equals(plain, ruled), a + ", " + factorized + ", " + rule);
        }
      }
    }
  }

  /** At temperature 1, and where all is frozen but the linear maps. */
  @Test
  void limitsOfTheRules() {
    String a = "sequential LN, scaled";
    float[] plain = gradient(a, true, GradientRules.NONE).gradient();
    float[] softmax = gradient(a, true, new GradientRules(Set.of(Rule.TSG), 1)).gradient();
    for (int e = 0; e < plain.length; e++) {
      assertEquals(plain[e], softmax[e], 1e-6 * Math.max(1e-3, Math.abs(plain[e])));
    }
    Result fixed = gradient(a, true, GradientRules.of(Rule.AH));
    int values = 0;
    for (int e = 0; e < plain.length; e++) {
      Input input = fixed.graph().edge(e).destination().input();
      if (input == Input.Q || input == Input.K) {
        assertEquals(0f, fixed.gradient()[e]);
      } else {
        values += fixed.gradient()[e] != 0 ? 1 : 0;
      }
    }
    assertTrue(values > 0);
  }

  @Test
  void rulesAreNamed() {
    assertEquals(GradientRules.RELP, GradientRules.of(List.of("LN", "identity", "half")));
    assertEquals(List.of("ln", "half", "tsg", "qkv"), GradientRules.GIM.names());
    assertFalse(GradientRules.GIM.equals(GradientRules.RELP));
    refused("rule=\"foo\" is unknown", () -> GradientRules.of(List.of("ln", "foo")));
    refused("rule=ln is given twice", () -> GradientRules.of(List.of("ln", "ln")));
    refused("rules=ah,tsg do not go together", () -> GradientRules.of(Rule.AH, Rule.TSG));
    refused("temperature=0.0", () -> new GradientRules(Set.of(), 0));
  }

  private static void refused(String why, org.junit.jupiter.api.function.Executable what) {
    String message = assertThrows(IllegalArgumentException.class, what).getMessage();
    assertTrue(message.startsWith(why), message);
  }
}
