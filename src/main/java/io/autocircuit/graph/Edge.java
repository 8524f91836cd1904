package io.autocircuit.graph;

/**
 * An edge of the computation graph.
 *
 * @param source where it comes from
 * @param destination where it goes
 * @param position the token position (of the destination's input and the source's output), or −1
 *     when one edge stands for all positions
 * @param index its index in the canonical order
 */
public record Edge(SrcNode source, DestNode destination, int position, int index) {

  /**
   * {@code source->destination}, without the position.
   *
   * @return a name such as {@code A0.2->A1.0.K}
   */
  public String name() {
    return source.name() + "->" + destination.name();
  }

  @Override
  public String toString() {
    return position < 0 ? name() : name() + "@" + position;
  }
}
