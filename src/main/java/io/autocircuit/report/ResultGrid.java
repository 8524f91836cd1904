package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Which cells of an experiment stand where in a table of a number that they have.
 *
 * @param where what all its cells have in common, and others have not: places by axis
 * @param rowAxes what the rows are
 * @param columnAxis what the columns are; empty where there is one, of the value
 * @param rows the places of each row, one for each of its axes
 * @param columns the place of each column
 * @param places the cells, by row and column
 * @param without how many cells of the experiment have no such number
 */
record ResultGrid(
    Map<String, String> where,
    List<String> rowAxes,
    String columnAxis,
    List<List<String>> rows,
    List<String> columns,
    Map<List<String>, Map<String, List<CellResult>>> places,
    int without) {

  /** The cells of a place, which differ in nothing but the seed. */
  List<CellResult> at(List<String> row, String column) {
    return places.getOrDefault(row, Map.of()).getOrDefault(column, List.of());
  }

  /**
   * The grids of some axes, as {@link ResultTable#of(ExperimentResults, List, ResultValue, Map)}
   * says.
   */
  static List<ResultGrid> of(
      ExperimentResults results, List<String> axes, ResultValue value, Map<String, String> only) {
    if (axes.isEmpty()) {
      throw new IllegalArgumentException("axes=[]; give one or more, such as algorithm,task");
    }
    ResultAxes all = new ResultAxes(results);
    List<String> names = axes.stream().map(all::name).toList();
    for (String name : names) {
      if (Collections.frequency(names, name) > 1) {
        throw new IllegalArgumentException("axis=" + name + " is given twice; give each once");
      }
    }
    List<CellResult> chosen = results.cells();
    Map<String, String> common = new LinkedHashMap<>();
    if (chosen.isEmpty()) {
      throw new IllegalArgumentException("no cell is finished yet; there is nothing to show");
    }
    for (Map.Entry<String, String> e : only.entrySet()) {
      String axis = all.name(e.getKey());
      chosen = all.at(chosen, axis, e.getValue());
      if (!names.contains(axis)) {
        common.put(axis, e.getValue());
      }
    }
    List<CellResult> having = chosen.stream().filter(c -> value.of().apply(c).isPresent()).toList();
    if (having.isEmpty()) {
      throw new IllegalArgumentException(
          "value="
              + value.name()
              + ": none of the cells="
              + chosen.size()
              + " has it; choose another --metric, or other cells");
    }
    List<String> missing = all.missing(names, having);
    Map<List<String>, List<CellResult>> parts = new LinkedHashMap<>();
    having.forEach(c -> parts.computeIfAbsent(all.of(missing, c), k -> new ArrayList<>()).add(c));
    int without = chosen.size() - having.size();
    List<ResultGrid> grids = new ArrayList<>();
    parts.forEach(
        (places, cells) -> {
          Map<String, String> where = new LinkedHashMap<>(common);
          for (int i = 0; i < places.size(); i++) {
            where.put(missing.get(i), places.get(i));
          }
          grids.add(grid(all, names, value, where, cells, without));
        });
    return grids;
  }

  private static ResultGrid grid(
      ResultAxes all,
      List<String> names,
      ResultValue value,
      Map<String, String> where,
      List<CellResult> cells,
      int without) {
    boolean columned = names.size() > 1;
    List<String> rowAxes = columned ? names.subList(0, names.size() - 1) : names;
    String columnAxis = columned ? names.get(names.size() - 1) : "";
    Set<List<String>> rows = new LinkedHashSet<>();
    Set<String> columns = new LinkedHashSet<>();
    Map<List<String>, Map<String, List<CellResult>>> places = new LinkedHashMap<>();
    for (CellResult c : cells) {
      List<String> row = all.of(rowAxes, c);
      String column = columned ? all.of(columnAxis, c) : value.name();
      rows.add(row);
      columns.add(column);
      places
          .computeIfAbsent(row, k -> new LinkedHashMap<>())
          .computeIfAbsent(column, k -> new ArrayList<>())
          .add(c);
    }
    return new ResultGrid(
        where, rowAxes, columnAxis, List.copyOf(rows), List.copyOf(columns), places, without);
  }
}
