package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Edge pruning from the command line. */
@Tag("slow")
class EdgePruningCommandTest {
  @TempDir Path folder;

  @Test
  void beginsWithTheScoresOfARunAndNoticesOthers() throws IOException {
    Path eap = folder.resolve("eap");
    Results.discover(eap, "--edges", "9", "--train", 8, "--test", 8);
    Path out = folder.resolve("pruned");
    Results pruned =
        Results.discover(
            out,
            "--algorithm",
            "edge-pruning",
            "--warm-start",
            eap,
            "--steps",
            "8",
            "--train",
            8,
            "--test",
            8,
            "--edge-sparsity",
            "0.9",
            "--edges",
            "9");
    JsonNode found = pruned.measurements().get("found").get(0);
    assertTrue(found.get("what").asText().startsWith("learned, sparsity 0."), found::toString);
    Results again = Results.discover(folder.resolve("again"), "--run", out.resolve("run.json"));
    assertEquals(pruned.scores(), again.scores());
    JsonNode settings =
        new ObjectMapper().readTree(out.resolve("run.json").toFile()).at("/scoring/settings");
    assertEquals(64, settings.get("warm_start_sha256").asText().length(), settings::toString);
    Files.copy(
        out.resolve("scores.safetensors"),
        eap.resolve("scores.safetensors"),
        StandardCopyOption.REPLACE_EXISTING);
    Ran refused =
        Ran.command("discover", "--run", out.resolve("run.json"), "--out", folder.resolve("never"));
    assertEquals(1, refused.code(), refused::out);
    assertTrue(
        refused.err().contains("not what this run was recorded with: warm_start="), refused::err);
  }

  @Test
  void saysThatATargetIsMissed() {
    Ran ran =
        Ran.command(
            "discover",
            "--algorithm",
            "edge-pruning",
            "--level",
            "node",
            "--steps",
            "2",
            "--train",
            8,
            "--edges",
            "4",
            "--out",
            folder.resolve("out"));
    assertEquals(0, ran.code(), ran::err);
    String all = (ran.out() + ran.err()).replaceAll("\\s+", " ");
    assertTrue(
        all.matches(
            ".*note: edge-pruning reached node_sparsity=0\\.[0-9]{4}, not the target 0\\.95.*"),
        all);
    Ran wrong =
        Ran.command(
            "discover",
            "--algorithm",
            "edge-pruning",
            "--warm-start",
            folder.resolve("none"),
            "--out",
            folder.resolve("never"));
    assertEquals(1, wrong.code(), wrong::out);
    assertEquals(1, wrong.err().lines().count(), wrong::err);
    assertTrue(wrong.err().contains("none"), wrong::err);
  }
}
