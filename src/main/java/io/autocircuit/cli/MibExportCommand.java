package io.autocircuit.cli;

import io.autocircuit.files.DataException;
import io.autocircuit.formats.EapIgGraph;
import io.autocircuit.formats.MibSubmission;
import io.autocircuit.formats.ScoreFiles;
import io.autocircuit.formats.ScoreFiles.Content;
import io.autocircuit.model.ModelLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code mib export IN FOLDER}: scores as a pair of a submission. */
@Command(
    name = "export",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Writes scores as one pair of a submission: FOLDER/TASK_MODEL/importances.json, or a file"
            + " for each size. Names and sizes are compared with the leaderboard's.")
final class MibExportCommand implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private HubOption hub;

  @Parameters(
      index = "0",
      paramLabel = "IN",
      description = "Scores in any format that 'scores convert' reads.")
  private Path in;

  @Parameters(index = "1", paramLabel = "FOLDER", description = "The submission.")
  private Path folder;

  @Option(
      names = "--task",
      required = true,
      paramLabel = "TASK",
      description =
          "ioi, mcqa, arithmetic-addition, arithmetic-subtraction, arc-easy or arc-challenge.")
  private String task;

  @Option(
      names = "--as",
      required = true,
      paramLabel = "NAME",
      description = "The model, as the leaderboard names it: gpt2, qwen2.5, gemma2, llama3, …")
  private String as;

  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description =
          "The model, for its d_model, where IN does not state it. A name on the hub is downloaded"
              + " whole; 'scores convert --to eap_ig --d-model N' writes an IN that states it.")
  private Path model;

  @Option(
      names = "--by-size",
      description =
          "Circuits of the best 0, 0.1, …, 50 %% of edges by |score|, a file each, without scores.")
  private boolean bySize;

  @Override
  public void run() {
    Path file = Files.isDirectory(in) ? in.resolve("scores.safetensors") : in;
    Content content = ScoreFiles.read(file, null, null);
    if (content.eapIg() == null && model == null) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "MIB's files state the model's d_model; give --model MODEL");
    }
    try {
      EapIgGraph graph =
          content.eapIg() != null
              ? content.eapIg()
              : EapIgGraph.of(
                  content.scores(),
                  null,
                  ModelLoader.config(hub.directory(model, spec.commandLine().getErr())).dModel());
      spec.commandLine().getOut().println(MibSubmission.write(folder, task, as, graph, bySize));
    } catch (IllegalArgumentException e) {
      throw new DataException("file=" + file + ": " + e.getMessage(), e);
    }
  }
}
