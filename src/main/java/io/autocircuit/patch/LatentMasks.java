package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.Stage;
import io.autocircuit.tensor.Placement;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** The masks of latents, and those of the sources that are none. */
final class LatentMasks {
  private LatentMasks() {}

  /**
   * The masks of the edges from some latents to a destination, on the processor.
   *
   * @param unique which of the distinct destinations
   * @param latents the stage that writes them
   * @param count how many
   * @return {@code [instances, latents, positions]}
   */
  static float[] values(
      PatchMask mask, Stage stage, MaskRows rows, int unique, Stage latents, int count) {
    int row = 0;
    while (rows.group()[row] != unique) {
      row++;
    }
    return values(mask, stage, row, latents, count);
  }

  /** As {@link #values(PatchMask, Stage, MaskRows, int, Stage, int)}, of a row of the stage. */
  static float[] values(PatchMask mask, Stage stage, int row, Stage latents, int count) {
    ComputationGraph graph = mask.graph();
    DestModule module = stage.module(row);
    int start = graph.index(module, stage.node(row), latents.firstWritten(), 0);
    int edges = count * graph.positionCopies();
    int instances = Math.max(1, mask.instances());
    float[] all = new float[instances * edges];
    for (int i = 0; i < instances; i++) {
      System.arraycopy(mask.values(), i * graph.edgeCount() + start, all, i * edges, edges);
    }
    return all;
  }

  /** The value that all have; NaN if they differ. */
  static double uniform(float[] values) {
    for (float v : values) {
      if (v != values[0]) {
        return Double.NaN;
      }
    }
    return values[0];
  }

  /**
   * Of the masks of all sources those that are no latents, behind a mask for the sum over latents
   * that each destination reads: its own, 1, and no other's.
   *
   * @param mask {@code [1 or B, 1 or T, K, all sources]}
   * @return {@code [1 or B, 1 or T, K, K + S]}
   */
  static Tensor withSums(Tensor mask, SourceRows sources, Stage stage, Placement place) {
    long b = mask.size(0);
    long t = mask.size(1);
    int k = (int) mask.size(2);
    float[] one = new float[k * k];
    for (int i = 0; i < k; i++) {
      one[i * k + i] = 1;
    }
    Tensor own = place.tensor(one, 1, 1, k, k).expand(b, t, k, k);
    Tensor dense = Placement.slices(mask, 3, sources.denseSources(stage.sources()));
    return torch.cat(new TensorVector(own, dense), 3);
  }

  /** Whether all are 0. */
  static boolean zero(float[] values) {
    return Arrays.equals(values, new float[values.length]);
  }
}
