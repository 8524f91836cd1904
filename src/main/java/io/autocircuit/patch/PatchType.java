package io.autocircuit.patch;

import io.autocircuit.graph.UnknownNameException;
import java.util.List;

/**
 * What is ablated, seen from the circuit. Both are activation patching along edges, in the two
 * directions that Heimersheim and Nanda 2024, "How to use and interpret activation patching",
 * arXiv:2404.15255, tell apart; the names are AutoCircuit's.
 */
public enum PatchType {
  /**
   * The circuit's edges are patched into the corrupt run (from clean), which is called denoising:
   * the empty circuit is the corrupt run.
   */
  EDGE_PATCH,
  /**
   * Every edge outside the circuit is patched into the clean run (from corrupt), which is called
   * noising, and is how ACDC judges circuits: the empty circuit has everything ablated.
   */
  TREE_PATCH;

  /**
   * Its name in files and on the command line.
   *
   * @return {@code tree} or {@code edge}
   */
  public String key() {
    return this == TREE_PATCH ? "tree" : "edge";
  }

  /**
   * The patch type of that key.
   *
   * @param key in any case
   * @return the patch type
   * @throws UnknownNameException if there is none
   */
  public static PatchType of(String key) {
    for (PatchType t : values()) {
      if (t.key().equalsIgnoreCase(key)) {
        return t;
      }
    }
    throw new UnknownNameException("patch type", key, List.of(TREE_PATCH.key(), EDGE_PATCH.key()));
  }
}
