package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a user asks for.
 *
 * @param device the device; null for the best there is
 */
public record DeviceRequest(Device device) {
  /** The best device there is: CUDA where everything it needs is present, else the processor. */
  public static final DeviceRequest AUTO = new DeviceRequest(null);

  private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,3}))?");

  /**
   * Reads {@code auto}, {@code cpu}, {@code cuda} (the first device), {@code cuda:N} or {@code
   * mps}.
   *
   * @param text {@code auto}, {@code cpu}, {@code cuda}, {@code cuda:N} or {@code mps}
   * @return the request
   * @throws IllegalArgumentException if it is none of them
   */
  public static DeviceRequest parse(String text) {
    String name = text.toLowerCase(Locale.ROOT);
    Matcher cuda = CUDA.matcher(name);
    if (cuda.matches()) {
      return new DeviceRequest(
          Device.cuda(cuda.group(1) == null ? 0 : Integer.parseInt(cuda.group(1))));
    }
    return switch (name) {
      case "auto" -> AUTO;
      case "cpu" -> new DeviceRequest(Device.CPU);
      case "mps" -> new DeviceRequest(Device.MPS);
      default ->
          throw new IllegalArgumentException(
              "device=\"" + text + "\" is unknown; use auto, cpu, cuda, cuda:N or mps");
    };
  }

  /**
   * Whether the best there is will do.
   *
   * @return whether it is
   */
  public boolean isAuto() {
    return device == null;
  }

  /** As it is written on the command line. */
  @Override
  public String toString() {
    return isAuto() ? "auto" : device.toString();
  }
}
