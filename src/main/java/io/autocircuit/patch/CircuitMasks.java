package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.tensor.Placement;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * Masks of the destinations of circuits: −1 where a destination keeps a source.
 *
 * @param place where they are made
 * @param prompts of one copy
 * @param length number of positions T
 * @param places which copy of an edge a position reads
 */
record CircuitMasks(
    ComputationGraph graph, Placement place, int prompts, int length, MaskPlaces places) {

  /** A row of a stage. */
  record Destination(Stage stage, int row) {}

  /**
   * The mask of some destinations in some copies.
   *
   * @param from the first source
   * @param used number of sources
   * @param first the first position
   * @return {@code [1 or copies·B, 1 or T − first, destinations, used]}; null without sources
   */
  Tensor of(
      List<Destination> destinations,
      int from,
      int used,
      CircuitBatch circuits,
      CopyRange r,
      int first) {
    if (used == 0) {
      return null;
    }
    int k = destinations.size();
    int tm = graph.positions() == 0 ? 1 : length - first;
    int size = places.prompts() * tm * k * used;
    float[] mask = new float[r.size() * size];
    for (int c = r.first(); c < r.end(); c++) {
      for (int i = 0; i < k; i++) {
        Destination d = destinations.get(i);
        int at = (c - r.first()) * size + i * used - from;
        BitSet edges = circuits.edges(c);
        for (int s : circuits.kept(c, d.stage(), d.row())) {
          if (s < from || s >= from + used) {
            continue;
          }
          if (edges == null) {
            mask[at + s] = -1;
          } else {
            int start = graph.index(d.stage().module(d.row()), d.stage().node(d.row()), s, 0);
            write(mask, at + s, k * used, edges, start, first, tm);
          }
        }
      }
    }
    if (places.prompts() > 1) {
      return place.tensor(mask, (long) r.size() * prompts, tm, k, used);
    }
    boolean same = true;
    for (int c = 1; same && c < r.size(); c++) {
      same = Arrays.equals(mask, 0, size, mask, c * size, (c + 1) * size);
    }
    if (same) {
      return place.tensor(r.size() == 1 ? mask : Arrays.copyOf(mask, size), 1, tm, k, used);
    }
    // one mask travels for each circuit, and is repeated for its prompts where it arrives
    return place
        .tensor(mask, r.size(), 1, tm, k, used)
        .expand(r.size(), prompts, tm, k, used)
        .reshape((long) r.size() * prompts, tm, k, used);
  }

  /**
   * One edge's masks in one copy.
   *
   * @param at where those of the first prompt begin
   * @param step from one position to the next
   * @param start the edge's index at position 0
   */
  private void write(
      float[] mask, int at, int step, BitSet edges, int start, int first, int positions) {
    for (int i = 0; i < places.prompts(); i++) {
      for (int t = 0; t < positions; t++) {
        int column = places.column(i, first + t);
        mask[at + (i * positions + t) * step] = edges.get(start + column) ? -1 : 0;
      }
    }
  }
}
