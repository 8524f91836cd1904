package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.JsonFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code bench --grid} on the smallest shapes. */
class BenchGridTest {
  private static final List<String> FIGURES =
      List.of("plain", "circuit_1pct", "dense", "eap", "acdc_step");

  @TempDir Path folder;

  private Ran grid(Object... more) {
    Object[] words = {
      "bench",
      "--grid",
      "model,length",
      "--shapes",
      "stories260k,tiny",
      "--shape",
      "tiny",
      "--lengths",
      "12,4",
      "--batch",
      "2",
      "--seq",
      "8",
      "--repeats",
      "1",
      "--threads",
      "1"
    };
    Object[] all = new Object[words.length + more.length];
    System.arraycopy(words, 0, all, 0, words.length);
    System.arraycopy(more, 0, all, words.length, more.length);
    return Ran.command(all);
  }

  @Test
  void optionsThatWouldHaveNoEffectAreRefused() {
    Ran busy = grid("--busy", "2", "--max-seconds", "0");
    assertEquals(2, busy.code(), busy.out());
    assertTrue(busy.err().contains("--busy has no effect on --grid"), busy.err());
    Ran alone = Ran.command("bench", "--shape", "tiny", "--figures", "plain");
    assertEquals(2, alone.code(), alone.out());
    assertTrue(alone.err().contains("--figures is for --grid"), alone.err());
    Ran axis = Ran.command("bench", "--grid", "all,depth", "--max-seconds", "0");
    assertEquals(2, axis.code(), axis.out());
    assertTrue(axis.err().contains("depth"), axis.err());
    Ran none = Ran.command("bench", "--grid", "length", "--shape", "tiny", "--repeats", "0");
    assertEquals(2, none.code(), none.out());
  }

  @Test
  void whatIsLeftOutIsMeasuredTheNextTime() throws Exception {
    Path file = folder.resolve("grid.json");
    Ran none = grid("--json", file, "--max-seconds", "0");
    assertEquals(0, none.code(), none.err());
    JsonNode empty = JsonFiles.read(file);
    assertEquals(4, empty.path("cells").size());
    for (JsonNode cell : empty.path("cells")) {
      for (String name : FIGURES) {
        String why = cell.path("figures").path(name).path("left_out").asText();
        assertTrue(why.startsWith("not begun"), why);
      }
    }
    assertTrue(none.out().contains("not begun"), none.out());
    Path plot = folder.resolve("grid.svg");
    Ran all = grid("--json", file, "--plot", plot);
    assertEquals(0, all.code(), all.err());
    JsonNode full = JsonFiles.read(file);
    assertEquals(4, full.path("cells").size());
    for (JsonNode cell : full.path("cells")) {
      for (String name : FIGURES) {
        JsonNode f = cell.path("figures").path(name);
        assertTrue(f.path("ms").asDouble() > 0, () -> name + " in " + cell);
        assertTrue(f.path("gflop").asDouble() >= 0, () -> name + " in " + cell);
      }
    }
    // along each axis cells go up
    assertEquals("tiny", full.at("/cells/0/shape").asText());
    assertEquals("stories260k", full.at("/cells/1/shape").asText());
    assertEquals(4, full.at("/cells/2/seq").asInt());
    assertEquals(12, full.at("/cells/3/seq").asInt());
    double arithmetic = full.at("/exponents/length/plain/time/arithmetic").asDouble();
    assertTrue(arithmetic > 0.5 && arithmetic < 2, () -> "exponent " + arithmetic);
    assertTrue(Files.readString(plot).startsWith("<svg"), "a picture");
    // a third time nothing is measured again
    Ran again = grid("--json", file);
    assertEquals(0, again.code(), again.err());
    assertEquals(full, JsonFiles.read(file));
    Path some = folder.resolve("some.json");
    assertEquals(0, grid("--json", some, "--figures", "eap").code());
    assertEquals(1, JsonFiles.read(some).at("/cells/0/figures").size());
    assertEquals(4, JsonFiles.read(some).path("cells").size());
    Ran other = grid("--json", file, "--seed", "2");
    assertEquals(1, other.code());
    assertTrue(other.err().contains("seed=1"), other.err());
  }

  @Test
  void wrongAxesAndLengthsAreRefused() {
    Ran axis = Ran.command("bench", "--grid", "models");
    assertEquals(2, axis.code());
    assertTrue(axis.err().contains("\"model\""), axis.err());
    Ran length = Ran.command("bench", "--grid", "length", "--shape", "tiny", "--lengths", "4,25");
    assertEquals(2, length.code());
    assertTrue(length.err().contains("context length=24"), length.err());
    Ran figure =
        Ran.command(
            "bench", "--grid", "length", "--lengths", "4", "--shape", "tiny", "--figures", "eep");
    assertEquals(2, figure.code());
    assertTrue(figure.err().contains("\"eap\""), figure.err());
    Ran model = Ran.command("bench", "--grid", "length", "--model", folder);
    assertEquals(2, model.code());
    assertFalse(model.err().isEmpty());
  }
}
