package io.autocircuit.experiment;

import io.autocircuit.files.DataException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Which process works on which cell. A claim ends with its process; one of another machine, of
 * whose processes nothing is known here, when it was not renewed for {@link #EXPIRY}.
 */
final class StoreClaims {
  /** How long a claim of another machine counts that is not renewed. */
  static final Duration EXPIRY = Duration.ofMinutes(2);

  /** How often a process renews its claims. */
  static final Duration RENEWAL = Duration.ofSeconds(20);

  private final StoreConnection db;
  private final Path directory;
  private final String host = ThisMachine.host();
  private final long pid = ProcessHandle.current().pid();
  private final String started = started(ProcessHandle.current());

  StoreClaims(StoreConnection db, Path directory) {
    this.db = db;
    this.directory = directory;
  }

  private static String started(ProcessHandle process) {
    return process.info().startInstant().map(Instant::toString).orElse("");
  }

  private record Claim(String run, String host, long pid, String started, Instant renewed) {}

  private static List<Claim> all(Connection c) throws SQLException {
    List<Claim> claims = new ArrayList<>();
    try (ResultSet r =
        StoreConnection.query(c, "SELECT run, host, pid, process_started, renewed FROM claims")) {
      while (r.next()) {
        claims.add(
            new Claim(
                r.getString(1),
                r.getString(2),
                r.getLong(3),
                r.getString(4),
                Instant.parse(r.getString(5))));
      }
    }
    return claims;
  }

  private boolean mine(Claim claim) {
    return claim.host().equals(host) && claim.pid() == pid && claim.started().equals(started);
  }

  /** Whether its process is there: the same one, not another that got its number. */
  private boolean alive(Claim claim) {
    if (!claim.host().equals(host)) {
      return claim.renewed().isAfter(Instant.now().minus(EXPIRY));
    }
    return ProcessHandle.of(claim.pid())
        .filter(ProcessHandle::isAlive)
        .filter(p -> started(p).equals(claim.started()))
        .isPresent();
  }

  private void requireThisMachine(List<Claim> living) {
    for (Claim claim : living) {
      if (!claim.host().equals(host)) {
        throw new DataException(
            "directory="
                + directory
                + " is being worked on by host="
                + claim.host()
                + ", and locks of SQLite do not hold between machines; let one machine work on it"
                + " (sweeps over several machines run on Spark: docs/spark.md)");
      }
    }
  }

  /**
   * Claims those of some cells that are still to be run, in one transaction.
   *
   * @return which are this process's now, in their order
   */
  Set<String> claim(Collection<String> keys, Instant since) {
    Set<String> got = new LinkedHashSet<>();
    db.write(
        c -> {
          Set<String> taken = new HashSet<>();
          List<Claim> living = new ArrayList<>();
          for (Claim claim : all(c)) {
            if (!alive(claim)) {
              StoreConnection.update(c, "DELETE FROM claims WHERE run = ?", claim.run());
              continue;
            }
            living.add(claim);
            if (!mine(claim)) {
              taken.add(claim.run());
            }
          }
          requireThisMachine(living);
          String now = StoreRows.now();
          for (String key : keys) {
            if (taken.contains(key) || !open(c, key, since)) {
              continue;
            }
            got.add(key);
            // one whose scores have gone is no longer done
            StoreConnection.update(c, "UPDATE runs SET status = 'waiting' WHERE run = ?", key);
            StoreConnection.update(
                c,
                "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?)",
                key,
                host,
                pid,
                started,
                now,
                now);
          }
        });
    return got;
  }

  /** Whether a cell is still to be run: not done, and not seen failing since then. */
  private boolean open(Connection c, String key, Instant since) throws SQLException {
    try (ResultSet r =
        StoreConnection.query(
            c,
            "SELECT r.status, (SELECT max(failed) FROM failures f WHERE f.run = r.run), r.scores"
                + " FROM runs r WHERE r.run = ?",
            key)) {
      if (!r.next()) {
        return false;
      }
      String failed = r.getString(2);
      return switch (r.getString(1)) {
        case "waiting" -> true;
        case "failed" -> failed == null || Instant.parse(failed).isBefore(since);
        default ->
            r.getString(3) == null
                || !java.nio.file.Files.isRegularFile(directory.resolve(r.getString(3)));
      };
    }
  }

  /** Whether another process that lives has claimed a cell. */
  boolean others(Connection c, String run) throws SQLException {
    return all(c).stream()
        .anyMatch(claim -> claim.run().equals(run) && !mine(claim) && alive(claim));
  }

  /** Tells other machines that this process is there. */
  void renew() {
    db.write(
        c ->
            StoreConnection.update(
                c,
                "UPDATE claims SET renewed = ? WHERE host = ? AND pid = ? AND process_started = ?",
                StoreRows.now(),
                host,
                pid,
                started));
  }

  void release() {
    db.write(
        c ->
            StoreConnection.update(
                c,
                "DELETE FROM claims WHERE host = ? AND pid = ? AND process_started = ?",
                host,
                pid,
                started));
  }

  /** Of these cells, how many other processes that live have claimed. */
  int others(Set<String> cells) {
    return db.read(
        c ->
            (int)
                all(c).stream()
                    .filter(claim -> cells.contains(claim.run()))
                    .filter(claim -> !mine(claim) && alive(claim))
                    .count());
  }
}
