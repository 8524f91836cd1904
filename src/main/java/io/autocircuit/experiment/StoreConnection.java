package io.autocircuit.experiment;

import io.autocircuit.files.DataException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.stream.Stream;
import org.sqlite.SQLiteConfig;

/**
 * The connection of a store: write-ahead log, full synchronisation, foreign keys; every write is
 * one immediate transaction. For use by several threads.
 */
final class StoreConnection implements AutoCloseable {
  /** The number of the tables' form. */
  static final int SCHEMA = 1;

  /** Tells these files from other SQLite files: the letters ACRS. */
  private static final int APPLICATION = 0x41435253;

  private static final int PATIENCE_MS = 60_000;
  private static final String TABLES = "/io/autocircuit/experiment/store.sql";

  /** How statements begin that change nothing where they were executed before. */
  private static final String LATER = "CREATE TABLE IF NOT EXISTS";

  private final Path file;
  private final Connection connection;

  private StoreConnection(Path file, Connection connection) {
    this.file = file;
    this.connection = connection;
  }

  /** Something that is written. */
  interface Write {
    void with(Connection connection) throws SQLException;
  }

  /**
   * Opens the file, or makes it.
   *
   * @throws DataException if it is no store, or one of another form
   */
  static StoreConnection open(Path file) {
    SQLiteConfig config = new SQLiteConfig();
    config.setJournalMode(SQLiteConfig.JournalMode.WAL);
    config.setSynchronous(SQLiteConfig.SynchronousMode.FULL);
    config.enforceForeignKeys(true);
    config.setBusyTimeout(PATIENCE_MS);
    config.setTransactionMode(SQLiteConfig.TransactionMode.IMMEDIATE);
    Connection connection = null;
    boolean opened = false;
    try {
      connection = config.createConnection("jdbc:sqlite:" + file.toAbsolutePath());
      StoreConnection store = new StoreConnection(file, connection);
      store.write(store::prepare);
      opened = true;
      return store;
    } catch (SQLException e) {
      throw unusable(file, e);
    } finally {
      if (!opened && connection != null) {
        try {
          connection.close();
        } catch (SQLException e) {
          // what went wrong before is thrown
        }
      }
    }
  }

  private void prepare(Connection c) throws SQLException {
    int schema = number(c, "PRAGMA user_version");
    int application = number(c, "PRAGMA application_id");
    int tables = number(c, "SELECT count(*) FROM sqlite_master");
    if (tables == 0) {
      try (Statement s = c.createStatement()) {
        for (String statement : statements()) {
          s.execute(statement);
        }
        s.execute("PRAGMA application_id = " + APPLICATION);
        s.execute("PRAGMA user_version = " + SCHEMA);
      }
      update(c, "INSERT INTO info VALUES ('library', ?)", RunSpec.libraryVersion());
      update(c, "INSERT INTO info VALUES ('created', ?)", StoreRows.now());
      return;
    }
    if (application != APPLICATION) {
      throw new DataException(
          "file=" + file + " is no store of an experiment; give another directory");
    }
    if (schema != SCHEMA) {
      throw new DataException(
          "file="
              + file
              + " has tables of form="
              + schema
              + ", written by version="
              + StoreReader.info(c, "library").orElse("unknown")
              + " of the library; version="
              + RunSpec.libraryVersion()
              + " reads form="
              + SCHEMA
              + ": use the version that wrote it, or give another directory");
    }
    try (Statement s = c.createStatement()) {
      for (String later : statements()) {
        if (later.contains(LATER)) { // tables that stores of this form did not always have
          s.execute(later);
        }
      }
    }
  }

  private static List<String> statements() {
    return Stream.of(Resources.text(TABLES).split(";\\s*\\n", -1))
        .filter(s -> !s.isBlank())
        .toList();
  }

  private static int number(Connection c, String query) throws SQLException {
    try (ResultSet r = query(c, query)) {
      return r.next() ? r.getInt(1) : 0;
    }
  }

  /**
   * Runs a query.
   *
   * @return to be closed, which closes its statement
   */
  static ResultSet query(Connection c, String sql, Object... values) throws SQLException {
    PreparedStatement s = c.prepareStatement(sql);
    boolean done = false;
    try {
      s.closeOnCompletion();
      set(s, values);
      ResultSet result = s.executeQuery();
      done = true;
      return result;
    } finally {
      if (!done) {
        s.close();
      }
    }
  }

  /** Runs a statement that changes something; how many rows it changed. */
  static int update(Connection c, String sql, Object... values) throws SQLException {
    try (PreparedStatement s = c.prepareStatement(sql)) {
      set(s, values);
      return s.executeUpdate();
    }
  }

  static void set(PreparedStatement s, Object... values) throws SQLException {
    for (int i = 0; i < values.length; i++) {
      if (values[i] instanceof Double d && d.isNaN()) {
        s.setObject(i + 1, null);
      } else {
        s.setObject(i + 1, values[i]);
      }
    }
  }

  /** Writes in one transaction: all of it or nothing. */
  synchronized void write(Write work) {
    try {
      connection.setAutoCommit(false);
      try {
        work.with(connection);
        connection.commit();
      } catch (SQLException | RuntimeException | Error e) {
        undo(e);
        throw e;
      }
      connection.setAutoCommit(true);
    } catch (SQLException e) {
      throw unusable(file, e);
    }
  }

  /**
   * Rolls back; {@code e} is what is told, also where SQLite has done it itself (on a full disk,
   * say).
   */
  private void undo(Throwable e) {
    try {
      connection.rollback();
    } catch (SQLException alreadyRolledBack) {
      e.addSuppressed(alreadyRolledBack);
    }
    try {
      connection.setAutoCommit(true); // commits, so only after the rollback
    } catch (SQLException nothingToCommit) {
      e.addSuppressed(nothingToCommit);
    }
  }

  /** Reads one state of the store. */
  synchronized <R> R read(ExperimentStore.Work<R> work) {
    try {
      try (Statement s = connection.createStatement()) {
        s.execute("BEGIN DEFERRED");
      }
      try {
        return work.with(connection);
      } finally {
        try (Statement s = connection.createStatement()) {
          s.execute("COMMIT");
        }
      }
    } catch (SQLException e) {
      throw unusable(file, e);
    }
  }

  /** Writes all tables into another file, which is not there yet. */
  synchronized void copy(Path to) {
    try {
      update(connection, "VACUUM INTO ?", to.toAbsolutePath().toString());
    } catch (SQLException e) {
      throw unusable(to, e);
    }
  }

  private static DataException unusable(Path file, SQLException e) {
    return new DataException(
        "file="
            + file
            + " cannot be used: "
            + DataException.oneLine(String.valueOf(e.getMessage()).replaceAll("\\s*\\R\\s*", " "))
            + "; is the disk full or read-only, or the file damaged?",
        e);
  }

  @Override
  public synchronized void close() {
    try {
      connection.close();
    } catch (SQLException e) {
      throw unusable(file, e);
    }
  }
}
