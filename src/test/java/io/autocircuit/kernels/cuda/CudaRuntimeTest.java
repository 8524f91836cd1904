package io.autocircuit.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CudaRuntimeTest {
  private static final CudaDevice H100 =
      new CudaDevice(0, "NVIDIA H100", 9, 0, 80L << 30, 132, 232448, 233472);
  private static final int[] ARCHITECTURES = {75, 80, 86, 89, 90, 100, 120};

  @TempDir Path directory;

  private final FakeDriver driver = new FakeDriver();
  private final List<List<String>> compiled = new ArrayList<>();
  private final CudaSource source = CudaSource.read("k.cu", Map.of("k.cu", "extern \"C\" …")::get);

  private final CudaCompiler compiler =
      new CudaCompiler() {
        @Override
        public String version() {
          return "13.1";
        }

        @Override
        public int[] architectures() {
          return ARCHITECTURES.clone();
        }

        @Override
        public byte[] compile(CudaSource text, List<String> options) {
          compiled.add(options);
          return ("cubin of " + text.name() + options).getBytes(StandardCharsets.UTF_8);
        }
      };

  private CudaRuntime open(CubinCache cache) {
    return new CudaRuntime(H100, driver, compiler, cache, index -> new CUstream_st());
  }

  private CudaRuntime.Request request() {
    return new CudaRuntime.Request(source, List.of("-DK=36", "-DD=768"), "kernel");
  }

  @Test
  void compilesLoadsAndLaunches() {
    long[] parameters = {Long.MIN_VALUE, -1, Double.doubleToLongBits(1e-5)};
    try (CudaRuntime runtime = open(new CubinCache(null))) {
      runtime.launch(request(), new Grid(4096, 3, 2, 256, 2, 1), 0, parameters);
      runtime.launch(request(), Grid.of(1, 32), 0, parameters);
    }
    List<String> options =
        List.of(
            "--gpu-architecture=sm_90",
            "--std=c++17",
            "--ptxas-options=--register-usage-level=0",
            "-DK=36",
            "-DD=768");
    assertEquals(List.of(options), compiled);
    assertEquals(
        List.of(
            "init",
            "deviceGet",
            "devicePrimaryCtxRetain",
            "ctxPushCurrent",
            "moduleLoadData",
            "moduleGetFunction kernel",
            "launchKernel",
            "ctxPopCurrent",
            "ctxPushCurrent",
            "launchKernel",
            "ctxPopCurrent",
            "ctxPushCurrent",
            "moduleUnload",
            "ctxPopCurrent",
            "devicePrimaryCtxRelease"),
        driver.calls);
    List<Long> words = List.of(Long.MIN_VALUE, -1L, Double.doubleToLongBits(1e-5));
    assertEquals(
        List.of(
            new FakeDriver.Launch(new Grid(4096, 3, 2, 256, 2, 1), 0, words),
            new FakeDriver.Launch(Grid.of(1, 32), 0, words)),
        driver.launches);
    assertArrayEquals(compiler.compile(source, options), driver.images.get(0));
  }

  @Test
  void moreThanTheUsualSharedMemoryIsAskedFor() {
    try (CudaRuntime runtime = open(new CubinCache(null))) {
      long[] parameters = new long[3];
      runtime.launch(request(), Grid.of(1, 32), 48 << 10, parameters);
      assertFalse(driver.calls.toString().contains("funcSetAttribute"));
      for (int bytes : new int[] {(48 << 10) + 16, 65536, 49168}) {
        runtime.launch(request(), Grid.of(1, 32), bytes, parameters);
      }
      assertEquals(
          List.of("funcSetAttribute 8=49168", "funcSetAttribute 8=65536"),
          driver.calls.stream().filter(c -> c.startsWith("func")).toList());
      String message =
          assertThrows(
                  CudaException.class,
                  () -> runtime.launch(request(), Grid.of(1, 32), 232449, parameters))
              .getMessage();
      assertEquals(
          "kernel=kernel needs sharedBytes=232449, but a block of device=cuda:0 (NVIDIA H100) may"
              + " have 232448; use a smaller model or --device cpu",
          message);
    }
  }

  @Test
  void theNextProcessFindsWhatThisOneCompiled() {
    for (int i = 0; i < 2; i++) {
      try (CudaRuntime runtime = open(new CubinCache(directory))) {
        runtime.prepare(request());
      }
    }
    assertEquals(1, compiled.size());
    assertEquals(2, driver.images.size());
    assertArrayEquals(driver.images.get(0), driver.images.get(1));
  }

  @Test
  void everyCallIsCheckedAndTheContextPopped() {
    Map<String, Integer> calls =
        new TreeMap<>(
            Map.of(
                "init", 100,
                "deviceGet", 101,
                "devicePrimaryCtxRetain", 2,
                "ctxPushCurrent", 201,
                "moduleLoadData", 209,
                "moduleGetFunction kernel", 500,
                "funcSetAttribute 8=65536", 1,
                "launchKernel", 701,
                "moduleUnload", 700,
                "devicePrimaryCtxRelease", 999));
    calls.forEach(
        (call, code) -> {
          driver.failures.clear();
          driver.calls.clear();
          driver.failures.put(call, code);
          CudaException e =
              assertThrows(
                  CudaException.class,
                  () -> {
                    try (CudaRuntime runtime = open(new CubinCache(null))) {
                      runtime.launch(request(), Grid.of(1, 32), 65536, new long[3]);
                    }
                  },
                  call);
          String name = call.replaceAll(" .*", "");
          String function = "cu" + Character.toUpperCase(name.charAt(0)) + name.substring(1);
          String start = function + " failed: error=" + driver.errorName(code) + " (" + code + ")";
          assertTrue(e.getMessage().startsWith(start), e.getMessage());
          assertTrue(e.getMessage().contains("; "), e.getMessage());
          if (!call.equals("ctxPushCurrent")) {
            assertEquals(
                Collections.frequency(driver.calls, "ctxPushCurrent"),
                Collections.frequency(driver.calls, "ctxPopCurrent"),
                call);
          }
        });
  }

  @Test
  void aMessageNamesTheLaunch() {
    driver.failures.put("launchKernel", 701);
    try (CudaRuntime runtime = open(new CubinCache(null))) {
      assertEquals(
          "cuLaunchKernel failed: error=CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (701), device=cuda:0,"
              + " kernel=kernel, Grid[blocksX=7, blocksY=1, blocksZ=1, threadsX=32, threadsY=1,"
              + " threadsZ=1], sharedBytes=16; the kernel asks for more registers or shared memory"
              + " than the device has: report the device and the model's shape, and use --device"
              + " cpu meanwhile",
          assertThrows(
                  CudaException.class,
                  () -> runtime.launch(request(), Grid.of(7, 32), 16, new long[3]))
              .getMessage());
    }
  }

  @Test
  void theArchitectureIsTheDevicesOrTheNewestOfItsGeneration() {
    assertEquals("--gpu-architecture=sm_80", architecture(8, 0));
    assertEquals("--gpu-architecture=sm_86", architecture(8, 7));
    assertEquals("--gpu-architecture=sm_90", architecture(9, 0));
    assertEquals("--gpu-architecture=sm_100", architecture(10, 3));
    assertEquals(
        "NVRTC knows architectures=[75, 80, 86, 89, 90, 100, 120], none for x, sm_130; install an"
            + " NVRTC that does, or use --device cpu",
        assertThrows(CudaException.class, () -> architecture(13, 0)).getMessage());
  }

  private static String architecture(int major, int minor) {
    CudaDevice device = new CudaDevice(0, "x", major, minor, 1, 1, 1, 1);
    return CudaRuntime.options(device, ARCHITECTURES, List.of()).get(0);
  }

  @Test
  void gridsOutsideOfCudasLimitsAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> Grid.of(0, 32));
    assertThrows(IllegalArgumentException.class, () -> Grid.of(1, 0));
    assertThrows(IllegalArgumentException.class, () -> Grid.of(1, 1025));
    assertThrows(IllegalArgumentException.class, () -> new Grid(1, 65536, 1, 1, 1, 1));
    assertEquals(1024, Grid.of(Integer.MAX_VALUE, 1024).threadsX());
  }

  @Test
  void aSourceBringsTheHeadersItIncludes() {
    Map<String, String> files =
        Map.of(
            "a.cu", "#include \"b.cuh\"\n#include <vector>\n//#include \"no.cuh\"\n",
            "b.cuh", "  #  include \"c.cuh\"\n#include \"b.cuh\"",
            "c.cuh", "");
    assertEquals(
        List.of("b.cuh", "c.cuh"),
        List.copyOf(CudaSource.read("a.cu", files::get).headers().keySet()));
    assertEquals(
        "kernel source=/io/autocircuit/cuda/no.cu is missing; build the jar anew with `mvn"
            + " package`",
        assertThrows(CudaException.class, () -> CudaSource.ofLibrary("no")).getMessage());
    assertEquals(
        "kernel source=/io/autocircuit/cuda/x.cuh is missing, included by a.cu; build the jar anew"
            + " with `mvn package`",
        assertThrows(
                CudaException.class,
                () -> CudaSource.read("a.cu", Map.of("a.cu", "#include \"x.cuh\"")::get))
            .getMessage());
  }

  @Test
  void theCompilersMessagesAreInTheException() {
    assertEquals(
        "NVRTC does not compile source=k.cu, options=[-DK=1]: k.cu(3): error: x | 1 error detected;"
            + " report this with the device's name, and use --device cpu meanwhile",
        Nvrtc.refused(source, List.of("-DK=1"), "k.cu(3): error: x\n\n1 error detected\n")
            .getMessage());
  }
}
