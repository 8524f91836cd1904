package io.autocircuit.spark;

import io.autocircuit.experiment.ExperimentSpec;
import io.autocircuit.experiment.ExperimentSpec.Completeness;
import io.autocircuit.experiment.ExperimentSpec.Tests;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.files.DataException;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.DeviceRequest;
import io.autocircuit.metric.CircuitTests;
import io.autocircuit.metric.Metric;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.prune.KnockoutTraining;
import io.autocircuit.prune.MaskFunction;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.TaskContext;
import org.apache.spark.resource.ResourceInformation;
import scala.jdk.javaapi.CollectionConverters;

/**
 * How tasks compute.
 *
 * @param threads of each task; 0 for {@code spark.task.cpus}
 * @param memory native memory that the runs of a task may take, in bytes; 0 for the executor's
 *     share of its machine
 * @param pages whether each cell gets a page
 * @param completeness how complete circuits are; null where it is not measured
 * @param tests hypothesis tests of circuits; null where none are made
 * @param library the version of the driver's library
 */
record TaskMeans(
    int threads,
    long memory,
    boolean pages,
    Knockouts completeness,
    Hypotheses tests,
    String library)
    implements Serializable {
  private static final String GPU = "gpu";

  /** With this process's library. */
  TaskMeans(int threads, long memory, boolean pages, Knockouts completeness, Hypotheses tests) {
    this(threads, memory, pages, completeness, tests, RunSpec.libraryVersion());
  }

  /** What is asked of circuits. */
  ExperimentSpec.Checks checks() {
    return new ExperimentSpec.Checks(
        Optional.ofNullable(completeness).map(Knockouts::completeness),
        Optional.ofNullable(tests).map(Hypotheses::tests));
  }

  /**
   * Refuses to compute with another version than the driver's, whose runs have other hashes.
   *
   * @throws DataException with both versions
   */
  void requireSameLibrary() {
    String here = RunSpec.libraryVersion();
    if (!here.equals(library)) {
      throw new DataException(
          "library="
              + library
              + " of the driver is not library="
              + here
              + " of an executor; give both the same jar");
    }
  }

  /**
   * {@link Completeness} as it travels.
   *
   * @param sizes the sizes of the circuits
   * @param epochs passes over the prompts
   * @param learningRate Adam's step
   * @param lambda weight of the penalty
   * @param mask what makes a mask of a learned number
   * @param target in what circuit and model are to differ
   */
  record Knockouts(
      ArrayList<Integer> sizes,
      int epochs,
      double learningRate,
      double lambda,
      MaskFunction mask,
      KnockoutTraining.Target target)
      implements Serializable {

    static Knockouts of(Completeness c) {
      return new Knockouts(
          new ArrayList<>(c.sizes()),
          c.epochs(),
          c.learningRate(),
          c.lambda(),
          c.maskFunction(),
          c.target());
    }

    Completeness completeness() {
      return new Completeness(sizes, epochs, learningRate, lambda, mask, target);
    }
  }

  /**
   * {@link Tests} as they travel.
   *
   * @param sizes the sizes of the circuits
   * @param metric the key of the score; null for the usual one
   * @param epsilon as of the settings
   * @param permutations likewise
   * @param quantile likewise
   * @param draws likewise
   * @param level likewise
   * @param seed likewise
   */
  record Hypotheses(
      ArrayList<Integer> sizes,
      String metric,
      double epsilon,
      int permutations,
      double quantile,
      int draws,
      double level,
      long seed)
      implements Serializable {

    static Hypotheses of(Tests t) {
      CircuitTests.Settings s = t.settings();
      return new Hypotheses(
          new ArrayList<>(t.sizes()),
          t.metric().map(Metric::key).orElse(null),
          s.epsilon(),
          s.permutations(),
          s.quantile(),
          s.draws(),
          s.level(),
          s.seed());
    }

    Tests tests() {
      return new Tests(
          sizes,
          Optional.ofNullable(metric).map(Metric::of),
          new CircuitTests.Settings(epsilon, permutations, quantile, draws, level, seed));
    }
  }

  /**
   * The device of a task: the address that Spark gave it, else the best there is.
   *
   * @param task with its resources
   * @return such as {@code cuda:1}
   * @throws IllegalArgumentException if it has several, or one whose address is no number
   */
  static String device(TaskContext task) {
    return device(CollectionConverters.asJava(task.resources()));
  }

  static String device(Map<String, ResourceInformation> resources) {
    ResourceInformation gpu = resources.get(GPU);
    if (gpu == null) {
      return "auto";
    }
    String[] addresses = gpu.addresses();
    if (addresses.length != 1) {
      throw new IllegalArgumentException(
          "spark.task.resource.gpu.amount="
              + addresses.length
              + ": a cell is computed on one device; set it to 1, or to less if tasks share one");
    }
    if (!addresses[0].matches("\\d{1,3}")) {
      throw new IllegalArgumentException(
          "gpu address=\""
              + addresses[0]
              + "\" is no number; the discovery script is to give indices of CUDA devices: 0, 1");
    }
    return "cuda:" + addresses[0];
  }

  /**
   * What runs are computed with.
   *
   * @param task whose processors and device they are
   * @param share native memory of one task of this executor where nobody says it
   */
  Run.Means of(TaskContext task, Optional<MemoryBudget> share) {
    DeviceChoice on = DeviceChoice.of(DeviceRequest.parse(device(task)));
    return new Run.Means(
        Optional.of(on),
        Optional.of(threads > 0 ? threads : task.cpus()),
        memory > 0
            ? Optional.of(new MemoryBudget(memory))
            : share.filter(m -> !on.device().isCuda()));
  }
}
