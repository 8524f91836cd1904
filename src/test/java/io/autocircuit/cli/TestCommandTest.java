package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.experiment.TestedCircuit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Hypothesis tests from the command line, of the embedded model. */
@Tag("slow")
class TestCommandTest {
  @TempDir Path folder;

  private JsonNode tested(Object... words) throws IOException {
    Path file = folder.resolve("tests.json");
    Object[] line = new Object[words.length + 5];
    line[0] = "test";
    System.arraycopy(words, 0, line, 1, words.length);
    line[line.length - 4] = "--draws";
    line[line.length - 3] = 30;
    line[line.length - 2] = "--out";
    line[line.length - 1] = file;
    Ran ran = Ran.command(line);
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().lines().allMatch(l -> l.equals(file.toString()) || l.length() <= 80));
    return new ObjectMapper().readTree(Files.readString(file)).get("circuits");
  }

  private static void assertFails(int code, String part, Object... words) {
    Ran ran = Ran.command(words);
    assertEquals(code, ran.code(), ran::out);
    assertEquals(1, ran.err().lines().count(), ran::err);
    assertTrue(ran.err().contains(part), ran::err);
  }

  private static double p(JsonNode circuit, String test) {
    return circuit.get(test).get("p").asDouble();
  }

  /** Without --out the file lies beside the run, whose page shows it; a new run removes it. */
  private void assertBesideTheRun(Path found) throws IOException {
    Path page = found.resolve("report.html");
    String before = Files.readString(page);
    assertTrue(before.contains("\"tests\":[]"));
    for (int size : new int[] {9, 3}) { // the second replaces the first
      Ran ran = Ran.command("test", found, "--edges", size, "--draws", 5, "--permutations", 9);
      assertEquals(0, ran.code(), ran::err);
      assertTrue(ran.out().endsWith(found.resolve("tests.json") + "\n"), ran::out);
      JsonNode file = new ObjectMapper().readTree(Files.readString(found.resolve("tests.json")));
      JsonNode circuit = file.get("circuits").get(0);
      assertEquals(5, circuit.get("controls").get(1).get("distances").size());
      String after = Files.readString(page);
      String data = after.substring(after.indexOf("report-data\">") + 13);
      data = data.substring(0, data.indexOf("</script>"));
      TestedCircuit tested = TestedCircuit.read(circuit, "tests.json");
      assertEquals(size, tested.edges());
      JsonNode shown = new ObjectMapper().readTree(data).get("tests").get(0);
      assertEquals(tested, TestedCircuit.read(shown, "report.html"));
      assertEquals(
          before.substring(before.lastIndexOf("</script>")),
          after.substring(after.lastIndexOf("</script>")));
    }
    Files.writeString(page, "somebody's own");
    Ran ran = Ran.command("test", found, "--edges", 3, "--draws", 2, "--permutations", 1);
    assertEquals(0, ran.code(), ran::err);
    assertEquals("somebody's own", Files.readString(page));
  }

  @Test
  void aCircuitAndARandomOne() throws IOException {
    Path found = folder.resolve("found");
    Results.discover(found, "--threads", 1, "--train", 16, "--test", 16);
    JsonNode official = tested(found, "--official").get(0);
    assertEquals(9, official.get("edges").asInt());
    assertTrue(p(official, "equivalence") > 0.05, official::toString);
    for (JsonNode edge : official.get("minimality").get("edges")) {
      assertTrue(edge.get("p_holm").asDouble() > 0.05, edge::toString);
    }
    for (JsonNode control : official.get("controls")) {
      assertEquals(0, control.get("as_near").asInt(), control::toString);
      assertEquals(1 / 31.0, control.get("p").asDouble(), 1e-12);
    }
    assertBesideTheRun(found);
    Path random = folder.resolve("random");
    Results.discover(random, "--threads", 1, "--test", 16, "--algorithm", "random");
    JsonNode both = tested(random, "--edges", "9,60", "--epsilon", 0);
    assertTrue(p(both.get(0), "equivalence") < 0.05, both::toString);
    assertTrue(both.get(0).get("controls").get(0).get("p").asDouble() > 0.05, both::toString);
    boolean redundant = false;
    for (JsonNode edge : both.get(1).get("minimality").get("edges")) {
      redundant |= edge.get("p_holm").asDouble() < 0.05;
    }
    assertTrue(redundant, both::toString);
    assertFails(2, "edges=81 of 81 leave nothing", "test", found, "--edges", 81);
    assertFails(2, "--edges=[82] is out of range", "test", found, "--edges", 82);
    assertFails(2, "--metric=kl_div compares with the model", "test", found, "--metric", "kl_div");
    assertFails(2, "draws=0 out of range", "test", found, "--draws", 0);
    assertFails(2, "not both", "test", found, "--official", "--edges", 9);
    assertFails(1, "holds no run.json", "test", folder, "--edges", 3);
    assertFalse(Files.exists(Path.of("tests.json")));
  }
}
