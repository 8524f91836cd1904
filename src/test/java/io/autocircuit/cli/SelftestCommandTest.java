package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.kernels.cuda.CudaStatus;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("slow")
class SelftestCommandTest {
  @TempDir Path directory;

  @Test
  void checksAndTimesTheKernelsOfTheProcessor() {
    Path json = directory.resolve("self.json");
    Ran ran =
        Ran.command("selftest", "--device", "cpu", "--seed", 7, "--repeats", 1, "--json", json);
    assertEquals(0, ran.code(), ran.err() + ran.out());
    assertTrue(ran.out().startsWith("device: cpu" + System.lineSeparator()), ran.out());
    assertTrue(ran.out().contains("seed: 7"), ran.out());
    assertTrue(ran.out().contains("all kernels are right"), ran.out());
    JsonNode root = JsonFiles.read(json);
    assertTrue(root.get("passed").asBoolean());
    assertEquals("cpu", root.get("device").asText());
    assertEquals(16, root.get("checks").size());
    for (JsonNode check : root.get("checks")) {
      assertTrue(check.get("error_over_tolerance").asDouble() <= 1, check::toString);
    }
    assertEquals("patch_backward", root.get("times").get(1).get("kernel").asText());
    for (JsonNode time : root.get("times")) {
      assertTrue(time.get("ms").asDouble() > 0, time::toString);
      assertTrue(time.get("share_of_bound").asDouble() > 0, time::toString);
    }
  }

  @Test
  void devicesThatAreNotThere() {
    assertEquals(
        2, Ran.command("selftest", "--device", "gpu").code(), "no such word is wrong usage");
    assertEquals(2, Ran.command("selftest", "--repeats", "0").code());
    Assumptions.assumeFalse(CudaStatus.probe().ready(), "skipped: this machine has a device");
    String problem = CudaStatus.probe().problem();
    for (String command : new String[] {"selftest", "discover", "bench"}) {
      Ran ran = Ran.command(command, "--device", "cuda:1");
      assertEquals(1, ran.code());
      assertEquals("autocircuit: device=cuda:1 cannot be used: " + problem, ran.err().strip());
      assertEquals("", ran.out());
      Ran wrong = Ran.command(command, "--device", "cuba");
      assertEquals(2, wrong.code());
      assertTrue(
          wrong.err().contains("device=\"cuba\" is unknown; use auto, cpu, cuda, cuda:N or mps"),
          wrong.err());
    }
  }

  @Test
  void theHeaderSaysWhyTheProcessorWasTakenToThoseWhoAsk() {
    Ran ran = Ran.command("discover", "--edges", "0", "--out", directory.resolve("out"));
    assertEquals(0, ran.code(), ran.err());
    assertEquals(
        List.of("device: cpu"), ran.out().lines().filter(l -> l.startsWith("device: ")).toList());
    Ran asked =
        Ran.command("discover", "--edges", "0", "--verbose", "--out", directory.resolve("out"));
    assertTrue(asked.out().contains("device: cpu (no NVIDIA driver"), asked.out());
  }
}
