package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Calls the kernels from C++ with sizes that Java does not let through, zero among them, under the
 * address and undefined-behaviour sanitizers: see {@code native/test/zero_sizes.cpp}.
 */
@Tag("slow")
class NativeZeroSizesTest {
  private static final Path NATIVE = Path.of("native").toAbsolutePath();
  private static final Path OUT = Path.of("target", "native-zero-sizes").toAbsolutePath();
  private static final List<String> SANITIZERS =
      List.of("-fsanitize=address,undefined", "-fno-sanitize-recover=all");

  @Test
  void everyKernelIsRightAtEverySmallSize() throws Exception {
    assumeTrue(runs(List.of("g++", "--version")), "no g++: the kernels are not called from C++");
    Files.createDirectories(OUT);
    Path probe = Files.writeString(OUT.resolve("probe.cpp"), "int main() { return 0; }\n");
    List<String> sanitizers = new ArrayList<>();
    List<String> trial = new ArrayList<>(List.of("g++", probe.toString(), "-o", probe + ".out"));
    trial.addAll(SANITIZERS);
    if (runs(trial)) {
      sanitizers.addAll(SANITIZERS);
    }
    Path program = build(sanitizers);
    Path output = OUT.resolve("output.txt");
    ProcessBuilder builder = new ProcessBuilder(program.toString());
    builder.environment().put("ASAN_OPTIONS", "detect_leaks=0");
    assertEquals(0, run(builder, output), () -> read(output));
    assertTrue(read(output).matches("ok \\d{4,}\\s*"), () -> read(output));
  }

  /** Compiles what is older than any source, two files at a time. */
  private static Path build(List<String> sanitizers) throws Exception {
    List<Path> sources = new ArrayList<>();
    List<Path> inputs = new ArrayList<>();
    for (String directory : List.of("src", "test", "include")) {
      try (var files = Files.list(NATIVE.resolve(directory))) {
        files.forEach(inputs::add);
      }
    }
    long newest = 0;
    for (Path input : inputs) {
      newest = Math.max(newest, Files.getLastModifiedTime(input).toMillis());
      if (input.toString().endsWith(".cpp")) {
        sources.add(input);
      }
    }
    Path program = OUT.resolve("zero_sizes");
    if (Files.exists(program) && Files.getLastModifiedTime(program).toMillis() > newest) {
      return program;
    }
    boolean x86 = System.getProperty("os.arch").matches("amd64|x86_64");
    List<String> objects = new ArrayList<>();
    List<Process> running = new ArrayList<>();
    for (Path source : sources) {
      String name = source.getFileName().toString().replace(".cpp", "");
      if (!x86 && name.matches("kernels_avx.*")) {
        continue;
      }
      String object = OUT.resolve(name + ".o").toString();
      objects.add(object);
      List<String> command = compiler(sanitizers);
      switch (name) {
        case "kernels_avx2" -> command.addAll(List.of("-mavx2", "-mfma"));
        case "kernels_avx512" -> command.addAll(List.of("-mavx512f", "-mfma"));
        default -> {}
      }
      command.addAll(
          List.of(
              "-I" + NATIVE.resolve("include"),
              "-I" + NATIVE.resolve("src"),
              "-c",
              source.toString(),
              "-o",
              object));
      running.add(
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(Path.of(object + ".log").toFile())
              .start());
      if (running.size() == 2) {
        await(running.remove(0), command);
      }
    }
    for (Process process : running) {
      await(process, objects);
    }
    List<String> link = compiler(sanitizers);
    link.addAll(objects);
    link.addAll(List.of("-o", program.toString()));
    Path log = OUT.resolve("link.log");
    assertEquals(0, run(new ProcessBuilder(link), log), () -> read(log));
    return program;
  }

  private static List<String> compiler(List<String> sanitizers) {
    List<String> command =
        new ArrayList<>(List.of("g++", "-std=c++17", "-O0", "-fopenmp", "-ffp-contract=off"));
    command.addAll(sanitizers);
    return command;
  }

  private static void await(Process process, List<String> command) throws InterruptedException {
    assertTrue(process.waitFor(10, TimeUnit.MINUTES), () -> "g++ hangs: " + command);
    assertEquals(0, process.exitValue(), () -> "see the logs in " + OUT + ": " + command);
  }

  private static int run(ProcessBuilder builder, Path log) throws Exception {
    Process process = builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
    assertTrue(process.waitFor(10, TimeUnit.MINUTES), () -> "hangs: " + builder.command());
    return process.exitValue();
  }

  private static boolean runs(List<String> command) throws InterruptedException {
    try {
      return new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) {
      return false;
    }
  }

  private static String read(Path log) {
    try {
      String text = Files.readString(log);
      return text.substring(0, Math.min(text.length(), 4000));
    } catch (IOException e) {
      return e.toString();
    }
  }
}
