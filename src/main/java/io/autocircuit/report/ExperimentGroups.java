package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * The cells of an experiment, in groups that may stand in one plot: one task, one ablation, one
 * patch type, and one value of every other setting that would mix what must not be compared.
 *
 * @param facets by what groups of one task differ; ablation and patch type first
 * @param labels the algorithms of all groups
 * @param groups by task and facets, in the order of the cells
 */
record ExperimentGroups(List<Facet> facets, List<Label> labels, List<Group> groups) {
  /** What stands for a setting that a cell has not. */
  private static final String NONE = "—";

  /** The key of the algorithm that is everybody's baseline. */
  private static final String BASELINE = "random";

  private static final String PREFIX_OF_RUN = "run.";

  /**
   * Something that groups differ by.
   *
   * @param key {@code ablation}, {@code patch_type}, or the name of a setting
   * @param title for people
   * @param values in the order of the cells
   */
  record Facet(String key, String title, List<String> values) {}

  /**
   * An algorithm as the experiment has it.
   *
   * @param key its key
   * @param name what tells it from the others
   * @param baseline whether it ranks edges at random
   */
  record Label(String key, String name, boolean baseline) {}

  /**
   * What may stand in one plot.
   *
   * @param task the task's name
   * @param values of each facet
   * @param cells by label, each in the order of the cells: its seeds
   */
  record Group(String task, List<String> values, Map<Label, List<CellResult>> cells) {
    /** All cells, by label. */
    List<CellResult> all() {
      return cells.values().stream().flatMap(List::stream).toList();
    }
  }

  /**
   * Puts cells in groups.
   *
   * @param cells in the order of the experiment
   * @return the groups
   */
  static ExperimentGroups of(List<CellResult> cells) {
    List<String> keys = new ArrayList<>(List.of("ablation", "patch_type"));
    keys.addAll(dividing(cells));
    List<Facet> facets = new ArrayList<>();
    for (String key : keys) {
      Set<String> values = new LinkedHashSet<>();
      cells.forEach(c -> values.add(value(c, key)));
      facets.add(new Facet(key, title(key), List.copyOf(values)));
    }
    List<Label> labels = labels(cells);
    Map<List<String>, Group> groups = new LinkedHashMap<>();
    for (CellResult c : cells) {
      List<String> values = keys.stream().map(key -> value(c, key)).toList();
      List<String> at = new ArrayList<>(values);
      at.add(c.task());
      groups
          .computeIfAbsent(at, k -> new Group(c.task(), values, new LinkedHashMap<>()))
          .cells()
          .computeIfAbsent(labelOf(c, labels), k -> new ArrayList<>())
          .add(c);
    }
    return new ExperimentGroups(List.copyOf(facets), labels, List.copyOf(groups.values()));
  }

  /** The label of a cell. */
  Label label(CellResult cell) {
    return labelOf(cell, labels);
  }

  private static Label labelOf(CellResult cell, List<Label> labels) {
    return labels.stream()
        .filter(l -> l.key().equals(cell.algorithm()) && l.name().equals(name(cell, labels)))
        .findFirst()
        .orElseThrow();
  }

  /** A name that two algorithms of different keys share has the key behind it. */
  private static String name(CellResult cell, List<Label> labels) {
    String full = cell.label() + " (" + cell.algorithm() + ")";
    return labels.stream().anyMatch(l -> l.name().equals(full)) ? full : cell.label();
  }

  private static List<Label> labels(List<CellResult> cells) {
    Map<String, Set<String>> keys = new LinkedHashMap<>();
    cells.forEach(
        c -> keys.computeIfAbsent(c.label(), k -> new LinkedHashSet<>()).add(c.algorithm()));
    Set<Label> labels = new LinkedHashSet<>();
    for (CellResult c : cells) {
      String name =
          keys.get(c.label()).size() == 1 ? c.label() : c.label() + " (" + c.algorithm() + ")";
      labels.add(new Label(c.algorithm(), name, c.algorithm().equals(BASELINE)));
    }
    return List.copyOf(labels);
  }

  /** Settings in which cells differ that are equal in task, label, ablation, patch type, seed. */
  private static Set<String> dividing(List<CellResult> cells) {
    Map<List<Object>, List<CellResult>> alike =
        cells.stream()
            .collect(
                Collectors.groupingBy(
                    c ->
                        List.of(
                            c.task(),
                            c.algorithm(),
                            c.label(),
                            c.ablation(),
                            c.patchType(),
                            c.seed())));
    Set<String> dividing = new TreeSet<>();
    for (List<CellResult> same : alike.values()) {
      Map<String, Set<String>> values = new HashMap<>();
      Set<String> names =
          same.stream()
              .flatMap(c -> c.settings().keySet().stream())
              .collect(Collectors.toCollection(TreeSet::new));
      for (String name : names) {
        same.forEach(
            c -> values.computeIfAbsent(name, k -> new LinkedHashSet<>()).add(value(c, name)));
      }
      values.forEach(
          (name, set) -> {
            if (set.size() > 1) {
              dividing.add(name);
            }
          });
    }
    return dividing;
  }

  private static String value(CellResult cell, String key) {
    return switch (key) {
      case "ablation" -> cell.ablation();
      case "patch_type" -> cell.patchType();
      default -> cell.settings().getOrDefault(key, NONE);
    };
  }

  private static String title(String key) {
    String name = key.startsWith(PREFIX_OF_RUN) ? key.substring(PREFIX_OF_RUN.length()) : key;
    String words = name.replace('_', ' ').replace('.', ' ');
    return Character.toUpperCase(words.charAt(0)) + words.substring(1);
  }
}
