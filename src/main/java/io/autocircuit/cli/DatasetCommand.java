package io.autocircuit.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** {@code dataset}: makes and looks at prompt files. */
@Command(
    name = "dataset",
    mixinStandardHelpOptions = true,
    description = "Makes prompt files, says what they are like, and filters them.",
    subcommands = {
      DatasetGenerateCommand.class,
      DatasetCheckCommand.class,
      DatasetFilterCommand.class
    })
final class DatasetCommand implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Override
  public void run() {
    throw new CommandLine.ParameterException(
        spec.commandLine(),
        "no command given; commands: dataset " + String.join(", dataset ", names()));
  }

  private Iterable<String> names() {
    return spec.subcommands().keySet();
  }
}
