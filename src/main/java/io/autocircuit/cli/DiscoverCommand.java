package io.autocircuit.cli;

import io.autocircuit.cli.DiscoverOptions.Input;
import io.autocircuit.cli.DiscoverOptions.Judging;
import io.autocircuit.cli.DiscoverOptions.Output;
import io.autocircuit.cli.DiscoverOptions.Patching;
import io.autocircuit.cli.DiscoverOptions.Precision;
import io.autocircuit.cli.DiscoverOptions.Scoring;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.DiscoveryBuilder;
import io.autocircuit.experiment.PromptSplit;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.graph.UnknownNameException;
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
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.ExactPatching;
import io.autocircuit.prune.GroundTruth;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.RandomScores;
import io.autocircuit.prune.SavedScores;
import io.autocircuit.prune.SubnetworkProbing;
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
    customSynopsis = "autocircuit discover [OPTIONS]",
    description = {
      "Scores the edges of a model on prompt pairs, evaluates circuits of growing size, and writes"
          + " scores.safetensors, edges.json, measurements.json and report.html.",
      "Without --model and --dataset it runs the embedded induction model."
    })
final class DiscoverCommand implements Callable<Integer> {
  private static final String SAVED = "saved";
  private static final double DEFAULT_TAU = 0.001;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @ArgGroup(validate = false, heading = "%nWhat is run:%n")
  private final Input input = new Input();

  @ArgGroup(validate = false, heading = "%nHow edges are scored:%n")
  private final Scoring scoring = new Scoring();

  @ArgGroup(validate = false, heading = "%nHow circuits are judged:%n")
  private final Judging judging = new Judging();

  @ArgGroup(validate = false, heading = "%nOutput:%n")
  private final Output output = new Output();

  @CommandLine.Mixin private DeviceOption device;

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
      result = discovery.judge(scaled(discovery.score(bars), discovery.train()), bars);
    }
    ResultDirectory.write(output.out, result, report(task, result, threads, on.device()));
    printout.after(result);
    result.notices().stream()
        .filter(n -> !discovery.knownNotices().contains(n)) // printed before
        .forEach(n -> out.println("note: " + n));
    unused().forEach(n -> out.println("note: " + n));
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
    if (scoring.tau != null && scoring.tau.length == 0) {
      throw usage("--tau has no number; give one or more thresholds, separated by commas");
    }
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
    atLeast("--samples", scoring.samples, 1);
    atLeast("--epochs", scoring.epochs, 1);
    atLeast("--circuit-size", scoring.circuitSize, 0);
    range("--mask-value", scoring.maskValue, Double.isFinite(scoring.maskValue), "a finite number");
    range(
        "--learning-rate",
        scoring.learningRate,
        scoring.learningRate > 0 && Double.isFinite(scoring.learningRate),
        "a number above 0");
    range(
        "--lambda",
        scoring.lambda,
        scoring.lambda >= 0 && Double.isFinite(scoring.lambda),
        "a number from 0");
    range(
        "--dropout",
        scoring.dropout,
        scoring.dropout >= 0 && scoring.dropout < 1,
        "a number from 0 to below 1");
    for (double tau : taus()) {
      range("--tau", tau, tau > 0 && Double.isFinite(tau), "numbers above 0");
    }
    if (scoring.scores != null) {
      if (given("--algorithm")) {
        throw usage("give --algorithm or --scores, not both: saved scores are only judged");
      }
    } else if (!Algorithms.DESCRIPTIONS.containsKey(algorithmKey())) {
      throw new UnknownNameException(
          "algorithm", scoring.algorithm, Algorithms.DESCRIPTIONS.keySet());
    }
    if (algorithmKey().equals("ground-truth") && scoring.official == null) {
      throw usage("--algorithm ground-truth needs --official FILE");
    }
    circuitAblation();
    scoreAblation();
    processing();
    metrics();
    edgeCounts();
    if (!algorithmKey().equals("ground-truth") && scoring.scores == null) {
      algorithm(null);
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

  private double[] taus() {
    return scoring.tau == null ? new double[] {DEFAULT_TAU} : scoring.tau;
  }

  /** A sentence for each option that was given but belongs to other algorithms. */
  private List<String> unused() {
    return Algorithms.OPTIONS.entrySet().stream()
        .filter(e -> given(e.getKey()) && !e.getValue().contains(algorithmKey()))
        .map(
            e ->
                e.getKey()
                    + " has no effect on "
                    + (scoring.scores == null ? algorithmKey() : "saved scores")
                    + "; it belongs to "
                    + String.join(", ", e.getValue()))
        .toList();
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

  private String algorithmKey() {
    return scoring.scores != null ? SAVED : lower(scoring.algorithm);
  }

  private Ablation circuitAblation() {
    return scoring.ablation == null
        ? Ablation.RESAMPLE
        : named(Ablation.values(), scoring.ablation, "ablation");
  }

  /** The ablation while edges are scored; null where the algorithm's own default holds. */
  private Ablation scoreAblation() {
    String name = scoring.scoreAblation == null ? scoring.ablation : scoring.scoreAblation;
    return name == null ? null : named(Ablation.values(), name, "ablation");
  }

  private List<Metric> metrics() {
    return judging.metrics == null
        ? List.of(Metric.values())
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
    Ablation given = scoreAblation();
    Ablation ablation = given == null ? Ablation.RESAMPLE : given;
    MaskGradient gradient =
        new MaskGradient(
            scoring.gradFunction,
            scoring.answerFunction,
            scoring.maskValue,
            algorithmKey().equals("ig") ? scoring.samples : 0,
            ablation,
            MaskGradient.PatchSource.CORRUPT);
    return switch (algorithmKey()) {
      case "eap" -> gradient;
      case "ig" -> gradient;
      case "exact" -> new ExactPatching(gradient);
      case "acdc" ->
          new Acdc(
              Arrays.stream(taus()).boxed().toList(),
              named(Acdc.Target.values(), scoring.target, "acdc target"),
              ablation);
      case "sp" ->
          new SubnetworkProbing(
              scoring.learningRate,
              scoring.epochs,
              scoring.lambda,
              scoring.maskFunction,
              patchType(),
              given,
              named(SubnetworkProbing.Target.values(), scoring.target, "sp target"),
              scoring.circuitSize,
              scoring.dropout,
              null,
              1,
              input.seed);
      case "random" -> new RandomScores(input.seed);
      case "ground-truth" -> new GroundTruth(official);
      default ->
          throw new UnknownNameException(
              "algorithm", scoring.algorithm, Algorithms.DESCRIPTIONS.keySet());
    };
  }

  private static <E extends Enum<E>> E named(E[] values, String name, String kind) {
    for (E e : values) {
      if (e.name().equalsIgnoreCase(name)) {
        return e;
      }
    }
    throw new UnknownNameException(
        kind, name, Arrays.stream(values).map(e -> lower(e.name())).toList());
  }

  /** AutoCircuit's sums, where asked for: over batches of means over prompts, and over samples. */
  private PruneScores scaled(PruneScores scores, List<PromptBatch> batches) {
    boolean gradient = algorithmKey().equals("eap") || algorithmKey().equals("ig");
    if (!scoring.sum || !gradient) {
      return scores;
    }
    float factor = batches.size() * (algorithmKey().equals("ig") ? scoring.samples + 1f : 1f);
    float[] values = scores.values().clone();
    for (int i = 0; i < values.length; i++) {
      values[i] *= factor;
    }
    return new PruneScores(scores.graph(), values);
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
        if (value != null && !unusedOption(o.longestName())) {
          settings.put(o.longestName().substring(2), text(value));
        }
      }
    }
    settings.put("device", on.toString());
    settings.put("threads", String.valueOf(threads));
    settings.put("kernels", result.discovery().model().kernels().name());
    ReportData data = DiscoveryReport.of("Circuit of " + name, result, summary, settings);
    return scoring.tokenPositions ? data.withPositionLabels(task.prompts().seqLabels()) : data;
  }

  /** Whether the option belongs to other algorithms only. */
  private boolean unusedOption(String option) {
    List<String> users = Algorithms.OPTIONS.get(option);
    return users != null && !users.contains(algorithmKey());
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
