package io.autocircuit.cli;

import io.autocircuit.graph.Suggestions;
import io.autocircuit.tensor.DataException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The command line's entry. */
@Command(
    name = "autocircuit",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    description = "Circuit discovery for transformer language models.",
    subcommands = {
      DiscoverCommand.class,
      ListCommand.class,
      BenchCommand.class,
      TrainInductionCommand.class,
      CommandLine.HelpCommand.class
    })
public final class Main implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  /** The version from the jar's manifest. */
  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      String version = Main.class.getPackage().getImplementationVersion();
      return new String[] {"autocircuit " + (version == null ? "(development)" : version)};
    }
  }

  @Override
  public void run() {
    throw new CommandLine.ParameterException(
        spec.commandLine(), "no command given; commands: discover, list, bench, train-induction");
  }

  /** Runs the command line and ends the process with its exit code. */
  public static void main(String[] args) {
    System.exit(
        run(
            args,
            new PrintWriter(System.out, true, java.nio.charset.StandardCharsets.UTF_8),
            new PrintWriter(System.err, true, java.nio.charset.StandardCharsets.UTF_8)));
  }

  /**
   * Runs the command line.
   *
   * @return the exit code: 0 done, 1 bad data, 2 wrong usage
   */
  static int run(String[] args, PrintWriter out, PrintWriter err) {
    CommandLine line = new CommandLine(new Main());
    line.setOut(out);
    line.setErr(err);
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setUsageHelpAutoWidth(true);
    line.setParameterExceptionHandler(Main::usage);
    line.setExecutionExceptionHandler(
        (e, command, parsed) -> {
          boolean verbose =
              parsed.hasSubcommand()
                  ? parsed.subcommand().hasMatchedOption("--verbose")
                  : parsed.hasMatchedOption("--verbose");
          return failure(e, verbose, command.getErr());
        });
    return line.execute(args);
  }

  private static int usage(CommandLine.ParameterException e, String[] args) {
    CommandLine command = e.getCommandLine();
    String message = e.getMessage();
    if (e instanceof CommandLine.UnmatchedArgumentException unmatched
        && !unmatched.getUnmatched().isEmpty()) {
      String wrong = unmatched.getUnmatched().get(0);
      List<String> known = new ArrayList<>(command.getCommandSpec().optionsMap().keySet());
      known.addAll(command.getSubcommands().keySet());
      String kind = wrong.startsWith("-") ? "option" : "argument";
      message = "unknown " + kind + " \"" + wrong + "\"; " + Suggestions.among(wrong, known);
    }
    PrintWriter err = command.getErr();
    err.println(
        "autocircuit: "
            + oneLine(message)
            + " (see "
            + command.getCommandSpec().qualifiedName()
            + " --help)");
    if (verbose(args)) {
      e.printStackTrace(err);
    }
    return 2;
  }

  private static boolean verbose(String[] args) {
    return List.of(args).contains("--verbose");
  }

  private static int failure(Exception e, boolean verbose, PrintWriter err) {
    boolean usage = e instanceof IllegalArgumentException;
    boolean data = e instanceof DataException;
    String message =
        usage || data
            ? e.getMessage()
            : "internal error: " + e + (verbose ? "" : " (run with --verbose for the stack trace)");
    err.println("autocircuit: " + oneLine(message));
    if (verbose) {
      e.printStackTrace(err);
    }
    return usage ? 2 : 1;
  }

  private static String oneLine(String message) {
    return message == null ? "unknown error" : message.replaceAll("\\s*\\R\\s*", " ");
  }
}
