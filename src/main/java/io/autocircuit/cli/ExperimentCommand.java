package io.autocircuit.cli;

import io.autocircuit.experiment.Cell;
import io.autocircuit.experiment.Cells;
import io.autocircuit.experiment.ExperimentSpec;
import io.autocircuit.experiment.ModelSource;
import io.autocircuit.experiment.Run;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.task.ModelFolders;
import io.autocircuit.task.TaskProvider;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code experiment}: many runs, compared. */
@Command(
    name = "experiment",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Runs every combination of tasks, algorithms, ablations and seeds of an experiment file into"
          + " a store, and writes a page that compares them. Cells that are in the store are not"
          + " run again: the same command goes on where an earlier one stopped.",
      "Without FILE it runs the embedded experiment: all algorithms on models whose circuits are"
          + " known."
    })
final class ExperimentCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(
      index = "0",
      arity = "0..1",
      paramLabel = "FILE",
      description = "Experiment file, YAML or JSON; see docs/experiments.md.")
  private Path file;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "experiment",
      description = "The store: experiment.db, scores, pages (default: ${DEFAULT-VALUE}).")
  private Path out;

  @Option(
      names = "--dry-run",
      description = "Print the cells and an estimate of the time, and run nothing.")
  private boolean dryRun;

  @Option(
      names = "--only",
      paramLabel = "FILTER",
      description =
          "Run some of the cells: name=value, parted by commas; several values parted by |, and *"
              + " for anything: 'task=induction,algorithm=eap|ig'.")
  private String only;

  @Option(
      names = "--workers",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "Processes that work on the cells at the same time, which share threads and memory"
              + " (default: ${DEFAULT-VALUE}).")
  private int workers;

  @Option(
      names = "--model-dir",
      paramLabel = "DIR",
      description =
          "Folder of models, or several parted as those of PATH, for tasks that want a model."
              + " Default: the environment's AUTOCIRCUIT_MODELS.")
  private String modelDir;

  @Option(names = "--no-pages", description = "Write no page for each cell.")
  private boolean noPages;

  @Option(names = "--schema", description = "Print the JSON Schema of experiment files.")
  private boolean schema;

  @Option(
      names = "--example",
      description = "Print the file of the embedded experiment, to begin one of your own.")
  private boolean example;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Native threads of all processes together. Default: all cores.")
  private Integer threads;

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      description =
          "Native memory that the runs of all processes together may take. Default: half of what"
              + " the machine has available.")
  private String memory;

  @Option(names = SweepWorkers.HELPER, hidden = true)
  private boolean helper;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @CommandLine.Mixin private DeviceOption device;

  @CommandLine.Mixin private HubOption hub;

  @Override
  public Integer call() {
    PrintWriter print = spec.commandLine().getOut();
    if (schema) {
      print.print(ExperimentSpec.schema());
      print.flush();
      return 0;
    }
    if (example) {
      print.print(ExperimentSpec.embeddedText());
      print.flush();
      return 0;
    }
    check();
    ExperimentSpec experiment =
        file == null ? ExperimentSpec.embedded() : ExperimentSpec.read(file);
    List<Cell> cells = experiment.cells(this::model);
    if (only != null) {
      cells = some(cells);
    }
    cells = (dryRun ? hub.dry() : hub).located(cells, folder(), spec.commandLine().getErr());
    DeviceChoice on = device.choose();
    int processors = threads == null ? Runtime.getRuntime().availableProcessors() : threads;
    int each = helper ? processors : Math.max(1, processors / workers);
    Optional<MemoryBudget> budget = budget();
    if (dryRun) {
      DryRun.print(cells, new Run.Means(Optional.of(on), Optional.of(each), budget), print);
      if (!experiment.checks().equals(ExperimentSpec.Checks.NONE)) {
        print.println("without tests and completeness of circuits, which come on top");
      }
      return 0;
    }
    return new Sweep(
            experiment.title(),
            cells,
            out,
            new Run.Means(Optional.of(on), Optional.of(each), budget),
            experiment.checks(),
            !noPages,
            new SweepWorkers(
                workers,
                helper,
                command(),
                each,
                budget.map(MemoryBudget::bytes).orElse(Long.MAX_VALUE)),
            again())
        .run(print, spec.commandLine().getErr());
  }

  private void check() {
    if (workers < 1) {
      throw usage("--workers=" + workers + " is out of range; give a whole number from 1");
    }
    if (threads != null && threads < 1) {
      throw usage("--threads=" + threads + " is out of range; give a whole number from 1");
    }
    if (out.toString().isEmpty()) {
      throw usage("--out is empty; give a directory, . for the current one");
    }
  }

  private Optional<MemoryBudget> budget() {
    if (memory == null && workers == 1) {
      return Optional.empty();
    }
    try {
      MemoryBudget all = memory == null ? MemoryBudget.ofMachine() : MemoryBudget.parse(memory);
      return Optional.of(new MemoryBudget(Math.max(1, all.bytes() / (helper ? 1 : workers))));
    } catch (IllegalArgumentException e) {
      throw usage(e.getMessage());
    }
  }

  private List<Cell> some(List<Cell> cells) {
    try {
      return Cells.only(cells, only);
    } catch (IllegalArgumentException e) {
      throw usage(e.getMessage());
    }
  }

  /** Where relative paths of the experiment begin. */
  private Path folder() {
    return (file == null ? Path.of("") : file.toAbsolutePath().normalize().getParent())
        .toAbsolutePath();
  }

  private ModelSource model(TaskProvider task) {
    return ModelSource.at(folders().require(task.wanted().orElseThrow(), task.key()));
  }

  private ModelFolders folders() {
    return ModelFolders.parse(modelDir == null ? "" : modelDir).and(ModelFolders.standard());
  }

  /** The command without what says how to compute, for helpers. */
  private List<String> command() {
    List<String> words = new ArrayList<>(List.of("experiment"));
    if (file != null) {
      words.add(file.toString());
    }
    words.addAll(List.of("--out", out.toString()));
    if (spec.commandLine().getParseResult().hasMatchedOption("--device")) {
      words.addAll(List.of("--device", device.text()));
    }
    if (only != null) {
      words.addAll(List.of("--only", only));
    }
    if (modelDir != null) {
      words.addAll(List.of("--model-dir", modelDir));
    }
    if (noPages) {
      words.add("--no-pages");
    }
    return words;
  }

  /** What to type to go on, for a shell. */
  private String again() {
    List<String> words = new ArrayList<>(List.of("autocircuit"));
    words.addAll(command());
    if (workers > 1) {
      words.addAll(List.of("--workers", String.valueOf(workers)));
    }
    if (threads != null) {
      words.addAll(List.of("--threads", String.valueOf(threads)));
    }
    if (memory != null) {
      words.addAll(List.of("--memory", memory));
    }
    return words.stream()
        .map(w -> w.matches("[\\w./:=@%+,-]+") ? w : "'" + w.replace("'", "'\\''") + "'")
        .collect(Collectors.joining(" "));
  }

  private CommandLine.ParameterException usage(String message) {
    return new CommandLine.ParameterException(spec.commandLine(), message);
  }
}
