package io.autocircuit.spark;

import io.autocircuit.experiment.Cell;
import io.autocircuit.experiment.Experiment;
import io.autocircuit.experiment.ExperimentResults.Failure;
import io.autocircuit.experiment.ExperimentStore;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunResources;
import io.autocircuit.files.DataException;
import io.autocircuit.report.ExperimentPages;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.spark.SimpleFutureAction;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import scala.collection.Iterator;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction0;
import scala.runtime.AbstractFunction1;
import scala.runtime.AbstractFunction2;
import scala.runtime.BoxedUnit;

/**
 * The driver of a sweep: it cuts the cells that are not in the store into groups, of which each is
 * a task, and writes what a task brings into the store as soon as it does.
 *
 * @param title the experiment's name
 * @param cells what is run
 * @param place of the store
 * @param means how tasks compute
 * @param taskSeconds how long a task of several cells may take, by the estimate
 * @param out where lines for people go
 */
record SparkSweep(
    String title,
    List<Cell> cells,
    StorePlace place,
    TaskMeans means,
    double taskSeconds,
    PrintWriter out) {
  private static final long PATIENCE_MILLIS = 200;

  /** So many tasks for each that runs at once, so that all end at about the same time. */
  private static final int TASKS_PER_SLOT = 3;

  /** The function of a task that runs a group. */
  private static final class RunGroup extends AbstractFunction1<Iterator<CellGroup>, byte[]>
      implements Serializable {
    private static final long serialVersionUID = 1;

    private final TaskMeans means;

    RunGroup(TaskMeans means) {
      this.means = means;
    }

    @Override
    public byte[] apply(Iterator<CellGroup> groups) {
      return OnExecutor.run(groups.next(), means);
    }
  }

  /**
   * Runs it.
   *
   * @param spark runs the tasks
   * @return 0, or 1 if a cell failed
   * @throws DataException if the store cannot be used, or Spark gave up
   */
  int run(SparkContext spark) {
    try (Experiment experiment =
        Experiment.open(title, cells, place.directory(), Run.Means.AS_RECORDED)) {
      int total = experiment.cells().size();
      int there = (int) experiment.cells().keySet().stream().filter(experiment::there).count();
      say(
          "%s: %d cells%s",
          title, total, there == 0 ? "" : ", " + there + " in " + place.name() + " already");
      Experiment.Summary summary;
      try {
        summary =
            experiment.run(
                left -> run(spark, experiment, left),
                new Experiment.Watcher() {
                  @Override
                  public void failed(Cell cell, String message) {
                    say("%s: FAILED: %s", cell.name(), message);
                  }
                });
      } finally {
        place.save(experiment.store());
      }
      if (means.pages()) {
        ExperimentPages.shared(place.directory());
      }
      ExperimentPages.report(experiment.store(), Map.of("Store", ExperimentStore.FILE));
      place.save(experiment.store());
      say(
          "cells: %d done, %d of them now, %d failed",
          total - summary.failed(), total - summary.failed() - summary.there(), summary.failed());
      say("store: %s/%s", place.name(), ExperimentStore.FILE);
      say("report: %s/%s", place.name(), ExperimentPages.REPORT);
      for (Failure f : experiment.store().results().failures()) {
        say("failed: %s: %s", f.cell(), f.message());
      }
      return summary.failed() == 0 ? 0 : 1;
    }
  }

  private void say(String format, Object... values) {
    out.printf(Locale.ROOT, format + "%n", values);
    out.flush();
  }

  private void run(SparkContext spark, Experiment experiment, Map<String, Cell> left) {
    Map<Object, List<SentCell>> models = new LinkedHashMap<>();
    left.values()
        .forEach(
            c ->
                models
                    .computeIfAbsent(
                        RunResources.loaded(c.spec().orElseThrow()), m -> new ArrayList<>())
                    .add(SentCell.of(c)));
    List<CellGroup> groups = groups(spark, List.copyOf(models.values()));
    say(
        "%d cells of %d models and prompts in %d tasks, the longest of about %.1f s",
        left.size(),
        models.size(),
        groups.size(),
        groups.stream().mapToDouble(CellGroup::seconds).max().orElse(0));
    RDD<CellGroup> tasks = new JavaSparkContext(spark).parallelize(groups, groups.size()).rdd();
    BlockingQueue<byte[]> brought = new LinkedBlockingQueue<>();
    SimpleFutureAction<Object> job =
        spark.submitJob(
            tasks,
            new RunGroup(means),
            CollectionConverters.asScala(
                    IntStream.range(0, groups.size()).<Object>mapToObj(i -> i).toList())
                .toSeq(),
            new AbstractFunction2<Object, byte[], BoxedUnit>() {
              @Override
              public BoxedUnit apply(Object task, byte[] store) {
                brought.add(store); // on Spark's own thread, which is not to wait for a disk
                return BoxedUnit.UNIT;
              }
            },
            new AbstractFunction0<>() {
              @Override
              public Object apply() {
                return BoxedUnit.UNIT;
              }
            });
    boolean ended = false;
    try {
      int done = experiment.cells().size() - left.size();
      while (!job.isCompleted() || !brought.isEmpty()) {
        byte[] store = brought.poll(PATIENCE_MILLIS, TimeUnit.MILLISECONDS);
        if (store != null) {
          done += merge(experiment, left, store, done);
          place.saveSometimes(experiment.store());
        }
      }
      ended = true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new DataException("interrupted; finished cells are in " + place.name(), e);
    } finally {
      if (!ended) {
        job.cancel();
      }
    }
    if (job.value().get().isFailure()) {
      throw gaveUp(job.value().get().failed().get());
    }
  }

  /** The costs are estimated by tasks, one for each model, which loads it. */
  private List<CellGroup> groups(SparkContext spark, List<List<SentCell>> models) {
    TaskMeans how = means;
    List<CellGroup> whole = models.stream().map(m -> new CellGroup(new ArrayList<>(m), 0)).toList();
    List<double[]> seconds;
    try {
      seconds =
          new JavaSparkContext(spark)
              .parallelize(whole, whole.size())
              .map(group -> OnExecutor.estimate(group, how))
              .collect();
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) { // of Scala, which does not declare them
      throw gaveUp(e);
    }
    Map<SentCell, Double> costs = new HashMap<>();
    double all = 0;
    for (int m = 0; m < models.size(); m++) {
      for (int c = 0; c < models.get(m).size(); c++) {
        costs.put(models.get(m).get(c), seconds.get(m)[c]);
        all += seconds.get(m)[c];
      }
    }
    int slots = Math.max(1, spark.defaultParallelism() / spark.conf().getInt("spark.task.cpus", 1));
    double longest = Math.min(taskSeconds, all / slots / TASKS_PER_SLOT);
    return CellGroup.cut(models, costs::get, longest);
  }

  private DataException gaveUp(Throwable e) {
    return new DataException(
        "Spark gave up: "
            + DataException.oneLine(String.valueOf(e.getMessage()).lines().findFirst().orElse(""))
            + "; finished cells are in "
            + place.name()
            + ", and the same command goes on",
        e);
  }

  /** Takes what a task brought; says how many cells that were. */
  private int merge(Experiment experiment, Map<String, Cell> left, byte[] store, int before) {
    List<ExperimentStore.Taken> taken;
    Path part = null;
    try {
      part = Files.createTempDirectory("autocircuit-part-");
      PackedStore.unpack(store, part);
      taken = experiment.store().merge(part);
    } catch (IOException e) {
      throw new DataException(
          "the results of a task cannot be written: "
              + DataException.oneLine(String.valueOf(e.getMessage())),
          e);
    } finally {
      if (part != null) {
        PackedStore.remove(part);
      }
    }
    int done = before;
    for (ExperimentStore.Taken t : taken) {
      String what =
          t.failure()
              .map(message -> "FAILED: " + message)
              .orElseGet(() -> String.format(Locale.ROOT, "%.2f s", t.seconds()));
      say("%d/%d %s: %s", ++done, experiment.cells().size(), left.get(t.run()).name(), what);
    }
    return taken.size();
  }
}
