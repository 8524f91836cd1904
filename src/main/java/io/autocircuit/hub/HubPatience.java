package io.autocircuit.hub;

import java.time.Duration;
import java.util.Optional;

/**
 * How long is waited for a server, and how often it is asked again.
 *
 * @param answer the longest time until a server answers
 * @param stall the longest time in which a download may give nothing
 * @param tries how often in a row a request may fail before it is given up
 * @param pause the time before the second try; it doubles from try to try
 * @param longest the longest wait that a server may ask for
 */
public record HubPatience(
    Duration answer, Duration stall, int tries, Duration pause, Duration longest) {
  /** 10 seconds for an answer and for a stall, 5 tries after 1, 2, 4 and 8 seconds. */
  public static final HubPatience STANDARD =
      new HubPatience(
          Duration.ofSeconds(10),
          Duration.ofSeconds(10),
          5,
          Duration.ofSeconds(1),
          Duration.ofMinutes(2));

  /**
   * The same with other times.
   *
   * @param newAnswer the longest time until a server answers; empty to keep it
   * @param newStall the longest time in which a download may give nothing; empty to keep it
   * @return the patience
   */
  HubPatience withTimeouts(Optional<Duration> newAnswer, Optional<Duration> newStall) {
    return new HubPatience(newAnswer.orElse(answer), newStall.orElse(stall), tries, pause, longest);
  }

  /** The same for those who have something to fall back on. */
  HubPatience once() {
    return new HubPatience(answer, stall, 1, pause, longest);
  }

  /** How long to wait after so many failures in a row, at least 1. */
  Duration after(int failures) {
    return pause.multipliedBy(1L << Math.min(failures - 1, 6));
  }
}
