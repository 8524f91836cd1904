package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Times the kernels on the attention inputs of GPT-2 small's last block (36 destinations, 144
 * sources, 768 channels), float32, beside what the device can do at best: the bandwidth of a copy
 * and the rate of a matrix product, both measured in the same run through libtorch.
 *
 * @param kernels those to time
 * @param device where they compute
 * @param prompts B
 * @param positions T
 * @param repeats timed repetitions; the median is reported
 */
public record KernelTimes(Kernels kernels, Device device, int prompts, int positions, int repeats) {
  private static final int DESTINATIONS = 36;
  private static final int SOURCES = 144;
  private static final int CHANNELS = 768;
  private static final int WIDE = 4 * CHANNELS;

  /** float32. */
  private static final int BYTES = 4;

  /** The largest tensor copied to measure the bandwidth, in elements: 1 GiB. */
  private static final long COPIED = 1L << 28;

  /**
   * What the device does at best, each the fastest repetition.
   *
   * @param copyBytesPerSecond read plus written, of one tensor copied to another
   * @param productPerSecond operations of a matrix product of the model's MLP
   */
  public record Rates(double copyBytesPerSecond, double productPerSecond) {}

  /**
   * One kernel's time.
   *
   * @param kernel {@code patch_forward} or {@code patch_backward}
   * @param seconds median
   * @param spread (largest − smallest) / median
   * @param bytes moved at least: every input read once, every output written once
   * @param operations of its products
   * @param boundSeconds the larger of bytes over the copy's rate and operations over the product's
   */
  public record Speed(
      String kernel,
      double seconds,
      double spread,
      double bytes,
      double operations,
      double boundSeconds) {
    /**
     * The bound over the time: 1 is as fast as the device can.
     *
     * @return the share, above 1 where the kernel beats the yardstick
     */
    public double share() {
      return boundSeconds / seconds;
    }
  }

  /** All figures of one run. */
  public record Result(Rates rates, List<Speed> speeds) {}

  /**
   * Runs all measurements.
   *
   * @param seed of the input
   * @return times and rates
   */
  public Result run(long seed) {
    Rates rates = new Rates(copyRate(), productRate());
    try (TensorScope scope = new TensorScope();
        Generator generator = torch.createCPUGenerator(seed);
        GeneratorOptional optional = new GeneratorOptional(generator)) {
      long rows = (long) prompts * positions;
      Tensor resid = random(optional, prompts, positions, CHANNELS);
      Tensor delta = random(optional, SOURCES, prompts, positions, CHANNELS);
      Tensor mask = random(optional, 1, 1, DESTINATIONS, SOURCES);
      Tensor out = random(optional, DESTINATIONS, prompts, positions, CHANNELS);
      Tensor rstd = random(optional, DESTINATIONS, prompts, positions);
      Normalization norm = new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);
      double stream = (double) BYTES * rows * CHANNELS;
      double product = 2.0 * DESTINATIONS * SOURCES * rows * CHANNELS;
      Speed forward =
          speed(
              "patch_forward",
              stream * (1 + SOURCES + DESTINATIONS),
              product,
              rates,
              () ->
                  kernels.patchForward(
                      new Kernels.PatchForward(resid, delta, mask, norm, out, rstd)));
      Tensor grad = random(optional, DESTINATIONS, prompts, positions, CHANNELS);
      Tensor maskGrad = random(optional, 1, 1, DESTINATIONS, SOURCES);
      Tensor residGrad = random(optional, prompts, positions, CHANNELS);
      Tensor deltaGrad = random(optional, SOURCES, prompts, positions, CHANNELS);
      Speed backward =
          speed(
              "patch_backward",
              stream * (3.0 * DESTINATIONS + 3.0 * SOURCES + 2),
              2 * product,
              rates,
              () ->
                  kernels.patchBackward(
                      new Kernels.PatchBackward(
                          grad, out, rstd, delta, mask, norm, maskGrad, residGrad, deltaGrad)));
      return new Result(rates, List.of(forward, backward));
    }
  }

  private Tensor random(GeneratorOptional generator, long... shape) {
    Tensor values = Tensors.empty(ScalarType.Float, shape).normal_(0, 1, generator);
    return device.equals(Device.CPU) ? values : Tensors.copy(values, device);
  }

  private double copyRate() {
    try (TensorScope scope = new TensorScope()) {
      long elements = Math.min(COPIED, (long) SOURCES * prompts * positions * CHANNELS);
      Tensor from = Tensors.copy(Tensors.zeros(ScalarType.Float, elements), device);
      Tensor to = Tensors.copy(from, device);
      return 2.0 * BYTES * elements / times(() -> to.copy_(from))[0];
    }
  }

  private double productRate() {
    try (TensorScope scope = new TensorScope();
        NativeThreads threads = NativeThreads.withBlas(torch.get_num_threads())) {
      long rows = (long) prompts * positions;
      Tensor a = Tensors.copy(Tensors.zeros(ScalarType.Float, rows, CHANNELS), device);
      Tensor b = Tensors.copy(Tensors.zeros(ScalarType.Float, CHANNELS, WIDE), device);
      Tensor c = Tensors.copy(Tensors.zeros(ScalarType.Float, rows, WIDE), device);
      double[] seconds = times(() -> torch.mm_out(c, a, b));
      return 2.0 * rows * CHANNELS * WIDE / seconds[0];
    }
  }

  private Speed speed(String kernel, double bytes, double operations, Rates rates, Runnable call) {
    double[] seconds = times(call);
    double median = median(seconds);
    return new Speed(
        kernel,
        median,
        (seconds[seconds.length - 1] - seconds[0]) / median,
        bytes,
        operations,
        Math.max(bytes / rates.copyBytesPerSecond(), operations / rates.productPerSecond()));
  }

  /** Seconds of each repetition after two that warm up, ascending. */
  private double[] times(Runnable call) {
    double[] seconds = new double[repeats];
    for (int i = -2; i < repeats; i++) {
      device.synchronize();
      long start = System.nanoTime();
      try (TensorScope scope = new TensorScope()) {
        call.run();
      }
      device.synchronize();
      if (i >= 0) {
        seconds[i] = (System.nanoTime() - start) * 1e-9;
      }
    }
    Arrays.sort(seconds);
    return seconds;
  }

  private static double median(double[] ascending) {
    return ascending[ascending.length / 2];
  }
}
