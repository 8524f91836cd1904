package io.autocircuit.report;

import java.util.Objects;

/**
 * A node of the computation graph and the layer it is drawn in.
 *
 * @param name the node's name, for instance {@code Resid Start}, {@code A0.1}, {@code A0.1.Q},
 *     {@code MLP 0} or {@code Resid End}
 * @param layer position in the order of computation; an edge always leads to a greater layer. Any
 *     integers will do, only their order is used.
 */
public record NodeInfo(String name, int layer) {
  /**
   * @param name the node's name, for instance {@code Resid Start}, {@code A0.1}, {@code A0.1.Q},
   *     {@code MLP 0} or {@code Resid End}
   * @param layer position in the order of computation; an edge always leads to a greater layer. Any
   *     integers will do, only their order is used.
   * @throws NullPointerException if {@code name} is null
   */
  public NodeInfo {
    Objects.requireNonNull(name, "name");
  }
}
