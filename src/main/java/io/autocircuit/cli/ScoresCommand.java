package io.autocircuit.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** {@code scores}: files of scores. */
@Command(
    name = "scores",
    mixinStandardHelpOptions = true,
    description =
        "Converts files of edge scores between the formats of several programs, and combines them.",
    subcommands = {ScoresConvertCommand.class, ScoresCombineCommand.class})
final class ScoresCommand implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Override
  public void run() {
    throw new CommandLine.ParameterException(
        spec.commandLine(),
        "no command given; commands: scores "
            + String.join(", scores ", spec.subcommands().keySet()));
  }
}
