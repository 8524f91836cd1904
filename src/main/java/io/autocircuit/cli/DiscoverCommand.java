package io.autocircuit.cli;

import io.autocircuit.cli.DiscoverOptions.Input;
import io.autocircuit.cli.DiscoverOptions.Judging;
import io.autocircuit.cli.DiscoverOptions.Scoring;
import io.autocircuit.experiment.Cell;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.ExperimentSpec;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.experiment.SourceActivations;
import io.autocircuit.experiment.UnfitSettingException;
import io.autocircuit.files.DataException;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.DeviceRequest;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.RandomModels;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.report.DiscoveryReport;
import io.autocircuit.report.HtmlReport;
import io.autocircuit.report.ResultDirectory;
import io.autocircuit.task.RandomTask;
import io.autocircuit.task.TaskProvider;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;

/** {@code discover}: the main job. */
@Command(
    name = "discover",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    modelTransformer = EntryOptions.Adder.class,
    customSynopsis = "autocircuit discover [OPTIONS]",
    description = {
      "Scores the edges of a model on prompt pairs, evaluates circuits of growing size, and writes"
          + " scores.safetensors, edges.json, measurements.json, report.html and run.json.",
      "Without --model and --dataset it runs the embedded induction model."
    })
final class DiscoverCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @ArgGroup(validate = false, order = 1, heading = "%nWhat is run:%n")
  private final Input input = new Input();

  @ArgGroup(validate = false, order = 3, heading = "%nHow edges are scored:%n")
  private final Scoring scoring = new Scoring();

  @ArgGroup(validate = false, order = 5, heading = "%nHow circuits are judged:%n")
  private final Judging judging = new Judging();

  @ArgGroup(validate = false, order = 6, heading = "%nOutput:%n")
  private final OutputOptions output = new OutputOptions();

  @CommandLine.Mixin private DeviceOption device;

  @CommandLine.Mixin private HubOption hub;

  /** Set when the options are added. */
  EntryOptions<PruneAlgorithmProvider> algorithms;

  /** Set when the options are added. */
  EntryOptions<TaskProvider> tasks;

  @Override
  public Integer call() {
    if (input.run == null && usage(() -> options().each().size() > 1)) {
      if (output.dryRun) {
        throw usage("--dry-run is of one run; give one algorithm and one ablation with it");
      }
      return sweep();
    }
    HubOption where = output.dryRun ? hub.dry() : hub;
    RunSpec wanted =
        where.located(
            usage(
                () -> {
                  check();
                  return options().spec();
                }),
            spec.commandLine().getErr());
    if (output.dryRun) {
      usage(
          () -> {
            DiscoverPlan.of(wanted).print(spec.commandLine().getOut());
            return null;
          });
      return 0;
    }
    DeviceChoice on = device(wanted);
    ResultDirectory.requireWritable(output.out);
    Run.Means means =
        new Run.Means(
            Optional.of(on),
            Optional.ofNullable(input.threads),
            Optional.ofNullable(input.memory).map(MemoryBudget::parse));
    try (Run run = open(wanted, means)) {
      discover(run, on);
    }
    return 0;
  }

  /** Several algorithms or ablations: an experiment. */
  private int sweep() {
    List<Cell> cells =
        hub.located(
            usage(
                () -> {
                  check();
                  if (given("--activations") && output.activations > 0) {
                    throw usage(
                        "--activations is of one circuit; give one algorithm and one ablation"
                            + " with it, or leave it away");
                  }
                  return options().each().stream().map(RunOptions::cell).toList();
                }),
            Path.of(""),
            spec.commandLine().getErr());
    Run.Means means =
        new Run.Means(
            Optional.of(device.choose()),
            Optional.ofNullable(input.threads),
            Optional.ofNullable(input.memory).map(MemoryBudget::parse));
    return new Sweep(
            "Circuits of " + options().taskName(),
            cells,
            output.out,
            means,
            ExperimentSpec.Checks.NONE,
            true,
            SweepWorkers.NONE,
            "the same command")
        .run(spec.commandLine().getOut(), spec.commandLine().getErr());
  }

  private RunOptions options() {
    return new RunOptions(input, scoring, judging, algorithms, tasks, parsed());
  }

  private DeviceChoice device(RunSpec wanted) {
    return given("--device") || wanted.machine().isEmpty()
        ? device.choose()
        : DeviceChoice.of(DeviceRequest.parse(wanted.machine().get().device()));
  }

  /** What does not fit is wrong usage, unless a file says it. */
  private Run open(RunSpec wanted, Run.Means means) {
    try {
      return Run.open(wanted, means);
    } catch (UnfitSettingException e) {
      if (input.run != null) {
        throw new DataException("file=" + input.run + ": " + e.getMessage(), e);
      }
      throw new CommandLine.ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  private void discover(Run run, DeviceChoice on) {
    PrintWriter out = spec.commandLine().getOut();
    if (output.verbose) {
      out.println("run: " + run.spec().hash());
      out.println(
          "kernels: " + run.kernels().kernels().name() + " (" + run.kernels().reason() + ")");
      out.println("memory for runs: " + run.memory() + memoryOf(run, on));
    }
    Discovery discovery = run.discovery();
    boolean everyMetric = run.spec().judging().metrics().size() < Metric.all().size();
    Printout printout = new Printout(out, everyMetric);
    printout.before(
        discovery,
        DiscoveryReport.dataset(run),
        run.task().prompts().beginning(),
        output.verbose && on.expected() ? on + " (" + on.reason() + ")" : on.toString());
    Discovery.Result result;
    try (Bars bars = Bars.onTerminal()) {
      result = run.run(bars);
    }
    ResultDirectory.write(output.out, run, result, activations(run, result));
    printout.after(result);
    result.notices().stream()
        .filter(n -> !discovery.knownNotices().contains(n)) // printed before
        .forEach(n -> out.println("note: " + n));
    if (input.run == null) {
      notes().forEach(n -> out.println("note: " + n));
    }
    out.println("report: " + output.out.resolve("report.html"));
  }

  /** What sources write, where it is wanted; a run is not lost because that fails. */
  private Optional<SourceActivations> activations(Run run, Discovery.Result result) {
    if (output.activations == 0) {
      return Optional.empty();
    }
    try {
      return Optional.of(run.activations(result, output.activations, HtmlReport.MAX_EDGES));
    } catch (RuntimeException | OutOfMemoryError e) {
      String why = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
      spec.commandLine()
          .getOut()
          .println(
              "note: results are without activations, which could not be looked at ("
                  + DataException.printable(why, 200)
                  + ")");
      return Optional.empty();
    }
  }

  /** Where the memory budget comes from, unless it was typed. */
  private String memoryOf(Run run, DeviceChoice on) {
    if (input.memory != null) {
      return "";
    }
    if (input.run != null && run.notices().isEmpty()) {
      return " (as recorded)";
    }
    return on.device().isCuda() ? " (of the device)" : " (of this machine)";
  }

  private CommandLine.ParseResult parsed() {
    return spec.commandLine().getParseResult();
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
    atLeast("--threads", input.threads, 1);
    atLeast("--activations", output.activations, 0);
    if (input.memory != null) {
      MemoryBudget.parse(input.memory);
    }
    if (input.run != null) {
      return;
    }
    boolean wanted = input.task != null && tasks.entries().get(input.task).wanted().isPresent();
    if (input.task != null && input.model != null && !wanted) {
      throw usage("give --task or --model, not both: this task has a model of its own");
    }
    if (input.modelDir != null && (!wanted || input.model != null)) {
      throw usage(
          "--model-dir needs a --task that wants a model, and no --model; see 'list tasks'");
    }
    if (input.model != null && input.dataset == null && !wanted) {
      throw usage(
          "--model needs --dataset FILE: prompt pairs for this model (the embedded prompts belong"
              + " to the embedded model)");
    }
    boolean random = input.randomWeights != null || random(input.task);
    if (input.randomWeights != null && input.task != null && !random(input.task)) {
      throw usage("--random-weights belongs to --task random; give one of the two options");
    }
    if (given("--columns") && input.dataset == null) {
      throw usage("--columns says what the columns of --dataset hold; give --dataset too");
    }
    if (given("--random-prompts") && (!random || input.dataset != null)) {
      throw usage("--random-prompts needs --random-weights, and no --dataset");
    }
    if (input.randomWeights != null) {
      RandomModels.shape(input.randomWeights);
    }
    atLeast("--batch-size", input.batchSize, 1);
    atLeast("--train", input.train, 1);
    atLeast("--test", input.test, 1);
    atLeast("--per-prompt", scoring.perPrompt, 1);
    if (scoring.avoidEdges != null && scoring.avoid == null) {
      throw usage("--avoid-edges says how much of --avoid FILE is read; give --avoid too");
    }
    if (scoring.official != null && scoring.circuit != null) {
      throw usage("give --official or --circuit, not both");
    }
    for (String option : List.of("--algorithm", "--preset", "--avoid", "--per-prompt")) {
      if (scoring.scores != null && given(option)) {
        throw usage("give " + option + " or --scores, not both: saved scores are only judged");
      }
    }
    if (scoring.scores != null) {
      algorithms.requireAllowed(parsed());
      return;
    }
    for (RunOptions one : options().each()) {
      if (one.needsOfficial() && one.official().isEmpty()) {
        PruneAlgorithmProvider algorithm = one.algorithm();
        String instead =
            algorithm.needsOfficial()
                ? ""
                : ", or settings that do not name it, such as --circuit-sizes 10,100";
        throw usage(
            "--algorithm "
                + algorithm.key()
                + " needs --official FILE, or --circuit of a task"
                + instead);
      }
      requireScoresOfPrompts(one.algorithm());
    }
  }

  private void requireScoresOfPrompts(PruneAlgorithmProvider algorithm) {
    if (scoring.perPrompt != null && !algorithm.scoresPrompts()) {
      throw usage(
          "--algorithm "
              + algorithm.key()
              + " has no scores for each prompt; leave --per-prompt away, or choose one of "
              + algorithms.entries().entries().stream()
                  .filter(PruneAlgorithmProvider::scoresPrompts)
                  .map(PruneAlgorithmProvider::key)
                  .collect(Collectors.joining(", ")));
    }
  }

  private static boolean random(String task) {
    return RandomTask.KEY.equalsIgnoreCase(task);
  }

  /** What was given and has no effect. */
  private List<String> notes() {
    PruneAlgorithmProvider algorithm = chosen();
    List<String> notes = new ArrayList<>();
    if (input.task == null && input.model != null) {
      notes.addAll(tasks.unused(null, "--model", parsed()));
    } else {
      TaskProvider task = tasks.entries().get(RunOptions.task(input));
      notes.addAll(tasks.unused(task, task.key(), parsed()));
    }
    if (scoring.avoid != null && (algorithm == null || !algorithm.avoids())) {
      notes.add(
          "--avoid has no effect on "
              + (algorithm == null ? "saved scores" : algorithm.key())
              + "; it belongs to sp, cp");
    }
    notes.addAll(
        algorithms.unused(
            algorithm, algorithm == null ? "saved scores" : algorithm.key(), parsed()));
    return notes;
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

  /** The algorithm that scores the edges; null for saved scores, and for a recorded run. */
  private PruneAlgorithmProvider chosen() {
    return scoring.scores != null || input.run != null ? null : options().algorithm();
  }
}
