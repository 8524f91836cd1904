package io.autocircuit.patch;

/** What is ablated, seen from the circuit. */
public enum PatchType {
  /**
   * The circuit's edges are patched into the corrupt run (from clean): the empty circuit is the
   * corrupt run.
   */
  EDGE_PATCH,
  /**
   * Every edge outside the circuit is patched into the clean run (from corrupt): the empty circuit
   * has everything ablated.
   */
  TREE_PATCH
}
