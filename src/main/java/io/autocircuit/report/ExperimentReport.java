package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * The page of an experiment: algorithms side by side. One HTML file that needs no other file and no
 * network, but for the links to the cells' own pages. Cells are compared only within one ablation,
 * patch type and whatever else divides them; seeds are shown as their mean, with the least and the
 * greatest value around it.
 */
public final class ExperimentReport {
  /** So many values of a setting are written out. */
  private static final int VALUES = 12;

  /** What stands for an empty value. */
  private static final String NONE = "—";

  private ExperimentReport() {}

  /**
   * Renders the page.
   *
   * @param results the experiment
   * @param scores the scores of a cell by canonical edge index, for the similarity of algorithms;
   *     empty where they are not to be had. Called once for each cell, one task after another
   * @param settings what else was set, such as the experiment's file, shown before the settings of
   *     cells, in the map's order
   * @param directory where the page will lie: the links to the pages of cells begin there
   * @return the HTML document
   * @throws IllegalStateException if a resource of the page is missing from the class path
   */
  public static String render(
      ExperimentResults results,
      Function<CellResult, Optional<float[]>> scores,
      Map<String, String> settings,
      Path directory) {
    return render(results, scores, (run, metric, edges) -> Map.of(), settings, directory);
  }

  private static String render(
      ExperimentResults results,
      Function<CellResult, Optional<float[]>> scores,
      ResultIntervals.Prompts prompts,
      Map<String, String> settings,
      Path directory) {
    Map<String, String> places = new LinkedHashMap<>();
    places.put("title", Page.escape(results.title()));
    places.put("summary", Page.summary(summary(results)));
    Map<String, String> all = new LinkedHashMap<>(settings);
    all.putAll(settings(results.cells()));
    places.put("settings", Page.settings(all));
    return Page.withCharts(
        "experiment", ExperimentTree.of(results, scores, prompts, directory), places);
  }

  /**
   * Renders the page into a file, which appears whole or not at all.
   *
   * @param file where to write; its directory must exist
   * @param results the experiment
   * @param scores the scores of a cell by canonical edge index; empty where they are not to be had
   * @param settings what else was set, in the map's order
   * @throws DataException if the file cannot be written
   */
  public static void write(
      Path file,
      ExperimentResults results,
      Function<CellResult, Optional<float[]>> scores,
      Map<String, String> settings) {
    write(file, results, scores, (run, metric, edges) -> Map.of(), settings);
  }

  /**
   * Renders the page into a file, with intervals of ranks.
   *
   * @param file where to write; its directory must exist
   * @param results the experiment
   * @param scores the scores of a cell by canonical edge index; empty where they are not to be had
   * @param prompts values on single prompts, such as those of a store
   * @param settings what else was set, in the map's order
   * @throws DataException if the file cannot be written
   */
  public static void write(
      Path file,
      ExperimentResults results,
      Function<CellResult, Optional<float[]>> scores,
      ResultIntervals.Prompts prompts,
      Map<String, String> settings) {
    Path directory = Optional.ofNullable(file.toAbsolutePath().getParent()).orElse(file);
    AtomicFile.write(file, render(results, scores, prompts, settings, directory));
  }

  private static Map<String, String> summary(ExperimentResults results) {
    List<CellResult> cells = results.cells();
    Map<String, String> lines = new LinkedHashMap<>();
    lines.put("Tasks", distinct(cells, CellResult::task));
    lines.put("Algorithms", distinct(cells, CellResult::label));
    lines.put("Ablations", distinct(cells, CellResult::ablation));
    lines.put("Patch types", distinct(cells, CellResult::patchType));
    lines.put("Seeds", distinct(cells, c -> String.valueOf(c.seed())));
    lines.put("Finished cells", String.valueOf(cells.size()));
    lines.put("Failed", String.valueOf(results.failures().size()));
    if (results.waiting() > 0) {
      lines.put("Not run yet", String.valueOf(results.waiting()));
    }
    return lines;
  }

  /** The values if they are few, else how many there are. */
  private static String distinct(List<CellResult> cells, Function<CellResult, String> of) {
    List<String> values = cells.stream().map(of).distinct().toList();
    String text = String.join(", ", values);
    return values.size() <= 3 && text.length() <= 40 ? text : String.valueOf(values.size());
  }

  /** Every setting of the cells; of one that differs, its values. */
  private static Map<String, String> settings(List<CellResult> cells) {
    Map<String, Set<String>> values = new TreeMap<>();
    cells.forEach(
        c ->
            c.settings()
                .forEach(
                    (name, v) ->
                        values
                            .computeIfAbsent(name, k -> new TreeSet<>())
                            .add(v.isEmpty() ? NONE : v)));
    Map<String, String> rows = new LinkedHashMap<>();
    values.forEach(
        (name, set) -> {
          List<String> shown = set.stream().limit(VALUES).toList();
          int more = set.size() - shown.size();
          rows.put(name, String.join(" | ", shown) + (more > 0 ? " | and " + more + " more" : ""));
        });
    return rows;
  }
}
