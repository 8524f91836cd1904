package io.autocircuit.benchmark;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The figures of a {@link Benchmark} beside busy processes. Each was timed in turns with the same
 * figure on the idle machine.
 *
 * @param processes how many computed meanwhile
 * @param plain the plain forward beside them
 * @param plainSlower its median over that on the idle machine
 * @param figures every other figure, by name
 */
public record BesideOthers(
    int processes, Benchmark.Timing plain, double plainSlower, Map<String, Figure> figures) {

  /**
   * A figure.
   *
   * @param idle seconds on the idle machine
   * @param busy seconds beside the processes
   * @param idleRatio median over the plain forward's, idle
   * @param busyRatio median over the plain forward's, beside the same processes
   */
  public record Figure(
      Benchmark.Timing idle, Benchmark.Timing busy, double idleRatio, double busyRatio) {
    /**
     * How much worse the ratio is beside other work: 1 if this is slowed down as the plain forward
     * is.
     *
     * @return ratio of the ratios
     */
    public double worse() {
      return busyRatio / idleRatio;
    }
  }

  /** Collects what is timed beside the processes; without any, collects nothing. */
  static final class Collector {
    private final BusyProcesses others;
    private final List<Double> plains = new ArrayList<>();
    private final Map<String, Figure> figures = new LinkedHashMap<>();
    private final List<Double> times = new ArrayList<>();
    private final List<Double> around = new ArrayList<>();

    /** {@code others} is null where nothing is measured beside anything. */
    Collector(BusyProcesses others) {
      this.others = others;
    }

    /** Times a figure once, between two plain forwards; {@code prepare} is not timed. */
    void time(Timed plain, Runnable prepare, Timed work) {
      if (others == null) {
        return;
      }
      prepare.run();
      others.compute();
      around.add(plain.seconds());
      times.add(work.seconds());
      around.add(plain.seconds());
      others.rest();
    }

    /** All of a figure was timed. */
    void finish(String name, Benchmark.Timing idle, double idleRatio) {
      if (others == null) {
        return;
      }
      Benchmark.Timing busy = timing(times);
      double ratio = busy.median() / timing(around).median();
      figures.put(name, new Figure(idle, busy, idleRatio, ratio));
      plains.addAll(around);
      around.clear();
      times.clear();
    }

    /** Null where nothing was measured. */
    BesideOthers result(Benchmark.Timing idlePlain) {
      if (others == null) {
        return null;
      }
      Benchmark.Timing plain = timing(plains);
      return new BesideOthers(
          others.handles().size(), plain, plain.median() / idlePlain.median(), figures);
    }

    private static Benchmark.Timing timing(List<Double> seconds) {
      return Benchmark.Timing.of(seconds.stream().mapToDouble(Double::doubleValue).toArray());
    }
  }

  /** Some work that is timed. */
  @FunctionalInterface
  interface Timed {
    /** Does it; how long it took. */
    double seconds();
  }
}
