package io.autocircuit.spark;

import io.autocircuit.experiment.Cell;
import io.autocircuit.experiment.Experiment;
import io.autocircuit.experiment.ModelPlaces;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunEstimate;
import io.autocircuit.experiment.RunResources;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.files.DataException;
import io.autocircuit.hub.Hub;
import io.autocircuit.hub.HubModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.report.ExperimentPages;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import org.apache.spark.TaskContext;

/** What an executor does with a group of cells. */
final class OnExecutor {
  private OnExecutor() {}

  /**
   * Runs a group into a store of its own.
   *
   * @return the store, {@linkplain PackedStore packed}
   */
  static byte[] run(CellGroup group, TaskMeans means) {
    means.requireSameLibrary();
    TaskContext task = TaskContext.get();
    List<Cell> cells = group.cells().stream().map(OnExecutor::here).toList();
    return with(
        cells,
        task,
        means,
        (run, resources) -> {
          Path store = Files.createTempDirectory("autocircuit-");
          try {
            try (Experiment experiment =
                Experiment.open(
                    "A part of an experiment",
                    cells,
                    store,
                    run,
                    means.checks(),
                    means.pages() ? Optional.of(ExperimentPages.circuits()) : Optional.empty(),
                    resources)) {
              experiment.run(watcher(task));
            }
            return PackedStore.pack(store);
          } finally {
            PackedStore.remove(store);
          }
        });
  }

  /**
   * What the cells of a group would take.
   *
   * @return seconds of each; 0 where it cannot be run, which running it says
   */
  static double[] estimate(CellGroup group, TaskMeans means) {
    means.requireSameLibrary();
    TaskContext task = TaskContext.get();
    List<Cell> cells = group.cells().stream().map(OnExecutor::here).toList();
    return with(
        cells,
        task,
        means,
        (run, resources) -> {
          try (RunEstimate estimate = new RunEstimate(run, resources)) {
            return cells.stream().mapToDouble(c -> seconds(estimate, c)).toArray();
          }
        });
  }

  private static double seconds(RunEstimate estimate, Cell cell) {
    try {
      return estimate.of(cell).seconds();
    } catch (DataException | IllegalArgumentException e) {
      return 0;
    }
  }

  private interface Work<T> {
    T with(Run.Means means, RunResources resources) throws IOException;
  }

  private static <T> T with(List<Cell> cells, TaskContext task, TaskMeans means, Work<T> work) {
    ExecutorModels models = ExecutorModels.here();
    int slots = ExecutorModels.slots();
    Run.Means run = means.of(task, models.share(slots));
    Object key =
        List.of(
            RunResources.loaded(cells.get(0).spec().orElseThrow()),
            run.device().orElseThrow().device());
    try {
      return models.with(
          key,
          slots,
          resources -> {
            try {
              return work.with(run, resources);
            } catch (IOException e) {
              throw new UncheckedIOException(e);
            }
          });
    } catch (CancellationException e) {
      // Spark wants the task to end; this says so in its words
      task.killTaskIfInterrupted();
      throw e;
    }
  }

  /**
   * A cell with its model's directory on this host: the same path, or what the cache of the hub has
   * or downloads, once for all processes of the host.
   */
  private static Cell here(SentCell sent) {
    RunSpec spec = sent.run();
    return sent.cell(
        ModelPlaces.located(
            spec,
            path -> {
              try {
                return Hub.standard().named(path).map(HubModel::directory).orElse(path);
              } catch (DataException e) {
                return path; // whose cells then fail, and say that it is not there
              }
            }));
  }

  /** Ends a cell when Spark kills its task: one that another has overtaken, say. */
  private static Experiment.Watcher watcher(TaskContext task) {
    return new Experiment.Watcher() {
      @Override
      public Progress began(Cell cell, int done, int total) {
        return Progress.cancellable(Progress.SILENT, task::isInterrupted);
      }
    };
  }
}
