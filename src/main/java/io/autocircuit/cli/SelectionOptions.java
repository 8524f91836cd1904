package io.autocircuit.cli;

import io.autocircuit.patch.CircuitSelection;
import java.util.List;
import picocli.CommandLine.Option;

/** How circuits are chosen by scores. */
class SelectionOptions {
  @Option(
      names = "--select",
      paramLabel = "RULE",
      defaultValue = "top",
      description =
          "How circuits are chosen by scores: top (the best edges), threshold (all that reach one"
              + " of --thresholds) or greedy (from the end backwards, so that every edge has a"
              + " way to it; default: ${DEFAULT-VALUE}).")
  String select;

  @Option(
      names = "--signed",
      description = "Choose circuits by scores, the largest first, rather than by |score|.")
  boolean signed;

  @Option(
      names = "--prune",
      description =
          "Take edges and nodes that are on no way through the model out of circuits, until there"
              + " is none. Sizes are those left.")
  boolean prune;

  @Option(
      names = "--thresholds",
      split = ",",
      paramLabel = "SCORE",
      description = "The least scores of circuits, with --select threshold, in place of --edges.")
  List<Double> thresholds;

  /**
   * How circuits are chosen.
   *
   * @param sizes the option by which sizes were typed; null if they were not
   */
  CircuitSelection selection(String sizes) {
    CircuitSelection.Rule rule = CircuitSelection.Rule.of(select);
    if (sizes != null && rule == CircuitSelection.Rule.THRESHOLD) {
      throw new IllegalArgumentException(
          sizes
              + " does not go with --select threshold, whose circuits have the sizes that"
              + " --thresholds give; leave one of them out");
    }
    return new CircuitSelection(rule, signed, prune, thresholds == null ? List.of() : thresholds);
  }
}
