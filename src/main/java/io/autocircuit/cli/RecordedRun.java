package io.autocircuit.cli;

import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.Level;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.experiment.UnfitSettingException;
import io.autocircuit.files.DataException;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.DeviceRequest;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.task.OfficialCircuit;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import picocli.CommandLine;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The run of a result directory, for commands that go on with it. */
final class RecordedRun {
  private static final String RUN = "run.json";
  private static final String EDGES = "edges.json";

  @CommandLine.Spec(CommandLine.Spec.Target.MIXEE)
  private CommandLine.Model.CommandSpec spec;

  @Parameters(
      paramLabel = "DIR",
      description = "What discover --out wrote: its run.json says the model and the prompts.")
  private Path directory;

  @Option(names = "--threads", paramLabel = "N", description = "As of discover.")
  private Integer threads;

  @Option(names = "--memory", paramLabel = "SIZE", description = "As of discover.")
  private String memory;

  @CommandLine.Mixin private DeviceOption device;

  @CommandLine.Mixin private HubOption hub;

  /** The directory. */
  Path directory() {
    return directory;
  }

  /** Its edges, best first. */
  Path edges() {
    return directory.resolve(EDGES);
  }

  /**
   * The run.
   *
   * @throws DataException if the directory has none that can be read
   */
  RunSpec recorded() {
    return read(directory);
  }

  /**
   * The run of a directory.
   *
   * @throws DataException if it has none that can be read
   */
  static RunSpec read(Path directory) {
    Path file = directory.resolve(RUN);
    if (!Files.isRegularFile(file)) {
      throw new DataException(
          "directory="
              + directory
              + " holds no "
              + RUN
              + "; give what discover --out wrote of a run");
    }
    return RunSpec.read(file);
  }

  /**
   * Refuses runs whose circuits are of nodes.
   *
   * @param wanted what needs a circuit of edges
   */
  void requireEdges(RunSpec run, String wanted) {
    if (run.graph().level() == Level.NODE) {
      throw usage(
          "directory="
              + directory
              + " is of a run with --level node, whose circuits are nodes; to "
              + wanted
              + ", give a run that scores edges");
    }
  }

  /**
   * The run whose circuits two options choose: how many of the best edges they have, or the known
   * circuit itself.
   *
   * @param wanted what needs a circuit of edges
   */
  RunSpec withCircuits(List<Integer> edges, boolean official, String wanted) {
    if (official && !edges.isEmpty()) {
      throw usage("give --official or --edges, not both: the known circuit has its size");
    }
    RunSpec run = recorded();
    if (!official) {
      requireEdges(run, wanted);
    }
    return run;
  }

  /** The circuits that those options choose; without a word the one as large as the known one. */
  List<Circuit> circuits(Discovery d, List<Integer> edges, boolean official) {
    if (official || edges.isEmpty()) {
      if (d.official() == null) {
        throw usage("this run has no known circuit, whose size would be taken; give --edges K");
      }
      if (official) {
        return List.of(d.official());
      }
    }
    TreeSet<Integer> sizes = new TreeSet<>(edges);
    if (sizes.isEmpty()) {
      sizes.add(d.official().size());
    }
    int most = d.model().graph().edgeCount();
    if (sizes.first() < 1 || sizes.last() > most) {
      throw usage("--edges=" + edges + " is out of range; give numbers from 1 to " + most);
    }
    return sizes.stream().map(n -> OfficialCircuit.read(edges(), d.model().graph(), n)).toList();
  }

  /** Opens a run, as the options say it is to be computed, wherever its model is now. */
  Run open(RunSpec recorded) {
    if (threads != null && threads < 1) {
      throw usage("--threads=" + threads + " is out of range; give a whole number from 1");
    }
    RunSpec run = hub.located(recorded, spec.commandLine().getErr());
    boolean given = spec.commandLine().getParseResult().hasMatchedOption("--device");
    DeviceChoice on =
        given || run.machine().isEmpty()
            ? device.choose()
            : DeviceChoice.of(DeviceRequest.parse(run.machine().get().device()));
    try {
      return Run.open(
          run,
          new Run.Means(
              Optional.of(on),
              Optional.ofNullable(threads),
              Optional.ofNullable(memory).map(MemoryBudget::parse)));
    } catch (UnfitSettingException e) {
      throw new CommandLine.ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  /** Wrong usage of the command. */
  CommandLine.ParameterException usage(String message) {
    return new CommandLine.ParameterException(spec.commandLine(), message);
  }
}
