package io.autocircuit.cli;

import io.autocircuit.hub.HubId;
import io.autocircuit.hub.HubModel;
import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code models fetch}: into the cache, as the hub has it now. */
@Command(
    name = "fetch",
    mixinStandardHelpOptions = true,
    description =
        "Downloads what the cache lacks of a model as the hub has it now: config.json, tokenizer and"
            + " safetensors. What was begun before is gone on with; sizes and hashes are checked.")
final class ModelsFetchCommand implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private HubOption hub;

  @Parameters(
      paramLabel = "MODEL",
      arity = "1..*",
      description = "Such as gpt2, EleutherAI/pythia-70m, or with @ and a branch, tag or commit.")
  private List<String> names;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public void run() {
    PrintWriter out = spec.commandLine().getOut();
    List<HubId> ids = names.stream().map(HubId::parse).toList();
    for (HubId id : ids) {
      HubModel model = hub.with(spec.commandLine().getErr(), h -> h.fetch(id));
      out.println(id.name() + "@" + model.commit() + ": " + model.directory());
      out.flush();
    }
  }
}
