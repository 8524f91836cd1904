package io.autocircuit.benchmarks;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.opentest4j.AssertionFailedError;

/**
 * Holds that one computation is so many times as fast as another. Both are timed in turns in this
 * process, so a slow machine slows both; only the ratio of their medians counts, never a time.
 *
 * @param name what is measured, for the message
 * @param atLeast how many times as fast it must be
 * @param repetitions timed calls of each in an attempt, after one that is not
 * @param clock nanoseconds
 */
record RatioGate(String name, double atLeast, int repetitions, LongSupplier clock) {
  /** A busy moment of a shared machine is no regression; three in a row are one. */
  static final int ATTEMPTS = 3;

  /**
   * Medians of an attempt.
   *
   * @param fast seconds of what must be fast
   * @param slow seconds of what it is compared with
   */
  record Times(double fast, double slow) {
    double ratio() {
      return slow / fast;
    }

    @Override
    public String toString() {
      return String.format(
          Locale.ROOT, "%.3f ms against %.3f ms (%.2f times)", fast * 1e3, slow * 1e3, ratio());
    }
  }

  RatioGate(String name, double atLeast, int repetitions) {
    this(name, atLeast, repetitions, System::nanoTime);
  }

  /** The decision about one attempt. */
  boolean accepts(Times times) {
    return times.ratio() >= atLeast;
  }

  /**
   * Measures until an attempt is accepted, at most {@value #ATTEMPTS} times.
   *
   * @return the attempt that was
   * @throws AssertionFailedError if none was; the message holds both times of each
   */
  Times hold(Runnable fast, Runnable slow) {
    List<Times> tried = new ArrayList<>();
    for (int i = 0; i < ATTEMPTS; i++) {
      Times times = measure(fast, slow);
      if (accepts(times)) {
        return times;
      }
      tried.add(times);
    }
    throw new AssertionFailedError(
        String.format(
            Locale.ROOT,
            "%s must be at least %.2f times as fast as the einsum formulation, in one process and"
                + " one run, but was in each of %d attempts: %s",
            name,
            atLeast,
            ATTEMPTS,
            tried.stream().map(Times::toString).collect(Collectors.joining("; "))));
  }

  private Times measure(Runnable fast, Runnable slow) {
    fast.run();
    slow.run();
    double[] f = new double[repetitions];
    double[] s = new double[repetitions];
    for (int i = 0; i < repetitions; i++) {
      f[i] = seconds(fast);
      s[i] = seconds(slow);
    }
    return new Times(median(f), median(s));
  }

  private double seconds(Runnable work) {
    long start = clock.getAsLong();
    work.run();
    return (clock.getAsLong() - start) / 1e9;
  }

  private static double median(double[] values) {
    Arrays.sort(values);
    int n = values.length;
    return (values[(n - 1) / 2] + values[n / 2]) / 2;
  }
}
