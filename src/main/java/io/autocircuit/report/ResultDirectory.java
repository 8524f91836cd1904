package io.autocircuit.report;

import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.PromptResultFiles;
import io.autocircuit.experiment.ResultFiles;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.experiment.SourceActivations;
import io.autocircuit.experiment.TestedCircuit;
import io.autocircuit.files.DataException;
import io.autocircuit.files.FileSet;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.patch.Progress;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The directory of a discovery's results: {@code scores.safetensors}, {@code edges.json}, {@code
 * measurements.json} and {@code report.html}; of a {@link RunSpec} also {@code run.json}, which
 * repeats it; where nodes were scored also {@code nodes.json}; where prompts were scored one by one
 * also the {@link PromptResultFiles}; under optimal ablation {@code constants.safetensors}; {@code
 * activations.json}, where somebody looked at what sources write; and {@code tests.json}, where
 * somebody tested its circuits.
 */
public final class ResultDirectory {
  private static final String SCORES = "scores.safetensors";
  private static final String EDGES = "edges.json";
  private static final String MEASUREMENTS = "measurements.json";
  private static final String REPORT = "report.html";
  private static final List<String> FILES = List.of(SCORES, EDGES, MEASUREMENTS, REPORT);

  /** Written for a run that can be repeated; one of an earlier run goes. */
  private static final String RUN = "run.json";

  /** Written where nodes were scored; one of an earlier run goes. */
  private static final String NODES = "nodes.json";

  /** Written where something was ablated to constants that were learned. */
  private static final String CONSTANTS = "constants.safetensors";

  /** Written where somebody looked at what sources write. */
  static final String ACTIVATIONS = "activations.json";

  /** Written by who tests circuits of the run; those of an earlier run go. */
  private static final String TESTS = "tests.json";

  /** Written for some results; those of an earlier run go. */
  private static final List<String> OPTIONAL =
      Stream.concat(
              Stream.of(RUN, NODES, CONSTANTS, ACTIVATIONS, TESTS),
              PromptResultFiles.FILES.stream())
          .toList();

  private static final int MOST_TRIES = 100;

  private ResultDirectory() {}

  /** What is done with the files of a directory. */
  private interface Action {
    void with(FileSet files) throws IOException;
  }

  /**
   * Fails now if results could not be written later. Leaves nothing behind, not even the directory;
   * what a process left there that was ended while it wrote is finished or undone.
   *
   * @param directory where results will be written
   * @throws DataException if the directory cannot be made or written
   */
  public static void requireWritable(Path directory) {
    within(directory, FileSet::check, false);
  }

  /**
   * Writes the files of a discovery that is no {@link RunSpec}'s, titled with the model's name; an
   * older {@code run.json} goes.
   *
   * @param directory made if it does not exist
   * @param result the discovery
   * @throws DataException if they cannot be written
   */
  public static void write(Path directory, Discovery.Result result) {
    String model = result.discovery().model().model().config().name();
    write(
        directory,
        result,
        Optional.empty(),
        DiscoveryReport.of("Circuit of " + model, result, Map.of("Model", model), Map.of()));
  }

  /**
   * Writes all files of a run.
   *
   * @param directory made if it does not exist
   * @param run what was run
   * @param result what came out
   * @throws DataException if they cannot be written
   */
  public static void write(Path directory, Run run, Discovery.Result result) {
    write(directory, run, result, Optional.empty());
  }

  /**
   * Writes all files of a run, and {@code activations.json}.
   *
   * @param directory made if it does not exist
   * @param run what was run
   * @param result what came out
   * @param activations what the sources of the best edges write; empty for no such file
   * @throws DataException if they cannot be written
   */
  public static void write(
      Path directory, Run run, Discovery.Result result, Optional<SourceActivations> activations) {
    write(
        directory,
        result,
        Optional.of(run.spec()),
        DiscoveryReport.of(run, result, activations),
        run.trainPrompts());
  }

  /**
   * As {@link #write(Path, Run, Discovery.Result)}; prompts are numbered as they were batched.
   *
   * @param directory made if it does not exist
   * @param result the discovery
   * @param run what repeats it; empty for nothing
   * @param report the content of {@code report.html}
   * @throws DataException if they cannot be written
   */
  public static void write(
      Path directory, Discovery.Result result, Optional<RunSpec> run, ReportData report) {
    int[] rows =
        result.discovery().train().stream().flatMapToInt(b -> Arrays.stream(b.rows())).toArray();
    write(directory, result, run, report, rows);
  }

  /**
   * Writes all files. They replace those of an earlier run together ({@link FileSet}): whatever
   * ends this process, and whenever, all files are the old ones or all are the new ones. A failure
   * leaves what was there before, and no directory that was not there.
   *
   * @param directory made if it does not exist
   * @param result the discovery
   * @param run what repeats it; empty for nothing
   * @param report the content of {@code report.html}
   * @param prompts the number of each prompt that scored in its file, in the order of the batches
   * @throws DataException if they cannot be written
   */
  private static void write(
      Path directory,
      Discovery.Result result,
      Optional<RunSpec> run,
      ReportData report,
      int[] prompts) {
    Map<String, String> metadata =
        Map.of(
            "algorithm",
            result.discovery().algorithm().key(),
            "model",
            result.discovery().model().model().config().name());
    within(
        directory,
        files ->
            files.replace(
                fresh -> {
                  result.scores().write(fresh.resolve(SCORES), metadata);
                  ResultFiles.writeEdges(fresh.resolve(EDGES), result.scores());
                  ResultFiles.writeMeasurements(
                      fresh.resolve(MEASUREMENTS), result, run, report.positionLabels());
                  run.ifPresent(spec -> spec.write(fresh.resolve(RUN)));
                  result
                      .nodes()
                      .ifPresent(nodes -> ResultFiles.writeNodes(fresh.resolve(NODES), nodes));
                  result
                      .stability()
                      .ifPresent(
                          stability ->
                              PromptResultFiles.write(
                                  fresh,
                                  result.prompts().orElseThrow(),
                                  stability,
                                  prompts,
                                  metadata));
                  if (result.discovery().usesConstants()) {
                    result
                        .discovery()
                        .model()
                        .constants()
                        .get(Progress.SILENT)
                        .write(fresh.resolve(CONSTANTS), metadata);
                  }
                  SourceActivations activations = report.details().activations();
                  if (activations != null) {
                    activations.write(fresh.resolve(ACTIVATIONS));
                  }
                  HtmlReport.write(fresh.resolve(REPORT), report);
                }),
        true);
  }

  /**
   * Writes hypothesis tests of circuits beside the run that they are of: {@code tests.json}, and
   * into its page, if that is there.
   *
   * @param directory of the run
   * @param json the content of {@code tests.json}
   * @param tests what they said
   * @return the file
   * @throws DataException if they cannot be written
   */
  public static Path writeTests(Path directory, String json, List<TestedCircuit> tests) {
    Path page = directory.resolve(REPORT);
    try {
      Optional<String> shown =
          Files.isRegularFile(page) && Files.size(page) <= JsonFiles.LARGEST
              ? text(page).flatMap(p -> HtmlReport.withTests(p, tests))
              : Optional.empty();
      List<String> files = shown.isPresent() ? List.of(TESTS, REPORT) : List.of(TESTS);
      new FileSet(directory, files)
          .replace(
              fresh -> {
                Files.writeString(fresh.resolve(TESTS), json);
                if (shown.isPresent()) {
                  Files.writeString(fresh.resolve(REPORT), shown.get());
                }
              });
    } catch (IOException e) {
      throw unwritable(directory, e);
    }
    return directory.resolve(TESTS);
  }

  /** Empty where it is not in UTF-8, and so not ours. */
  private static Optional<String> text(Path page) throws IOException {
    try {
      return Optional.of(Files.readString(page));
    } catch (CharacterCodingException e) {
      return Optional.empty();
    }
  }

  private static void within(Path directory, Action action, boolean keep) {
    List<Path> made = missing(directory);
    boolean done = false;
    try {
      for (int tries = 1; !done; tries++) {
        try {
          Files.createDirectories(directory);
          requireFiles(directory);
          action.with(new FileSet(directory, FILES, OPTIONAL));
          done = true;
        } catch (NoSuchFileException e) {
          // another process has removed the empty directory that it had made, before ours was in it
          if (tries == MOST_TRIES) {
            throw e;
          }
        }
      }
    } catch (IOException e) {
      throw unwritable(directory, e);
    } finally {
      if (!done || !keep) {
        made.forEach(ResultDirectory::deleteEmpty);
      }
    }
  }

  private static void requireFiles(Path directory) {
    for (String file : Stream.concat(FILES.stream(), OPTIONAL.stream()).toList()) {
      if (Files.isDirectory(directory.resolve(file))) {
        throw new DataException(
            "file=" + directory.resolve(file) + " is a directory; remove it, or write elsewhere");
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
      if (Files.isSymbolicLink(p)) {
        return new DataException(
            "output directory="
                + directory
                + " cannot be made: "
                + p
                + " is a link to what does not exist; remove it, or make what it leads to",
            e);
      }
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
            "output directory=%s cannot be written (%s); choose a writable directory",
            directory, reason(e)),
        e);
  }

  /** What the system says, without the name of a Java class where that is possible. */
  private static String reason(IOException e) {
    if (e instanceof AccessDeniedException) {
      return "permission denied: " + e.getMessage();
    }
    return e instanceof FileSystemException f && f.getReason() != null
        ? f.getReason() + ": " + f.getFile()
        : e.getClass().getSimpleName() + ": " + e.getMessage();
  }

  private static void deleteEmpty(Path directory) {
    try {
      Files.deleteIfExists(directory);
    } catch (IOException e) {
      // somebody else has put something there meanwhile: theirs now
    }
  }
}
