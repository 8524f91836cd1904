package io.autocircuit.cli;

import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.DeviceRequest;
import io.autocircuit.kernels.cuda.CudaException;
import picocli.CommandLine.Option;

/** {@code --device}, for the commands that compute. */
final class DeviceOption {
  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      defaultValue = "auto",
      description =
          "Where to compute: cpu, cuda, cuda:N, mps (a Mac's graphics processor, float32 only), or"
              + " auto, which is cuda where all it needs is there (default: ${DEFAULT-VALUE}).")
  private DeviceRequest request = DeviceRequest.AUTO;

  /** What was asked for, as it is typed. */
  String text() {
    return request.toString();
  }

  /**
   * The device. Ask for it before the first use of libtorch.
   *
   * @throws CudaException if a CUDA device is asked for and cannot be used
   */
  DeviceChoice choose() {
    return DeviceChoice.of(request);
  }
}
