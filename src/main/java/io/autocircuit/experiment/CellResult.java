package io.autocircuit.experiment;

import io.autocircuit.files.DataException;
import io.autocircuit.metric.Bootstrap;
import io.autocircuit.metric.Faithfulness;
import io.autocircuit.metric.Roc;
import io.autocircuit.tensor.Safetensors;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * One finished cell of an experiment, as a store holds it.
 *
 * @param run the hash of its {@link RunSpec}
 * @param task the name of its task
 * @param algorithm the key of its algorithm
 * @param label what tells its algorithm from the others of the experiment: the title, and those
 *     settings that have several values
 * @param ablation the key of the ablation under which circuits were judged
 * @param patchType the key of the patch type under which circuits were judged
 * @param seed of all that is random
 * @param settings everything that was set, as {@code scope.name}, such as {@code
 *     algorithm.samples}, {@code graph.token_positions}, {@code run.precision}
 * @param edges how many edges the graph has
 * @param official how many edges the known circuit has; empty without one
 * @param prompts how many prompts judged
 * @param scorePrompts how many prompts scored
 * @param series what was measured, in the order of the metrics
 * @param roc points from (0,0) to (1,1) against the known circuit; empty without one
 * @param liveEdges of each measured circuit, how many of its edges can change its output
 * @param found circuits that the algorithm itself arrived at
 * @param cost what it took
 * @param verdict a sentence that sums it up, if there is one to say
 * @param notices what the user should know
 * @param scores the file of the scores, {@code scores.safetensors}
 * @param page the page of its circuit; empty where none was written
 * @param areas numbers of all its circuits together
 * @param selected how its circuits were chosen, in the order of what was asked for
 */
public record CellResult(
    String run,
    String task,
    String algorithm,
    String label,
    String ablation,
    String patchType,
    long seed,
    SortedMap<String, String> settings,
    int edges,
    Optional<Integer> official,
    int prompts,
    int scorePrompts,
    List<Series> series,
    List<Roc.Point> roc,
    SortedMap<Integer, Integer> liveEdges,
    List<Found> found,
    Cost cost,
    Optional<String> verdict,
    List<String> notices,
    Path scores,
    Optional<Path> page,
    List<Area> areas,
    List<Discovery.Selected> selected) {

  /**
   * Keeps unmodifiable copies.
   *
   * @param run the hash of its run
   * @param task the name of its task
   * @param algorithm the key of its algorithm
   * @param label what tells its algorithm from the others of the experiment
   * @param ablation the key of the ablation under which circuits were judged
   * @param patchType the key of the patch type under which circuits were judged
   * @param seed of all that is random
   * @param settings everything that was set
   * @param edges how many edges the graph has
   * @param official how many edges the known circuit has; empty without one
   * @param prompts how many prompts judged
   * @param scorePrompts how many prompts scored
   * @param series what was measured
   * @param roc points against the known circuit; empty without one
   * @param liveEdges of each measured circuit, how many of its edges can change its output
   * @param found circuits that the algorithm itself arrived at
   * @param cost what it took
   * @param verdict a sentence that sums it up, if there is one to say
   * @param notices what the user should know
   * @param scores the file of the scores
   * @param page the page of its circuit; empty where none was written
   * @param areas numbers of all its circuits together
   * @param selected how its circuits were chosen
   */
  public CellResult {
    settings = Collections.unmodifiableSortedMap(new TreeMap<>(settings));
    series = List.copyOf(series);
    roc = List.copyOf(roc);
    liveEdges = Collections.unmodifiableSortedMap(new TreeMap<>(liveEdges));
    found = List.copyOf(found);
    notices = List.copyOf(notices);
    areas = List.copyOf(areas);
    selected = List.copyOf(selected);
  }

  /**
   * A number of all circuits of a cell together.
   *
   * @param key which, such as {@code cpr} or {@code auroc}
   * @param metric the key of the metric whose curve it is of; empty of the ROC curve's
   * @param value the number
   * @param low the lower end of its 95 % interval; NaN where there is none
   * @param high the upper end
   */
  public record Area(String key, String metric, double value, double low, double high) {
    /**
     * Those of a result.
     *
     * @param result a discovery's
     * @return the areas of faithfulness of each metric, then those against the known circuit
     */
    public static List<Area> of(Discovery.Result result) {
      List<Area> areas = new ArrayList<>();
      for (Faithfulness f : result.faithfulness()) {
        for (Faithfulness.Area a : f.areas()) {
          areas.add(of(a.kind().key(), f.metric().key(), a.value(), a.interval()));
        }
      }
      result
          .auroc()
          .ifPresent(
              roc -> {
                areas.add(of("auroc", "", roc.exact(), roc.interval()));
                if (!Double.isNaN(roc.mib())) {
                  areas.add(of("auroc_mib", "", roc.mib(), Optional.empty()));
                }
              });
      return areas;
    }

    private static Area of(
        String key, String metric, double value, Optional<Bootstrap.Interval> interval) {
      return new Area(
          key,
          metric,
          value,
          interval.map(Bootstrap.Interval::low).orElse(Double.NaN),
          interval.map(Bootstrap.Interval::high).orElse(Double.NaN));
    }
  }

  /**
   * Without numbers of all circuits together.
   *
   * @param run the hash of its run
   * @param task the name of its task
   * @param algorithm the key of its algorithm
   * @param label what tells its algorithm from the others of the experiment
   * @param ablation the key of the ablation under which circuits were judged
   * @param patchType the key of the patch type under which circuits were judged
   * @param seed of all that is random
   * @param settings everything that was set
   * @param edges how many edges the graph has
   * @param official how many edges the known circuit has; empty without one
   * @param prompts how many prompts judged
   * @param scorePrompts how many prompts scored
   * @param series what was measured
   * @param roc points against the known circuit; empty without one
   * @param liveEdges of each measured circuit, how many of its edges can change its output
   * @param found circuits that the algorithm itself arrived at
   * @param cost what it took
   * @param verdict a sentence that sums it up, if there is one to say
   * @param notices what the user should know
   * @param scores the file of the scores
   * @param page the page of its circuit; empty where none was written
   */
  public CellResult(
      String run,
      String task,
      String algorithm,
      String label,
      String ablation,
      String patchType,
      long seed,
      SortedMap<String, String> settings,
      int edges,
      Optional<Integer> official,
      int prompts,
      int scorePrompts,
      List<Series> series,
      List<Roc.Point> roc,
      SortedMap<Integer, Integer> liveEdges,
      List<Found> found,
      Cost cost,
      Optional<String> verdict,
      List<String> notices,
      Path scores,
      Optional<Path> page) {
    this(
        run,
        task,
        algorithm,
        label,
        ablation,
        patchType,
        seed,
        settings,
        edges,
        official,
        prompts,
        scorePrompts,
        series,
        roc,
        liveEdges,
        found,
        cost,
        verdict,
        notices,
        scores,
        page,
        List.of(),
        List.of());
  }

  /**
   * The scores of its edges.
   *
   * @return {@code [edges]}, module by module: cells of one graph have the same order; empty where
   *     the file is not there any more, or cannot be read
   */
  public Optional<float[]> edgeScores() {
    try (Safetensors in = Safetensors.open(scores)) {
      List<float[]> modules = in.names().stream().sorted().map(in::floats).toList();
      float[] all = new float[modules.stream().mapToInt(m -> m.length).sum()];
      int at = 0;
      for (float[] m : modules) {
        System.arraycopy(m, 0, all, at, m.length);
        at += m.length;
      }
      return Optional.of(all);
    } catch (DataException | IllegalArgumentException gone) { // what is there is compared
      return Optional.empty();
    }
  }

  /**
   * A metric over circuit sizes.
   *
   * @param metric its key; {@link io.autocircuit.metric.Metric#catalogue} says the rest, if it is
   *     still there
   * @param points by ascending number of edges
   */
  public record Series(String metric, List<Point> points) {
    /**
     * Keeps an unmodifiable copy.
     *
     * @param metric its key
     * @param points by ascending number of edges
     */
    public Series {
      points = List.copyOf(points);
    }
  }

  /**
   * One circuit.
   *
   * @param edges the number of edges it really has
   * @param value the metric's value
   * @param low the lower end of its 95 % interval; NaN where there is none
   * @param high the upper end
   */
  public record Point(int edges, double value, double low, double high) {
    /**
     * Without an interval.
     *
     * @param edges the number of edges it really has
     * @param value the metric's value
     */
    public Point(int edges, double value) {
      this(edges, value, Double.NaN, Double.NaN);
    }
  }

  /**
   * A circuit that the algorithm itself arrived at.
   *
   * @param what for people, such as {@code kept at τ = 0.001}
   * @param edges the number of its edges
   */
  public record Found(String what, int edges) {}

  /**
   * What a cell took. Unpatched outputs and ablation values that an earlier cell of the same model
   * and prompts has left ({@link RunResources}) are not in it: compare algorithms by runs of their
   * own where that matters, as for attribution patching, of whose cost they are the larger part.
   *
   * @param scoreSeconds to score the edges
   * @param judgeSeconds to run and measure the circuits
   * @param plainSeconds of one plain forward pass over the prompts that score, in the same process
   */
  public record Cost(double scoreSeconds, double judgeSeconds, double plainSeconds) {
    /**
     * The cost of scoring in plain forward passes over the prompts that score.
     *
     * @return how many would have taken as long
     */
    public double plainPasses() {
      return scoreSeconds / plainSeconds;
    }
  }
}
