package io.autocircuit.metric;

import io.autocircuit.catalogue.Source;
import io.autocircuit.data.PromptBatch;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** What the library's metrics share: their texts, and what they need of the answers. */
abstract class StandardMetric implements Metric {
  private static final Source SOURCE =
      Source.web("AutoCircuit, Miller 2024", "https://github.com/UFO-101/auto-circuit");

  private final String key;
  private final String title;
  private final String description;

  StandardMetric(String key, String title, String description) {
    this.key = key;
    this.title = title;
    this.description = description;
  }

  @Override
  public final String key() {
    return key;
  }

  @Override
  public final String title() {
    return title;
  }

  @Override
  public final String description() {
    return description;
  }

  @Override
  public Source source() {
    return SOURCE;
  }

  @Override
  public final String toString() {
    return key;
  }

  static Optional<String> answersAreNumbers(List<PromptBatch> batches) {
    return batches.stream().anyMatch(b -> b.numbers() != null)
        ? Optional.of("looks up answers that are tokens, and these are numbers")
        : Optional.empty();
  }

  static Optional<String> wrongAnswersMissing(List<PromptBatch> batches) {
    boolean missing =
        batches.stream()
            .flatMap(b -> Arrays.stream(b.wrongAnswers()))
            .anyMatch(p -> p.length == 0 || Arrays.stream(p).anyMatch(w -> w.length == 0));
    return missing ? Optional.of("needs wrong answers for every prompt") : Optional.empty();
  }

  /**
   * The mean, summed with compensation (Kahan) as {@code DoubleStream.sum} does, to the bit, but
   * without a stream: intervals take it a thousand times of each circuit.
   */
  static double mean(double[] x) {
    double sum = 0;
    double lost = 0;
    double simple = 0;
    for (double v : x) {
      double next = v - lost;
      double with = sum + next;
      lost = (with - sum) - next;
      sum = with;
      simple += v;
    }
    double exact = sum - lost;
    return (Double.isNaN(exact) && Double.isInfinite(simple) ? simple : exact) / x.length;
  }
}
