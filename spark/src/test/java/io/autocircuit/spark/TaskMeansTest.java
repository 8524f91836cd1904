package io.autocircuit.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.experiment.ExperimentSpec;
import io.autocircuit.experiment.ExperimentSpec.Completeness;
import io.autocircuit.experiment.ExperimentSpec.Tests;
import io.autocircuit.files.DataException;
import io.autocircuit.metric.CircuitTests;
import io.autocircuit.metric.Metric;
import io.autocircuit.prune.KnockoutTraining;
import io.autocircuit.prune.MaskFunction;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.resource.ResourceInformation;
import org.junit.jupiter.api.Test;

class TaskMeansTest {
  private static Map<String, ResourceInformation> gpus(String... addresses) {
    return Map.of("gpu", new ResourceInformation("gpu", addresses));
  }

  @Test
  void theAddressOfATaskIsItsDevice() {
    assertEquals("cuda:3", TaskMeans.device(gpus("3")));
    assertEquals("auto", TaskMeans.device(Map.of()));
    assertEquals(
        "auto", TaskMeans.device(Map.of("fpga", new ResourceInformation("fpga", new String[1]))));
    String message =
        assertThrows(IllegalArgumentException.class, () -> TaskMeans.device(gpus("0", "1")))
            .getMessage();
    assertTrue(message.contains("spark.task.resource.gpu.amount=2"), message);
    message =
        assertThrows(IllegalArgumentException.class, () -> TaskMeans.device(gpus("GPU-5a1c")))
            .getMessage();
    assertTrue(message.contains("GPU-5a1c"), message);
  }

  @Test
  void executorsHaveTheDriversLibrary() {
    new TaskMeans(1, 0, false, null, null).requireSameLibrary();
    TaskMeans other = new TaskMeans(1, 0, false, null, null, "9.8.7");
    String message =
        assertThrows(DataException.class, () -> other.requireSameLibrary()).getMessage();
    assertTrue(message.startsWith("library=9.8.7 of the driver is not library="), message);
  }

  @Test
  void completenessTravelsWhole() {
    Completeness c =
        new Completeness(
            List.of(3, 9),
            7,
            0.5,
            0.25,
            MaskFunction.values()[1],
            KnockoutTraining.Target.values()[1]);
    assertEquals(c, TaskMeans.Knockouts.of(c).completeness());
  }

  @Test
  void testsTravelWhole() {
    Tests t =
        new Tests(
            List.of(3, 9),
            Optional.of(Metric.LOGIT_DIFF),
            new CircuitTests.Settings(0.2, 7, 0.8, 5, 0.01, 3));
    assertEquals(t, TaskMeans.Hypotheses.of(t).tests());
    Tests usual = new Tests(List.of(), Optional.empty(), CircuitTests.Settings.USUAL);
    assertEquals(usual, TaskMeans.Hypotheses.of(usual).tests());
    assertEquals(
        new ExperimentSpec.Checks(Optional.empty(), Optional.of(usual)),
        new TaskMeans(1, 0, false, null, TaskMeans.Hypotheses.of(usual)).checks());
  }
}
