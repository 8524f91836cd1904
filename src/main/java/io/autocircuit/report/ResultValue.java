package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.experiment.TestedCircuit;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.metric.AreaUnderCurve;
import io.autocircuit.metric.Faithfulness;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Roc;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A number that every cell of an experiment may have: what a table of results shows.
 *
 * @param name its name, such as {@code auc(kl_div)}, {@code kl_div@50} or {@code roc}
 * @param title for people
 * @param lowerIsBetter whether smaller values are better
 * @param of the number of a cell; empty where it has none
 */
public record ResultValue(
    String name, String title, boolean lowerIsBetter, Function<CellResult, OptionalDouble> of) {
  /** The area under the curve of a metric. */
  public static final String AUC = "auc";

  /** The area under the ROC curve. */
  public static final String ROC = "roc";

  /** The number of edges of the known circuit, as a circuit size. */
  public static final String OFFICIAL = "official";

  private static final String COMPLETENESS = "completeness";
  private static final String SIMILARITY = "similarity";
  private static final List<String> OTHERS =
      Stream.of(
              Stream.of(AUC, ROC),
              Arrays.stream(Faithfulness.Kind.values()).map(Faithfulness.Kind::key),
              Stream.of(
                  "auroc",
                  "auroc_mib",
                  "seconds",
                  "judge_seconds",
                  "plain_passes",
                  COMPLETENESS,
                  SIMILARITY),
              TestedCircuit.TESTS.stream())
          .flatMap(s -> s)
          .toList();

  /** Those of {@link #OTHERS} that are of a metric's curve of faithfulness. */
  private static final List<String> FAITHFULNESS =
      Arrays.stream(Faithfulness.Kind.values()).map(Faithfulness.Kind::key).toList();

  /** Those of {@link #OTHERS} that are of a circuit's size. */
  private static final Set<String> SIZED =
      Stream.concat(Stream.of(COMPLETENESS, SIMILARITY), TestedCircuit.TESTS.stream())
          .collect(Collectors.toUnmodifiableSet());

  private static final int SIZES_SHOWN = 12;

  /**
   * The names that {@link #of(ExperimentResults, String, Optional, Optional)} knows.
   *
   * @param results whose metrics they are
   * @return the metrics that were measured, in order, then the others
   */
  public static List<String> names(ExperimentResults results) {
    List<String> names = metrics(results);
    names.addAll(OTHERS);
    return names;
  }

  /**
   * The metrics that were measured.
   *
   * @param results all cells
   * @return their keys, in the order of the first cell that has them
   */
  public static List<String> metrics(ExperimentResults results) {
    return results.cells().stream()
        .flatMap(c -> c.series().stream())
        .map(CellResult.Series::metric)
        .distinct()
        .collect(Collectors.toCollection(ArrayList::new));
  }

  /**
   * The number of a name.
   *
   * @param results where the number is taken from
   * @param name {@code auc} (the area under the curve of the metric {@code metric}), {@code roc}
   *     (under the ROC curve), {@code seconds}, {@code judge_seconds}, {@code plain_passes}, {@code
   *     completeness} (the divergence under knockouts), {@code similarity} (the share of its best
   *     edges that a cell has in common with those of an algorithm), a test of circuits ({@link
   *     TestedCircuit#TESTS}), or the key of a metric, at the size {@code edges}
   * @param metric the metric whose area is meant, the first one measured where it is empty; or the
   *     key or label of the algorithm that cells are compared with
   * @param edges a number of edges, or {@value #OFFICIAL}: as many as the known circuit has. For
   *     {@code completeness} and tests it is needed only where several sizes were measured
   * @return the number
   * @throws UnknownNameException if there is no such name or metric in the results
   * @throws IllegalArgumentException if the size is missing, is no size, or was not measured; or if
   *     a metric or size is given that the name does not take
   */
  public static ResultValue of(
      ExperimentResults results, String name, Optional<String> metric, Optional<String> edges) {
    List<String> metrics = metrics(results);
    if (edges.isPresent() && OTHERS.contains(name) && !SIZED.contains(name)) {
      throw new IllegalArgumentException(
          "edges="
              + edges.get()
              + ": metric="
              + name
              + " has no size; leave it out, or name a metric that was measured ("
              + String.join(", ", metrics)
              + ")");
    }
    if (metric.isPresent()
        && !name.equals(AUC)
        && !name.equals(SIMILARITY)
        && !FAITHFULNESS.contains(name)) {
      throw new IllegalArgumentException(
          "of="
              + metric.get()
              + " goes with metric=auc, similarity, cpr or cmd, not with metric="
              + name
              + "; leave it out");
    }
    return switch (name) {
      case AUC -> area(metrics, metric);
      case ROC ->
          number(
              name,
              "Area under the ROC curve",
              false,
              c -> c.roc().isEmpty() ? Double.NaN : Roc.area(c.roc()),
              c -> !c.roc().isEmpty());
      case "auroc", "auroc_mib" -> judged(name, "");
      case "cpr", "cmd", "exact_cpr", "exact_cmd" -> judged(name, faithful(results, metric));
      case "seconds" ->
          number(name, "Seconds to score", true, c -> c.cost().scoreSeconds(), c -> true);
      case "judge_seconds" ->
          number(name, "Seconds to judge circuits", true, c -> c.cost().judgeSeconds(), c -> true);
      case "plain_passes" ->
          number(
              name,
              "Cost of scoring in plain forward passes",
              true,
              c -> c.cost().plainPasses(),
              c -> true);
      case COMPLETENESS -> completeness(results, edges);
      case SIMILARITY -> ResultSimilarity.of(results, metric, edges);
      case "equivalence", "independence", "minimality", "same_size", "capacity" ->
          ResultTests.of(results, name, edges);
      default -> {
        if (!metrics.contains(name)) {
          throw new UnknownNameException("metric", name, names(results));
        }
        yield atSize(results, name, edges);
      }
    };
  }

  private static ResultValue number(
      String name,
      String title,
      boolean lowerIsBetter,
      ToDoubleFunction<CellResult> value,
      java.util.function.Predicate<CellResult> has) {
    return new ResultValue(
        name,
        title,
        lowerIsBetter,
        c -> has.test(c) ? OptionalDouble.of(value.applyAsDouble(c)) : OptionalDouble.empty());
  }

  /** The metric of areas of faithfulness: the one that is named, else the first that has any. */
  static String faithful(ExperimentResults results, Optional<String> wanted) {
    List<String> known =
        results.cells().stream()
            .flatMap(c -> c.areas().stream())
            .map(CellResult.Area::metric)
            .filter(m -> !m.isEmpty())
            .distinct()
            .sorted(Comparator.comparingInt(m -> AreaTitles.rank(FAITHFULNESS.get(0), m)))
            .toList();
    if (known.isEmpty()) {
      throw new IllegalArgumentException(
          "no cell has a curve of faithfulness; measure the empty and the full circuit with --edges"
              + " mib, by logit_diff, kl_div or answer_mse");
    }
    String key = wanted.orElse(known.get(0));
    if (!known.contains(key)) {
      throw new UnknownNameException("metric", key, known);
    }
    return key;
  }

  private static ResultValue judged(String name, String metric) {
    return new ResultValue(
        metric.isEmpty() ? name : name + "(" + metric + ")",
        AreaTitles.of(name, metric),
        AreaTitles.lowerIsBetter(name),
        c ->
            c.areas().stream()
                .filter(a -> a.key().equals(name) && a.metric().equals(metric))
                .mapToDouble(CellResult.Area::value)
                .findFirst());
  }

  private static ResultValue area(List<String> metrics, Optional<String> wanted) {
    String key = wanted.or(() -> metrics.stream().findFirst()).orElse("");
    if (!metrics.contains(key)) {
      if (metrics.isEmpty()) {
        throw new IllegalArgumentException(
            "metric=auc: no cell has a curve; measure circuits with --metrics, or take another"
                + " value");
      }
      throw new UnknownNameException("metric", key, metrics);
    }
    Optional<Metric> metric = Metric.catalogue().find(key);
    AreaUnderCurve area = metric.map(AreaUnderCurve::of).orElse(AreaUnderCurve.LINEAR);
    return new ResultValue(
        AUC + "(" + key + ")",
        "Area under the curve: " + metric.map(Metric::title).orElse(key),
        metric.map(Metric::lowerIsBetter).orElse(false),
        c ->
            c.series().stream()
                .filter(s -> s.metric().equals(key))
                .filter(s -> s.points().size() > 1 && s.points().get(0).edges() == 0)
                .mapToDouble(
                    s ->
                        area.of(
                            s.points().stream()
                                .map(p -> new Measurement.Point(p.edges(), p.value()))
                                .toList()))
                .findFirst());
  }

  private static ResultValue completeness(ExperimentResults results, Optional<String> edges) {
    Map<String, TreeMap<Integer, Double>> byRun = new LinkedHashMap<>();
    results
        .completeness()
        .forEach(
            c -> byRun.computeIfAbsent(c.run(), r -> new TreeMap<>()).put(c.edges(), c.knockout()));
    TreeSet<Integer> sizes = new TreeSet<>();
    byRun.values().forEach(m -> sizes.addAll(m.keySet()));
    boolean several = byRun.values().stream().anyMatch(m -> m.size() > 1);
    if (edges.isEmpty() && several) {
      throw new IllegalArgumentException(
          "metric=completeness was measured at several sizes; choose one with --edges ("
              + shown(sizes)
              + ", or "
              + OFFICIAL
              + ")");
    }
    boolean official = edges.equals(Optional.of(OFFICIAL));
    int size = edges.isEmpty() || official ? -1 : size(edges.get());
    if (size >= 0 && !sizes.contains(size)) {
      throw new IllegalArgumentException(
          "edges=" + size + " was measured in no cell; measured: " + shown(sizes));
    }
    return new ResultValue(
        COMPLETENESS + edges.map(e -> "@" + e).orElse(""),
        "KL divergence from the model under knockouts, nats"
            + edges.map(ResultValue::at).orElse(""),
        true,
        c -> {
          TreeMap<Integer, Double> own = byRun.getOrDefault(c.run(), new TreeMap<>());
          Double value =
              edges.isEmpty()
                  ? own.values().stream().findFirst().orElse(null)
                  : own.get(official ? c.official().orElse(-1) : Integer.valueOf(size));
          return value == null ? OptionalDouble.empty() : OptionalDouble.of(value);
        });
  }

  /** In words, at which size. */
  static String at(String edges) {
    return " at "
        + (edges.equals(OFFICIAL)
            ? "the known circuit's size"
            : edges + (edges.equals("1") ? " edge" : " edges"));
  }

  private static ResultValue atSize(ExperimentResults results, String key, Optional<String> edges) {
    TreeSet<Integer> sizes = new TreeSet<>();
    results.cells().stream()
        .flatMap(c -> c.series().stream())
        .filter(s -> s.metric().equals(key))
        .forEach(s -> s.points().forEach(p -> sizes.add(p.edges())));
    if (edges.isEmpty()) {
      throw new IllegalArgumentException(
          "metric="
              + key
              + " has a value at each size; choose one with --edges ("
              + shown(sizes)
              + ", or "
              + OFFICIAL
              + "), or take --metric auc --of "
              + key);
    }
    boolean official = edges.get().equals(OFFICIAL);
    int size = official ? -1 : size(edges.get());
    if (!official && !sizes.contains(size)) {
      throw new IllegalArgumentException(
          "edges=" + size + " was measured in no cell; measured: " + shown(sizes));
    }
    Optional<Metric> metric = Metric.catalogue().find(key);
    return new ResultValue(
        key + "@" + edges.get(),
        metric.map(Metric::title).orElse(key) + at(edges.get()),
        metric.map(Metric::lowerIsBetter).orElse(false),
        c -> {
          int wanted = official ? c.official().orElse(-1) : size;
          return c.series().stream()
              .filter(s -> s.metric().equals(key))
              .flatMap(s -> s.points().stream())
              .filter(p -> p.edges() == wanted)
              .mapToDouble(CellResult.Point::value)
              .findFirst();
        });
  }

  static int size(String text) {
    try {
      int size = Integer.parseInt(text);
      if (size >= 0) {
        return size;
      }
    } catch (NumberFormatException notANumber) {
      // said below
    }
    throw new IllegalArgumentException(
        "edges=\""
            + text
            + "\" is no size; give a whole number, or "
            + OFFICIAL
            + " for the known circuit's");
  }

  static String shown(TreeSet<Integer> sizes) {
    List<String> first = sizes.stream().limit(SIZES_SHOWN).map(String::valueOf).toList();
    int more = sizes.size() - first.size();
    return String.join(", ", first) + (more > 0 ? " and " + more + " more" : "");
  }
}
