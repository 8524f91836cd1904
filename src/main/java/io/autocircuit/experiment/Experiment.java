package io.autocircuit.experiment;

import io.autocircuit.files.DataException;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.patch.Progress;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Runs the cells of an experiment into a store, and goes on where an earlier process stopped.
 *
 * <pre>{@code
 * ExperimentSpec spec = ExperimentSpec.read(Path.of("experiment.yaml"));
 * try (Experiment e = Experiment.open("my title", spec.cells(models), out, Run.Means.AS_RECORDED)) {
 *   Experiment.Summary summary = e.run(Experiment.Watcher.SILENT);
 *   ExperimentResults results = e.store().results();
 * }
 * }</pre>
 *
 * <p>Cells follow each other; those of one model and prompts share what was loaded and computed
 * ({@link RunResources}). A cell that is in the store is not run again. One that fails is recorded
 * with its message, and the next follows; it is tried again when the experiment is run again.
 */
public final class Experiment implements AutoCloseable {
  /** How long to wait for cells that other processes work on, before looking again. */
  private static final Duration PATIENCE = Duration.ofMillis(500);

  private final ExperimentStore store;
  private final Map<String, Cell> cells;
  private final CellRunner runner;

  /** Whether the resources are closed with this. */
  private final boolean alone;

  private final Map<String, ExperimentStore.Status> before;

  private Experiment(
      ExperimentStore store, Map<String, Cell> cells, CellRunner runner, boolean alone) {
    this.store = store;
    this.cells = cells;
    this.runner = runner;
    this.alone = alone;
    store.plan(cells);
    this.before = store.statuses();
  }

  /** Writes the page of a cell's circuit. */
  @FunctionalInterface
  public interface Pages {
    /**
     * Writes it.
     *
     * @param directory of the store
     * @param name what to name the page after: letters and digits
     * @param run what was run
     * @param result what came out
     * @param tests hypothesis tests of its circuits; may be empty
     * @return the page's path from the directory
     */
    String write(
        Path directory, String name, Run run, Discovery.Result result, List<TestedCircuit> tests);
  }

  /** Told how an experiment goes on. */
  public interface Watcher {
    /** Ignores everything. */
    Watcher SILENT = new Watcher() {};

    /**
     * A cell begins.
     *
     * @param cell the cell
     * @param done how many cells are done, of this process and others
     * @param total of how many
     * @return told how far it has come
     */
    default Progress began(Cell cell, int done, int total) {
      return Progress.SILENT;
    }

    /**
     * A cell is in the store.
     *
     * @param cell the cell
     * @param result what came out
     * @param seconds what it took
     */
    default void finished(Cell cell, Discovery.Result result, double seconds) {}

    /**
     * A cell failed.
     *
     * @param cell the cell
     * @param message why
     */
    default void failed(Cell cell, String message) {}

    /**
     * Nothing is left but what other processes work on; called again and again.
     *
     * @param others how many cells those are
     */
    default void waiting(int others) {}
  }

  /**
   * How it ended.
   *
   * @param cells all cells
   * @param there those that were in the store before
   * @param run those that this process ran, failed ones among them
   * @param failed those that are failed now
   */
  public record Summary(int cells, int there, int run, int failed) {}

  /**
   * Makes the cells known to a store.
   *
   * @param title the experiment's name
   * @param cells what is run, in this order
   * @param directory of the store; made if it does not exist
   * @param means how runs are computed
   * @return to be closed
   * @throws DataException if the store cannot be used
   */
  public static Experiment open(String title, List<Cell> cells, Path directory, Run.Means means) {
    return open(title, cells, directory, means, ExperimentSpec.Checks.NONE, Optional.empty());
  }

  /**
   * Makes the cells known to a store.
   *
   * @param title the experiment's name
   * @param cells what is run, in this order
   * @param directory of the store; made if it does not exist
   * @param means how runs are computed
   * @param checks what is asked of circuits beside metrics
   * @param pages writes a page for each cell; empty for none
   * @return to be closed
   * @throws DataException if the store cannot be used
   */
  public static Experiment open(
      String title,
      List<Cell> cells,
      Path directory,
      Run.Means means,
      ExperimentSpec.Checks checks,
      Optional<Pages> pages) {
    RunResources resources = new RunResources();
    boolean opened = false;
    try {
      Experiment experiment = open(title, cells, directory, means, checks, pages, resources, true);
      opened = true;
      return experiment;
    } finally {
      if (!opened) {
        resources.close();
      }
    }
  }

  /**
   * Makes the cells known to a store, for runs that share what they can with those of other
   * experiments, before and after.
   *
   * @param title the experiment's name
   * @param cells what is run, in this order
   * @param directory of the store; made if it does not exist
   * @param means how runs are computed
   * @param checks what is asked of circuits beside metrics
   * @param pages writes a page for each cell; empty for none
   * @param resources the caller closes them, after this
   * @return to be closed
   * @throws DataException if the store cannot be used
   */
  public static Experiment open(
      String title,
      List<Cell> cells,
      Path directory,
      Run.Means means,
      ExperimentSpec.Checks checks,
      Optional<Pages> pages,
      RunResources resources) {
    return open(title, cells, directory, means, checks, pages, resources, false);
  }

  private static Experiment open(
      String title,
      List<Cell> cells,
      Path directory,
      Run.Means means,
      ExperimentSpec.Checks checks,
      Optional<Pages> pages,
      RunResources resources,
      boolean alone) {
    ExperimentStore store = null;
    boolean opened = false;
    try {
      Map<String, Cell> byKey = new LinkedHashMap<>();
      cells.stream().map(c -> pinned(c, resources)).forEach(c -> byKey.putIfAbsent(key(c), c));
      store = ExperimentStore.create(directory, title);
      CellRunner runner = new CellRunner(directory, means, checks, pages, resources);
      Experiment experiment = new Experiment(store, byKey, runner, alone);
      opened = true;
      return experiment;
    } finally {
      if (!opened && store != null) {
        store.close();
      }
    }
  }

  /**
   * A cell whose spec knows the hashes of its files, or that says which cannot be read. A spec that
   * knows them keeps them: {@link Run#open} compares them with the files.
   */
  private static Cell pinned(Cell cell, RunResources resources) {
    if (cell.spec().map(RunChanges::knownByThisVersion).orElse(true)) {
      return cell;
    }
    try {
      return new Cell(
          cell.task(),
          cell.algorithm(),
          cell.label(),
          cell.coordinates(),
          Optional.of(resources.pinned(cell.spec().get())),
          Optional.empty());
    } catch (DataException e) {
      return new Cell(
          cell.task(),
          cell.algorithm(),
          cell.label(),
          cell.coordinates(),
          Optional.empty(),
          Optional.of(e.getMessage()));
    }
  }

  private static String key(Cell cell) {
    return cell.spec().map(RunSpec::hash).orElseGet(() -> refused(cell));
  }

  /** The key of a cell of which no run can be made. */
  static String refused(Cell cell) {
    return Fingerprint.of(("refused " + cell.coordinates()).getBytes(StandardCharsets.UTF_8));
  }

  /**
   * The cells.
   *
   * @return by key, the hash of a cell's run, in order
   */
  public Map<String, Cell> cells() {
    return Collections.unmodifiableMap(cells);
  }

  /**
   * Where results go.
   *
   * @return closed with this
   */
  public ExperimentStore store() {
    return store;
  }

  /**
   * Whether a cell was in the store when this was opened.
   *
   * @param key of the cell
   * @return false for one that failed
   */
  public boolean there(String key) {
    return before.get(key) == ExperimentStore.Status.DONE;
  }

  /**
   * Runs the cells that are not in the store.
   *
   * @param watcher told how it goes on
   * @return how it ended, when all cells are done or failed
   * @throws DataException if the store cannot be used, or another machine works on it
   * @throws CancellationException if a progress of the watcher throws it; the cell is given back
   */
  public Summary run(Watcher watcher) {
    return run(watcher, (since, mine) -> pass(since, mine, watcher));
  }

  /**
   * Runs cells somewhere else: on a cluster, say. It runs them into stores of their own and takes
   * these into this experiment's ({@link ExperimentStore#merge}); a cell that it does not bring is
   * run the next time.
   */
  @FunctionalInterface
  public interface Elsewhere {
    /**
     * Runs cells.
     *
     * @param cells by key; each has a run, and nobody else runs it meanwhile
     */
    void run(Map<String, Cell> cells);
  }

  /**
   * Lets the cells that are not in the store be run elsewhere, all at once.
   *
   * @param elsewhere runs them
   * @param watcher told of cells that cannot be run at all, and of those of other processes
   * @return how it ended
   * @throws DataException if the store cannot be used, or another machine works on it
   */
  public Summary run(Elsewhere elsewhere, Watcher watcher) {
    return run(
        watcher,
        (since, mine) -> {
          Map<String, Cell> left = new LinkedHashMap<>();
          for (String key : store.claim(left(mine), since)) {
            Cell cell = cells.get(key);
            mine.add(key);
            if (cell.spec().isEmpty()) {
              fail(key, cell, cell.refusal().orElseThrow(), "", watcher);
            } else {
              left.put(key, cell);
            }
          }
          if (!left.isEmpty()) {
            elsewhere.run(Collections.unmodifiableMap(left));
          }
          return others(mine);
        });
  }

  /** Runs what can be had now; says whether cells are left, which others have claimed. */
  private interface Pass {
    boolean of(Instant since, Set<String> mine);
  }

  private Summary run(Watcher watcher, Pass pass) {
    Instant since = Instant.now();
    Set<String> mine = new HashSet<>();
    ScheduledExecutorService heart =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread t = new Thread(task, "autocircuit-claims");
              t.setDaemon(true);
              return t;
            });
    try {
      long period = StoreClaims.RENEWAL.toMillis();
      Future<?> beats =
          heart.scheduleWithFixedDelay(this::renew, period, period, TimeUnit.MILLISECONDS);
      while (pass.of(since, mine)) {
        if (store.claimedByOthers() > 0) {
          watcher.waiting(store.claimedByOthers());
          Thread.sleep(PATIENCE.toMillis());
        }
      }
      beats.cancel(false);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted while other processes finish their cells");
    } finally {
      heart.shutdownNow();
      store.release();
    }
    store.compare();
    Map<String, ExperimentStore.Status> after = store.statuses();
    return new Summary(
        cells.size(),
        (int) cells.keySet().stream().filter(this::there).count(),
        mine.size(),
        (int)
            cells.keySet().stream()
                .filter(key -> after.get(key) == ExperimentStore.Status.FAILED)
                .count());
  }

  /**
   * Runs what is left and nobody else has claimed.
   *
   * @return whether cells are left, which others have claimed or had claimed until now
   */
  private boolean pass(Instant since, Set<String> mine, Watcher watcher) {
    for (String key : left(mine)) {
      if (store.claim(key, since)) {
        mine.add(key);
        run(key, cells.get(key), watcher);
      }
    }
    return others(mine);
  }

  /** The cells that are not done, and that this process has not run. */
  private List<String> left(Set<String> mine) {
    Map<String, ExperimentStore.Status> now = store.statuses();
    return cells.keySet().stream()
        .filter(key -> now.get(key) != ExperimentStore.Status.DONE && !mine.contains(key))
        .toList();
  }

  /** Whether cells are left that others have claimed, or had until now. */
  private boolean others(Set<String> mine) {
    Map<String, ExperimentStore.Status> now = store.statuses();
    return cells.keySet().stream()
            .anyMatch(key -> !mine.contains(key) && now.get(key) == ExperimentStore.Status.WAITING)
        || store.claimedByOthers() > 0;
  }

  /**
   * Tells other machines that this process is there; where it cannot now, it will the next time.
   */
  private void renew() {
    try {
      store.renew();
    } catch (DataException busy) {
      // what is wrong with the store itself, the next cell reports
    }
  }

  private void run(String key, Cell cell, Watcher watcher) {
    Progress progress = watcher.began(cell, store.done(), cells.size());
    if (cell.spec().isEmpty()) {
      fail(key, cell, cell.refusal().orElseThrow(), "", watcher);
      return;
    }
    long start = System.nanoTime();
    Discovery.Result result;
    try {
      CellOutcome outcome = runner.run(key, cell.spec().get(), progress);
      result = outcome.result();
      store.finish(key, outcome);
    } catch (CancellationException e) {
      throw e;
    } catch (DataException | IllegalArgumentException e) {
      // the user's files or settings do not fit; the message says which, and the others may run
      fail(key, cell, DataException.oneLine(String.valueOf(e.getMessage())), "", watcher);
      return;
    } catch (RuntimeException | OutOfMemoryError e) {
      // a fault of ours, or of the machine: kept with its stack trace; the next cell may do without
      StringWriter trace = new StringWriter();
      e.printStackTrace(new PrintWriter(trace, true));
      fail(key, cell, DataException.oneLine(e.toString()), trace.toString(), watcher);
      return;
    }
    watcher.finished(cell, result, (System.nanoTime() - start) / 1e9);
  }

  private void fail(String key, Cell cell, String message, String details, Watcher watcher) {
    store.fail(key, cell.name(), message, details);
    watcher.failed(cell, message);
  }

  @Override
  public void close() {
    try {
      if (alone) {
        runner.resources().close();
      }
    } finally {
      store.close();
    }
  }
}
