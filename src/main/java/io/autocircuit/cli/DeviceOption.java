package io.autocircuit.cli;

import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.DeviceRequest;
import io.autocircuit.kernels.cuda.CudaException;
import io.autocircuit.tensor.Device;
import picocli.CommandLine.Option;

/** {@code --device}, for the commands that compute. */
final class DeviceOption {
  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      defaultValue = "auto",
      description =
          "Where to compute: cpu, cuda, cuda:N, or auto, which is cuda where all it needs is there"
              + " (default: ${DEFAULT-VALUE}).")
  private DeviceRequest request = DeviceRequest.AUTO;

  /**
   * The device for kernels alone.
   *
   * @throws CudaException if a CUDA device is asked for and cannot be used
   */
  DeviceChoice forKernels() {
    return DeviceChoice.of(request);
  }

  /**
   * The device for a model and its evaluations.
   *
   * @throws CudaException if a CUDA device is asked for and cannot be used
   */
  DeviceChoice forModel() {
    return placeable(request, DeviceChoice.of(request));
  }

  /** Models are placed on the processor; nothing in this build can put one on a CUDA device. */
  static DeviceChoice placeable(DeviceRequest request, DeviceChoice choice) {
    if (!choice.device().isCuda()) {
      return choice;
    }
    if (request.isAuto()) {
      return new DeviceChoice(
          Device.CPU, "models run on the CPU in this build, though there is " + choice.reason());
    }
    throw new CudaException(
        "device="
            + choice.device()
            + " works ("
            + choice.reason()
            + "), but models run on the CPU in this build; use --device cpu here, and `selftest"
            + " --device "
            + choice.device()
            + "` to check and time the kernels on it");
  }
}
