package io.autocircuit.experiment;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.metric.CircuitTests;
import io.autocircuit.metric.Metric;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.PatchType;
import io.autocircuit.prune.KnockoutTraining;
import io.autocircuit.prune.MaskFunction;
import io.autocircuit.task.TaskProvider;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;

/**
 * An experiment as data: which algorithms are compared on which tasks, and how. It holds no tensor
 * and opens nothing; {@link #cells} gives its runs.
 *
 * @param title its name in reports
 * @param tasks the tasks, at least one
 * @param algorithms the algorithms, at least one
 * @param ablations what ablated sources are replaced by; empty for resampling, where algorithms
 *     keep their own default while edges are scored
 * @param patchTypes what is ablated, at least one
 * @param sizes the sizes of circuits
 * @param metrics what is measured; empty for all that apply
 * @param seeds of all that is random, at least one
 * @param graph how models are seen as graphs
 * @param options how tasks are run: values of {@code slice}, {@code train}, {@code test}, {@code
 *     shuffle}, {@code batch_size}, {@code pad}, {@code bos}, {@code multi_token_answers}, {@code
 *     processing}, {@code precision}, {@code reverse_clean_corrupt} and {@code ties}, all of which
 *     may be absent
 * @param randomBaseline whether random scores are added where they are not listed
 * @param completeness how complete circuits are; empty where that is not measured
 * @param circuitTests hypothesis tests of circuits; empty where none are made
 */
public record ExperimentSpec(
    String title,
    List<ExperimentTask> tasks,
    List<ExperimentAlgorithm> algorithms,
    List<Ablation> ablations,
    List<PatchType> patchTypes,
    EdgeCounts sizes,
    List<Metric> metrics,
    List<Long> seeds,
    ExperimentGraphs graph,
    Settings options,
    boolean randomBaseline,
    Optional<Completeness> completeness,
    Optional<Tests> circuitTests) {

  /** The experiment that travels in the jar. */
  private static final String EMBEDDED = "/io/autocircuit/experiments/ground-truth.yaml";

  /**
   * Keeps unmodifiable copies.
   *
   * @param title its name in reports
   * @param tasks the tasks, at least one
   * @param algorithms the algorithms, at least one
   * @param ablations what ablated sources are replaced by
   * @param patchTypes what is ablated, at least one
   * @param sizes the sizes of circuits
   * @param metrics what is measured; empty for all that apply
   * @param seeds of all that is random, at least one
   * @param graph how models are seen as graphs
   * @param options how tasks are run
   * @param randomBaseline whether random scores are added where they are not listed
   * @param completeness how complete circuits are
   * @param circuitTests hypothesis tests of circuits
   * @throws IllegalArgumentException if there is no task, algorithm, patch type or seed
   */
  public ExperimentSpec {
    Objects.requireNonNull(title, "title");
    Objects.requireNonNull(options, "options");
    tasks = some("tasks", tasks);
    algorithms = some("algorithms", algorithms);
    ablations = List.copyOf(ablations);
    patchTypes = some("patch_types", patchTypes);
    metrics = List.copyOf(metrics);
    seeds = some("seeds", seeds);
  }

  private static <T> List<T> some(String what, List<T> items) {
    if (items.isEmpty()) {
      throw new IllegalArgumentException(what + "=[] is empty; give at least one");
    }
    return List.copyOf(items);
  }

  /**
   * How complete circuits are, as an experiment measures it: a circuit should behave as the model
   * does under knockouts too, which are learned for each.
   *
   * @param sizes the sizes of the circuits; empty for that of the task's known circuit
   * @param epochs passes over the prompts in which knockouts are learned
   * @param learningRate Adam's step
   * @param lambda weight of the penalty of knockouts
   * @param maskFunction what makes a mask of a learned number
   * @param target in what circuit and model are to differ
   */
  public record Completeness(
      List<Integer> sizes,
      int epochs,
      double learningRate,
      double lambda,
      MaskFunction maskFunction,
      KnockoutTraining.Target target) {
    /**
     * Keeps an unmodifiable copy.
     *
     * @param sizes the sizes of the circuits
     * @param epochs passes over the prompts in which knockouts are learned
     * @param learningRate Adam's step
     * @param lambda weight of the penalty of knockouts
     * @param maskFunction what makes a mask of a learned number
     * @param target in what circuit and model are to differ
     */
    public Completeness {
      sizes = List.copyOf(sizes);
    }

    /**
     * With hard concrete masks and the KL divergence.
     *
     * @param sizes the sizes of the circuits
     * @param epochs passes over the prompts in which knockouts are learned
     * @param learningRate Adam's step
     * @param lambda weight of the penalty of knockouts
     */
    public Completeness(List<Integer> sizes, int epochs, double learningRate, double lambda) {
      this(
          sizes,
          epochs,
          learningRate,
          lambda,
          MaskFunction.HARD_CONCRETE,
          KnockoutTraining.Target.KL_DIV);
    }

    /**
     * How knockouts are learned.
     *
     * @param ablation what ablated edges are replaced by
     * @param seed of the mask samples
     * @return the training
     */
    public KnockoutTraining training(Ablation ablation, long seed) {
      return new KnockoutTraining(
          learningRate, epochs, lambda, maskFunction, ablation, target, seed);
    }
  }

  /**
   * Hypothesis tests of circuits, as an experiment makes them.
   *
   * @param sizes the sizes of the circuits; empty for that of the task's known circuit
   * @param metric the score of a prompt; empty for {@link CircuitTests#usualScore}
   * @param settings how the tests are made
   */
  public record Tests(
      List<Integer> sizes, Optional<Metric> metric, CircuitTests.Settings settings) {
    /**
     * Keeps an unmodifiable copy.
     *
     * @param sizes the sizes of the circuits
     * @param metric the score of a prompt
     * @param settings how the tests are made
     */
    public Tests {
      sizes = List.copyOf(sizes);
    }
  }

  /**
   * What is asked of circuits beside metrics.
   *
   * @param completeness how complete circuits are; empty where that is not measured
   * @param tests hypothesis tests of circuits; empty where none are made
   */
  public record Checks(Optional<Completeness> completeness, Optional<Tests> tests) {
    /** Nothing. */
    public static final Checks NONE = new Checks(Optional.empty(), Optional.empty());
  }

  /**
   * What this experiment asks of circuits beside metrics.
   *
   * @return for {@link Experiment#open}
   */
  public Checks checks() {
    return new Checks(completeness, circuitTests);
  }

  /**
   * The usual experiment: resampling, tree patching, a choice of sizes, all metrics, seed 42, with
   * random scores as a baseline.
   *
   * @param title its name in reports
   * @param tasks the tasks, at least one
   * @param algorithms the algorithms, at least one
   * @return the experiment
   */
  public static ExperimentSpec of(
      String title, List<ExperimentTask> tasks, List<ExperimentAlgorithm> algorithms) {
    return new ExperimentSpec(
        title,
        tasks,
        algorithms,
        List.of(),
        List.of(PatchType.TREE_PATCH),
        EdgeCounts.parse(List.of("auto")),
        List.of(),
        List.of(RunSpec.SEED),
        ExperimentGraphs.USUAL,
        Settings.defaults(ExperimentFields.RUN),
        true,
        Optional.empty(),
        Optional.empty());
  }

  /**
   * Reads an experiment file.
   *
   * @param file YAML 1.2 or JSON, as {@code docs/experiments.md} says; relative paths in it are
   *     paths from its directory
   * @return the experiment
   * @throws DataException if it cannot be read; the message lists up to ten mistakes with line and
   *     column
   */
  public static ExperimentSpec read(Path file) {
    Path folder = file.toAbsolutePath().normalize().getParent();
    return parse(JsonFiles.text(file, JsonFiles.LARGEST_CONFIG), file.toString(), folder);
  }

  /**
   * Reads an experiment from text.
   *
   * @param text YAML 1.2 or JSON
   * @param source what messages call it; the end of it is the title where the text has none
   * @param folder where relative paths begin
   * @return the experiment
   * @throws DataException as {@link #read}
   */
  public static ExperimentSpec parse(String text, String source, Path folder) {
    Mistakes mistakes = new Mistakes(source);
    Optional<ExperimentSpec> spec =
        new ExperimentReader(mistakes, folder).read(MarkedFile.parse(text, source), source);
    if (!mistakes.none()) {
      throw mistakes.exception(null);
    }
    return spec.orElseThrow();
  }

  /**
   * The mistakes of an experiment file, each on a line of its own.
   *
   * @param file YAML 1.2 or JSON
   * @return up to ten, such as {@code line 7, column 5: unknown field "seed"; …}; none for a file
   *     that {@link #read} reads
   * @throws DataException if the file cannot be read or is no YAML
   */
  public static List<String> mistakes(Path file) {
    Mistakes mistakes = new Mistakes(file.toString());
    String text = JsonFiles.text(file, JsonFiles.LARGEST_CONFIG);
    Path folder = file.toAbsolutePath().normalize().getParent();
    new ExperimentReader(mistakes, folder)
        .read(MarkedFile.parse(text, file.toString()), file.toString());
    return mistakes.lines();
  }

  /**
   * The experiment that travels in the jar: all algorithms on models whose circuits are known.
   *
   * @return the experiment
   */
  public static ExperimentSpec embedded() {
    return parse(embeddedText(), EMBEDDED.substring(EMBEDDED.lastIndexOf('/') + 1), Path.of(""));
  }

  /**
   * The file of the experiment that travels in the jar.
   *
   * @return YAML, to start a file of one's own with
   * @throws DataException if the jar does not hold it
   */
  public static String embeddedText() {
    return Resources.text(EMBEDDED);
  }

  /**
   * The schema of experiment files.
   *
   * @return JSON Schema, draft 7, with the keys and settings of what is in the catalogues now
   */
  public static String schema() {
    return ExperimentSchema.text();
  }

  /**
   * A page of documentation, in Markdown, of the fields of experiment files.
   *
   * @return the same text for the same version of the library
   */
  public static String page() {
    return ExperimentPage.text();
  }

  /**
   * The runs of the experiment, in the order task, seed, graph, algorithm, ablation, patch type;
   * runs that are the same are there once.
   *
   * @param models finds the model of a task that brings none ({@link TaskProvider#wanted}); a
   *     {@link DataException} that it throws becomes the refusal of the task's cells
   * @return the cells
   * @throws DataException if there are too many
   */
  public List<Cell> cells(Function<TaskProvider, ModelSource> models) {
    return Cells.of(this, models);
  }
}
