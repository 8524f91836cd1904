package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.kernels.CudaCases.Case;
import io.autocircuit.kernels.CudaPack.Variant;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code cuda/start.sh}, and {@code run_device} with a driver that the emulator plays. */
class CudaPackTest {
  private static final Path CUDA = Path.of("cuda").toAbsolutePath();
  private static final Path NATIVE = Path.of("native").toAbsolutePath();

  @TempDir private Path folder;

  /** How a program ended and what it printed. */
  private record Ended(int code, String text) {}

  private Ended run(Map<String, String> environment, Path input, String... command)
      throws IOException, InterruptedException {
    Path log = folder.resolve("log.txt");
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile());
    if (input != null) {
      builder.redirectInput(input.toFile());
    }
    builder.environment().putAll(environment);
    Process process = builder.start();
    assertTrue(process.waitFor(2, TimeUnit.MINUTES), "hangs");
    return new Ended(process.exitValue(), Files.readString(log));
  }

  private Ended start(Map<String, String> environment, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of("bash", "./start.sh"));
    command.addAll(List.of(arguments));
    return run(environment, null, command.toArray(new String[0]));
  }

  private static void scripts() throws InterruptedException {
    assumeTrue(
        Programs.run("bash", "--version") && Programs.run("sha256sum", "--version"),
        "skipped: no bash or no sha256sum, which start.sh needs");
  }

  @Test
  void partsThatAreMissingOrDamagedAreNamed() throws Exception {
    scripts();
    Files.copy(CUDA.resolve("start.sh"), folder.resolve("start.sh"));
    for (String name : List.of("kernels.tgz.00", "engine.tar.00", "engine.tar.01")) {
      Files.writeString(folder.resolve(name), name);
    }
    Path sums = folder.resolve("parts.sha256");
    Ended summed =
        run(Map.of(), null, "sha256sum", "kernels.tgz.00", "engine.tar.00", "engine.tar.01");
    Files.writeString(sums, summed.text());
    assertEquals(new Ended(0, "all parts are here\n"), start(Map.of(), "parts"));
    Files.writeString(folder.resolve("engine.tar.00"), "other", StandardCharsets.UTF_8);
    Files.delete(folder.resolve("engine.tar.01"));
    Ended bad = start(Map.of("PACKED", folder.resolve("packed").toString()), "check");
    assertEquals(1, bad.code());
    assertTrue(bad.text().contains("damaged: engine.tar.00"), bad.text());
    assertTrue(bad.text().contains("missing: engine.tar.01"), bad.text());
    assertEquals(2, start(Map.of(), "unpack").code());
  }

  @Test
  void librariesThatAreMissingAreNamed() throws Exception {
    scripts();
    assumeTrue(Programs.run("python3", "--version"), "skipped: no python3, which start.sh asks");
    Files.copy(CUDA.resolve("start.sh"), folder.resolve("start.sh"));
    Path wheel = Files.createDirectories(folder.resolve("site/nvidia/some/lib"));
    for (String library : libraries()) {
      if (!library.equals("libcufft.so.12")) {
        Files.createFile(wheel.resolve(library));
      }
    }
    Map<String, String> environment = Map.of("PYTHONPATH", folder.resolve("site").toString());
    Ended ended = start(environment, "libraries");
    // a toolkit of this machine may have it
    if (ended.code() != 0) {
      assertTrue(ended.text().contains("missing libraries: libcufft.so.12;"), ended.text());
    }
    assertTrue(ended.text().contains("libcudnn.so.9: " + wheel), ended.text());
    Files.createFile(wheel.resolve("libcufft.so.12"));
    Ended all = start(environment, "libraries");
    assertEquals(0, all.code(), all.text());
    assertTrue(all.text().contains("libcufft.so.12: "), all.text());
  }

  /** The libraries that start.sh looks for. */
  private static List<String> libraries() throws IOException {
    String text = Files.readString(CUDA.resolve("start.sh"));
    int from = text.indexOf("needed=\"") + "needed=\"".length();
    return List.of(text.substring(from, text.indexOf('"', from)).split("\\s+"));
  }

  @Test
  @Tag("slow")
  void theProgramWithoutJavaJudgesWhatADeviceComputes() throws Exception {
    assumeTrue(Programs.run("g++", "--version"), "skipped: no g++");
    List<Case> cases =
        CudaPack.checked().stream().filter(c -> c.toString().contains("channels=33")).toList();
    assertTrue(cases.size() > 4, "cases of one list of options: " + cases.size());
    Map<String, Variant> variants = CudaPack.variants(cases);
    Files.writeString(folder.resolve("variants.inc"), CudaPack.include(variants));
    Path input = folder.resolve("cases.txt");
    Files.write(input, cases.stream().map(c -> CudaPack.line(c, variants)).toList());
    compile(List.of("run_device.cpp"), List.of("-o", "run_device"));
    compile(List.of("fake_driver.cpp"), List.of("-shared", "-fPIC", "-o", "libcuda.so.1"));
    Path kernels = Files.createDirectories(folder.resolve("sm_90"));
    for (int i = 0; i < variants.size(); i++) {
      Files.createFile(kernels.resolve("v" + i + ".cubin"));
    }
    Map<String, String> fake = Map.of("LD_LIBRARY_PATH", folder.toString());
    Ended right = run(fake, input, "./run_device", ".", "check");
    assertEquals(0, right.code(), right.text());
    assertTrue(right.text().contains(cases.size() + " cases, 0 failed"), right.text());
    // an entry that the kernel's file lacks
    Path wrong = folder.resolve("wrong.txt");
    Files.writeString(
        wrong, Files.readString(input).replaceAll(" v\\d+/patch_forward ", " v0/no "));
    Ended unknown = run(fake, wrong, "./run_device", ".", "check");
    assertEquals(3, unknown.code(), unknown.text());
    assertTrue(unknown.text().contains("cuModuleGetFunction failed"), unknown.text());
    Ended none =
        run(
            Map.of("LD_LIBRARY_PATH", folder.toString(), "FAKE_DEVICES", "0"),
            input,
            "./run_device",
            ".",
            "check");
    assertEquals(2, none.code(), none.text());
    assertTrue(none.text().contains("CUDA_ERROR_NO_DEVICE"), none.text());
    Files.delete(kernels.resolve("v0.cubin"));
    Ended missing = run(fake, input, "./run_device", ".", "check");
    assertEquals(2, missing.code(), missing.text());
    assertTrue(missing.text().contains("missing=./sm_90/v0.cubin"), missing.text());
    Files.createFile(kernels.resolve("v0.cubin"));
    // what is not the definition's result is wrong: another epsilon for the definition
    Path other = folder.resolve("other.txt");
    Files.writeString(other, Files.readString(input).replace(" 1.0E-5 ", " 1.0 "));
    Ended off = run(fake, other, "./run_device", ".", "check");
    assertEquals(1, off.code(), off.text());
    assertTrue(off.text().contains("FAILED"), off.text());
  }

  private void compile(List<String> sources, List<String> options) throws Exception {
    List<String> command =
        new ArrayList<>(List.of("g++", "-std=c++17", "-O1", "-w", "-fno-strict-aliasing"));
    for (Path include :
        List.of(
            CUDA,
            CUDA.resolve("test"),
            folder,
            NATIVE.resolve("include"),
            NATIVE.resolve("src"),
            NATIVE.resolve("test"))) {
      command.add("-I" + include);
    }
    sources.forEach(source -> command.add(CUDA.resolve("test").resolve(source).toString()));
    if (sources.contains("run_device.cpp")) {
      command.add(NATIVE.resolve("src/patch_forward_naive.cpp").toString());
      command.add(NATIVE.resolve("src/patch_backward_naive.cpp").toString());
    }
    command.addAll(options);
    command.add("-ldl");
    Ended ended = run(Map.of(), null, command.toArray(new String[0]));
    assertEquals(0, ended.code(), ended.text());
  }
}
