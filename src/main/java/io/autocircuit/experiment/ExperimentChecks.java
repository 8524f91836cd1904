package io.autocircuit.experiment;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.experiment.Marked.Field;
import io.autocircuit.metric.CircuitTests;
import io.autocircuit.metric.Metric;
import io.autocircuit.prune.KnockoutTraining;
import io.autocircuit.prune.MaskFunction;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Reads what an experiment file asks of circuits beside metrics.
 *
 * @param mistakes where to note what is wrong
 * @param values reads values
 */
record ExperimentChecks(Mistakes mistakes, ExperimentValues values) {
  private static final String SIZES = "sizes";
  private static final String METRIC = "metric";

  private Map<String, Field> fields(Field field, String name, List<Setting> table) {
    return values.fields(field.value(), name, Optional.of(ExperimentFields.names(table)));
  }

  private static List<Integer> sizes(Settings s) {
    return s.value(SIZES).isEmpty()
        ? List.of()
        : s.integers(SIZES).stream().map(Math::toIntExact).distinct().toList();
  }

  /** How complete circuits are. */
  ExperimentSpec.Completeness completeness(Field field) {
    List<Setting> table = ExperimentFields.COMPLETENESS_FIELDS;
    Settings s = values.settings(table, fields(field, ExperimentFields.COMPLETENESS, table));
    return new ExperimentSpec.Completeness(
        sizes(s),
        s.whole("epochs"),
        s.number("learning_rate"),
        s.number("lambda"),
        s.choice("mask_fn", MaskFunction.class),
        s.choice("target", KnockoutTraining.Target.class));
  }

  /** Hypothesis tests. */
  ExperimentSpec.Tests tests(Field field) {
    List<Setting> table = ExperimentFields.CIRCUIT_TEST_FIELDS;
    Map<String, Field> in = fields(field, ExperimentFields.CIRCUIT_TESTS, table);
    Settings s = values.settings(table, in);
    Optional<Metric> metric = s.value(METRIC).map(key -> Metric.of((String) key));
    metric
        .flatMap(CircuitTests::refusal)
        .ifPresent(
            why ->
                mistakes.add(
                    in.get(METRIC).value().place(), "metric=" + metric.get().key() + " " + why));
    return new ExperimentSpec.Tests(
        sizes(s),
        metric,
        new CircuitTests.Settings(
            s.number("epsilon"),
            s.whole("permutations"),
            s.number("quantile"),
            s.whole("draws"),
            s.number("level"),
            s.integer("seed")));
  }
}
