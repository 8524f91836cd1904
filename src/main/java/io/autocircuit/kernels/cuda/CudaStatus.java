package io.autocircuit.kernels.cuda;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.bytedeco.javacpp.Loader;

/**
 * Whether CUDA can be used here, found out step by step: the driver, the presets in the jar, CUDA's
 * libraries, a device that is recent enough, libtorch. Stops at the first that is missing.
 *
 * @param devices those that can be used; empty if {@code problem} is not null
 * @param problem one line that says what is missing and what to do; null if nothing is
 */
public record CudaStatus(List<CudaDevice> devices, String problem) {
  /** The oldest driver API that CUDA 13's libraries work with. */
  private static final int OLDEST_DRIVER = 13000;

  private static final int LONGEST_NAME = 256;

  /**
   * A status, with a copy of the devices.
   *
   * @param devices those that can be used
   * @param problem why there are none; null if there are
   */
  public CudaStatus {
    devices = List.copyOf(devices);
    if (devices.isEmpty() == (problem == null)) {
      throw new IllegalArgumentException("devices=" + devices + ", problem=" + problem);
    }
  }

  /**
   * Whether there is a device that can be used.
   *
   * @return whether one can be used
   */
  public boolean ready() {
    return problem == null;
  }

  /**
   * Whether what is missing is the NVIDIA driver, as on machines without such a device.
   *
   * @return whether it is missing
   */
  public boolean driverMissing() {
    return problem != null && problem.startsWith(CudaPart.DRIVER.problem());
  }

  /**
   * The problem without what to do about it; for a machine that is ready, an empty string.
   *
   * @return the line
   */
  public String reason() {
    if (ready()) {
      return "";
    }
    int cure = problem.indexOf("; ");
    return cure < 0 ? problem : problem.substring(0, cure);
  }

  /**
   * Makes a jar that holds libtorch twice, for CUDA and for the processor, load the latter, which
   * needs none of CUDA's libraries. Works only before the first use of libtorch in this process;
   * the system property {@code org.bytedeco.javacpp.platform.extension} has precedence where it is
   * set.
   */
  public static void forgoCuda() {
    Loader.loadProperties().putIfAbsent("platform.extension", "");
  }

  /**
   * The device of that number.
   *
   * @param index of the device, from 0
   * @return the device
   * @throws CudaException if CUDA cannot be used, or that device cannot
   */
  public CudaDevice require(int index) {
    if (!ready()) {
      throw new CudaException("device=cuda:" + index + " cannot be used: " + problem);
    }
    for (CudaDevice device : devices) {
      if (device.index() == index) {
        return device;
      }
    }
    throw new CudaException(
        "device=cuda:"
            + index
            + " is not among those that can be used, "
            + names()
            + "; choose one of them");
  }

  private String names() {
    List<String> names = new ArrayList<>();
    devices.forEach(d -> names.add("cuda:" + d.index() + " (" + d.description() + ")"));
    return String.join(", ", names);
  }

  /**
   * Looks at this machine. Loads what it finds, and libtorch for CUDA last; loads nothing of
   * libtorch where something else is missing.
   *
   * @return what was found
   */
  public static CudaStatus probe() {
    return probe(new CudaInstallation.Machine());
  }

  static CudaStatus probe(CudaInstallation installation) {
    try {
      for (CudaPart part :
          List.of(CudaPart.DRIVER, CudaPart.PRESETS, CudaPart.RUNTIME, CudaPart.NVRTC)) {
        require(installation, part);
      }
      List<CudaDevice> devices = devices(installation.driver());
      require(installation, CudaPart.LIBRARIES);
      String libtorch = installation.libtorchProblem();
      if (libtorch != null) {
        throw new CudaException(
            "libtorch for CUDA cannot be used ("
                + libtorch
                + "); compare the versions of driver, CUDA 13 and cuDNN 9 with docs/cuda.md, or use"
                + " --device cpu");
      }
      return new CudaStatus(devices, null);
    } catch (CudaException e) {
      return new CudaStatus(List.of(), e.getMessage());
    } catch (LinkageError e) {
      return new CudaStatus(
          List.of(),
          "the CUDA presets do not load (error="
              + String.valueOf(e.getMessage()).lines().findFirst().orElse("")
              + "); delete JavaCPP's cache (by default ~/.javacpp/cache), or use --device cpu");
    }
  }

  private static void require(CudaInstallation installation, CudaPart part) {
    String problem = installation.problem(part);
    if (problem != null) {
      throw new CudaException(part.message(problem));
    }
  }

  private static List<CudaDevice> devices(CudaDriver driver) {
    Calls calls = new Calls(driver);
    calls.check("cuInit", driver.init(), "");
    int[] version = new int[1];
    calls.check("cuDriverGetVersion", driver.driverGetVersion(version), "");
    if (version[0] < OLDEST_DRIVER) {
      throw new CudaException(
          String.format(
              Locale.ROOT,
              "the NVIDIA driver is too old (it supports CUDA %d.%d, needed=13.0); install driver"
                  + " 580 or newer, or use --device cpu",
              version[0] / 1000,
              version[0] % 1000 / 10));
    }
    int[] count = new int[1];
    calls.check("cuDeviceGetCount", driver.deviceGetCount(count), "");
    List<CudaDevice> usable = new ArrayList<>();
    List<String> old = new ArrayList<>();
    for (int i = 0; i < count[0]; i++) {
      CudaDevice device = device(calls, i);
      if (device.recentEnough()) {
        usable.add(device);
      } else {
        old.add("cuda:" + i + "=" + device.description());
      }
    }
    if (usable.isEmpty()) {
      throw new CudaException(
          old.isEmpty()
              ? "no CUDA device is visible (devices=0); see whether nvidia-smi lists one and what"
                  + " CUDA_VISIBLE_DEVICES says, or use --device cpu"
              : "the device is too old ("
                  + String.join(", ", old)
                  + "; needed=8.0); use one of compute capability 8.0 or newer, or --device cpu");
    }
    return usable;
  }

  private static CudaDevice device(Calls calls, int index) {
    CudaDriver driver = calls.driver();
    String what = "device=cuda:" + index;
    int[] handle = new int[1];
    calls.check("cuDeviceGet", driver.deviceGet(handle, index), what);
    byte[] name = new byte[LONGEST_NAME];
    calls.check("cuDeviceGetName", driver.deviceGetName(name, handle[0]), what);
    int length = 0;
    while (length < name.length && name[length] != 0) {
      length++;
    }
    long[] memory = new long[1];
    calls.check("cuDeviceTotalMem", driver.deviceTotalMem(memory, handle[0]), what);
    return new CudaDevice(
        index,
        new String(name, 0, length, StandardCharsets.UTF_8),
        attribute(calls, CudaDriver.CAPABILITY_MAJOR, handle[0], what),
        attribute(calls, CudaDriver.CAPABILITY_MINOR, handle[0], what),
        memory[0],
        attribute(calls, CudaDriver.MULTIPROCESSORS, handle[0], what),
        attribute(calls, CudaDriver.SHARED_MEMORY_PER_BLOCK, handle[0], what),
        attribute(calls, CudaDriver.SHARED_MEMORY_PER_MULTIPROCESSOR, handle[0], what));
  }

  private static int attribute(Calls calls, int attribute, int device, String what) {
    int[] value = new int[1];
    calls.check(
        "cuDeviceGetAttribute",
        calls.driver().deviceGetAttribute(value, attribute, device),
        what + ", attribute=" + attribute);
    return value[0];
  }

  /** The driver, and what becomes of its codes. */
  record Calls(CudaDriver driver) {
    /**
     * Nothing if the code is success.
     *
     * @throws CudaException otherwise
     */
    void check(String call, int code, String context) {
      if (code != CudaDriver.SUCCESS) {
        throw CudaException.driver(call, driver.errorName(code), code, context);
      }
    }
  }
}
