package io.autocircuit.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** {@code models}: the models of the Hugging Face hub that are on this machine. */
@Command(
    name = "models",
    mixinStandardHelpOptions = true,
    description =
        "Lists, downloads, checks and removes models of the Hugging Face hub, in the cache that its"
            + " own programs use: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.",
    subcommands = {
      ModelsListCommand.class,
      ModelsFetchCommand.class,
      ModelsVerifyCommand.class,
      ModelsRemoveCommand.class
    })
final class ModelsCommand implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Override
  public void run() {
    throw new CommandLine.ParameterException(
        spec.commandLine(),
        "no command given; commands: models "
            + String.join(", models ", spec.subcommands().keySet()));
  }
}
