package io.autocircuit.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.Forked;
import io.autocircuit.kernels.CudaLaunch;
import io.autocircuit.kernels.ModelLaunches;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Compiles every kernel with the real NVRTC, through our binding, for three generations of devices.
 * NVRTC needs no device. The presets are linked with the driver and CUDA's runtime, so the test
 * puts empty libraries in their place, in a process of its own.
 */
class NvrtcTest {
  /** Names a folder with {@code libnvrtc.so.13} and {@code libnvrtc-builtins.so.13.x}. */
  private static final String PROPERTY = "nvrtc.dir";

  private static final List<String> STANDINS = List.of("libcuda.so.1", "libcudart.so.13");
  private static final List<Integer> GENERATIONS = List.of(80, 90, 100);
  private static final String ABSENT = "absent: ";
  private static final int CUDA_MACHINE = 190;

  @TempDir Path directory;

  /** The process that compiles: one line for each cubin, then the messages of what must fail. */
  static final class Child {
    private Child() {}

    public static void main(String[] args) throws IOException {
      String problem = new CudaInstallation.Machine().problem(CudaPart.NVRTC);
      if (problem != null) {
        System.out.println(ABSENT + problem);
        return;
      }
      Path out = Path.of(args[0]);
      Nvrtc nvrtc = new Nvrtc();
      int[] known = nvrtc.architectures();
      System.out.println("version " + nvrtc.version() + " " + Arrays.toString(known));
      Map<String, byte[]> compiled = new HashMap<>(); // some entries share a source
      int number = 0;
      for (CudaLaunch launch : ModelLaunches.distinct()) {
        CudaSource source = CudaSource.ofLibrary(launch.source());
        for (int generation : GENERATIONS) {
          long start = System.nanoTime();
          List<String> options = CudaRuntime.options(device(generation), known, launch.options());
          byte[] cubin =
              compiled.computeIfAbsent(
                  launch.source() + options, k -> nvrtc.compile(source, options));
          Files.write(out.resolve(number + ".cubin"), cubin);
          System.out.println(
              String.format(
                  Locale.ROOT,
                  "cubin %d %s sm_%d %d bytes, %.0f ms, %s %s",
                  number++,
                  launch.entry(),
                  generation,
                  cubin.length,
                  (System.nanoTime() - start) / 1e6,
                  launch.source(),
                  launch.options()));
        }
      }
      CudaSource wrong =
          CudaSource.read(
              "wrong.cu",
              Map.of(
                      "wrong.cu",
                      "#include \"h.cuh\"\nextern \"C\" __global__ void kernel() { oh no }",
                      "h.cuh",
                      "#warning Δ is here")
                  ::get);
      fails(() -> nvrtc.compile(wrong, List.of("--gpu-architecture=sm_90", "--std=c++17")));
      CudaSource right =
          CudaSource.read(
              "right.cu", Map.of("right.cu", "extern \"C\" __global__ void k() {}")::get);
      fails(() -> nvrtc.compile(right, List.of("--gpu-architecture=sm_11")));
      fails(() -> CudaRuntime.options(device(420), known, List.of()));
      // a failed program leaves nothing behind
      System.out.println(
          nvrtc.compile(right, List.of("--gpu-architecture=sm_80")).length > 0
              ? "compiles again"
              : "empty");
    }

    private static CudaDevice device(int generation) {
      return new CudaDevice(
          0, "NVIDIA X", generation / 10, generation % 10, 1L << 36, 132, 232448, 233472);
    }

    private static void fails(Runnable call) {
      try {
        call.run();
        System.out.println("failure: none");
      } catch (CudaException e) {
        System.out.println("failure: " + e.getMessage());
      }
    }
  }

  @Test
  void everyKernelCompiles() throws IOException, InterruptedException {
    assumeTrue(
        NvrtcTest.class.getResource("/org/bytedeco/cuda/linux-x86_64/libjninvrtc.so") != null,
        "skipped: the native parts of the CUDA presets are not here; run with -Pcuda");
    for (String name : STANDINS) {
      assumeTrue(
          standIn(directory.resolve(name)), "skipped: there is no g++ to stand in for " + name);
    }
    List<String> lines =
        Forked.run(
            directory.resolve("log.txt"),
            List.of("-Xmx512m", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8"),
            Map.of("LD_LIBRARY_PATH", searched()),
            Child.class,
            directory.toString());
    Files.createDirectories(Path.of("target"));
    Files.write(Path.of("target", "nvrtc-report.txt"), lines);
    List<String> absent = lines.stream().filter(l -> l.startsWith(ABSENT)).toList();
    assumeTrue(
        absent.isEmpty(),
        () ->
            "skipped: there is no NVRTC ("
                + absent.get(0).substring(ABSENT.length())
                + "); name its folder with -D"
                + PROPERTY
                + "=DIR");
    List<String> cubins = lines.stream().filter(l -> l.startsWith("cubin ")).toList();
    List<String> sources;
    try (Stream<Path> files = Files.list(Path.of("cuda"))) {
      sources =
          files
              .map(f -> f.getFileName().toString())
              .filter(f -> f.endsWith(".cu"))
              .map(f -> f.substring(0, f.length() - 3))
              .toList();
    }
    for (String source : sources) {
      for (int generation : GENERATIONS) {
        assertTrue(
            cubins.stream()
                .anyMatch(l -> l.contains(" sm_" + generation) && l.contains(" " + source + " [")),
            () -> source + " was not compiled for sm_" + generation);
      }
    }
    for (String line : cubins) {
      String[] words = line.split(" ", -1);
      check(Files.readAllBytes(directory.resolve(words[1] + ".cubin")), words[2], line);
    }
    List<String> failures = lines.stream().filter(l -> l.startsWith("failure: ")).toList();
    assertEquals(3, failures.size(), lines::toString);
    String refused = failures.get(0);
    assertTrue(
        refused.startsWith(
            "failure: NVRTC does not compile source=wrong.cu,"
                + " options=[--gpu-architecture=sm_90, --std=c++17]: "),
        refused);
    assertTrue(refused.contains("wrong.cu(2): error: identifier \"oh\" is undefined"), refused);
    assertTrue(refused.contains("Δ is here"), refused);
    assertTrue(refused.endsWith("and use --device cpu meanwhile"), refused);
    assertTrue(
        failures
            .get(1)
            .startsWith(
                "failure: nvrtcCompileProgram failed: error=NVRTC_ERROR_INVALID_OPTION,"
                    + " source=right.cu, options=[--gpu-architecture=sm_11]; "),
        failures.get(1));
    assertTrue(failures.get(2).startsWith("failure: NVRTC knows architectures=["), failures.get(2));
    assertTrue(failures.get(2).contains("none for NVIDIA X, sm_420; "), failures.get(2));
    assertEquals("compiles again", lines.get(lines.size() - 1));
  }

  /** A cubin is an ELF file for CUDA, with a section of code for each kernel. */
  private static void check(byte[] cubin, String entry, String line) {
    assertTrue(cubin.length > 1000, line);
    assertEquals("\u007fELF", new String(cubin, 0, 4, StandardCharsets.ISO_8859_1), line);
    assertEquals(CUDA_MACHINE, (cubin[18] & 0xff) | (cubin[19] & 0xff) << 8, line);
    String names = new String(cubin, StandardCharsets.ISO_8859_1);
    assertTrue(names.contains("\0.text." + entry + "\0"), line);
  }

  /** The stand-ins, then where NVRTC may be: as told, as the linker is told, beside nvcc. */
  private String searched() throws IOException {
    List<String> folders = new ArrayList<>(List.of(directory.toString()));
    String told = System.getProperty(PROPERTY);
    if (told != null && !told.isBlank()) {
      folders.add(Path.of(told).toAbsolutePath().toString());
    }
    String linker = System.getenv("LD_LIBRARY_PATH");
    if (linker != null && !linker.isBlank()) {
      folders.add(linker);
    }
    String path = System.getenv("PATH");
    for (String folder : (path == null ? "" : path).split(File.pathSeparator, -1)) {
      Path nvcc = Path.of(folder, "nvcc");
      if (Files.isExecutable(nvcc)) {
        Path toolkit = nvcc.toRealPath().getParent().getParent();
        folders.add(toolkit.resolve("lib64").toString());
      }
    }
    return String.join(File.pathSeparator, folders);
  }

  /** Makes an empty library; whether there is a compiler for it. */
  private static boolean standIn(Path library) throws IOException, InterruptedException {
    try {
      Process process =
          new ProcessBuilder(
                  "g++", "-xc", "-shared", "-fPIC", "-o", library.toString(), "/dev/null")
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      assertEquals(0, process.waitFor());
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}
