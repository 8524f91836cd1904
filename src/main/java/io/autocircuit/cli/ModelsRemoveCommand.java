package io.autocircuit.cli;

import io.autocircuit.hub.HubId;
import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code models remove}: out of the cache. */
@Command(
    name = "remove",
    mixinStandardHelpOptions = true,
    description =
        "Removes models from the cache: all of one, or with @REVISION that revision and what no"
            + " other needs. Other programs of the hub do not find them any more either.")
final class ModelsRemoveCommand implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private HubOption hub;

  @Parameters(
      paramLabel = "MODEL",
      arity = "1..*",
      description = "Names, perhaps with @ and a branch, a tag or a commit.")
  private List<String> names;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public void run() {
    PrintWriter out = spec.commandLine().getOut();
    names.forEach(HubId::parse);
    for (String name : names) {
      HubId id = HubId.parse(name);
      long freed = hub.with(spec.commandLine().getErr(), h -> h.remove(id, name.indexOf('@') < 0));
      out.println("removed " + name + ": " + ModelsListCommand.size(freed));
      out.flush();
    }
  }
}
