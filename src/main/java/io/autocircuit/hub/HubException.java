package io.autocircuit.hub;

import java.time.Duration;
import java.util.Optional;

/** The hub does not give what was asked for. The message is for people. */
final class HubException extends Exception {
  private static final long serialVersionUID = 1L;

  private final boolean passing;
  private final transient Optional<Duration> wait;

  private HubException(String message, boolean passing, Optional<Duration> wait, Throwable cause) {
    super(message, cause);
    this.passing = passing;
    this.wait = wait;
  }

  /** It will be the same the next time. */
  static HubException lasting(String message) {
    return new HubException(message, false, Optional.empty(), null);
  }

  /** It will be the same the next time. */
  static HubException lasting(String message, Throwable cause) {
    return new HubException(message, false, Optional.empty(), cause);
  }

  /**
   * It may be better soon.
   *
   * @param wait how long the server asks to wait
   */
  static HubException passing(String message, Optional<Duration> wait, Throwable cause) {
    return new HubException(message, true, wait, cause);
  }

  /** Whether it may be better soon. */
  boolean isPassing() {
    return passing;
  }

  /** How long the server asks to wait. */
  Optional<Duration> waitFor() {
    return wait == null ? Optional.empty() : wait;
  }
}
