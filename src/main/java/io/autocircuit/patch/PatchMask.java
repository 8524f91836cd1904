package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import java.util.Arrays;
import java.util.Objects;

/**
 * The mask m of a patched run, a number for each edge: destination d reads {@code stream + Σ_s m_sd
 * (p_s − c_s)}. 1 is ablated, 0 is not, anything else interpolates (or extrapolates).
 *
 * @param graph the graph whose edges it covers
 * @param values by canonical edge index; with instances, {@code [instances × edges]}
 * @param instances 0 when all prompts share the mask, else one mask for each prompt of the batch
 */
public record PatchMask(ComputationGraph graph, float[] values, int instances) {
  /**
   * Checks the length.
   *
   * @param graph the graph whose edges it covers
   * @param values {@code max(1, instances) · graph.edgeCount()} numbers; kept, not copied: they
   *     must not change while the mask is in use
   * @param instances 0 or more
   * @throws IllegalArgumentException if there are fewer or more values
   */
  public PatchMask {
    long expected = (long) Math.max(1, instances) * graph.edgeCount();
    if (instances < 0 || values.length != expected) {
      throw new IllegalArgumentException(
          "mask length="
              + values.length
              + ", instances="
              + instances
              + " but edges × instances="
              + expected
              + " numbers are needed");
    }
  }

  /**
   * The same value on every edge, for all prompts: integrated gradients walk along these.
   *
   * @param graph the graph whose edges it covers
   * @param value rounded to float32
   * @return a mask that all prompts share
   */
  public static PatchMask uniform(ComputationGraph graph, double value) {
    float[] values = new float[graph.edgeCount()];
    Arrays.fill(values, (float) value);
    return new PatchMask(graph, values, 0);
  }

  /**
   * A mask shared by all prompts.
   *
   * @param graph the graph whose edges it covers
   * @param values {@code [edges]} by canonical edge index; kept, not copied
   * @return a mask without instances
   * @throws IllegalArgumentException if there are fewer or more values than edges
   */
  public static PatchMask of(ComputationGraph graph, float[] values) {
    return new PatchMask(graph, values, 0);
  }

  /**
   * The masks of some neighbouring prompts; the mask itself if all prompts share it.
   *
   * @param from the first prompt, 0 or more
   * @param to the one after the last, {@code from + 1} to {@code instances}
   * @return {@code to − from} instances, or this
   */
  public PatchMask slice(int from, int to) {
    if (instances > 0) {
      Objects.checkFromToIndex(from, to, instances);
    }
    return instances == 0
        ? this
        : new PatchMask(
            graph,
            Arrays.copyOfRange(values, from * graph.edgeCount(), to * graph.edgeCount()),
            to - from);
  }

  /**
   * The value that all edges of all instances have.
   *
   * @return NaN if they differ; 0 for a graph without edges
   */
  public double uniformValue() {
    for (float v : values) {
      if (v != values[0]) {
        return Double.NaN;
      }
    }
    return values.length == 0 ? 0 : values[0];
  }

  /**
   * Whether nothing is ablated, so that a run is that of the unpatched model.
   *
   * @return true if every value of every instance is 0
   */
  public boolean isZero() {
    for (float v : values) {
      if (v != 0) {
        return false;
      }
    }
    return true;
  }

  /**
   * The first block that has an edge into it whose value is not 0; the number of blocks: the end.
   */
  int firstBlock() {
    int first = graph.blocks();
    int copies = graph.positionCopies();
    for (DestModule m : graph.modules()) {
      int count = m.nodes().size() * m.sources() * copies;
      for (int i = 0; i < Math.max(1, instances) && m.block() < first; i++) {
        int base = i * graph.edgeCount() + m.offset();
        for (int e = 0; e < count; e++) {
          if (values[base + e] != 0) {
            first = m.block();
            break;
          }
        }
      }
    }
    return first;
  }

  /**
   * Nothing ablated, with a mask for each prompt.
   *
   * @param instances how many prompts; 0 for one mask for all
   * @throws IllegalArgumentException if that are more numbers than an array can hold
   */
  static PatchMask zeros(ComputationGraph graph, int instances) {
    long length = (long) Math.max(1, instances) * graph.edgeCount();
    if (length > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "masks of prompts="
              + instances
              + " and edges="
              + graph.edgeCount()
              + " are more than 2^31 numbers; give a smaller --batch");
    }
    return new PatchMask(graph, new float[(int) length], instances);
  }

  /** Which sources some edge of the mask reads, by index. */
  boolean[] sourcesRead() {
    boolean[] read = new boolean[graph.sources().size()];
    int copies = graph.positionCopies();
    for (int i = 0; i < Math.max(1, instances); i++) {
      for (DestModule m : graph.modules()) {
        int base = i * graph.edgeCount() + m.offset();
        int count = m.nodes().size() * m.sources() * copies;
        for (int e = 0; e < count; e++) {
          if (values[base + e] != 0) {
            read[m.firstSource() + e / copies % m.sources()] = true;
          }
        }
      }
    }
    return read;
  }
}
