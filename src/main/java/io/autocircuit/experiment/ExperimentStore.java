package io.autocircuit.experiment;

import io.autocircuit.experiment.ExperimentResults.CompletenessResult;
import io.autocircuit.experiment.ExperimentResults.Failure;
import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The results of an experiment: a directory with one SQLite file, {@value #FILE}, and the scores of
 * each cell beside it as {@code scores/HASH.safetensors}. Python, R and DuckDB read the file
 * without this library; {@code docs/results.md} lists its tables.
 *
 * <p>A cell is written in one transaction, after its scores: whatever ends the process, and
 * whenever, a cell is there as a whole or not at all. Several processes of one machine may work on
 * a store at the same time, each on cells that it has {@linkplain #claim claimed}. For use by
 * several threads.
 */
public final class ExperimentStore implements AutoCloseable {
  /** The SQLite file's name. */
  public static final String FILE = "experiment.db";

  /** The directory of the cells' scores. */
  static final String SCORES = "scores";

  /** The directory of what was scored for each prompt, a directory for each cell. */
  static final String PROMPTS = "prompts";

  /** The directory of the cells' pages. */
  static final String CIRCUITS = "circuits";

  /** So many digits of a cell's hash name its page. */
  static final int PAGE_DIGITS = 16;

  private final Path directory;
  private final StoreConnection db;
  private final StoreClaims claims;

  /** The keys of the cells that this process is about to run. */
  private volatile Set<String> planned = Set.of();

  private ExperimentStore(Path directory, StoreConnection db) {
    this.directory = directory;
    this.db = db;
    this.claims = new StoreClaims(db, directory);
  }

  /**
   * Opens a store.
   *
   * @param directory that holds one
   * @return to be closed
   * @throws DataException if there is none, or it was written by a version that this one does not
   *     understand
   */
  public static ExperimentStore open(Path directory) {
    if (!Files.isRegularFile(directory.resolve(FILE))) {
      throw new DataException(
          "directory="
              + directory
              + " holds no "
              + FILE
              + "; give the directory of an experiment (experiment FILE --out DIR)");
    }
    return new ExperimentStore(directory, StoreConnection.open(directory.resolve(FILE)));
  }

  /**
   * Opens a store, or makes a new one.
   *
   * @param directory made if it does not exist
   * @param title the experiment's name; of a store that exists, it replaces the name
   * @return to be closed
   * @throws DataException if it cannot be made, or was written by a version that this one does not
   *     understand
   */
  public static ExperimentStore create(Path directory, String title) {
    try {
      Files.createDirectories(directory.resolve(SCORES));
    } catch (IOException e) {
      throw new DataException(
          "directory=" + directory + " cannot be made: " + e.getMessage() + "; choose another", e);
    }
    StoreConnection db = StoreConnection.open(directory.resolve(FILE));
    boolean titled = false;
    try {
      title(db, title);
      titled = true;
      return new ExperimentStore(directory, db);
    } finally {
      if (!titled) {
        db.close();
      }
    }
  }

  private static void title(StoreConnection db, String title) {
    db.write(
        c ->
            StoreConnection.update(
                c,
                "INSERT INTO info VALUES ('title', ?) ON CONFLICT (name) DO UPDATE SET value ="
                    + " excluded.value",
                title));
  }

  /**
   * Where it lies.
   *
   * @return the directory
   */
  public Path directory() {
    return directory;
  }

  /** What becomes of the cells of an experiment that is about to be run. */
  enum Status {
    /** Not run yet. */
    WAITING,
    /** Run; its scores are there. */
    DONE,
    /** Its latest run failed. */
    FAILED
  }

  /**
   * Makes the cells of an experiment known, in order; what is known of them stays.
   *
   * @param cells by key
   */
  void plan(Map<String, Cell> cells) {
    planned = Set.copyOf(cells.keySet());
    db.write(
        c -> {
          // of this connection alone
          StoreConnection.update(c, "CREATE TEMP TABLE planned (run TEXT PRIMARY KEY)");
          int place = 0;
          for (Map.Entry<String, Cell> e : cells.entrySet()) {
            StoreRows.plan(c, e.getKey(), e.getValue(), place++);
            StoreConnection.update(c, "INSERT INTO planned VALUES (?)", e.getKey());
          }
        });
  }

  /**
   * The state of the cells.
   *
   * @return by key; a cell whose scores have gone is waiting
   */
  Map<String, Status> statuses() {
    return db.read(
        c -> {
          Map<String, Status> all = new LinkedHashMap<>();
          try (ResultSet r =
              StoreConnection.query(c, "SELECT run, status, scores FROM runs ORDER BY place")) {
            while (r.next()) {
              Status status = Status.valueOf(r.getString(2).toUpperCase(java.util.Locale.ROOT));
              String scores = r.getString(3);
              boolean gone =
                  status == Status.DONE
                      && (scores == null || !Files.isRegularFile(directory.resolve(scores)));
              all.put(r.getString(1), gone ? Status.WAITING : status);
            }
          }
          return all;
        });
  }

  /** How many of the planned cells are done, whoever ran them. */
  int done() {
    return db.read(
        c ->
            StoreReader.count(
                c, "SELECT count(*) FROM planned JOIN runs USING (run) WHERE status = 'done'"));
  }

  /**
   * Claims a cell for this process, unless it is done, a living process has claimed it, or another
   * process saw it fail since this one began.
   *
   * @param key of the cell
   * @param since when this process began with the experiment
   * @return whether it is this process's now
   * @throws DataException if a process of another machine works on this store
   */
  boolean claim(String key, Instant since) {
    return !claims.claim(List.of(key), since).isEmpty();
  }

  /**
   * Claims those of some cells that {@link #claim(String, Instant)} would.
   *
   * @param keys of cells
   * @param since when this process began with the experiment
   * @return which are this process's now, in their order
   */
  Set<String> claim(Collection<String> keys, Instant since) {
    return claims.claim(keys, since);
  }

  /** Tells other machines that this process is there. */
  void renew() {
    claims.renew();
  }

  /** Gives back what this process has claimed. */
  void release() {
    claims.release();
  }

  /**
   * How many of the planned cells other living processes have claimed.
   *
   * @return 0 if nobody else works on them
   */
  int claimedByOthers() {
    return claims.others(planned);
  }

  /**
   * Writes a cell that was run. Its scores are in their place already.
   *
   * @param key of the cell
   * @param outcome what came out
   */
  void finish(String key, CellOutcome outcome) {
    StoreAreas.Judged judged = StoreAreas.of(outcome.result()); // before the store is locked
    db.write(
        c -> {
          StoreRows.finish(c, key, outcome, judged);
          StoreConnection.update(c, "DELETE FROM claims WHERE run = ?", key);
        });
  }

  /**
   * A cell that was taken from another store.
   *
   * @param run its key
   * @param failure why it failed; empty where it is done
   * @param seconds what it took; 0 where it failed
   */
  public record Taken(String run, Optional<String> failure, double seconds) {}

  /**
   * Takes the cells of another store that are done or failed: their files, then all their rows in
   * one transaction. A cell that is done here stays as it is, so that the same store may be taken
   * again, and one that another process works on is not taken as failed. Cells that are not known
   * here become the last ones.
   *
   * @param other the directory of another store, to which no process writes; its cells are not
   *     changed, and one of an older version gets the tables that it lacks
   * @return what is new here, in the other's order
   * @throws DataException if there is no store, or one of another form, one of the two cannot be
   *     used, or a cell names other files than {@code scores/HASH.safetensors} and, for its page,
   *     {@code circuits/}, 16 digits of its hash, and {@code .html}
   */
  public List<Taken> merge(Path other) {
    try (ExperimentStore from = open(other)) {
      return new StoreMerge(directory, statuses(), claims, other, from.db).into(db);
    }
  }

  /**
   * Writes the tables as they are into another file, while this store goes on.
   *
   * @param file that is not there yet
   * @throws DataException if it cannot be written
   */
  public void copy(Path file) {
    db.copy(file);
  }

  /**
   * Compares the finished cells, and writes what they have in common ({@link
   * ExperimentResults#similarity}). The end of an experiment does it; for after {@link #merge}.
   */
  public void compare() {
    List<ExperimentResults.SimilarityResult> all =
        StoredSimilarity.of(db.read(c -> StoreReader.cells(c, directory)));
    db.write(c -> StoreRows.similarity(c, all));
  }

  /**
   * Writes that a cell failed.
   *
   * @param key of the cell
   * @param cell its name for people
   * @param message one line
   * @param details a stack trace, or nothing
   */
  void fail(String key, String cell, String message, String details) {
    db.write(
        c -> {
          StoreRows.fail(c, key, cell, message, details);
          StoreConnection.update(c, "DELETE FROM claims WHERE run = ?", key);
        });
  }

  /**
   * Everything that a report needs.
   *
   * @return the finished and failed cells, in the order of the experiment
   */
  public ExperimentResults results() {
    return db.read(
        c -> {
          List<CellResult> cells = StoreReader.cells(c, directory);
          List<Failure> failures = StoreReader.failures(c);
          List<CompletenessResult> completeness = StoreReader.completeness(c);
          int waiting = StoreReader.count(c, "SELECT count(*) FROM runs WHERE status = 'waiting'");
          return new ExperimentResults(
              StoreReader.info(c, "title").orElse("Experiment"),
              cells,
              failures,
              waiting,
              completeness,
              StoreReader.similarity(c),
              StoreTests.read(c));
        });
  }

  /**
   * The run of a cell.
   *
   * @param run its hash, or the beginning of it
   * @return what repeats it
   * @throws DataException if there is no such cell, or several, or its run is not known
   */
  public RunSpec spec(String run) {
    List<String> found = db.read(c -> StoreReader.specs(c, run));
    if (found.size() != 1) {
      throw new DataException(
          "run="
              + DataException.quote(run)
              + " names cells="
              + found.size()
              + " of "
              + directory
              + "; give more of its hash, as 'results' prints it");
    }
    return RunSpec.parse(found.get(0), directory.resolve(FILE).toString());
  }

  /**
   * The values of a metric on single prompts.
   *
   * @param run the hash of a cell
   * @param metric its key
   * @param edges the size of the circuit
   * @return by index in the prompt file; empty where nothing was measured
   */
  public Map<Integer, Double> prompts(String run, String metric, int edges) {
    return db.read(c -> StoreReader.prompts(c, run, metric, edges));
  }

  /** Something that is done with a connection. */
  interface Work<R> {
    R with(Connection connection) throws SQLException;
  }

  @Override
  public void close() {
    try {
      claims.release();
    } finally {
      db.close();
    }
  }

  /** What the store says of itself: title, created, library. */
  Optional<String> info(String name) {
    return db.read(c -> StoreReader.info(c, name));
  }
}
