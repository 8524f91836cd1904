package io.autocircuit.cli;

import io.autocircuit.catalogue.ReferencePage;
import io.autocircuit.experiment.ExperimentSpec;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code reference DIR}: pages of documentation of all catalogues. */
@Command(
    name = "reference",
    mixinStandardHelpOptions = true,
    description =
        "Writes a page of documentation, in Markdown, for each catalogue: algorithms, metrics,"
            + " ablations and so on, with those of other jars on the class path, and for the fields of"
            + " experiment files.")
final class ReferenceCommand implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "DIR", description = "Where the pages are written.", arity = "1")
  private Path directory;

  @Override
  public void run() {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new DataException(
          "directory=" + directory + " cannot be made: " + e.getMessage() + "; name another", e);
    }
    for (Catalogues c : Catalogues.values()) {
      Path file = directory.resolve(c.name().toLowerCase(Locale.ROOT) + ".md");
      write(file, ReferencePage.of(c.title(), c.use(), c.load()));
    }
    write(directory.resolve("experiment-files.md"), ExperimentSpec.page());
  }

  private void write(Path file, String page) {
    AtomicFile.write(file, page);
    spec.commandLine().getOut().println(file);
  }
}
