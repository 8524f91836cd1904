package io.autocircuit.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.benchmarks.RatioGate.Times;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.opentest4j.AssertionFailedError;

/** The gate's decisions, on a clock that the work moves by hand. */
class RatioGateTest {
  private static final long MILLISECOND = 1_000_000;

  private final AtomicLong clock = new AtomicLong();
  private int calls;

  private RatioGate gate(double atLeast) {
    return new RatioGate("it", atLeast, 5, clock::get);
  }

  private Runnable taking(long milliseconds) {
    return () -> clock.addAndGet(milliseconds * MILLISECOND);
  }

  @Test
  void theThresholdItselfIsAccepted() {
    assertTrue(gate(2).accepts(new Times(1, 2)));
    assertFalse(gate(2).accepts(new Times(1, 1.99)));
    assertFalse(gate(2).accepts(new Times(2, 1)));
    assertFalse(gate(2).accepts(new Times(Double.NaN, 1)));
    assertFalse(gate(2).accepts(new Times(0, 0)));
  }

  @Test
  void theRatioIsThatOfTheTimes() {
    Times t = gate(2).hold(taking(3), taking(12));
    assertEquals(0.003, t.fast(), 1e-12);
    assertEquals(0.012, t.slow(), 1e-12);
    assertEquals(4, t.ratio(), 1e-12);
  }

  @Test
  void aFailureNamesBothTimesOfEveryAttempt() {
    AssertionFailedError e =
        assertThrows(AssertionFailedError.class, () -> gate(5).hold(taking(3), taking(12)));
    String attempt = "3.000 ms against 12.000 ms (4.00 times)";
    assertTrue(
        e.getMessage().contains("it must be at least 5.00 times as fast")
            && e.getMessage().endsWith(String.join("; ", attempt, attempt, attempt)),
        e.getMessage());
  }

  /** Two of the five repetitions of an attempt are disturbed; the median does not see them. */
  @Test
  void aDisturbedRepetitionDoesNotCount() {
    Runnable disturbed = () -> taking(calls++ % 3 == 1 ? 1000 : 3).run();
    assertEquals(4, gate(4).hold(disturbed, taking(12)).ratio(), 1e-12);
  }

  @Test
  void aDisturbedAttemptIsRepeatedTwice() {
    // the first call of an attempt is not timed, so an attempt makes six calls
    Runnable slowAtFirst = () -> taking(calls++ < 12 ? 12 : 3).run();
    assertEquals(4, gate(4).hold(slowAtFirst, taking(12)).ratio(), 1e-12);
    calls = 0;
    Runnable slowForLong = () -> taking(calls++ < 18 ? 12 : 3).run();
    assertThrows(AssertionFailedError.class, () -> gate(4).hold(slowForLong, taking(12)));
    assertEquals(18, calls);
  }
}
