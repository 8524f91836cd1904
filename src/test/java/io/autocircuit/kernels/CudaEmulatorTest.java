package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.kernels.CudaPack.Variant;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Runs the sources in {@code cuda/}, launched as {@link CudaLaunch} says, on the CPU, and compares
 * them with the definitions in {@code native/}: see {@code cuda/test/emulator.h} and {@code
 * cuda/test/run_cases.cpp}.
 */
@Tag("slow")
class CudaEmulatorTest {
  private static final Path CUDA = Path.of("cuda").toAbsolutePath();
  private static final Path NATIVE = Path.of("native").toAbsolutePath();
  private static final Path OUT = Path.of("target", "cuda-emulator").toAbsolutePath();

  private static final String SANITIZERS =
      "-fsanitize=address,alignment,bounds,shift,signed-integer-overflow";

  @Test
  void everyKernelComputesItsDefinition() throws Exception {
    assumeTrue(Programs.run("g++", "--version"), "no g++: the CUDA kernels are not run on the CPU");
    List<CudaCases.Case> cases = CudaPack.sampled();
    Map<String, Variant> variants = CudaPack.variants(cases);
    build(variants);
    List<String> lines = cases.stream().map(c -> CudaPack.line(c, variants)).toList();
    Path input = OUT.resolve("cases.txt");
    Path output = OUT.resolve("results.txt");
    Path errors = OUT.resolve("errors.txt");
    Files.write(input, lines);
    ProcessBuilder builder = new ProcessBuilder(OUT.resolve("run_cases").toString());
    builder.environment().put("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1");
    builder.environment().put("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=0");
    Process process =
        builder
            .redirectInput(input.toFile())
            .redirectOutput(output.toFile())
            .redirectError(errors.toFile())
            .start();
    assertTrue(process.waitFor(15, TimeUnit.MINUTES), "the emulator hangs");
    List<String> results = Files.readAllLines(output);
    List<String> failures = new ArrayList<>();
    for (int i = 0; i < Math.max(results.size(), cases.size()); i++) {
      String result = i < results.size() ? results.get(i) : "not run";
      if (!result.equals("ok " + i)) {
        failures.add((i < cases.size() ? cases.get(i) : "") + ": " + result);
      }
    }
    assertEquals(
        List.of(),
        failures.subList(0, Math.min(failures.size(), 40)),
        () -> failures.size() + " of " + cases.size() + " cases; " + Programs.printed(errors));
    assertEquals(0, process.exitValue(), () -> Programs.printed(errors));
  }

  /** A build's sample leaves out no kernel, no type of its numbers, no number of sources. */
  @Test
  void theSampleIsOfEveryKernel() {
    assertEquals(kinds(CudaPack.checked()), kinds(CudaPack.sampled()));
    assertEquals(sources(CudaPack.checked()), sources(CudaPack.sampled()));
  }

  private static Set<String> kinds(List<CudaCases.Case> cases) {
    return cases.stream()
        .map(c -> c.kind() + " " + c.shape().type())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** Of a call in float32, in groups: the kernels treat them by 32. */
  private static Set<Integer> sources(List<CudaCases.Case> cases) {
    return cases.stream()
        .filter(c -> c.kind().equals("forward") && c.shape().type() == ElementType.FLOAT32)
        .map(c -> (c.shape().sources() + 31) / 32)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** Writes variants.inc and compiles the program, unless that was done for the same sources. */
  private static void build(Map<String, Variant> variants) throws Exception {
    Files.createDirectories(OUT);
    String text = CudaPack.include(variants);
    Path include = OUT.resolve("variants.inc");
    Path program = OUT.resolve("run_cases");
    List<Path> sources = new ArrayList<>();
    for (Path directory :
        List.of(CUDA, CUDA.resolve("test"), NATIVE.resolve("src"), NATIVE.resolve("include"))) {
      try (var files = Files.list(directory)) {
        files.filter(Files::isRegularFile).forEach(sources::add);
      }
    }
    boolean fresh = Files.exists(program) && Files.exists(include);
    fresh = fresh && Files.readString(include).equals(text);
    for (Path source : sources) {
      fresh =
          fresh
              && Files.getLastModifiedTime(source).compareTo(Files.getLastModifiedTime(program))
                  < 0;
    }
    if (fresh) {
      return;
    }
    Files.deleteIfExists(program);
    Files.writeString(include, text);
    List<String> command = new ArrayList<>(List.of("g++", "-std=c++17", "-O1", "-w"));
    if (sanitizers()) {
      command.addAll(List.of(SANITIZERS, "-fno-sanitize-recover=all"));
    }
    command.addAll(
        List.of(
            "-fno-strict-aliasing",
            "-I" + CUDA,
            "-I" + CUDA.resolve("test"),
            "-I" + OUT,
            "-I" + NATIVE.resolve("include"),
            "-I" + NATIVE.resolve("src"),
            "-I" + NATIVE.resolve("test"),
            CUDA.resolve("test/run_cases.cpp").toString(),
            NATIVE.resolve("src/patch_forward_naive.cpp").toString(),
            NATIVE.resolve("src/patch_backward_naive.cpp").toString(),
            "-o",
            program.toString()));
    Path log = OUT.resolve("compile.log");
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    assertTrue(process.waitFor(15, TimeUnit.MINUTES), "g++ hangs");
    assertEquals(0, process.exitValue(), () -> Programs.printed(log));
  }

  private static boolean sanitizers() throws Exception {
    Path probe = OUT.resolve("probe.cpp");
    Files.writeString(probe, "int main() { return 0; }\n");
    return Programs.run("g++", SANITIZERS, probe.toString(), "-o", OUT.resolve("probe").toString());
  }
}
