package io.autocircuit.report;

import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.ResultFiles;
import io.autocircuit.tensor.DataException;
import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The directory of a discovery's results: {@code scores.safetensors}, {@code edges.json}, {@code
 * measurements.json} and {@code report.html}.
 */
public final class ResultDirectory {
  private static final String SCORES = "scores.safetensors";
  private static final String EDGES = "edges.json";
  private static final String MEASUREMENTS = "measurements.json";
  private static final String REPORT = "report.html";
  private static final List<String> FILES = List.of(SCORES, EDGES, MEASUREMENTS, REPORT);

  private ResultDirectory() {}

  /** What is done in a directory. */
  private interface Action {
    void in(Path directory) throws IOException;
  }

  /**
   * Fails now if results could not be written later. Leaves nothing behind, not even the directory.
   *
   * @throws DataException if the directory cannot be made or written
   */
  public static void requireWritable(Path directory) {
    within(directory, d -> {}, false);
  }

  /**
   * Writes all files, titled with the model's name.
   *
   * @param directory made if it does not exist
   * @throws DataException if they cannot be written
   */
  public static void write(Path directory, Discovery.Result result) {
    String model = result.discovery().model().model().config().name();
    write(
        directory,
        result,
        DiscoveryReport.of("Circuit of " + model, result, Map.of("Model", model), Map.of()));
  }

  /**
   * Writes all files. They are written elsewhere first and then moved into place, so that a failure
   * leaves what was there before, and no directory that was not there.
   *
   * @param directory made if it does not exist
   * @param result the discovery
   * @param report the content of {@code report.html}
   * @throws DataException if they cannot be written
   */
  public static void write(Path directory, Discovery.Result result, ReportData report) {
    Map<String, String> metadata =
        Map.of(
            "algorithm",
            result.discovery().algorithm().key(),
            "model",
            result.discovery().model().model().config().name());
    within(
        directory,
        staging -> {
          ResultFiles.writeScores(staging.resolve(SCORES), result.scores(), metadata);
          ResultFiles.writeEdges(staging.resolve(EDGES), result.scores());
          ResultFiles.writeMeasurements(staging.resolve(MEASUREMENTS), result);
          HtmlReport.write(staging.resolve(REPORT), report);
          for (String file : FILES) {
            move(staging.resolve(file), directory.resolve(file));
          }
        },
        true);
  }

  private static void within(Path directory, Action action, boolean keep) {
    List<Path> made = missing(directory);
    boolean done = false;
    try {
      Files.createDirectories(directory);
      for (String file : FILES) {
        if (Files.isDirectory(directory.resolve(file))) {
          throw new DataException(
              "file=" + directory.resolve(file) + " is a directory; remove it, or write elsewhere");
        }
      }
      Path staging = Files.createTempDirectory(directory, ".autocircuit-");
      try {
        action.in(staging);
      } finally {
        delete(staging);
      }
      done = true;
    } catch (IOException e) {
      throw unwritable(directory, e);
    } finally {
      if (!done || !keep) {
        made.forEach(ResultDirectory::deleteEmpty);
      }
    }
  }

  /** The directories that {@link Files#createDirectories} would make, deepest first. */
  private static List<Path> missing(Path directory) {
    List<Path> missing = new ArrayList<>();
    Path p = directory.toAbsolutePath();
    while (p != null && Files.notExists(p, LinkOption.NOFOLLOW_LINKS)) {
      missing.add(p);
      p = p.getParent();
    }
    return missing;
  }

  private static DataException unwritable(Path directory, IOException e) {
    Path p = directory.toAbsolutePath();
    while (p != null && !Files.exists(p)) {
      p = p.getParent();
    }
    if (p != null && !Files.isDirectory(p)) {
      return new DataException(
          "output directory="
              + directory
              + " cannot be made: "
              + p
              + " is a file; choose another directory",
          e);
    }
    return new DataException(
        String.format(
            "output directory=%s cannot be written (%s: %s); choose a writable directory",
            directory, e.getClass().getSimpleName(), e.getMessage()),
        e);
  }

  private static void move(Path from, Path to) throws IOException {
    try {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  private static void delete(Path staging) throws IOException {
    try (Stream<Path> files = Files.list(staging)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(staging);
  }

  private static void deleteEmpty(Path directory) {
    try {
      Files.deleteIfExists(directory);
    } catch (IOException e) {
      // somebody else has put something there meanwhile: theirs now
    }
  }
}
