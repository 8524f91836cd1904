package io.autocircuit.cli;

import io.autocircuit.hub.CachedModel;
import io.autocircuit.hub.CachedModel.Checked;
import io.autocircuit.hub.CachedModel.Found;
import io.autocircuit.hub.HubId;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code models verify}: are the files in the cache what they should be? */
@Command(
    name = "verify",
    mixinStandardHelpOptions = true,
    description =
        "Reads models in the cache and compares each file with the hash that it is kept under. The"
            + " hub is asked only where the cache has files without their hash. Ends with 1 if a"
            + " file is damaged or missing.")
final class ModelsVerifyCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private HubOption hub;

  @Parameters(
      paramLabel = "MODEL",
      arity = "0..*",
      description = "Names, perhaps with @ and a revision. Default: all that there is.")
  private List<String> names = List.of();

  @Option(
      names = "--drop",
      description = "Remove damaged files, so that 'models fetch' downloads them again.")
  private boolean drop;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public Integer call() {
    PrintWriter err = spec.commandLine().getErr();
    List<HubId> ids =
        names.isEmpty()
            ? hub.with(err, h -> h.cache().models()).stream()
                .flatMap(ModelsVerifyCommand::revisions)
                .toList()
            : names.stream().map(HubId::parse).toList();
    int wrong = 0;
    for (HubId id : ids) {
      wrong += print(id, hub.with(err, h -> h.verify(id, drop)));
    }
    return wrong == 0 ? 0 : 1;
  }

  private static Stream<HubId> revisions(CachedModel model) {
    return model.revisions().stream().map(r -> model.id().at(r.commit()));
  }

  private int print(HubId id, List<Checked> files) {
    PrintWriter out = spec.commandLine().getOut();
    int wrong = 0;
    int unknown = 0;
    for (Checked f : files) {
      if (f.found() == Found.UNKNOWN) {
        unknown++;
      } else if (f.found() != Found.RIGHT) {
        wrong++;
        out.println(
            id
                + ": "
                + f.name()
                + (f.found() == Found.MISSING ? " is missing" : " is damaged")
                + (drop ? "; removed" : ""));
      }
    }
    out.printf(
        Locale.ROOT,
        "%s: %,d %s, %s: %s%s%n",
        id,
        files.size(),
        files.size() == 1 ? "file" : "files",
        ModelsListCommand.size(files.stream().mapToLong(Checked::bytes).sum()),
        wrong == 0
            ? unknown == 0 ? "all as they should be" : "no damage found"
            : wrong
                + " damaged or missing; "
                + (drop ? "" : "'models verify --drop " + id + "', then ")
                + "'models fetch "
                + id
                + "'",
        unknown == 0 ? "" : ", but " + unknown + " without a hash to compare with");
    out.flush();
    return wrong;
  }
}
