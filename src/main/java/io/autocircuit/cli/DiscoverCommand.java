package io.autocircuit.cli;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.cli.DiscoverOptions.Input;
import io.autocircuit.cli.DiscoverOptions.Judging;
import io.autocircuit.cli.DiscoverOptions.Output;
import io.autocircuit.cli.DiscoverOptions.Patching;
import io.autocircuit.cli.DiscoverOptions.Precision;
import io.autocircuit.cli.DiscoverOptions.Scoring;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.DiscoveryBuilder;
import io.autocircuit.experiment.PromptSplit;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.Parallelism;
import io.autocircuit.patch.PatchType;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.prune.PruneContext;
import io.autocircuit.prune.SavedScores;
import io.autocircuit.report.DiscoveryReport;
import io.autocircuit.report.ReportData;
import io.autocircuit.report.ResultDirectory;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.OfficialCircuit;
import io.autocircuit.task.RandomPrompts;
import io.autocircuit.task.Task;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.NativeThreads;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.bytedeco.pytorch.global.torch.ScalarType;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;

/** {@code discover}: the main job. */
@Command(
    name = "discover",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    modelTransformer = AlgorithmOptions.Adder.class,
    customSynopsis = "autocircuit discover [OPTIONS]",
    description = {
      "Scores the edges of a model on prompt pairs, evaluates circuits of growing size, and writes"
          + " scores.safetensors, edges.json, measurements.json and report.html.",
      "Without --model and --dataset it runs the embedded induction model."
    })
final class DiscoverCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @ArgGroup(validate = false, order = 1, heading = "%nWhat is run:%n")
  private final Input input = new Input();

  @ArgGroup(validate = false, order = 2, heading = "%nHow edges are scored:%n")
  private final Scoring scoring = new Scoring();

  @ArgGroup(validate = false, order = 4, heading = "%nHow circuits are judged:%n")
  private final Judging judging = new Judging();

  @ArgGroup(validate = false, order = 5, heading = "%nOutput:%n")
  private final Output output = new Output();

  @CommandLine.Mixin private DeviceOption device;

  /** Set when the options are added. */
  AlgorithmOptions options;

  @Override
  public Integer call() {
    usage(
        () -> {
          check();
          return null;
        });
    DeviceChoice on = device.choose();
    ResultDirectory.requireWritable(output.out);
    ScalarType type = input.precision == Precision.FLOAT32 ? ScalarType.Float : ScalarType.Double;
    try (Task task = task(type, on.device());
        KernelsProvider.Choice kernels = KernelsProvider.choose(on.device())) {
      run(task, on, kernels);
    }
    return 0;
  }

  private void run(Task task, DeviceChoice on, KernelsProvider.Choice kernels) {
    PrintWriter out = spec.commandLine().getOut();
    MemoryBudget memory = memory(task.model(), on);
    if (output.verbose) {
      out.println("kernels: " + kernels.kernels().name() + " (" + kernels.reason() + ")");
      out.println(
          "memory for runs: "
              + memory
              + (input.memory != null
                  ? ""
                  : on.device().isCuda() ? " (of the device)" : " (of this machine)"));
    }
    int threads = threads();
    DiscoveryBuilder builder =
        Discovery.builder(task, null)
            .kernels(kernels.kernels())
            .separateQkv(scoring.separateQkv)
            .tokenPositions(scoring.tokenPositions)
            .slice(slice())
            .batchSize(input.batchSize)
            .padded(input.pad)
            .split(split())
            .runs(new CircuitRuns(patchType(), circuitAblation(), judging.reverse))
            .sizes(edgeCounts())
            .ties(judging.ties)
            .metrics(metrics())
            .memory(memory)
            .threads(threads);
    Circuit official =
        scoring.official == null ? null : OfficialCircuit.read(scoring.official, builder.graph());
    PruneAlgorithm algorithm =
        scoring.scores == null
            ? algorithm(official)
            : SavedScores.read(scoring.scores, builder.graph());
    Discovery discovery = usage(() -> builder.algorithm(algorithm).official(official).build());
    Parallelism parallel = Parallelism.of(task.model().config(), discovery.train(), threads);
    Printout printout = new Printout(out, judging.metrics != null);
    printout.before(
        discovery,
        datasetName(task.prompts()),
        task.prompts().beginning(),
        output.verbose && on.expected() ? on + " (" + on.reason() + ")" : on.toString());
    Discovery.Result result;
    try (NativeThreads used = NativeThreads.use(parallel.nativeThreads());
        Bars bars = Bars.onTerminal()) {
      result = discovery.run(bars);
    }
    ResultDirectory.write(output.out, result, report(task, result, threads, on.device()));
    printout.after(result);
    result.notices().stream()
        .filter(n -> !discovery.knownNotices().contains(n)) // printed before
        .forEach(n -> out.println("note: " + n));
    options.unused(chosen(), parsed()).forEach(n -> out.println("note: " + n));
    out.println("report: " + output.out.resolve("report.html"));
  }

  private CommandLine.ParameterException usage(String message) {
    return new CommandLine.ParameterException(spec.commandLine(), message);
  }

  /** Settings that make no sense are wrong usage; later, the same exceptions mean bad data. */
  private <T> T usage(Supplier<T> part) {
    try {
      return part.get();
    } catch (IllegalArgumentException e) {
      throw new CommandLine.ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  /**
   * Refuses an option given twice: picocli would begin its group anew, without what came before.
   */
  private void requireOnce() {
    Set<String> seen = new HashSet<>();
    spec.commandLine().getParseResult().getGroupMatches().stream()
        .flatMap(all -> all.matchedSubgroups().entrySet().stream())
        .forEach(
            group ->
                group
                    .getValue()
                    .matches()
                    .forEach(match -> requireOnce(group.getKey(), match, seen)));
  }

  private void requireOnce(
      CommandLine.Model.ArgGroupSpec group,
      CommandLine.ParseResult.GroupMatch match,
      Set<String> seen) {
    for (CommandLine.Model.ArgSpec arg : group.args()) {
      if (arg instanceof CommandLine.Model.OptionSpec option
          && !match.matchedValues(option).isEmpty()
          && !seen.add(option.longestName())) {
        throw usage(option.longestName() + " is given more than once; give it once");
      }
    }
  }

  private PromptSplit split() {
    return new PromptSplit(
        input.train == null ? 0 : input.train,
        input.test == null ? 0 : input.test,
        !input.noShuffle,
        input.seed);
  }

  /** Refuses a list option of which nothing is left between the commas. */
  private void requireItems(String option, List<String> items) {
    if (items != null && (items.isEmpty() || items.stream().anyMatch(String::isBlank))) {
      throw usage(option + " has an empty item; give names or numbers, separated by single commas");
    }
  }

  private void check() {
    requireOnce();
    requireItems("--edges", judging.edges);
    requireItems("--metrics", judging.metrics);
    requireItems("--processing", input.processing);
    if (output.out.toString().isEmpty()) {
      throw usage("--out is empty; give a directory, . for the current one");
    }
    if (input.model != null && input.randomWeights != null) {
      throw usage("give --model or --random-weights, not both");
    }
    if (input.model != null && input.dataset == null) {
      throw usage(
          "--model needs --dataset FILE: prompt pairs for this model (the embedded prompts belong"
              + " to the embedded model)");
    }
    if (given("--random-prompts") && (input.randomWeights == null || input.dataset != null)) {
      throw usage("--random-prompts needs --random-weights, and no --dataset");
    }
    if (input.randomWeights != null) {
      RandomModels.shape(input.randomWeights);
    }
    atLeast("--batch-size", input.batchSize, 1);
    atLeast("--train", input.train, 1);
    atLeast("--test", input.test, 1);
    atLeast("--threads", input.threads, 1);
    if (input.memory != null) {
      MemoryBudget.parse(input.memory);
    }
    if (scoring.scores != null && given("--algorithm")) {
      throw usage("give --algorithm or --scores, not both: saved scores are only judged");
    }
    PruneAlgorithmProvider algorithm = chosen();
    if (algorithm != null && algorithm.needsOfficial() && scoring.official == null) {
      throw usage("--algorithm " + algorithm.key() + " needs --official FILE");
    }
    circuitAblation();
    processing();
    metrics();
    edgeCounts();
    if (algorithm == null) {
      options.requireAllowed(parsed());
    } else if (!algorithm.needsOfficial()) {
      algorithm(null);
    } else {
      settings();
    }
  }

  private void atLeast(String option, Integer value, int least) {
    range(option, value, value == null || value >= least, "a whole number from " + least);
  }

  private void range(String option, Object value, boolean fits, String wanted) {
    if (!fits) {
      throw usage(option + "=" + value + " is out of range; give " + wanted);
    }
  }

  private boolean given(String option) {
    return spec.commandLine().getParseResult().hasMatchedOption(option);
  }

  private CommandLine.ParseResult parsed() {
    return spec.commandLine().getParseResult();
  }

  /** The algorithm that scores the edges; null for saved scores. */
  private PruneAlgorithmProvider chosen() {
    return scoring.scores != null ? null : options.algorithms().get(scoring.algorithm);
  }

  private Settings settings() {
    return options.settings(chosen(), parsed(), scoring.ablation);
  }

  private Task task(ScalarType type, Device on) {
    Transformer model = model(type).to(on);
    try {
      return new Task(model, data(model));
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  private Transformer model(ScalarType type) {
    WeightProcessing processing = processing();
    if (input.randomWeights != null) {
      return RandomModels.of(RandomModels.shape(input.randomWeights), input.seed, type);
    }
    return input.model == null
        ? EmbeddedTask.model(processing, type)
        : ModelLoader.load(input.model, processing, type);
  }

  private WeightProcessing processing() {
    if (input.processing == null) {
      return null;
    }
    return WeightProcessing.parse(input.processing);
  }

  private TokenizedDataset data(Transformer model) {
    TransformerConfig c = model.config();
    TokenizedDataset data;
    if (input.dataset == null && input.randomWeights != null) {
      data = usage(() -> randomPrompts().of(c, input.seed));
    } else if (input.dataset == null) {
      data = Task.tokenize(EmbeddedTask.prompts(), input.model, input.bos, input.multiTokenAnswers);
    } else {
      data =
          Task.tokenize(
              input.dataset,
              input.model,
              input.bos,
              input.multiTokenAnswers,
              Task.limits(model, !input.pad));
    }
    return data;
  }

  private RandomPrompts randomPrompts() {
    try {
      return RandomPrompts.parse(input.randomPrompts);
    } catch (IllegalArgumentException e) {
      throw usage(e.getMessage());
    }
  }

  private MemoryBudget memory(Transformer model, DeviceChoice on) {
    return input.memory != null
        ? MemoryBudget.parse(input.memory)
        : MemoryBudget.standard(on, model);
  }

  private OutputSlice slice() {
    return switch (judging.slice) {
      case LAST -> OutputSlice.LAST_SEQ;
      case NOT_FIRST -> OutputSlice.NOT_FIRST_SEQ;
      case ALL -> OutputSlice.ALL;
    };
  }

  private PatchType patchType() {
    return judging.patchType == Patching.TREE ? PatchType.TREE_PATCH : PatchType.EDGE_PATCH;
  }

  private Ablation circuitAblation() {
    return scoring.ablation == null ? Ablation.RESAMPLE : Ablation.of(scoring.ablation);
  }

  private List<Metric> metrics() {
    return judging.metrics == null
        ? Metric.all()
        : judging.metrics.stream().map(Metric::of).distinct().toList();
  }

  private EdgeCounts edgeCounts() {
    try {
      return EdgeCounts.parse(judging.edges == null ? List.of("auto") : judging.edges);
    } catch (IllegalArgumentException e) {
      throw usage("--edges: " + e.getMessage());
    }
  }

  private PruneAlgorithm algorithm(Circuit official) {
    return chosen()
        .create(
            settings(), new PruneContext(input.seed, patchType(), Optional.ofNullable(official)));
  }

  private int threads() {
    return input.threads == null ? Runtime.getRuntime().availableProcessors() : input.threads;
  }

  private ReportData report(Task task, Discovery.Result result, int threads, Device on) {
    String name = task.model().config().name();
    Map<String, String> summary = new LinkedHashMap<>();
    summary.put("Model", name);
    summary.put("Dataset", datasetName(task.prompts()));
    Map<String, String> settings = new LinkedHashMap<>();
    for (CommandLine.Model.OptionSpec o : spec.options()) {
      if (!o.usageHelp() && !o.versionHelp() && !o.longestName().equals("--verbose")) {
        Object value = o.getValue();
        if (value != null && !options.contains(o.longestName())) {
          settings.put(o.longestName().substring(2), text(value));
        }
      }
    }
    result
        .discovery()
        .algorithm()
        .settings()
        .values()
        .forEach((key, v) -> settings.put(key.replace('_', '-'), Setting.text(v)));
    settings.put("device", on.toString());
    settings.put("threads", String.valueOf(threads));
    settings.put("kernels", result.discovery().model().kernels().name());
    ReportData data = DiscoveryReport.of("Circuit of " + name, result, summary, settings);
    return scoring.tokenPositions ? data.withPositionLabels(task.prompts().seqLabels()) : data;
  }

  private String datasetName(TokenizedDataset data) {
    return input.dataset == null ? data.source() : String.valueOf(input.dataset.getFileName());
  }

  private static String text(Object value) {
    if (value instanceof Path p) {
      return String.valueOf(p.getFileName());
    }
    if (value instanceof double[] d) {
      return Arrays.toString(d);
    }
    if (value instanceof Enum<?> e) {
      return lower(e.name());
    }
    return String.valueOf(value);
  }

  private static String lower(String name) {
    return name.toLowerCase(Locale.ROOT);
  }
}
