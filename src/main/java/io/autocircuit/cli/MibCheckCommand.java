package io.autocircuit.cli;

import io.autocircuit.formats.MibSubmission;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code mib check FOLDER}: may a submission be handed in? */
@Command(
    name = "check",
    mixinStandardHelpOptions = true,
    description =
        "Compares a submission with the leaderboard's rules: pairs, files and sizes. Ends with 1 if"
            + " something is wrong.")
final class MibCheckCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "FOLDER", description = "The submission.")
  private Path folder;

  @Override
  public Integer call() {
    List<String> problems = MibSubmission.problems(folder);
    PrintWriter out = spec.commandLine().getOut();
    problems.forEach(out::println);
    if (problems.isEmpty()) {
      out.println("nothing is wrong with " + folder);
    }
    return problems.isEmpty() ? 0 : 1;
  }
}
