package io.autocircuit.kernels;

import io.autocircuit.kernels.cuda.CudaDevice;
import io.autocircuit.kernels.cuda.CudaException;
import io.autocircuit.kernels.cuda.CudaStatus;
import io.autocircuit.tensor.Device;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.bytedeco.pytorch.global.torch;

/**
 * The device that a request leads to on this machine.
 *
 * @param device the device
 * @param reason one line for people
 * @param memoryBytes the device's own memory; 0 for the processor
 * @param expected whether nobody wonders about it: the processor, as requested or on a machine
 *     without an NVIDIA driver
 */
public record DeviceChoice(Device device, String reason, long memoryBytes, boolean expected) {
  /**
   * Chooses. CUDA is looked for only where the request allows it. Call it before the first use of
   * libtorch: where the processor is chosen, a jar that holds libtorch for CUDA too is told to load
   * the other one, which needs none of CUDA's libraries.
   *
   * @param request what was asked for
   * @return the device and why it was chosen
   * @throws CudaException if a CUDA device is asked for and cannot be used
   * @throws IllegalArgumentException if a Mac's graphics processor is asked for and is not there
   */
  public static DeviceChoice of(DeviceRequest request) {
    return of(request, CudaStatus::probe, CudaStatus::forgoCuda, torch::hasMPS);
  }

  /**
   * As {@link #of(DeviceRequest)}.
   *
   * @param probe finds out what CUDA can do here
   * @param forgo called when CUDA is not used
   * @param metal whether libtorch can compute on a Mac's graphics processor here
   */
  static DeviceChoice of(
      DeviceRequest request, Supplier<CudaStatus> probe, Runnable forgo, BooleanSupplier metal) {
    if (!request.isAuto() && !request.device().isCuda()) {
      forgo.run();
      if (request.device().kind() == Device.Kind.MPS) {
        if (!metal.getAsBoolean()) {
          throw new IllegalArgumentException(
              "device=mps is not here: it is the graphics processor of a Mac; use cpu");
        }
        return new DeviceChoice(Device.MPS, "as requested; shares main memory", 0, false);
      }
      return new DeviceChoice(Device.CPU, "as requested", 0, true);
    }
    CudaStatus status = probe.get();
    if (request.isAuto() && !status.ready()) {
      forgo.run();
      return new DeviceChoice(Device.CPU, status.reason(), 0, status.driverMissing());
    }
    int index = request.isAuto() ? status.devices().get(0).index() : request.device().index();
    CudaDevice cuda = status.require(index);
    return new DeviceChoice(Device.cuda(index), cuda.description(), cuda.memoryBytes(), false);
  }

  /** For people: {@code cpu}, or with the reason {@code cpu (no NVRTC …)}. */
  @Override
  public String toString() {
    return expected ? device.toString() : device + " (" + reason + ")";
  }
}
