package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.Exhaustive;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Compiles the CUDA kernels for sm_80, sm_90 and sm_100 with the options of their launches, and
 * reads the compiler's report: spills, registers for the intended blocks per multiprocessor, 16
 * bytes per access.
 */
@Tag("slow")
class CudaCompileTest {
  private static final Path CUDA = Path.of("cuda").toAbsolutePath();
  private static final Path INCLUDE = Path.of("native", "include").toAbsolutePath();
  private static final Path OUT = Path.of("target", "cuda-compile").toAbsolutePath();
  private static final Pattern ENTRY = Pattern.compile("entry function '(\\w+)' for '(\\w+)'");
  private static final Pattern SPILLS =
      Pattern.compile("(\\d+) bytes spill stores, (\\d+) bytes spill loads");
  private static final Pattern REGISTERS = Pattern.compile("Used (\\d+) registers");

  /** One launch per source and options, which compile all of its entries. */
  private static List<CudaLaunch> launches() {
    Map<String, CudaLaunch> launches = new LinkedHashMap<>();
    for (CudaLaunch launch : ModelLaunches.distinct()) {
      launches.putIfAbsent(launch.source() + launch.options(), launch);
    }
    return List.copyOf(launches.values());
  }

  @Test
  void everyKernelFitsItsRegisters() throws Exception {
    assumeTrue(nvcc(List.of("--version"), null) == 0, "no nvcc: the CUDA kernels are not compiled");
    Files.createDirectories(OUT);
    List<String> faults = new ArrayList<>();
    List<String> report = new ArrayList<>();
    int number = 0;
    for (CudaLaunch launch : launches()) {
      Path log = OUT.resolve("log" + number + ".txt");
      Path ptx = OUT.resolve("kernel" + number++);
      Files.createDirectories(ptx);
      List<String> command =
          new ArrayList<>(List.of("-std=c++17", "-fatbin", "-Xptxas", "-v", "--keep"));
      command.add("-I" + INCLUDE);
      command.add("--ptxas-options=--register-usage-level=0");
      command.addAll(List.of("--keep-dir", ptx.toString(), "-t", "2"));
      boolean all = Exhaustive.on();
      boolean half = launch.options().contains("-DAUTOCIRCUIT_BFLOAT16=1");
      int[] architectures = all ? new int[] {80, 90, 100} : half ? new int[] {90} : new int[] {100};
      for (int sm : architectures) {
        command.add("-gencode=arch=compute_" + sm + ",code=sm_" + sm);
      }
      command.addAll(launch.options());
      command.addAll(
          List.of(
              "-o",
              ptx.resolve("out.fatbin").toString(),
              CUDA.resolve(launch.source() + ".cu").toString()));
      int status = nvcc(command, log);
      String text = Files.readString(log);
      assertEquals(0, status, text);
      read(launch, text, architectures.length, faults, report);
      loads(launch, ptx, faults);
    }
    Files.write(OUT.resolve("report.txt"), report);
    assertEquals(List.of(), faults);
  }

  private static void read(
      CudaLaunch launch, String text, int architectures, List<String> faults, List<String> report) {
    String name = launch.source() + " " + launch.options();
    Matcher entries = ENTRY.matcher(text);
    int seen = 0;
    while (entries.find()) {
      seen++;
      String part = text.substring(entries.end());
      Matcher next = ENTRY.matcher(part);
      part = next.find() ? part.substring(0, next.start()) : part;
      Matcher spills = SPILLS.matcher(part);
      Matcher registers = REGISTERS.matcher(part);
      assertTrue(spills.find() && registers.find(), part);
      String line =
          entries.group(1)
              + " "
              + entries.group(2)
              + ": "
              + registers.group(1)
              + " registers, spills "
              + spills.group(1)
              + "/"
              + spills.group(2)
              + " bytes, "
              + name;
      report.add(line);
      if (Integer.parseInt(spills.group(1)) > allowed(launch)) {
        faults.add("spills: " + line);
      }
      Matcher bound = Pattern.compile("-DAUTOCIRCUIT_(THREADS|BLOCKS)=(\\d+)").matcher(name);
      long threads = entries.group(1).equals("patch_backward_sums") ? 64 : 192;
      long blocks = 1;
      while (bound.find()) {
        if (bound.group(1).equals("THREADS")) {
          threads = Long.parseLong(bound.group(2));
        } else {
          blocks = Long.parseLong(bound.group(2));
        }
      }
      if (Long.parseLong(registers.group(1)) * threads * blocks > 65_536) {
        faults.add("does not fit " + blocks + " times: " + line);
      }
    }
    assertTrue(seen >= architectures, text);
  }

  /**
   * Nothing, but for the naive kernels: there, dividing doubles is a call, which saves what it
   * uses.
   */
  private static int allowed(CudaLaunch launch) {
    return launch.source().endsWith("_naive") ? 16 : 0;
  }

  /** Aligned float32 and 4 channels per access mean 16 bytes, for copies and for plain accesses. */
  private static void loads(CudaLaunch launch, Path directory, List<String> faults)
      throws IOException {
    if (!launch.options().contains("-DAUTOCIRCUIT_BFLOAT16=0")
        || !launch.options().contains("-DAUTOCIRCUIT_VECTOR=4")) {
      return;
    }
    List<Path> files;
    try (var found = Files.list(directory)) {
      files = found.filter(file -> file.toString().endsWith(".ptx")).toList();
    }
    assertTrue(!files.isEmpty(), "no PTX was kept");
    for (Path file : files) {
      String text = Files.readString(file);
      boolean copies = text.contains("cp.async.cg.shared.global");
      boolean stores =
          launch.source().equals("patch_backward_mask")
              || Pattern.compile("st\\.global\\.v4\\.[ubf]32").matcher(text).find();
      boolean local = text.contains(".local .align");
      if (!copies || !stores || local) {
        faults.add(file + ": copies=" + copies + " stores=" + stores + " local=" + local);
      }
    }
  }

  private static int nvcc(List<String> arguments, Path log) throws InterruptedException {
    List<String> command = new ArrayList<>(List.of("nvcc"));
    command.addAll(arguments);
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(
                  log == null
                      ? ProcessBuilder.Redirect.DISCARD
                      : ProcessBuilder.Redirect.to(log.toFile()))
              .start();
      assertTrue(process.waitFor(15, TimeUnit.MINUTES), "nvcc hangs");
      return process.exitValue();
    } catch (IOException e) {
      return -1;
    }
  }
}
