package io.autocircuit.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.cuda.FakeDriver.Claimed;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

class CudaStatusTest {
  private static final Claimed H100 = new Claimed("NVIDIA H100", 9, 0, 80L << 30);
  private static final Claimed V100 = new Claimed("Tesla V100", 7, 0, 16L << 30);

  private final FakeDriver driver = new FakeDriver();

  /** An installation in which everything is there but what is listed. */
  private final class Fake implements CudaInstallation {
    final Map<CudaPart, String> problems = new EnumMap<>(CudaPart.class);
    final List<Object> asked = new ArrayList<>();
    String libtorch;

    @Override
    public String problem(CudaPart part) {
      asked.add(part);
      return problems.get(part);
    }

    @Override
    public CudaDriver driver() {
      asked.add("driver");
      return driver;
    }

    @Override
    public String libtorchProblem() {
      asked.add("libtorch");
      return libtorch;
    }
  }

  @Test
  void aMachineWithEverythingIsReady() {
    driver.devices = List.of(V100, H100);
    CudaStatus status = CudaStatus.probe(new Fake());
    assertTrue(status.ready());
    assertEquals(
        List.of(new CudaDevice(1, "NVIDIA H100", 9, 0, 80L << 30, 132, 232448, 233472)),
        status.devices());
    assertEquals("NVIDIA H100, compute capability 9.0, 80 GiB", status.require(1).description());
    assertEquals(
        "device=cuda:0 is not among those that can be used, cuda:1 (NVIDIA H100, compute capability"
            + " 9.0, 80 GiB); choose one of them",
        assertThrows(CudaException.class, () -> status.require(0)).getMessage());
  }

  @Test
  void theFirstPartThatIsMissingIsNamedAndNothingAfterItIsTouched() {
    List<Object> order =
        List.of(
            CudaPart.DRIVER,
            CudaPart.PRESETS,
            CudaPart.RUNTIME,
            CudaPart.NVRTC,
            "driver",
            CudaPart.LIBRARIES,
            "libtorch");
    for (CudaPart part : CudaPart.values()) {
      Fake fake = new Fake();
      fake.problems.put(part, "x not found");
      CudaStatus status = CudaStatus.probe(fake);
      assertFalse(status.ready());
      assertEquals(part.message("x not found"), status.problem());
      assertEquals(order.subList(0, order.indexOf(part) + 1), fake.asked);
    }
    Fake fake = new Fake();
    fake.libtorch = "error=libtorch sees no device";
    assertEquals(
        "libtorch for CUDA cannot be used (error=libtorch sees no device); compare the versions of"
            + " driver, CUDA 13 and cuDNN 9 with docs/cuda.md, or use --device cpu",
        CudaStatus.probe(fake).problem());
    assertEquals(order, fake.asked);
  }

  @Test
  void everyMessageSaysWhatToDo() {
    for (CudaPart part : CudaPart.values()) {
      String message = part.message("facts");
      assertTrue(message.contains("(facts); "), message);
      assertTrue(message.endsWith("use --device cpu"), message);
    }
  }

  @Test
  void noDevice() {
    driver.failures.put("init", 100);
    assertEquals(
        "cuInit failed: error=CUDA_ERROR_NO_DEVICE (100); no device is visible: see whether"
            + " nvidia-smi lists one and what CUDA_VISIBLE_DEVICES says, or use --device cpu",
        CudaStatus.probe(new Fake()).problem());
    driver.failures.clear();
    driver.devices = List.of();
    assertTrue(
        CudaStatus.probe(new Fake()).problem().startsWith("no CUDA device is visible (devices=0)"));
  }

  @Test
  void devicesTooOld() {
    driver.devices = List.of(V100);
    assertEquals(
        "the device is too old (cuda:0=Tesla V100, compute capability 7.0, 16 GiB; needed=8.0); use"
            + " one of compute capability 8.0 or newer, or --device cpu",
        CudaStatus.probe(new Fake()).problem());
  }

  @Test
  void driverTooOld() {
    driver.version = 12040;
    assertEquals(
        "the NVIDIA driver is too old (it supports CUDA 12.4, needed=13.0); install driver 580 or"
            + " newer, or use --device cpu",
        CudaStatus.probe(new Fake()).problem());
  }

  @Test
  void presetsThatDoNotLoadAreAProblemAndNoCrash() {
    CudaInstallation broken =
        new CudaInstallation() {
          @Override
          public String problem(CudaPart part) {
            return null;
          }

          @Override
          public CudaDriver driver() {
            throw new UnsatisfiedLinkError("libcuda.so.1: wrong ELF class\nmore");
          }

          @Override
          public String libtorchProblem() {
            throw new AssertionError();
          }
        };
    assertEquals(
        "the CUDA presets do not load (error=libcuda.so.1: wrong ELF class); delete JavaCPP's cache"
            + " (by default ~/.javacpp/cache), or use --device cpu",
        CudaStatus.probe(broken).problem());
  }

  @Test
  void theLinkersMessageIsShortWhereTheLibraryIsJustNotThere() {
    assertEquals(
        "libcuda.so.1 not found",
        CudaInstallation.Machine.error(
            "libcuda.so.1",
            "libcuda.so.1: cannot open shared object file: No such file or directory"));
    assertEquals(
        "libcudnn.so.9: libz.so: cannot open shared object file: No such file or directory",
        CudaInstallation.Machine.error(
            "libcudnn.so.9", "libz.so: cannot open shared object file: No such file or directory"));
  }

  @Test
  void thisMachineSaysWhatItLacks() {
    boolean driverHere = Files.exists(Path.of("/proc/driver/nvidia/version"));
    Assumptions.assumeFalse(driverHere, "skipped: this machine has an NVIDIA driver");
    assertEquals(
        "no NVIDIA driver (libcuda.so.1 not found); install driver 580 or newer, or use --device"
            + " cpu",
        CudaStatus.probe().problem());
    CudaInstallation.Machine machine = new CudaInstallation.Machine();
    String nonsense = machine.problem(CudaPart.LIBRARIES);
    assertTrue(nonsense == null || nonsense.contains("lib"), nonsense);
  }

  @Test
  void theScriptOfThePackLooksForTheSameLibraries() throws java.io.IOException {
    String text = Files.readString(Path.of("cuda", "start.sh"));
    int from = text.indexOf("needed=\"") + "needed=\"".length();
    List<String> needed = List.of(text.substring(from, text.indexOf('"', from)).split("\\s+"));
    List<String> ours =
        List.of(CudaPart.RUNTIME, CudaPart.NVRTC, CudaPart.LIBRARIES).stream()
            .flatMap(part -> part.libraries().stream())
            .toList();
    assertEquals(ours, needed);
  }
}
