package io.autocircuit.cli;

import io.autocircuit.experiment.Cell;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.Experiment;
import io.autocircuit.metric.Roc;
import io.autocircuit.patch.Progress;
import java.io.PrintWriter;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * An experiment for people: on a terminal a bar for all cells, with the time that is left, and one
 * for the running cell; one line for each finished cell otherwise.
 *
 * <p>The time that is left is what the cells that are left will take if they take what the finished
 * ones of their algorithm took on average, or of any algorithm where none of theirs is finished.
 */
final class SweepConsole implements Experiment.Watcher, AutoCloseable {
  private static final int REFRESH_MILLIS = 200;

  private final PrintWriter out;
  private final boolean bars;
  private final Set<Cell> left;
  private final int total;
  private final Map<String, double[]> took = new HashMap<>();
  private ProgressBar whole;
  private Bars cell;
  private int done;
  private boolean told;

  /**
   * For a sweep that begins.
   *
   * @param out where lines go
   * @param bars whether there is a terminal to draw on
   * @param left the cells that are to be run
   * @param total how many cells there are
   */
  SweepConsole(PrintWriter out, boolean bars, List<Cell> left, int total) {
    this.out = out;
    this.bars = bars;
    this.left = new LinkedHashSet<>(left);
    this.total = total;
  }

  @Override
  public Progress began(Cell next, int finished, int all) {
    done = finished;
    if (!bars) {
      return Progress.SILENT;
    }
    if (whole == null) {
      whole =
          new ProgressBarBuilder()
              .setTaskName("cells")
              .setInitialMax(total)
              .setUpdateIntervalMillis(REFRESH_MILLIS)
              .setStyle(ProgressBarStyle.ASCII)
              .hideEta()
              .build();
    }
    whole.stepTo(finished);
    whole.setExtraMessage(" " + remaining() + "  " + next.name());
    if (cell != null) {
      cell.close();
    }
    cell = Bars.onTerminal();
    return cell;
  }

  /** What is left, in words; nothing before the first cell is finished. */
  private String remaining() {
    double[] any = took.values().stream().reduce(new double[2], SweepConsole::plus);
    if (any[1] == 0) {
      return "";
    }
    double seconds = 0;
    for (Cell c : left) {
      double[] own = took.getOrDefault(c.task() + "/" + c.label(), took(c.label()));
      seconds += own[1] > 0 ? own[0] / own[1] : any[0] / any[1];
    }
    return "about " + duration(seconds) + " left";
  }

  private double[] took(String label) {
    return took.entrySet().stream()
        .filter(e -> e.getKey().endsWith("/" + label))
        .map(Map.Entry::getValue)
        .reduce(new double[2], SweepConsole::plus);
  }

  private static double[] plus(double[] a, double[] b) {
    return new double[] {a[0] + b[0], a[1] + b[1]};
  }

  /** Such as {@code 8 s}, {@code 3 min}, {@code 2 h 5 min}. */
  static String duration(double seconds) {
    long s = Math.round(seconds);
    if (s < 100) {
      return s + " s";
    }
    long minutes = Math.round(seconds / 60);
    return minutes < 100 ? minutes + " min" : minutes / 60 + " h " + minutes % 60 + " min";
  }

  private void over(Cell c) {
    left.remove(c);
    done++;
    if (cell != null) {
      cell.close();
      cell = null;
    }
    if (whole != null) {
      whole.stepTo(done);
      whole.setExtraMessage(" " + remaining());
    }
  }

  @Override
  public void finished(Cell c, Discovery.Result result, double seconds) {
    took.merge(c.task() + "/" + c.label(), new double[] {seconds, 1}, SweepConsole::plus);
    over(c);
    if (!bars) {
      out.printf(Locale.ROOT, "%d/%d %s: %s%n", done, total, c.name(), line(result, seconds));
      out.flush();
    }
  }

  /** What came out, in a few words. */
  private static String line(Discovery.Result result, double seconds) {
    return String.format(Locale.ROOT, "%.2f s", seconds)
        + (result.roc().isEmpty()
            ? ""
            : String.format(Locale.ROOT, ", area under ROC %.3f", Roc.area(result.roc())));
  }

  @Override
  public void failed(Cell c, String message) {
    over(c);
    if (bars) {
      close();
    }
    out.println(done + "/" + total + " " + c.name() + ": FAILED: " + message);
    out.flush();
  }

  @Override
  public void waiting(int others) {
    if (!told && !bars) {
      out.println("waiting for cells=" + others + " that other processes work on");
    }
    told = true;
    if (whole != null) {
      whole.setExtraMessage(" waiting for " + others + " of other processes");
    }
  }

  @Override
  public void close() {
    if (cell != null) {
      cell.close();
      cell = null;
    }
    if (whole != null) {
      whole.close();
      whole = null;
    }
  }
}
