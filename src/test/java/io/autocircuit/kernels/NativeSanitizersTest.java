package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.Exhaustive;
import io.autocircuit.tensor.TensorScope;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The C++ kernels under g++'s sanitizers: sizes that Java does not let through, zero among them
 * ({@code native/test/zero_sizes.cpp}), and the calls that the tests beside this one make ({@code
 * native/test/replay.cpp}).
 *
 * <p>The address and undefined-behaviour sanitizers see every instruction set of the machine. The
 * thread sanitizer sees the baseline alone, whose parallel code is the same, and the pool of
 * threads: races inside a kernel and between calls at once.
 */
@Tag("slow")
class NativeSanitizersTest {
  private static final Path NATIVE = Path.of("native").toAbsolutePath();
  private static final Path OUT = Path.of("target", "native-sanitizers").toAbsolutePath();

  /** Multiplications of a row of a call; larger ones take too long without optimisation. */
  private static final long LARGE = 8_000;

  /** Multiplications of a call of attention or a matrix product, likewise. */
  static final long LARGEST = 1_000_000;

  private static final String WORTH_THREADS = "AUTOCIRCUIT_OPERATIONS_WORTH_THREADS";

  /**
   * A build of the kernels.
   *
   * @param compile flags besides those of the instruction sets
   * @param link what links a program
   * @param baselineOnly whether the other instruction sets are left out
   */
  private record Build(String name, List<String> compile, List<String> link, boolean baselineOnly) {
    /** Compiles what is older than any source, two files at a time, and links a program. */
    Path program(String main) throws Exception {
      // other flags, other objects
      Path directory =
          Files.createDirectories(
              OUT.resolve(name + "-" + Integer.toHexString(compile.hashCode())));
      List<Path> sources = new ArrayList<>();
      long newest = 0;
      for (String folder : List.of("src", "include", "test")) {
        try (var files = Files.list(NATIVE.resolve(folder))) {
          for (Path file : files.toList()) {
            newest = Math.max(newest, Files.getLastModifiedTime(file).toMillis());
            String stem = file.getFileName().toString().replace(".cpp", "");
            boolean wanted = folder.equals("src") || stem.equals(main);
            if (file.toString().endsWith(".cpp") && wanted && !skipped(stem)) {
              sources.add(file);
            }
          }
        }
      }
      List<String> objects = new ArrayList<>();
      List<Process> running = new ArrayList<>();
      for (Path source : sources) {
        Path object = directory.resolve(source.getFileName().toString().replace(".cpp", ".o"));
        objects.add(object.toString());
        if (Files.exists(object) && Files.getLastModifiedTime(object).toMillis() > newest) {
          continue;
        }
        running.add(
            new ProcessBuilder(command(source, object))
                .redirectErrorStream(true)
                .redirectOutput(Path.of(object + ".log").toFile())
                .start());
        if (running.size() == 2) {
          await(running.remove(0));
        }
      }
      for (Process process : running) {
        await(process);
      }
      Path program = directory.resolve(main);
      List<String> command = new ArrayList<>(List.of("g++"));
      command.addAll(link);
      command.addAll(objects);
      command.addAll(List.of("-o", program.toString()));
      Path log = directory.resolve("link.log");
      assertEquals(0, run(new ProcessBuilder(command), log), () -> Programs.printed(log));
      return program;
    }

    private boolean skipped(String stem) {
      boolean x86 = System.getProperty("os.arch").matches("amd64|x86_64");
      return stem.startsWith("kernels_avx") && (baselineOnly || !x86);
    }

    private List<String> command(Path source, Path object) {
      List<String> command =
          new ArrayList<>(List.of("g++", "-std=c++17", "-g1", "-pthread", "-ffp-contract=off"));
      command.addAll(compile);
      command.addAll(List.of("-I" + NATIVE.resolve("include"), "-I" + NATIVE.resolve("src")));
      switch (source.getFileName().toString()) {
        case "kernels_avx2.cpp" -> command.addAll(List.of("-mavx2", "-mfma"));
        case "kernels_avx512.cpp" -> command.addAll(List.of("-mavx512f", "-mfma"));
        default -> {}
      }
      command.addAll(List.of("-c", source.toString(), "-o", object.toString()));
      return command;
    }
  }

  private static Build memory() throws Exception {
    List<String> sanitizers =
        supported("-fsanitize=address,undefined")
            ? List.of("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
            : List.of();
    List<String> compile =
        new ArrayList<>(
            // a small cache: every loop over blocks goes round more than once
            List.of(
                "-O0",
                "-D" + WORTH_THREADS + "=0",
                "-DAUTOCIRCUIT_SECOND_LEVEL_BYTES=16384",
                "-DAUTOCIRCUIT_WAIT_FOR_MEMBERS"));
    compile.addAll(sanitizers);
    List<String> link = new ArrayList<>(List.of("-pthread"));
    link.addAll(sanitizers);
    return new Build("memory", compile, link, false);
  }

  @Test
  void everyKernelIsRightAtEverySmallSize() throws Exception {
    assumeTrue(Programs.run("g++", "--version"), "no g++: the kernels are not called from C++");
    String output = output(memory().program("zero_sizes"), List.of(), List.of());
    assertTrue(output.matches("ok \\d{4,}\\s*"), output);
  }

  @Test
  void kernelCasesStayWithinTheirMemory() throws Exception {
    assumeTrue(Programs.run("g++", "--version"), "no g++: the kernels are not called from C++");
    List<String> calls = calls(ScalarType.Float, ScalarType.Double);
    assertEquals(
        "ok " + calls.size(), output(memory().program("replay"), List.of(), calls).strip());
  }

  @Test
  void threadsDoNotRace() throws Exception {
    assumeTrue(Programs.run("g++", "--version"), "no g++: the kernels are not called from C++");
    assumeTrue(
        supported("-fsanitize=thread"),
        "no thread sanitizer in g++: races of the kernels are not looked for");
    Build build =
        new Build(
            "threads",
            List.of(
                "-O1",
                "-fsanitize=thread",
                "-D" + WORTH_THREADS + "=0",
                "-DAUTOCIRCUIT_WAIT_FOR_MEMBERS",
                "-DAUTOCIRCUIT_BASELINE_ONLY"),
            List.of("-fsanitize=thread", "-pthread"),
            true);
    List<String> calls = calls(ScalarType.Float);
    assertEquals(
        "ok " + calls.size(), output(build.program("replay"), List.of("beside"), calls).strip());
  }

  /**
   * The calls of the tests beside this one, without those of the largest tensors and some in
   * float64, whose code differs in the number of lanes alone.
   */
  static List<String> calls(ScalarType... types) {
    CallRecorder recorder = new CallRecorder();
    for (ScalarType type : types) {
      for (KernelCase c : KernelCase.all(type)) {
        boolean large = (long) c.d() * c.k() * (c.s() + 1) > LARGE;
        int every = (type == ScalarType.Double ? 3 : 1) * (Exhaustive.on() ? 1 : 5);
        if (large || c.index() % every != 0) {
          continue;
        }
        try (TensorScope scope = new TensorScope()) {
          recorder.patchForward(PatchForwardTest.call(c).args());
          PatchBackwardTest.record(recorder, c);
          recorder.patchProject(PatchProjectTest.call(c).args());
          recorder.patchProjectBackward(PatchProjectBackwardTest.call(c).args());
          if (c.k() <= 2) {
            recorder.headOutputs(HeadOutputsTest.call(c).args());
          }
          if (c.index() % 5 < 2) {
            NarrowWeightsTest.record(recorder, c);
          }
        }
      }
      if (type == ScalarType.Float) {
        AttentionTest.record(recorder, type);
        ProductsTest.record(recorder, type);
      }
    }
    return recorder.lines();
  }

  private static boolean supported(String sanitizer) throws Exception {
    Files.createDirectories(OUT);
    Path probe = Files.writeString(OUT.resolve("probe.cpp"), "int main() { return 0; }\n");
    return Programs.run("g++", sanitizer, probe.toString(), "-o", probe + ".out")
        && Programs.run(probe + ".out");
  }

  private static String output(Path program, List<String> arguments, List<String> input)
      throws Exception {
    Path lines = Files.write(Path.of(program + ".in"), input);
    Path output = Path.of(program + ".txt");
    List<String> command = new ArrayList<>(List.of(program.toString()));
    command.addAll(arguments);
    ProcessBuilder builder = new ProcessBuilder(command).redirectInput(lines.toFile());
    builder.environment().put("ASAN_OPTIONS", "detect_leaks=0");
    assertEquals(0, run(builder, output), () -> Programs.printed(output));
    return Programs.printed(output);
  }

  private static void await(Process process) throws InterruptedException {
    assertTrue(process.waitFor(15, TimeUnit.MINUTES), () -> "g++ hangs");
    assertEquals(0, process.exitValue(), () -> "see the logs in " + OUT);
  }

  private static int run(ProcessBuilder builder, Path log) throws Exception {
    Process process = builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
    assertTrue(process.waitFor(15, TimeUnit.MINUTES), () -> "hangs: " + builder.command());
    return process.exitValue();
  }
}
