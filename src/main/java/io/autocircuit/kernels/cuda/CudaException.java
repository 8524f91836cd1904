package io.autocircuit.kernels.cuda;

import java.util.Locale;

/**
 * CUDA cannot be used, or one of its calls failed. The message is one line for people: the call or
 * the part, the error's name, then what to do.
 */
public final class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * An error, described by {@code message}.
   *
   * @param message what was wrong, and what to do
   */
  public CudaException(String message) {
    super(message);
  }

  /**
   * An error, described by {@code message}, noticed because of {@code cause}.
   *
   * @param message what was wrong, and what to do
   * @param cause what it came from
   */
  public CudaException(String message, Throwable cause) {
    super(message, cause);
  }

  /**
   * A driver call that failed.
   *
   * @param call the C function
   * @param error the name of its code, such as {@code CUDA_ERROR_NO_DEVICE}
   * @param code the code
   * @param context more facts as {@code name=value}, or an empty string
   */
  static CudaException driver(String call, String error, int code, String context) {
    return new CudaException(
        String.format(
            Locale.ROOT,
            "%s failed: error=%s (%d)%s; %s",
            call,
            error,
            code,
            context.isEmpty() ? "" : ", " + context,
            cure(code)));
  }

  /** What to do about a {@code CUresult}. */
  private static String cure(int code) {
    return switch (code) {
      case 2 ->
          "the device's memory is used up: use a smaller --batch-size, or end other programs"
              + " that use it (nvidia-smi lists them)";
      case 34 ->
          "a stub of libcuda.so.1 was found instead of the driver's: take the stubs directory"
              + " out of LD_LIBRARY_PATH";
      case 35, 222, 803, 804 ->
          "the NVIDIA driver is older than CUDA 13 needs or does not fit its kernel module: install"
              + " driver 580 or newer and restart the machine, or use --device cpu";
      case 46 -> "another process uses the device exclusively: end it, or choose another --device";
      case 100 ->
          "no device is visible: see whether nvidia-smi lists one and what"
              + " CUDA_VISIBLE_DEVICES says, or use --device cpu";
      case 101 -> "choose a device that nvidia-smi lists";
      case 200, 209, 218, 221 ->
          "the compiled kernel does not fit the device: delete the kernel cache (docs/cuda.md) and"
              + " run again";
      case 500 ->
          "the compiled kernel lacks this name: delete the kernel cache (docs/cuda.md) and"
              + " run again";
      case 700, 702, 714, 715, 716, 717, 718, 719 ->
          "a kernel misbehaved, and this process cannot use the device any more: run cuda/check.sh,"
              + " report what it prints, and use --device cpu meanwhile";
      case 701 ->
          "the kernel asks for more registers or shared memory than the device has: report"
              + " the device and the model's shape, and use --device cpu meanwhile";
      case 999 ->
          "the driver gives no reason: see dmesg for lines with NVRM, restart the machine,"
              + " or use --device cpu";
      default ->
          "run `selftest --device cuda` to see whether the device works, or use --device cpu";
    };
  }
}
