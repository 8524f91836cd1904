package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.Exhaustive;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The C++ kernels for AArch64, compiled by Debian's cross compiler as {@code native/build.sh} does
 * on such a machine, and run by QEMU: right, not fast. The same kernel cases as {@link
 * NativeSanitizersTest}; what they compute is compared with what this machine's baseline does,
 * which the tests beside this one compare with the definition. By hand: {@code
 * native/test/aarch64.sh}.
 */
@Tag("slow")
class Aarch64Test {
  private static final String COMPILER = "aarch64-linux-gnu-g++";
  private static final Path OUT = Path.of("target", "native-aarch64").toAbsolutePath();
  private static final Path SCRIPT = Path.of("native", "test", "aarch64.sh").toAbsolutePath();

  @BeforeEach
  void theToolsAreHere() throws Exception {
    assumeTrue(
        Programs.run(COMPILER, "--version"),
        () -> "no " + COMPILER + ": the kernels are not compiled for AArch64");
    assumeTrue(
        Programs.run("qemu-aarch64-static", "--version"),
        "no qemu-aarch64-static: the kernels are not run as on AArch64");
    assumeTrue(
        Files.exists(Path.of("target/native/libautocircuit_kernels.a")),
        "no target/native/libautocircuit_kernels.a: run mvn process-classes");
  }

  @Test
  void kernelCasesEqualThoseOfThisMachine() throws Exception {
    List<String> calls =
        Exhaustive.sample(NativeSanitizersTest.calls(ScalarType.Float, ScalarType.Double), 2);
    Path input = Files.write(Files.createDirectories(OUT).resolve("calls"), calls);
    Path output = OUT.resolve("output");
    List<String> command =
        new ArrayList<>(List.of("bash", SCRIPT.toString(), OUT.toString(), input.toString()));
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    assertTrue(process.waitFor(15, TimeUnit.MINUTES), () -> "hangs: " + command);
    String printed = Programs.printed(output);
    assertEquals(0, process.exitValue(), printed);
    assertTrue(printed.matches("(?s).*small sizes: ok \\d{4,}\\s.*"), printed);
    assertTrue(printed.contains("kernel cases: ok " + calls.size() + "\n"), printed);
  }
}
