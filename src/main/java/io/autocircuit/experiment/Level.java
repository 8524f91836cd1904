package io.autocircuit.experiment;

import java.util.Locale;

/** What is scored, and what circuits are made of. */
public enum Level {
  /** Edges. */
  EDGE,
  /**
   * Nodes: heads and MLPs. A circuit of nodes keeps the edges whose both ends are in it; the stream
   * itself, its start, its sums and its end, is in every circuit.
   */
  NODE;

  /**
   * Its name in files and on the command line.
   *
   * @return {@code edge} or {@code node}
   */
  public String key() {
    return name().toLowerCase(Locale.ROOT);
  }
}
