package io.autocircuit.benchmark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.PatchableModel;
import org.junit.jupiter.api.Test;

/** {@link RunPlan}: what is said without a model is near what the model itself needs. */
class RunPlanTest {
  @Test
  void memoryIsThatOfTheEstimateWithinAFactorOfThree() {
    for (String shape : new String[] {"tiny", "stories260k"}) {
      TransformerConfig config = RandomModels.shape(shape);
      RunPlan plan = RunPlan.of(config, config.graph(true, 0), 16, 12, 8, 4);
      try (Transformer transformer = RandomModels.of(config, 1)) {
        PatchableModel model =
            PatchableModel.of(
                transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
        double needed =
            MemoryEstimate.of(
                    model, MemoryEstimate.Work.ONE_UNIFORM_GRADIENT, Ablation.RESAMPLE, 12)
                .bytes(8);
        assertEquals(model.graph().edgeCount(), plan.edges());
        assertTrue(
            plan.runBytes() > needed / 3 && plan.runBytes() < needed * 3,
            plan.runBytes() + " for " + needed);
      }
    }
  }

  @Test
  void twiceThePromptsTakeTwiceTheOperations() {
    TransformerConfig config = RandomModels.shape("tiny");
    RunPlan one = RunPlan.of(config, config.graph(true, 0), 8, 12, 8, 4);
    RunPlan two = RunPlan.of(config, config.graph(true, 0), 16, 12, 8, 2);
    assertEquals(2 * one.passOperations(), two.passOperations());
    assertEquals(one.runBytes(), two.runBytes());
    assertEquals(one.weightBytes(), 2 * two.weightBytes());
    assertTrue(RunPlan.measuredRate() > 1e6);
  }
}
