package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
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
  private final MaskPlaces places;

  /** Whether each row has a gradient of its own. */
  private final boolean each;

  /** 1 or B. */
  private final int rows;

  private final int length;
  private final Tensor values;
  private final List<Piece> pieces = new ArrayList<>();
  private int end;

  /** In the current scope. */
  MaskGradients(PatchMask mask, RunInputs in) {
    graph = mask.graph();
    places = in.places;
    each = mask.instances() > 0;
    rows = places.rows(mask.instances());
    length = mask.values().length;
    long edges = (long) graph.edgeCount() / graph.positionCopies() * places.positions();
    values = in.place().empty(rows * edges + 2L * ALIGNMENT * graph.modules().size());
  }

  /** Room for some destinations and sources: {@code [1 or B, 1 or T, K, S]}. */
  Tensor add(List<DestModule> modules, int firstSource, int sources, int first, int positions) {
    Piece piece = new Piece(modules, firstSource, sources, first, positions, end);
    pieces.add(piece);
    int tm = graph.positions() == 0 ? 1 : positions;
    int k = piece.rows();
    long count = (long) rows * tm * k * sources;
    Tensor room = values.narrow(0, end, count).view(rows, tm, k, sources);
    end += Math.toIntExact((count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    return room;
  }

  /** Waits for them; by canonical edge index. */
  float[] read() {
    float[] g = Tensors.floats(values.narrow(0, 0, end));
    double[] sums = graph.spans().isEmpty() ? null : new double[length];
    float[] out = new float[length];
    for (Piece piece : pieces) {
      int row = 0;
      for (DestModule m : piece.modules()) {
        for (int node = 0; node < m.nodes().size(); node++, row++) {
          readRow(piece, row, graph.index(m, node, piece.firstSource(), 0), g, out, sums);
        }
      }
    }
    for (int i = 0; sums != null && i < length; i++) {
      out[i] = (float) sums[i];
    }
    return out;
  }

  /**
   * @param out receives what each place has alone
   * @param sums receives the sums where several positions have one place; else null
   */
  private void readRow(
      Piece piece, int row, int firstEdge, float[] from, float[] out, double[] sums) {
    int tm = graph.positions() == 0 ? 1 : piece.positions();
    int sources = piece.sources();
    int copies = graph.positionCopies();
    int k = piece.rows();
    for (int i = 0; i < rows; i++) {
      int base = firstEdge + (each ? i * graph.edgeCount() : 0);
      for (int t = 0; t < tm; t++) {
        int at = piece.at() + ((i * tm + t) * k + row) * sources;
        int to = base + places.column(i, piece.first() + t);
        for (int s = 0; s < sources; s++) {
          if (sums == null) {
            out[to + s * copies] = from[at + s];
          } else {
            sums[to + s * copies] += from[at + s];
          }
        }
      }
    }
  }
}
