package io.autocircuit.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** {@code autoencoders}: makes sparse autoencoders. */
@Command(
    name = "autoencoders",
    mixinStandardHelpOptions = true,
    description = "Trains small sparse autoencoders of a model's MLPs.",
    subcommands = AutoencodersTrainCommand.class)
final class AutoencodersCommand implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Override
  public void run() {
    throw new CommandLine.ParameterException(
        spec.commandLine(), "no command given; commands: autoencoders train");
  }
}
