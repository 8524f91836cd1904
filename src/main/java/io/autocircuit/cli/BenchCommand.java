package io.autocircuit.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.autocircuit.benchmark.Benchmark;
import io.autocircuit.benchmark.GrowthCell;
import io.autocircuit.benchmark.MethodBenchmark;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightType;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.NativeTuning;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.global.torch.ScalarType;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code bench}: the engine's speed against the plain forward pass. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Measures the engine against the model's plain forward pass, all figures in one process.")
final class BenchCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--shape",
      defaultValue = "gpt2-small",
      paramLabel = "SHAPE",
      description = "Random weights of that shape (default: ${DEFAULT-VALUE}).")
  private String shape;

  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description = "A model directory, or a name on the Hugging Face hub, instead.")
  private Path model;

  @CommandLine.Mixin private HubOption hub;

  @CommandLine.Mixin private BenchDataset dataset;

  @Option(
      names = "--batch",
      defaultValue = "32",
      paramLabel = "N",
      description = "Prompts (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Option(
      names = "--seq",
      defaultValue = "16",
      paramLabel = "T",
      description = "Tokens of each prompt (default: ${DEFAULT-VALUE}).")
  private int length;

  @Option(
      names = "--repeats",
      defaultValue = "5",
      paramLabel = "N",
      description = "Timed repetitions (default: ${DEFAULT-VALUE}).")
  private int repeats;

  @Option(
      names = "--weights",
      paramLabel = "TYPE",
      defaultValue = "float32",
      description =
          "How the model's matrices are stored: float32, bfloat16 or float16 (default:"
              + " ${DEFAULT-VALUE}).")
  private WeightType weights;

  @Option(
      names = "--kv",
      paramLabel = "HOW",
      defaultValue = "grouped",
      description =
          "Key and value inputs of a model whose heads share them, as of discover (default:"
              + " ${DEFAULT-VALUE}).")
  private KeyValues keyValues;

  @CommandLine.Mixin private DeviceOption device;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Native threads. Default: all cores.")
  private Integer threads;

  @Option(
      names = "--busy",
      defaultValue = "0",
      paramLabel = "N",
      description =
          "Measure everything beside N busy processes too, which end with this one"
              + " (default: ${DEFAULT-VALUE}, none).")
  private int busy;

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      description =
          "Native memory that the sweep and the gradients may take, such as 512m. Default: no"
              + " limit.")
  private String memory;

  @Option(
      names = "--seed",
      defaultValue = "1",
      paramLabel = "N",
      description = "Seed of weights, prompts and circuits (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Write the figures to that file too.")
  private Path json;

  @Option(
      names = "--methods",
      description =
          "Measure the methods of attribution instead, beside the passes that EAP-IG's library"
              + " makes at least by their definitions.")
  private boolean methods;

  @CommandLine.Mixin private GridOptions grid;

  @Option(names = "--verbose", description = "Print stack traces and what was chosen.")
  private boolean verbose;

  @Override
  public Integer call() throws Exception {
    try {
      if (batch < 1 || length < 2 || repeats < 1) {
        throw new IllegalArgumentException(
            "--batch=" + batch + ", --seq=" + length + ", --repeats=" + repeats + " out of range");
      }
      (grid.wanted() ? GridOptions.NOT_WITH : GridOptions.ONLY_WITH)
          .stream()
              .filter(spec.commandLine().getParseResult()::hasMatchedOption)
              .findFirst()
              .ifPresent(this::misplaced);
      return grid.wanted() ? measureGrid() : measure();
    } catch (IllegalArgumentException e) {
      throw new CommandLine.ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  private void misplaced(String option) {
    throw new IllegalArgumentException(
        option
            + (grid.wanted()
                ? " has no effect on --grid; leave one of them out"
                : " is for --grid; give that too"));
  }

  /** How time and memory grow, with random weights. */
  private int measureGrid() {
    int count = threads == null ? Runtime.getRuntime().availableProcessors() : threads;
    DeviceChoice on = device.choose();
    boolean own = spec.commandLine().getParseResult().hasMatchedOption("--batch");
    boolean ownLength = spec.commandLine().getParseResult().hasMatchedOption("--seq");
    List<GrowthCell> places =
        grid.places(shape, own ? (Integer) batch : null, ownLength ? (Integer) length : null);
    try (NativeThreads used = KernelsProvider.threads(count);
        KernelsProvider.Choice kernels = KernelsProvider.choose(on.device())) {
      Map<String, Object> settings = new LinkedHashMap<>();
      settings.put("machine", machine());
      settings.put("device", on.device().toString());
      settings.put("threads", count);
      settings.put("idle_threads", NativeTuning.idleThreadsSleep() ? "sleep" : "spin");
      settings.put("kernels", kernels.kernels().name());
      settings.put("weights", weights.key());
      settings.put("seed", seed);
      GridRun run =
          new GridRun(
              spec.commandLine().getOut(),
              new GridRun.Setup(
                  s ->
                      RandomModels.of(RandomModels.shape(s), seed, ScalarType.Float, weights)
                          .to(on.device()),
                  weights == WeightType.FLOAT32 ? Float.BYTES : Short.BYTES,
                  kernels.kernels(),
                  repeats,
                  seed,
                  settings),
              json,
              grid.seconds,
              grid.figures());
      run.run(places);
      if (grid.plot != null) {
        run.plot(grid.plot);
      }
    }
    return 0;
  }

  private int measure() throws Exception {
    PrintWriter out = spec.commandLine().getOut();
    model = hub.directory(model, spec.commandLine().getErr());
    int count = threads == null ? Runtime.getRuntime().availableProcessors() : threads;
    if (busy < 0) {
      throw new IllegalArgumentException("--busy=" + busy + " must be at least 0");
    }
    if (methods && busy > 0) {
      throw new IllegalArgumentException(
          "--methods measures nothing beside --busy=" + busy + "; leave one of them out");
    }
    DeviceChoice on = device.choose();
    MemoryBudget budget = memory == null ? MemoryBudget.UNLIMITED : MemoryBudget.parse(memory);
    try (NativeThreads used = KernelsProvider.threads(count);
        Transformer transformer =
            (model == null
                    ? RandomModels.of(RandomModels.shape(shape), seed, ScalarType.Float, weights)
                    : ModelLoader.load(model, null, ScalarType.Float, weights))
                .to(on.device());
        KernelsProvider.Choice kernels = KernelsProvider.choose(on.device())) {
      if (verbose) {
        out.println("kernels: " + kernels.kernels().name() + " (" + kernels.reason() + ")");
      }
      PatchableModel patchable =
          new PatchableModel(
                  transformer,
                  transformer.graph(true, keyValues, 0),
                  OutputSlice.LAST_SEQ,
                  kernels.kernels())
              .withMemory(budget);
      PromptBatch prompts =
          dataset.given() ? dataset.read(model, transformer, batch) : prompts(transformer);
      Benchmark benchmark = new Benchmark(patchable, prompts, repeats, seed);
      Map<String, Double> theirs =
          methods ? MethodBenchmark.libraryPasses(transformer.config().blocks()) : Map.of();
      Benchmark.Listener shown =
          (name, t, ratio, live) ->
              print(out, name, t, ratio, methods ? theirs.getOrDefault(name, Double.NaN) : live);
      Benchmark.Result r =
          methods
              ? benchmark.runMethods(shown)
              : busy == 0 ? benchmark.run(shown) : benchmark.runBeside(shown, busy);
      Map<String, Object> root = new LinkedHashMap<>();
      root.put("machine", machine());
      root.put("device", on.device().toString());
      root.put("shape", model == null ? shape : transformer.config().name());
      root.put("weights", weights.key());
      if (transformer.config().grouped()) {
        root.put("kv", keyValues.key());
      }
      root.put("batch", prompts.clean().batchSize());
      root.put("seq", prompts.clean().length());
      root.put("threads", count);
      root.put("idle_threads", NativeTuning.idleThreadsSleep() ? "sleep" : "spin");
      root.put("blas", NativeThreads.blas());
      if (memory != null) {
        root.put("memory_bytes", budget.bytes());
      }
      root.put("kernels", kernels.kernels().name());
      figures(r, theirs, root);
      out.println("device: " + on);
      out.printf(
          Locale.ROOT,
          "%nplain forward %.1f ms: %.0f GFLOP/s, a bare product %.0f GFLOP/s (%.2f)%n",
          r.plain().median() * 1e3,
          r.plainGflops(),
          r.productGflops(),
          r.plainGflops() / r.productGflops());
      r.peakNativeMegabytes()
          .forEach((k, v) -> out.printf(Locale.ROOT, "peak memory of %s: %.0f MB%n", k, v));
      r.beside()
          .ifPresent(
              beside -> {
                BusyTable.print(out, r.plain(), beside);
                root.put("busy", BusyTable.json(beside));
              });
      write(root);
    }
    return 0;
  }

  /** What the result file holds of the figures. */
  private void figures(Benchmark.Result r, Map<String, Double> theirs, Map<String, Object> root) {
    root.put("plain_ms", round(r.plain().median() * 1e3));
    root.put("plain_spread", round(r.plain().spread()));
    root.put("plain_gflops", round(r.plainGflops()));
    root.put("product_gflops", round(r.productGflops()));
    root.put("ratios", rounded(r.ratios()));
    root.put("spreads", rounded(r.spreads()));
    if (methods) {
      root.put("eap_ig_passes", rounded(theirs));
    } else {
      root.put("live_share", rounded(r.liveShare()));
    }
    if (!r.peakNativeMegabytes().isEmpty()) {
      root.put("peak_native_mb", rounded(r.peakNativeMegabytes()));
    }
  }

  /**
   * @param last of a circuit its live share, of a method the passes of EAP-IG's; NaN for none
   */
  private void print(PrintWriter out, String name, Benchmark.Timing t, double ratio, double last) {
    // above the first figure: before it, the prompts may turn out to be too long
    if (name.equals("plain")) {
      String what = methods ? "EAP-IG" : "live share";
      out.printf("%-23s %12s %10s %8s %10s%n", "", "ms", "ratio", "spread", what);
    }
    out.printf(
        Locale.ROOT,
        "%-23s %12.2f %10.3f %8.2f %10s%n",
        name,
        t.median() * 1e3,
        ratio,
        t.spread(),
        Double.isNaN(last) ? "" : String.format(Locale.ROOT, methods ? "%.0f" : "%.3f", last));
    out.flush();
  }

  /** Writes the figures to the file that was asked for. */
  private void write(Map<String, Object> root) throws Exception {
    if (json != null) {
      String text =
          new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(root)
              + "\n";
      AtomicFile.write(json, text);
    }
  }

  private PromptBatch prompts(Transformer transformer) {
    return BenchPrompts.of(transformer.config(), batch, length, seed);
  }

  private static String machine() {
    return System.getProperty("os.arch")
        + ", "
        + Runtime.getRuntime().availableProcessors()
        + " cores, "
        + System.getProperty("os.name");
  }

  private static Map<String, Double> rounded(Map<String, Double> values) {
    Map<String, Double> out = new LinkedHashMap<>();
    values.forEach((k, v) -> out.put(k, round(v)));
    return out;
  }

  static double round(double v) {
    return Math.round(v * 1e4) / 1e4;
  }
}
