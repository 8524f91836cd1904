package io.autocircuit.patch;

import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** Evaluates circuits whose complement is ablated, at the cost of what they contain. */
interface CircuitRunner extends AutoCloseable {
  /**
   * For the form of the graph.
   *
   * @param count how many circuits are to be evaluated in one run
   */
  static CircuitRunner of(RunInputs in, int count) {
    return in.graph().factorized() ? new CircuitEngine(in, count) : new ResidualCircuits(in);
  }

  /** How many circuits can be evaluated in one run. */
  int capacity();

  /**
   * The sliced logits of circuits, {@code [circuits,B,P,V]}, in the current scope.
   *
   * @param circuits 1 to {@link #capacity}
   */
  Tensor logits(List<Circuit> circuits);

  /** Forgets what was computed, but for what is the same for every circuit. */
  void forget();

  @Override
  void close();
}
