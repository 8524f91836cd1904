package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.Stage;
import io.autocircuit.tensor.Placement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/**
 * The mask of a stage's destinations as a tensor, equal destinations merged: they share an input.
 *
 * @param mask {@code [1 or B, 1 or T, unique, S]}
 * @param unique number of distinct destinations
 * @param group the distinct destination of each row of the stage
 * @param zero whether nothing is ablated
 */
record MaskRows(Tensor mask, int unique, int[] group, boolean zero) {

  /**
   * Gathers the rows of a stage, at some positions.
   *
   * @param first the first position; only read in a graph with positions
   * @param positions how many
   * @param in says which copy of an edge a position reads
   */
  static MaskRows of(PatchMask mask, Stage stage, int first, int positions, RunInputs in) {
    ComputationGraph graph = mask.graph();
    int count = stage.sources() * graph.positionCopies();
    int[] group = new int[stage.rows()];
    List<Integer> starts = new ArrayList<>();
    Map<Integer, List<Integer>> byHash = new HashMap<>();
    boolean zero = true;
    int row = 0;
    for (DestModule module : stage.reads()) {
      for (int node = 0; node < module.nodes().size(); node++, row++) {
        int start = graph.index(module, node, module.firstSource(), 0);
        zero &= isZero(mask, start, count);
        int hash = hash(mask, start, count);
        int found = -1;
        for (int candidate : byHash.getOrDefault(hash, List.of())) {
          if (same(mask, starts.get(candidate), start, count)) {
            found = candidate;
            break;
          }
        }
        if (found < 0) {
          found = starts.size();
          starts.add(start);
          byHash.computeIfAbsent(hash, k -> new ArrayList<>()).add(found);
        }
        group[row] = found;
      }
    }
    Tensor dense = dense(mask, starts, stage.sources(), first, positions, in);
    return new MaskRows(dense, starts.size(), group, zero);
  }

  private static boolean isZero(PatchMask mask, int start, int count) {
    for (int i = 0; i < Math.max(1, mask.instances()); i++) {
      int base = i * mask.graph().edgeCount() + start;
      for (int e = 0; e < count; e++) {
        if (mask.values()[base + e] != 0) {
          return false;
        }
      }
    }
    return true;
  }

  private static int hash(PatchMask mask, int start, int count) {
    int hash = 1;
    for (int i = 0; i < Math.max(1, mask.instances()); i++) {
      int base = i * mask.graph().edgeCount() + start;
      for (int e = 0; e < count; e++) {
        hash = 31 * hash + Float.floatToIntBits(mask.values()[base + e]);
      }
    }
    return hash;
  }

  private static boolean same(PatchMask mask, int a, int b, int count) {
    float[] values = mask.values();
    for (int i = 0; i < Math.max(1, mask.instances()); i++) {
      int base = i * mask.graph().edgeCount();
      if (!Arrays.equals(values, base + a, base + a + count, values, base + b, base + b + count)) {
        return false;
      }
    }
    return true;
  }

  private static Tensor dense(
      PatchMask mask, List<Integer> starts, int sources, int first, int positions, RunInputs in) {
    ComputationGraph graph = mask.graph();
    int copies = graph.positionCopies();
    int bm = in.places.rows(mask.instances());
    int tm = graph.positions() == 0 ? 1 : positions;
    int k = starts.size();
    float[] values = mask.values();
    long length = (long) bm * tm * k * sources;
    if (length > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "the mask of a stage has numbers="
              + length
              + ", more than 2^31: prompts="
              + bm
              + ", positions="
              + tm
              + ", destinations="
              + k
              + ", sources="
              + sources
              + "; give a smaller --batch, or fewer latents (--max-latents)");
    }
    float[] dense = new float[(int) length];
    for (int i = 0; i < bm; i++) {
      int row = mask.instances() == 0 ? 0 : i * graph.edgeCount();
      for (int t = 0; t < tm; t++) {
        int column = in.places.column(i, first + t);
        for (int u = 0; u < k; u++) {
          int base = row + starts.get(u) + column;
          int to = ((i * tm + t) * k + u) * sources;
          for (int s = 0; s < sources; s++) {
            dense[to + s] = values[base + s * copies];
          }
        }
      }
    }
    return in.place().tensor(dense, bm, tm, k, sources);
  }

  /** The distinct input that feeds each part of the stage's function. */
  int[] inputOfParts(Stage stage) {
    int[] inputs = stage.rowOfParts();
    for (int p = 0; p < inputs.length; p++) {
      inputs[p] = group[inputs[p]];
    }
    return inputs;
  }

  /** One slice for each row from one for each distinct input (axis 0). */
  Tensor spread(Tensor inputs) {
    if (unique == group.length) {
      return inputs;
    }
    if (unique == 1) {
      long[] shape = inputs.shape();
      shape[0] = group.length;
      return inputs.expand(shape);
    }
    return Placement.slices(inputs, 0, group);
  }

  /** The mask of every row, {@code [1 or B, 1 or T, rows, S]}. */
  Tensor ofEveryRow() {
    return unique == group.length ? mask : Placement.slices(mask, 2, group);
  }
}
