package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.graph.UnknownNameException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * In what the cells of an experiment differ: task, algorithm, ablation, patch type, seed, and those
 * settings that have several values. Each is an axis that a table can have.
 */
final class ResultAxes {
  /** What tells an algorithm, with its settings, from the others. */
  static final String ALGORITHM = "algorithm";

  /** The algorithm's key, whatever its settings. */
  static final String KEY = "algorithm_key";

  static final String TASK = "task";
  static final String SEED = "seed";

  private static final String ALGORITHM_SETTING = "algorithm.";
  private static final String NOT_SET = "";

  private final Map<String, Function<CellResult, String>> axes = new LinkedHashMap<>();

  ResultAxes(ExperimentResults results) {
    axes.put(ALGORITHM, CellResult::label);
    axes.put(KEY, CellResult::algorithm);
    axes.put(TASK, CellResult::task);
    axes.put("ablation", CellResult::ablation);
    axes.put("patch_type", CellResult::patchType);
    axes.put(SEED, c -> String.valueOf(c.seed()));
    for (String setting : varying(results.cells())) {
      axes.put(setting, c -> c.settings().getOrDefault(setting, NOT_SET));
    }
  }

  private static Set<String> varying(List<CellResult> cells) {
    Set<String> names = new TreeSet<>();
    cells.forEach(c -> names.addAll(c.settings().keySet()));
    names.removeIf(
        name ->
            name.endsWith("." + SEED)
                || cells.stream()
                        .map(c -> c.settings().getOrDefault(name, NOT_SET))
                        .distinct()
                        .count()
                    < 2);
    return names;
  }

  /** The names of all axes. */
  Collection<String> names() {
    return axes.keySet();
  }

  /**
   * The axis of a name: as it is, with dashes for underscores, or a setting without its scope where
   * that is plain.
   */
  String name(String wanted) {
    String name = wanted.strip().toLowerCase(Locale.ROOT).replace('-', '_');
    if (axes.containsKey(name)) {
      return name;
    }
    List<String> ends = axes.keySet().stream().filter(a -> a.endsWith("." + name)).toList();
    if (ends.size() == 1) {
      return ends.get(0);
    }
    throw new UnknownNameException("axis", wanted.strip(), axes.keySet());
  }

  /** A cell's place on an axis. */
  String of(String axis, CellResult cell) {
    return axes.get(axis).apply(cell);
  }

  /** The places of a cell on some axes. */
  List<String> of(List<String> some, CellResult cell) {
    return some.stream().map(a -> of(a, cell)).toList();
  }

  /**
   * The cells at some places of an axis; an algorithm is named by its label or its key.
   *
   * @param places parted by {@code |}; a {@code *} stands for any characters, and case does not
   *     count
   * @throws UnknownNameException if no cell is at one of them
   */
  List<CellResult> at(List<CellResult> cells, String axis, String places) {
    List<String> also = axis.equals(ALGORITHM) ? List.of(ALGORITHM, KEY) : List.of(axis);
    Set<CellResult> found = Collections.newSetFromMap(new IdentityHashMap<>());
    for (String place : places.split("\\|", -1)) {
      Pattern pattern =
          Pattern.compile(
              Stream.of(place.strip().split("\\*", -1))
                  .map(Pattern::quote)
                  .collect(Collectors.joining(".*")),
              Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE);
      List<CellResult> there =
          cells.stream()
              .filter(c -> also.stream().anyMatch(a -> pattern.matcher(of(a, c)).matches()))
              .toList();
      if (there.isEmpty()) {
        Set<String> known = new LinkedHashSet<>();
        also.forEach(a -> cells.forEach(c -> known.add(of(a, c))));
        throw new UnknownNameException(axis.replace('_', ' '), place.strip(), known);
      }
      found.addAll(there);
    }
    return cells.stream().filter(found::contains).toList();
  }

  /**
   * The axes that a table lacks: those on which cells of one place of the table differ. Seeds do
   * not count.
   */
  List<String> missing(List<String> table, List<CellResult> cells) {
    List<String> all = new ArrayList<>(table);
    boolean spread =
        !table.contains(ALGORITHM) && table.stream().anyMatch(a -> a.startsWith(ALGORITHM_SETTING));
    for (String axis : axes.keySet()) {
      boolean told =
          switch (axis) {
            case SEED -> true;
            case ALGORITHM -> spread || all.contains(KEY); // by key and settings
            case KEY -> !spread;
            default -> axis.startsWith(ALGORITHM_SETTING) && all.contains(ALGORITHM);
          };
      if (told || all.contains(axis)) {
        continue;
      }
      Map<List<String>, String> first = new LinkedHashMap<>();
      boolean differ = false;
      for (CellResult c : cells) {
        String place = of(axis, c);
        String before = first.putIfAbsent(of(all, c), place);
        differ |= before != null && !before.equals(place);
      }
      if (differ) {
        all.add(axis);
      }
    }
    return all.subList(table.size(), all.size());
  }
}
