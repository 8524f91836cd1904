package io.autocircuit.graph;

import java.util.List;

/**
 * The sources that one stage writes: all heads of a block, say. Their indices follow each other.
 *
 * @param name the TransformerLens hook whose value they are
 * @param nodes the sources, by index; at least one
 */
public record SrcModule(String name, List<SrcNode> nodes) {

  /**
   * Keeps an unmodifiable copy of {@code nodes}.
   *
   * @param name a hook such as {@code blocks.0.attn.hook_result}
   * @param nodes at least one; their indices ascend by one
   */
  public SrcModule {
    nodes = List.copyOf(nodes);
  }

  /**
   * The index of its first source.
   *
   * @return 0 or more
   */
  public int first() {
    return nodes.get(0).index();
  }

  /**
   * The number of its sources.
   *
   * @return 1 or more
   */
  public int size() {
    return nodes.size();
  }
}
