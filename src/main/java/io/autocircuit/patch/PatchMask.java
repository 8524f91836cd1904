package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import java.util.Arrays;

/**
 * A mask value for every edge: 1 ablated, 0 not, anything between interpolates.
 *
 * @param graph the graph whose edges it covers
 * @param values by canonical edge index; with instances, {@code [instances × edges]}
 * @param instances 0 when all prompts share the mask, else one mask for each prompt of the batch
 */
public record PatchMask(ComputationGraph graph, float[] values, int instances) {
  /** Checks the length. */
  public PatchMask {
    long expected = (long) Math.max(1, instances) * graph.edgeCount();
    if (values.length != expected) {
      throw new IllegalArgumentException(
          "mask length=" + values.length + " but edges × instances=" + expected);
    }
  }

  /** The same value on every edge. */
  public static PatchMask uniform(ComputationGraph graph, double value) {
    float[] values = new float[graph.edgeCount()];
    Arrays.fill(values, (float) value);
    return new PatchMask(graph, values, 0);
  }

  /** A mask shared by all prompts. */
  public static PatchMask of(ComputationGraph graph, float[] values) {
    return new PatchMask(graph, values, 0);
  }

  /**
   * The masks of some neighbouring prompts; the mask itself if all prompts share it.
   *
   * @param from the first prompt
   * @param to the one after the last
   */
  public PatchMask slice(int from, int to) {
    return instances == 0
        ? this
        : new PatchMask(
            graph,
            Arrays.copyOfRange(values, from * graph.edgeCount(), to * graph.edgeCount()),
            to - from);
  }

  /** The value of all edges if they share one, else NaN. */
  public double uniformValue() {
    for (float v : values) {
      if (v != values[0]) {
        return Double.NaN;
      }
    }
    return values.length == 0 ? 0 : values[0];
  }

  /** Whether nothing is ablated. */
  public boolean isZero() {
    for (float v : values) {
      if (v != 0) {
        return false;
      }
    }
    return true;
  }
}
