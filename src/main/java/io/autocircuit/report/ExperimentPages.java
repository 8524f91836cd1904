package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.Experiment;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.experiment.ExperimentStore;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.TestedCircuit;
import io.autocircuit.files.DataException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * The pages of an experiment's store: {@value #REPORT}, and {@code circuits/HASH.html} for each
 * cell, which share the charting library.
 */
public final class ExperimentPages {
  /** The page that compares all cells. */
  public static final String REPORT = "report.html";

  private static final String CIRCUITS = "circuits";

  /** Digits of a cell's hash that name its page. */
  private static final int DIGITS = 16;

  private ExperimentPages() {}

  /**
   * Writes a page for each cell.
   *
   * @return for {@link Experiment#open}
   */
  public static Experiment.Pages circuits() {
    return ExperimentPages::circuit;
  }

  private static String circuit(
      Path directory, String name, Run run, Discovery.Result result, List<TestedCircuit> tests) {
    String page = CIRCUITS + "/" + name.substring(0, DIGITS) + ".html";
    HtmlReport.writeAmongOthers(
        directory.resolve(page), DiscoveryReport.of(run, result).withTests(tests));
    return page;
  }

  /**
   * Writes what the pages of cells share, for pages that were written elsewhere ({@link
   * ExperimentStore#merge} takes them).
   *
   * @param directory of the store
   * @throws DataException if it cannot be written
   */
  public static void shared(Path directory) {
    HtmlReport.writeCharts(directory.resolve(CIRCUITS));
  }

  /**
   * Writes the page that compares the cells of a store.
   *
   * @param store what is compared
   * @param settings what else was set, in the map's order
   * @return the page
   * @throws DataException if it cannot be written
   */
  public static Path report(ExperimentStore store, Map<String, String> settings) {
    Path file = store.directory().resolve(REPORT);
    ExperimentResults results = store.results();
    ExperimentReport.write(file, results, CellResult::edgeScores, store::prompts, settings);
    return file;
  }
}
