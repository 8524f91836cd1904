package io.autocircuit.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the JavaCPP presets hand to the driver and to NVRTC, where there is neither: both are C
 * functions that write down their arguments ({@code src/test/native/fake_cuda.c}). In a process of
 * its own, since this one must not have such a driver.
 */
class PresetBindingTest {
  private static final List<String> FAKED =
      List.of("libcuda.so.1", "libcudart.so.13", "libnvrtc.so.13", "libnvrtc-builtins.so.13.1");

  @TempDir Path directory;

  /** The machine, but for what is not faked: libtorch for CUDA and its libraries. */
  private static final class Faked implements CudaInstallation {
    private final CudaInstallation machine = new CudaInstallation.Machine();

    @Override
    public String problem(CudaPart part) {
      return switch (part) {
        case DRIVER, RUNTIME, NVRTC -> machine.problem(part);
        case PRESETS, LIBRARIES -> null;
      };
    }

    @Override
    public CudaDriver driver() {
      return machine.driver();
    }

    @Override
    public String libtorchProblem() {
      return null;
    }
  }

  /** The process with the faked libraries. */
  static final class Child {
    private Child() {}

    public static void main(String[] args) {
      CudaStatus status = CudaStatus.probe(new Faked());
      System.out.println(status.problem() + " " + status.devices());
      CudaSource source =
          CudaSource.read("k.cu", Map.of("k.cu", "#include \"h.cuh\"", "h.cuh", "Δ", "g", "")::get);
      try (CudaRuntime runtime =
          new CudaRuntime(
              status.devices().get(0),
              new PresetDriver(),
              new Nvrtc(),
              new CubinCache(Path.of(args[0])),
              index -> new CUstream_st())) {
        System.out.println(runtime.compilerDescription());
        CudaRuntime.Request request =
            new CudaRuntime.Request(source, List.of("-DK=36", "-DD=768"), "kernel");
        runtime.launch(request, new Grid(7, 6, 5, 4, 3, 2), 65536, new long[] {-1, 1L << 40, 42});
        runtime.launch(request, Grid.of(1, 32), 0, new long[] {1, 2, 3});
        for (CudaRuntime.Request wrong :
            List.of(
                new CudaRuntime.Request(source, List.of("-DREFUSE"), "kernel"),
                new CudaRuntime.Request(source, List.of("--nonsense"), "kernel"),
                new CudaRuntime.Request(source, List.of(), "absent"))) {
          try {
            runtime.prepare(wrong);
          } catch (CudaException e) {
            System.out.println(e.getMessage());
          }
        }
      }
    }
  }

  @Test
  void argumentsArriveAsTheyWereGiven() throws IOException, InterruptedException {
    Assumptions.assumeTrue(
        PresetBindingTest.class.getResource("/org/bytedeco/cuda/linux-x86_64/libjnicudart.so")
            != null,
        "skipped: the native parts of the CUDA presets are not here; run with -Pcuda");
    Path library = directory.resolve("libfake.so");
    assertEquals(
        0,
        run(
            directory.resolve("cc.txt"),
            Map.of(),
            "g++",
            "-xc",
            "-shared",
            "-fPIC",
            "-o",
            library.toString(),
            "src/test/native/fake_cuda.c"));
    for (String name : FAKED) {
      Files.copy(library, directory.resolve(name));
    }
    Path log = directory.resolve("log.txt");
    Path out = directory.resolve("out.txt");
    Files.createFile(log);
    int code =
        run(
            out,
            Map.of("LD_LIBRARY_PATH", directory.toString(), "FAKE_CUDA_LOG", log.toString()),
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            Child.class.getName(),
            directory.resolve("cache").toString());
    assertEquals(0, code, () -> text(out));
    String image =
        "k.cu=#include \"h.cuh\" h.cuh=Δ --gpu-architecture=sm_90 --std=c++17"
            + " --ptxas-options=--register-usage-level=0 -DK=36 -DD=768";
    assertEquals(
        """
        cuInit 0
        cuInit 0
        cuDevicePrimaryCtxRetain 41
        cuCtxPushCurrent 0x1000
        nvrtcDestroyProgram
        cuModuleLoadData %s
        cuModuleGetFunction 0x2000 kernel
        cuFuncSetAttribute 0x3000 8=65536
        cuLaunchKernel 0x3000 7,6,5 4,3,2 65536 (nil) [-1,1099511627776,42] (nil)
        cuCtxPopCurrent
        cuCtxPushCurrent 0x1000
        cuLaunchKernel 0x3000 1,1,1 32,1,1 0 (nil) [1,2,3] (nil)
        cuCtxPopCurrent
        cuCtxPushCurrent 0x1000
        nvrtcDestroyProgram
        cuCtxPopCurrent
        cuCtxPushCurrent 0x1000
        nvrtcDestroyProgram
        cuCtxPopCurrent
        cuCtxPushCurrent 0x1000
        nvrtcDestroyProgram
        cuModuleLoadData k.cu=#include "h.cuh" h.cuh=Δ --gpu-architecture=sm_90 --std=c++17 \
        --ptxas-options=--register-usage-level=0
        cuModuleGetFunction 0x2000 absent
        cuModuleUnload 0x2000
        cuCtxPopCurrent
        cuCtxPushCurrent 0x1000
        cuModuleUnload 0x2000
        cuCtxPopCurrent
        cuDevicePrimaryCtxRelease 41
        """
            .formatted(image),
        Files.readString(log));
    assertEquals(
        """
        null [CudaDevice[index=1, name=Fake 41, major=9, minor=0, memoryBytes=85899345920, \
        multiprocessors=132, sharedBytesPerBlock=232448, sharedBytesPerMultiprocessor=233472]]
        NVRTC 13.1, sm_90
        NVRTC does not compile source=k.cu, options=[--gpu-architecture=sm_90, --std=c++17, \
        --ptxas-options=--register-usage-level=0, -DREFUSE]: k.cu(1): error: no; report this with the device's name, and use --device cpu \
        meanwhile
        nvrtcCompileProgram failed: error=NVRTC_ERROR_INVALID_OPTION, source=k.cu, \
        options=[--gpu-architecture=sm_90, --std=c++17, \
        --ptxas-options=--register-usage-level=0, --nonsense]; see that libnvrtc.so.13 and \
        libnvrtc-builtins.so.13.1 are of one CUDA release, or use --device cpu
        cuModuleGetFunction failed: error=CUDA_ERROR_NOT_FOUND (500), device=cuda:1, \
        kernel=absent; the compiled kernel lacks this name: delete the kernel cache \
        (docs/cuda.md) and run again
        """,
        text(out));
  }

  private static int run(Path out, Map<String, String> environment, String... command)
      throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(out.toFile());
    builder.environment().putAll(environment);
    builder.environment().remove("JAVA_TOOL_OPTIONS");
    builder.directory(new File(System.getProperty("basedir", ".")));
    Process process = builder.start();
    if (!process.waitFor(60, TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new AssertionError("still running: " + List.of(command));
    }
    return process.exitValue();
  }

  private static String text(Path file) {
    try {
      return Files.readString(file, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
