package io.autocircuit.spark;

import io.autocircuit.experiment.Cell;
import io.autocircuit.experiment.Cells;
import io.autocircuit.experiment.ExperimentSpec;
import io.autocircuit.experiment.ModelPlaces;
import io.autocircuit.experiment.ModelSource;
import io.autocircuit.files.DataException;
import io.autocircuit.hub.Hub;
import io.autocircuit.hub.HubModel;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.task.ModelFolders;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The entry for {@code spark-submit}: {@code docs/spark.md}. */
@Command(
    name = "autocircuit-spark",
    mixinStandardHelpOptions = true,
    description = "Runs sweeps of AutoCircuit for the JVM on Apache Spark.",
    subcommands = SparkExperiment.Sweep.class)
public final class SparkExperiment implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  /** For the command line. */
  SparkExperiment() {}

  @Override
  public void run() {
    throw new CommandLine.ParameterException(
        spec.commandLine(), "no command given; commands: experiment");
  }

  /**
   * Runs the command line; a process that fails ends with 1, one that was called wrongly with 2.
   *
   * @param args the words behind the jar
   */
  public static void main(String[] args) {
    int code =
        run(
            new PrintWriter(System.out, true, StandardCharsets.UTF_8),
            new PrintWriter(System.err, true, StandardCharsets.UTF_8),
            args);
    if (code != 0) { // otherwise the end is Spark's
      System.exit(code);
    }
  }

  /**
   * Runs the command line.
   *
   * @return 0 done, 1 a cell failed or bad data, 2 wrong usage
   */
  static int run(PrintWriter out, PrintWriter err, String... args) {
    return new CommandLine(new SparkExperiment())
        .setOut(out)
        .setErr(err)
        .setExecutionExceptionHandler(
            (e, line, parsed) -> {
              if (!(e instanceof DataException || e instanceof IllegalArgumentException)) {
                throw e;
              }
              err.println("autocircuit: " + DataException.oneLine(String.valueOf(e.getMessage())));
              return 1;
            })
        .execute(args);
  }

  /** {@code experiment}. */
  @Command(
      name = "experiment",
      mixinStandardHelpOptions = true,
      sortOptions = false,
      description = {
        "Runs every combination of an experiment file on Spark, into the store that 'experiment' of"
            + " the library writes. Cells that are in the store are not run again: the same command"
            + " goes on where an earlier one stopped.",
        "Without FILE it runs the embedded experiment."
      })
  static final class Sweep implements Callable<Integer> {
    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    @Parameters(
        index = "0",
        arity = "0..1",
        paramLabel = "FILE",
        description = "Experiment file of the driver, YAML or JSON.")
    private Path file;

    @Option(
        names = "--out",
        paramLabel = "URI",
        defaultValue = "experiment",
        description =
            "The store: a directory of the driver, or a URI of a file system that Hadoop knows"
                + " (default: ${DEFAULT-VALUE}).")
    private String out;

    @Option(
        names = "--only",
        paramLabel = "FILTER",
        description = "Run some of the cells: 'task=induction,algorithm=eap|ig'.")
    private String only;

    @Option(
        names = "--model-dir",
        paramLabel = "DIR",
        description = "Folder of models, on the same path of every host.")
    private String modelDir;

    @Option(
        names = "--threads",
        paramLabel = "N",
        description = "Native threads of a task. Default: spark.task.cpus.")
    private Integer threads;

    @Option(
        names = "--memory",
        paramLabel = "SIZE",
        description =
            "Native memory that the runs of a task may take. Default: half of what its host has"
                + " available, parted among the tasks of an executor.")
    private String memory;

    @Option(
        names = "--task-seconds",
        paramLabel = "S",
        defaultValue = "300",
        description =
            "Cells of a model are put into one task up to so many estimated seconds; what a lost"
                + " executor costs (default: ${DEFAULT-VALUE}).")
    private double taskSeconds;

    @Option(names = "--no-pages", description = "Write no page for each cell.")
    private boolean noPages;

    @Override
    public Integer call() {
      if (threads != null && threads < 1) {
        throw usage("--threads=" + threads + " is out of range; give a whole number from 1");
      }
      if (!(taskSeconds > 0)) {
        throw usage("--task-seconds=" + taskSeconds + " is out of range; give a positive number");
      }
      long bytes = bytes();
      ExperimentSpec experiment =
          file == null ? ExperimentSpec.embedded() : ExperimentSpec.read(file);
      List<Cell> cells = cells(experiment);
      TaskMeans means =
          new TaskMeans(
              threads == null ? 0 : threads,
              bytes,
              !noPages,
              experiment.completeness().map(TaskMeans.Knockouts::of).orElse(null),
              experiment.circuitTests().map(TaskMeans.Hypotheses::of).orElse(null));
      SparkConf conf = new SparkConf();
      conf.setIfMissing("spark.app.name", "AutoCircuit: " + experiment.title());
      // the sum over all tasks, which the driver does not keep but writes
      conf.setIfMissing("spark.driver.maxResultSize", "0");
      SparkContext spark = SparkContext.getOrCreate(conf);
      try (StorePlace place = StorePlace.of(out, spark.hadoopConfiguration())) {
        return new SparkSweep(
                experiment.title(), cells, place, means, taskSeconds, spec.commandLine().getOut())
            .run(spark);
      } finally {
        spark.stop();
      }
    }

    private long bytes() {
      try {
        return memory == null ? 0 : MemoryBudget.parse(memory).bytes();
      } catch (IllegalArgumentException e) {
        throw usage("--" + e.getMessage());
      }
    }

    private List<Cell> cells(ExperimentSpec experiment) {
      ModelFolders folders =
          ModelFolders.parse(modelDir == null ? "" : modelDir).and(ModelFolders.standard());
      List<Cell> cells =
          experiment.cells(
              task -> ModelSource.at(folders.require(task.wanted().orElseThrow(), task.key())));
      if (only != null) {
        try {
          cells = Cells.only(cells, only);
        } catch (IllegalArgumentException e) {
          throw usage(e.getMessage());
        }
      }
      Path folder = (file == null ? Path.of("") : file.toAbsolutePath().getParent());
      return ModelPlaces.located(
          cells,
          folder.toAbsolutePath().normalize(),
          name -> Hub.standard().named(name).map(HubModel::directory).orElse(name));
    }

    private CommandLine.ParameterException usage(String message) {
      return new CommandLine.ParameterException(spec.commandLine(), message);
    }
  }
}
