package io.autocircuit.cli;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Where the results of {@code discover} go: one of its groups of options. */
final class OutputOptions {
  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "circuit",
      description = "Where results are written (default: ${DEFAULT-VALUE}).")
  Path out;

  @Option(
      names = "--activations",
      paramLabel = "N",
      defaultValue = "4",
      description =
          "The report says of the best edges what their sources write on the first N prompts that"
              + " judge, and what they are ablated to (default: ${DEFAULT-VALUE}); 0 for no such"
              + " look.")
  int activations;

  @Option(
      names = "--verbose",
      description = "Print stack traces, and what was chosen for this machine.")
  boolean verbose;
}
