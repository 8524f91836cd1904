package io.autocircuit.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** {@code mib}: submissions to the MIB benchmark. */
@Command(
    name = "mib",
    mixinStandardHelpOptions = true,
    description = "Writes and checks submissions to MIB's circuit localisation track.",
    subcommands = {MibExportCommand.class, MibCheckCommand.class})
final class MibCommand implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Override
  public void run() {
    throw new CommandLine.ParameterException(
        spec.commandLine(),
        "no command given; commands: mib " + String.join(", mib ", spec.subcommands().keySet()));
  }
}
