package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.tensor.TensorScope;
import java.util.function.IntConsumer;
import org.bytedeco.pytorch.Tensor;

/** A dense run on its way. */
final class DensePass {
  /**
   * What is added to a stage's output.
   *
   * @param stage of attention or an MLP; null for none
   * @param by {@code [B,T,D]}
   */
  record Moved(Stage stage, Tensor by) {
    static final Moved NOTHING = new Moved(null, null);

    /** Adds it if that stage has just written. */
    void add(Stage written, DensePass pass) {
      if (written.equals(stage)) {
        pass.stream.add_(pass.first == 0 ? by : behind(by, pass.first));
      }
    }
  }

  final PatchMask mask;

  /** Which sources' Δ are written; null for all. */
  final boolean[] read;

  /** What stages keep, by their index; null if nothing follows. */
  final DenseRun.Kept[] kept;

  /** Whether the last block is computed where its outputs are read, and nowhere else. */
  final boolean cuts;

  /** Accumulated, {@code [B,T − first,D]}. */
  Tensor stream;

  /**
   * The sum of all Δ so far, where all edges have one mask value other than 0; else null. As {@link
   * #stream}.
   */
  Tensor sum;

  /** The first position that is still computed. */
  int first;

  /** The stream as it was before the stage before this one wrote, if this one reads that. */
  private Tensor earlierStream;

  private Tensor earlierSum;

  /** The mask of the stage that follows attention in its block. */
  MaskRows follower;

  /** What the follower reads of the sources that attention reads too; null if it is not known. */
  Tensor carry;

  DensePass(
      PatchMask mask,
      Tensor stream,
      boolean[] read,
      Tensor sum,
      DenseRun.Kept[] kept,
      boolean cuts) {
    this.mask = mask;
    this.stream = stream;
    this.read = read;
    this.sum = sum;
    this.kept = kept;
    this.cuts = cuts;
  }

  /**
   * Runs blocks to the last, each in a scope of its own, out of which it moves what stays.
   *
   * @param from the first of them
   * @param streams receives the stream before each block and at the end; may be null
   * @param block runs one
   */
  void blocks(ComputationGraph graph, int from, Tensor[] streams, IntConsumer block) {
    for (int b = from; b < graph.blocks(); b++) {
      if (streams != null) {
        streams[b] = stream.clone();
      }
      try (TensorScope scope = new TensorScope()) {
        block.accept(b);
        if (kept != null) {
          graph.stages(b).forEach(stage -> kept[stage.index()].keep(scope));
        }
        if (first > 0) {
          keep(scope);
        }
      }
    }
    if (streams != null) {
      streams[graph.blocks()] = stream.clone();
    }
  }

  boolean keeps() {
    return kept != null;
  }

  /** Leaves out the positions before one; in the current scope. */
  void cut(int at) {
    if (at > first) {
      stream = behind(stream, at - first);
      sum = sum == null ? null : behind(sum, at - first);
      first = at;
    }
  }

  private static Tensor behind(Tensor t, int from) {
    return t.narrow(1, from, t.size(1) - from).contiguous();
  }

  /** Moves what {@link #cut} has made out of a scope. */
  void keep(TensorScope scope) {
    scope.keep(stream);
    if (sum != null) {
      scope.keep(sum);
    }
  }

  /** The next stage shall read the stream as it is now. */
  void rememberStream() {
    earlierStream = stream.clone();
    earlierSum = sum == null ? null : sum.clone();
  }

  Tensor takeEarlierStream() {
    Tensor t = earlierStream == null ? stream : earlierStream;
    earlierStream = null;
    return t;
  }

  Tensor takeEarlierSum() {
    Tensor t = earlierSum == null ? sum : earlierSum;
    earlierSum = null;
    return t;
  }
}
