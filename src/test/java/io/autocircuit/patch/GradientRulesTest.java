package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.graph.KeyValueGroups;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.GradientRules.Rule;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
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

  private static final int LENGTH = 5;

  private static Result gradient(String architecture, boolean factorized, BackwardRules rules) {
    try (Transformer model = model(architecture)) {
      ComputationGraph graph =
          factorized
              ? model.graph(true, KeyValues.GROUPED, 0)
              : model.config().unfactorizedGraph(0);
      return gradient(model, graph, LOSS, rules, -1);
    }
  }

  private static Transformer model(String architecture) {
    return RandomModels.model(RandomModels.named(architecture), ScalarType.Double, 5);
  }

  /**
   * @param position the only one at which sources would be ablated; −1 for all
   */
  private static Result gradient(
      Transformer model,
      ComputationGraph graph,
      LossFunction loss,
      BackwardRules rules,
      int position) {
    PromptBatch batch = RandomModels.batch(2, LENGTH, 3);
    PatchableModel patchable =
        new PatchableModel(model, graph, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
    try (TensorScope scope = new TensorScope()) {
      Tensor values = SourceOutputs.of(patchable, batch.corrupt());
      if (position >= 0) {
        Tensor one = SourceOutputs.of(patchable, batch.clean());
        one.narrow(2, position, 1).copy_(values.narrow(2, position, 1));
        values = one;
      }
      try (Evaluation run = Evaluation.of(patchable, batch.clean(), values)) {
        PatchMask mask = PatchMask.uniform(graph, 0);
        return new Result(graph, run.gradient(mask, loss, batch, null, rules).maskGradient());
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
    for (String a : DIFFERENT) {
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

  private static final List<String> DIFFERENT =
      List.of("gated RMS, grouped heads, biases", "sequential LN, scaled");

  /** Each rule, and all of both methods. */
  private static List<GradientRules> all() {
    List<GradientRules> all = new ArrayList<>(List.of(GradientRules.RELP, GradientRules.GIM));
    Arrays.stream(Rule.values()).map(GradientRules::of).forEach(all::add);
    return all;
  }

  private static void close(double[] want, float[] got, String what) {
    double most = 0;
    for (double w : want) {
      most = Math.max(most, Math.abs(w));
    }
    assertTrue(most > 0, what);
    for (int e = 0; e < want.length; e++) {
      assertEquals(want[e], got[e], 1e-5 * most, what + " " + e);
    }
  }

  /** With an input for each head the numbers are those of RelP and GIM. */
  @Test
  void ofAGroupOfHeadsARuleGivesTheSumOfThatOfItsHeads() {
    for (String a : List.of("gated RMS, grouped heads, biases", "gated RMS, one key head")) {
      try (Transformer model = model(a)) {
        ComputationGraph few = model.graph(true, KeyValues.GROUPED, 0);
        ComputationGraph many = model.graph(true, KeyValues.PER_QUERY, 0);
        for (GradientRules rules : all()) {
          float[] sums =
              KeyValueGroups.of(few).sums(gradient(model, many, LOSS, rules, -1).gradient());
          double[] want = new double[sums.length];
          Arrays.setAll(want, e -> sums[e]);
          close(want, gradient(model, few, LOSS, rules, -1).gradient(), a + " " + rules.names());
        }
      }
    }
  }

  /** An edge at a position has the gradient of the edge at all, if nothing differs elsewhere. */
  @Test
  void atEachPositionARuleGivesWhatComesFromThere() {
    for (String a : DIFFERENT) {
      try (Transformer model = model(a)) {
        ComputationGraph one = model.graph(true, KeyValues.GROUPED, 0);
        ComputationGraph each = model.graph(true, KeyValues.GROUPED, LENGTH);
        for (GradientRules rules : all()) {
          double[] want = new double[each.edgeCount()];
          for (int t = 0; t < LENGTH; t++) {
            float[] alone = gradient(model, one, LOSS, rules, t).gradient();
            for (int e = 0; e < alone.length; e++) {
              want[each.edge(one.edge(e).name(), t).index()] = alone[e];
            }
          }
          close(want, gradient(model, each, LOSS, rules, -1).gradient(), a + " " + rules.names());
        }
      }
    }
  }

  /** A loss with a softmax, and an activation with one, keep their gradients. */
  @Test
  void theTemperatureIsThatOfAttentionAlone() {
    LossFunction probabilities =
        (logits, prompts, reference) ->
            Answers.difference(
                LogitFunction.PROB.apply(logits), prompts.answers(), prompts.wrongAnswers());
    try (Transformer model = model("SoLU with its norm")) {
      ComputationGraph graph = model.graph(true, KeyValues.GROUPED, 0);
      GradientRules tsg = GradientRules.of(Rule.TSG);
      float[] plain = gradient(model, graph, probabilities, GradientRules.NONE, -1).gradient();
      float[] ruled = gradient(model, graph, probabilities, tsg, -1).gradient();
      int changed = 0;
      for (int e = 0; e < plain.length; e++) {
        DestNode to = graph.edge(e).destination();
        boolean behind =
            to.input() == Input.END
                || (to.input() == Input.MLP || to.input() == Input.V)
                    && to.block() == graph.blocks() - 1;
        if (behind) { // values are mixed by the pattern as it is
          assertEquals(plain[e], ruled[e], 1e-6 * Math.abs(plain[e]), graph.edge(e).name());
        }
        changed += plain[e] == ruled[e] ? 0 : 1;
      }
      assertTrue(changed > 0);
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
