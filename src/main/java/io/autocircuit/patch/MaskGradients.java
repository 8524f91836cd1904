package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * The mask gradients of all stages in one tensor, in the order in which they are computed: the
 * inverse of {@link MaskRows}. Nothing waits for the device before {@link #read}.
 */
final class MaskGradients {
  /** Kernels may write vectors: every piece begins at such a multiple of numbers. */
  private static final int ALIGNMENT = 64;

  /** Destinations, and which of the sources that they read; from a position on; where. */
  private record Piece(
      List<DestModule> modules, int firstSource, int sources, int first, int positions, int at) {
    int rows() {
      return modules.stream().mapToInt(m -> m.nodes().size()).sum();
    }
  }

  private final ComputationGraph graph;
  private final int instances;
  private final int length;
  private final Tensor values;
  private final List<Piece> pieces = new ArrayList<>();
  private int end;

  /** In the current scope. */
  MaskGradients(PatchMask mask, Placement place) {
    graph = mask.graph();
    instances = Math.max(1, mask.instances());
    length = mask.values().length;
    values = place.empty(length + 2L * ALIGNMENT * graph.modules().size());
  }

  /** Room for some destinations and sources: {@code [1 or B, 1 or T, K, S]}. */
  Tensor add(List<DestModule> modules, int firstSource, int sources, int first, int positions) {
    Piece piece = new Piece(modules, firstSource, sources, first, positions, end);
    pieces.add(piece);
    int tm = graph.positions() == 0 ? 1 : positions;
    int k = piece.rows();
    long count = (long) instances * tm * k * sources;
    Tensor room = values.narrow(0, end, count).view(instances, tm, k, sources);
    end += Math.toIntExact((count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    return room;
  }

  /** Waits for them; by canonical edge index. */
  float[] read() {
    float[] out = new float[length];
    float[] g = Tensors.floats(values.narrow(0, 0, end));
    for (Piece piece : pieces) {
      int row = 0;
      for (DestModule m : piece.modules()) {
        for (int node = 0; node < m.nodes().size(); node++, row++) {
          readRow(piece, row, graph.index(m, node, piece.firstSource(), 0), g, out);
        }
      }
    }
    return out;
  }

  private void readRow(Piece piece, int row, int firstEdge, float[] from, float[] out) {
    int tm = graph.positions() == 0 ? 1 : piece.positions();
    int sources = piece.sources();
    int copies = graph.positionCopies();
    int k = piece.rows();
    for (int i = 0; i < instances; i++) {
      for (int t = 0; t < tm; t++) {
        int position = graph.positions() == 0 ? 0 : piece.first() + t;
        int at = piece.at() + ((i * tm + t) * k + row) * sources;
        int to = i * graph.edgeCount() + firstEdge + position;
        for (int s = 0; s < sources; s++) {
          out[to + s * copies] = from[at + s];
        }
      }
    }
  }
}
