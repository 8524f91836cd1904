package io.autocircuit.experiment;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.files.DataException;
import io.autocircuit.metric.CircuitTests;
import io.autocircuit.metric.Equivalence;
import io.autocircuit.metric.Independence;
import io.autocircuit.metric.Minimality;
import java.util.List;
import java.util.OptionalDouble;

/**
 * What hypothesis tests said of a circuit ({@link CircuitTests}), as plain values: what files,
 * stores and pages hold.
 *
 * @param edges how many edges the circuit has
 * @param known whether it is the task's known circuit, rather than one of scores
 * @param metric the key of the score s
 * @param prompts how many prompts there were
 * @param score the mean of s over prompts: of the circuit
 * @param model likewise of the full model
 * @param complement likewise of the model without the circuit
 * @param level a hypothesis is rejected whose p is below it
 * @param equivalence is the circuit as often better as worse than the model
 * @param independence are the scores of the model and of the complement independent
 * @param needed of each edge, whether it is needed
 * @param random the effects of random edges, which the circuit's are compared with
 * @param quantile the chance to exceed a random edge's effect that an edge needs
 * @param controls random circuits: of the same size, then of matched capacity
 */
public record TestedCircuit(
    int edges,
    boolean known,
    String metric,
    int prompts,
    double score,
    double model,
    double complement,
    double level,
    Equivalence equivalence,
    Independence independence,
    List<Need> needed,
    List<Double> random,
    double quantile,
    List<CircuitTests.Control> controls) {
  /** The tests, by their names in files and options. */
  public static final List<String> TESTS =
      List.of(
          "equivalence",
          "independence",
          "minimality",
          CircuitTests.Matching.SIZE.test(),
          CircuitTests.Matching.CAPACITY.test());

  /**
   * Whether an edge is needed.
   *
   * @param edge its name
   * @param position its token position; −1 where it stands for all
   * @param effect the mean square of what its removal changes, in the square of the score's unit
   * @param larger than how many random effects
   * @param pValue p
   * @param adjusted p by Holm's method
   */
  public record Need(
      String edge, int position, double effect, int larger, double pValue, double adjusted) {}

  /**
   * Keeps unmodifiable copies.
   *
   * @param edges how many edges the circuit has
   * @param known whether it is the task's known circuit
   * @param metric the key of the score
   * @param prompts how many prompts there were
   * @param score the mean score of the circuit
   * @param model likewise of the full model
   * @param complement likewise of the model without the circuit
   * @param level a hypothesis is rejected whose p is below it
   * @param equivalence is the circuit as often better as worse than the model
   * @param independence are the scores of the model and of the complement independent
   * @param needed of each edge, whether it is needed
   * @param random the effects of random edges
   * @param quantile the chance to exceed a random edge's effect that an edge needs
   * @param controls random circuits
   */
  public TestedCircuit {
    needed = List.copyOf(needed);
    random = List.copyOf(random);
    controls = List.copyOf(controls);
  }

  /**
   * What tests said.
   *
   * @param tests of a circuit
   * @param settings how they were made
   * @param known whether the circuit is the task's known one
   * @return the same without the model
   */
  public static TestedCircuit of(
      CircuitTests tests, CircuitTests.Settings settings, boolean known) {
    Minimality m = tests.minimality();
    return new TestedCircuit(
        tests.circuit().size(),
        known,
        tests.metric().key(),
        tests.prompts(),
        tests.score(),
        tests.model(),
        tests.complement(),
        settings.level(),
        tests.equivalence(),
        tests.independence(),
        m.rows().stream()
            .map(
                r ->
                    new Need(
                        r.edge().name(),
                        r.edge().position(),
                        r.effect(),
                        r.larger(),
                        r.pValue(),
                        r.adjusted()))
            .toList(),
        m.random(),
        m.quantile(),
        tests.controls());
  }

  /**
   * The p-value of a test.
   *
   * @param test one of {@link #TESTS}; of minimality it is the least of all edges, by Holm's method
   * @return empty where that test was not made
   * @throws IllegalArgumentException if there is no such test
   */
  public OptionalDouble pValue(String test) {
    return switch (TESTS.indexOf(test)) {
      case 0 -> OptionalDouble.of(equivalence.pValue());
      case 1 -> OptionalDouble.of(independence.pValue());
      case 2 -> OptionalDouble.of(needed.stream().mapToDouble(Need::adjusted).min().orElse(1));
      case -1 ->
          throw new IllegalArgumentException(
              "test=" + test + " is unknown; give one of " + String.join(", ", TESTS));
      default ->
          controls.stream()
              .filter(c -> c.matching().test().equals(test))
              .mapToDouble(CircuitTests.Control::pValue)
              .findFirst();
    };
  }

  /**
   * The edges that are no more needed than random ones.
   *
   * @return those whose adjusted p is below the level
   */
  public List<Need> redundant() {
    return needed.stream().filter(n -> n.adjusted() < level).toList();
  }

  /**
   * As {@code tests.json} and stores have it.
   *
   * @return JSON
   */
  public ObjectNode json() {
    return TestedCircuitJson.write(this);
  }

  /**
   * Reads what {@link #json} writes.
   *
   * @param node JSON, from anybody
   * @param source what messages call its file
   * @return the same values
   * @throws DataException if something is missing or of the wrong kind; the message names it
   */
  public static TestedCircuit read(JsonNode node, String source) {
    return TestedCircuitJson.read(node, source);
  }
}
