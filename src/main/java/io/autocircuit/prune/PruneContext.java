package io.autocircuit.prune;

import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PatchType;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What an algorithm may need to know of the run beside its own settings.
 *
 * @param seed of all that is random in the run
 * @param patchType how circuits are judged; an algorithm that learns them may learn for that
 * @param official a known circuit of the model's graph
 * @param avoid edges of the model's graph that are to stay out of the circuit, for an algorithm
 *     that {@linkplain PruneAlgorithmProvider#avoids can avoid} edges
 * @param nodes whether nodes are scored, and sizes are numbers of nodes
 */
public record PruneContext(
    long seed,
    PatchType patchType,
    Optional<Circuit> official,
    Optional<Circuit> avoid,
    boolean nodes) {
  /** Seed 42, tree patching, no known circuit, nothing to avoid. */
  public static final PruneContext STANDARD =
      new PruneContext(42, PatchType.TREE_PATCH, Optional.empty());

  /**
   * With nothing to avoid, for scores of edges.
   *
   * @param seed of all that is random in the run
   * @param patchType how circuits are judged
   * @param official a known circuit of the model's graph
   */
  public PruneContext(long seed, PatchType patchType, Optional<Circuit> official) {
    this(seed, patchType, official, Optional.empty(), false);
  }

  /**
   * The size of the known circuit, in what is scored.
   *
   * @return its number of edges, or of the nodes that they join
   */
  public OptionalInt officialSize() {
    if (official.isEmpty()) {
      return OptionalInt.empty();
    }
    Circuit known = official.get();
    return OptionalInt.of(
        nodes ? known.graph().nodes().joined(known.edgeSet()).cardinality() : known.size());
  }
}
