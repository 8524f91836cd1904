package io.autocircuit.experiment;

import java.util.List;

/**
 * What a store holds of an experiment: all that a report needs.
 *
 * @param title the experiment's name
 * @param cells the finished cells, in the order of the experiment
 * @param failures the cells that failed
 * @param waiting how many cells were not run yet
 * @param completeness how complete circuits are; empty where it was not asked for
 * @param similarity what cells have in common; empty before the experiment has come to an end
 * @param tests hypothesis tests of circuits; empty where none were asked for
 */
public record ExperimentResults(
    String title,
    List<CellResult> cells,
    List<Failure> failures,
    int waiting,
    List<CompletenessResult> completeness,
    List<SimilarityResult> similarity,
    List<TestResult> tests) {

  /**
   * Keeps unmodifiable copies.
   *
   * @param title the experiment's name
   * @param cells the finished cells, in the order of the experiment
   * @param failures the cells that failed
   * @param waiting how many cells were not run yet
   * @param completeness how complete circuits are; empty where it was not asked for
   * @param similarity what cells have in common
   * @param tests hypothesis tests of circuits; empty where none were asked for
   */
  public ExperimentResults {
    cells = List.copyOf(cells);
    failures = List.copyOf(failures);
    completeness = List.copyOf(completeness);
    similarity = List.copyOf(similarity);
    tests = List.copyOf(tests);
  }

  /**
   * Results without hypothesis tests.
   *
   * @param title the experiment's name
   * @param cells the finished cells, in the order of the experiment
   * @param failures the cells that failed
   * @param waiting how many cells were not run yet
   * @param completeness how complete circuits are; empty where it was not asked for
   * @param similarity what cells have in common
   */
  public ExperimentResults(
      String title,
      List<CellResult> cells,
      List<Failure> failures,
      int waiting,
      List<CompletenessResult> completeness,
      List<SimilarityResult> similarity) {
    this(title, cells, failures, waiting, completeness, similarity, List.of());
  }

  /**
   * Results of which it is not known what cells have in common.
   *
   * @param title the experiment's name
   * @param cells the finished cells, in the order of the experiment
   * @param failures the cells that failed
   * @param waiting how many cells were not run yet
   * @param completeness how complete circuits are; empty where it was not asked for
   */
  public ExperimentResults(
      String title,
      List<CellResult> cells,
      List<Failure> failures,
      int waiting,
      List<CompletenessResult> completeness) {
    this(title, cells, failures, waiting, completeness, List.of());
  }

  /**
   * A cell that failed.
   *
   * @param run the hash of its {@link RunSpec}, or of what is known of it
   * @param cell its name: task, algorithm, ablation, …
   * @param message what was wrong, one line
   */
  public record Failure(String run, String cell, String message) {}

  /**
   * How complete a circuit is: it should behave as the model does under knockouts too.
   *
   * @param run the cell whose circuit it is
   * @param edges the number of its edges
   * @param knockedOut how many of them were knocked out
   * @param normal KL(model ‖ circuit), in nats
   * @param knockout KL(model with the knockouts ‖ circuit with the knockouts), in nats
   */
  public record CompletenessResult(
      String run, int edges, int knockedOut, double normal, double knockout) {}

  /**
   * What hypothesis tests said of a circuit of a cell.
   *
   * @param run the cell
   * @param tests what they said
   */
  public record TestResult(String run, TestedCircuit tests) {}

  /**
   * Which share of their best edges two cells have in common.
   *
   * @param run the one
   * @param other the other
   * @param edges how many edges of each are compared
   * @param share from 0 to 1; NaN where of one of them no so many edges can be told apart from the
   *     rest, because scores are equal
   */
  public record SimilarityResult(String run, String other, int edges, double share) {}
}
