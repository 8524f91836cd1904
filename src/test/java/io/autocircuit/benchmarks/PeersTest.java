package io.autocircuit.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** {@code benchmarks/peers.py} does what its own tests say, with stand-ins for the peers. */
@Tag("slow")
class PeersTest {
  private static final Path TESTS = Path.of("benchmarks", "peers_test.py");

  private record Ran(int status, String output) {}

  private static Ran python(List<String> words) throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder(words).redirectErrorStream(true);
    builder.environment().put("PYTHONDONTWRITEBYTECODE", "1");
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Ran(process.waitFor(), output);
  }

  private static boolean hasPython() throws InterruptedException {
    try {
      return python(List.of("python3", "-c", "import sys; sys.exit(sys.version_info < (3, 9))"))
              .status()
          == 0;
    } catch (IOException none) {
      return false;
    }
  }

  @Test
  void theScriptPassesItsTests() throws Exception {
    assumeTrue(hasPython(), "no python3 of at least 3.9 is on the PATH");
    Ran ran = python(List.of("python3", TESTS.toString()));
    assertEquals(0, ran.status(), ran.output());
    assertTrue(ran.output().matches("(?s).*Ran \\d+ tests.*OK.*"), ran.output());
  }
}
