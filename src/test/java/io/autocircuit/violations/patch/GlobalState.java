package io.autocircuit.violations.patch;

/** Remembers the last mask for everybody. */
public final class GlobalState {
  /** Final is allowed. */
  static final int LIMIT = 3;

  static int mask;

  private GlobalState() {}

  static int use() {
    return Math.min(LIMIT, mask++);
  }
}
