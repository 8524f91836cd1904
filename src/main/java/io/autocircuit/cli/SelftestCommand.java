package io.autocircuit.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.KernelCheck;
import io.autocircuit.kernels.KernelTimes;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.tensor.Device;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.global.torch.ScalarType;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code selftest}: are the kernels right on this machine, and how fast are they? */
@Command(
    name = "selftest",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Runs the kernels of a device at awkward sizes against their slow definition, then times"
            + " them beside the device's measured bandwidth and matrix products. Ends with 1 if a"
            + " result is wrong.")
final class SelftestCommand implements Callable<Integer> {
  /** Seeds that are drawn have at most this many digits, to be typed again. */
  private static final int SEEDS = 1_000_000;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private DeviceOption device;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of the input. Default: another one each time.")
  private Long seed;

  @Option(names = "--checks-only", description = "Do not take times.")
  private boolean checksOnly;

  @Option(
      names = "--repeats",
      defaultValue = "9",
      paramLabel = "N",
      description = "Timed repetitions (default: ${DEFAULT-VALUE}).")
  private int repeats;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Write the figures to that file too.")
  private Path json;

  @Option(
      names = "--verbose",
      description = "Print stack traces, and the case with the largest error of each line.")
  private boolean verbose;

  @Override
  public Integer call() throws Exception {
    if (repeats < 1) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "--repeats=" + repeats + " is out of range; give 1 or more");
    }
    PrintWriter out = spec.commandLine().getOut();
    DeviceChoice on = device.choose();
    long used = seed == null ? new SplittableRandom().nextInt(SEEDS) : seed;
    out.println("device: " + on);
    try (KernelsProvider.Choice kernels = KernelsProvider.choose(on.device())) {
      out.println("kernels: " + kernels.kernels().name() + " (" + kernels.reason() + ")");
      out.println("seed: " + used);
      Map<String, Object> root = new LinkedHashMap<>();
      root.put("date", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
      root.put("device", on.device().toString());
      root.put("device_description", on.reason());
      root.put("processors", Runtime.getRuntime().availableProcessors());
      root.put("kernels", kernels.kernels().name());
      root.put("seed", used);
      boolean right = check(kernels, on.device(), used, root, out);
      root.put("passed", right);
      if (right && !checksOnly) {
        time(kernels, on.device(), used, root, out);
      }
      if (json != null) {
        String text =
            new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(root)
                + "\n";
        AtomicFile.write(json, text);
      }
      out.println();
      out.println(right ? "all kernels are right" : "WRONG RESULTS; report them with this output");
      return right ? 0 : 1;
    }
  }

  private boolean check(
      KernelsProvider.Choice kernels,
      Device on,
      long seed,
      Map<String, Object> root,
      PrintWriter out) {
    out.printf(
        "%n%-16s %-8s %9s %6s %17s%n", "kernel", "dtype", "channels", "cases", "error/tolerance");
    List<Map<String, Object>> lines = new ArrayList<>();
    List<ScalarType> types =
        on.isCuda()
            ? List.of(ScalarType.Float, ScalarType.BFloat16, ScalarType.Double)
            : on.hasFloat64()
                ? List.of(ScalarType.Float, ScalarType.Double)
                : List.of(ScalarType.Float);
    boolean right =
        new KernelCheck(kernels.kernels(), on, seed)
                .run(
                    types,
                    line -> {
                      out.printf(
                          Locale.ROOT,
                          "%-16s %-8s %9s %6d %17.3f%s%n",
                          line.kernel(),
                          line.type(),
                          line.channels(),
                          line.cases(),
                          line.worst(),
                          line.right()
                              ? (verbose ? "  " + line.worstCase() : "")
                              : "  WRONG: " + line.worstCase());
                      out.flush();
                      Map<String, Object> entry = new LinkedHashMap<>();
                      entry.put("kernel", line.kernel());
                      entry.put("dtype", line.type());
                      entry.put("channels", line.channels());
                      entry.put("cases", line.cases());
                      // JSON has no infinity
                      entry.put(
                          "error_over_tolerance",
                          Double.isFinite(line.worst())
                              ? line.worst()
                              : String.valueOf(line.worst()));
                      entry.put("worst_case", line.worstCase());
                      lines.add(entry);
                    })
                .stream()
                .allMatch(KernelCheck.Line::right);
    root.put("checks", lines);
    return right;
  }

  private void time(
      KernelsProvider.Choice kernels,
      Device on,
      long seed,
      Map<String, Object> root,
      PrintWriter out) {
    int prompts = on.isCuda() ? 64 : 32;
    int positions = on.isCuda() ? 64 : 16;
    KernelTimes.Result result =
        new KernelTimes(kernels.kernels(), on, prompts, positions, repeats).run(seed);
    KernelTimes.Rates rates = result.rates();
    out.printf(
        Locale.ROOT,
        "%nGPT-2 small, block 11, %d x %d tokens, float32; measured here: copy %.1f GB/s, matrix"
            + " product %.1f GFLOP/s%n%n",
        prompts,
        positions,
        rates.copyBytesPerSecond() / 1e9,
        rates.productPerSecond() / 1e9);
    out.printf(
        "%-16s %9s %7s %9s %9s %9s %15s%n",
        "kernel", "ms", "spread", "GB/s", "GFLOP/s", "bound ms", "share of bound");
    List<Map<String, Object>> times = new ArrayList<>();
    for (KernelTimes.Speed speed : result.speeds()) {
      out.printf(
          Locale.ROOT,
          "%-16s %9.3f %7.2f %9.1f %9.1f %9.3f %15.2f%n",
          speed.kernel(),
          speed.seconds() * 1e3,
          speed.spread(),
          speed.bytes() / speed.seconds() / 1e9,
          speed.operations() / speed.seconds() / 1e9,
          speed.boundSeconds() * 1e3,
          speed.share());
      Map<String, Object> entry = new LinkedHashMap<>();
      entry.put("kernel", speed.kernel());
      entry.put("prompts", prompts);
      entry.put("positions", positions);
      entry.put("ms", speed.seconds() * 1e3);
      entry.put("spread", speed.spread());
      entry.put("gb_per_s", speed.bytes() / speed.seconds() / 1e9);
      entry.put("gflop_per_s", speed.operations() / speed.seconds() / 1e9);
      entry.put("bound_ms", speed.boundSeconds() * 1e3);
      entry.put("share_of_bound", speed.share());
      times.add(entry);
    }
    root.put("copy_gb_per_s", rates.copyBytesPerSecond() / 1e9);
    root.put("product_gflop_per_s", rates.productPerSecond() / 1e9);
    root.put("times", times);
  }
}
