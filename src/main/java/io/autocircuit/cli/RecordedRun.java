package io.autocircuit.cli;

import io.autocircuit.experiment.Level;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.experiment.UnfitSettingException;
import io.autocircuit.files.DataException;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.DeviceRequest;
import io.autocircuit.patch.MemoryBudget;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
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
