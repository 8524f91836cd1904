package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;

/** Where the sums of the stream stand in an unfactorized graph. */
final class Sums {
  private Sums() {}

  /** The source whose output is the stream that a stage reads: the last sum, or the start. */
  static int before(ComputationGraph graph, Stage stage) {
    int i = stage.index() - 1;
    while (graph.stages().get(i).readsStream()) {
      i--;
    }
    return graph.stages().get(i).firstWritten();
  }

  /** The sum, or the end, that reads what a stage writes. */
  static Stage behind(ComputationGraph graph, Stage stage) {
    int i = stage.index() + 1;
    while (graph.stages().get(i).readsStream()) {
      i++;
    }
    return graph.stages().get(i);
  }

  /**
   * Where a run begins that takes what comes before a block from another run: the block itself; in
   * an unfactorized graph the last block for the end, whose sources it writes.
   */
  static int restart(ComputationGraph graph, int block) {
    return graph.factorized() ? block : Math.min(block, graph.blocks() - 1);
  }
}
