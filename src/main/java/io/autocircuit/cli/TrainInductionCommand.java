package io.autocircuit.cli;

import io.autocircuit.report.ResultDirectory;
import io.autocircuit.task.InductionModelTrainer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code train-induction}: makes the embedded default anew. */
@Command(
    name = "train-induction",
    mixinStandardHelpOptions = true,
    description =
        "Trains the embedded default: a two-block attention-only model with induction heads.")
final class TrainInductionCommand implements Callable<Integer> {
  private static final int LOGGED_EVERY = 100;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(names = "--out", required = true, paramLabel = "DIR", description = "Where to write it.")
  private Path directory;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed; default: the one of datasets/README.md.")
  private Long seed;

  @Option(
      names = "--prompts",
      paramLabel = "N",
      defaultValue = "64",
      description = "Prompt pairs in prompts.json (default: ${DEFAULT-VALUE}).")
  private int prompts;

  @Option(
      names = "--prompt-length",
      paramLabel = "T",
      defaultValue = "16",
      description = "Tokens of each prompt (default: ${DEFAULT-VALUE}).")
  private int promptLength;

  @Option(names = "--verbose", description = "Print the loss as it falls, and stack traces.")
  private boolean verbose;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    InductionModelTrainer.Settings settings = InductionModelTrainer.Settings.standard();
    if (seed != null) {
      settings = settings.withSeed(seed);
    }
    ResultDirectory.requireWritable(directory);
    long start = System.nanoTime();
    try (Bars bars = Bars.onTerminal()) {
      InductionModelTrainer.trainTo(
          directory,
          settings,
          prompts,
          promptLength,
          p -> {
            bars.update("training", p.step(), p.steps());
            if (verbose && p.step() % LOGGED_EVERY == 0) {
              out.printf(Locale.ROOT, "step %d: loss %.4f%n", p.step(), p.loss());
            }
          });
    } catch (IllegalArgumentException e) {
      throw new CommandLine.ParameterException(spec.commandLine(), e.getMessage(), e);
    }
    out.printf(
        Locale.ROOT,
        "trained in %.1f s; model and prompts are in %s%n",
        (System.nanoTime() - start) / 1e9,
        directory);
    return 0;
  }
}
