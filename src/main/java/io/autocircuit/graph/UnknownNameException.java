package io.autocircuit.graph;

import java.util.Collection;

/**
 * A name (of an edge, a node, an algorithm, …) that does not exist; the message lists the nearest.
 */
public final class UnknownNameException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  /**
   * Says what was looked for and what comes near.
   *
   * @param kind what the name should be, such as {@code edge}
   * @param name the unknown name
   * @param known all names that exist
   */
  public UnknownNameException(String kind, String name, Collection<String> known) {
    super("unknown " + kind + " \"" + name + "\": " + Suggestions.among(name, known));
  }
}
