package io.autocircuit.prune;

import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PatchType;
import java.util.Optional;

/**
 * What an algorithm may need to know of the run beside its own settings.
 *
 * @param seed of all that is random in the run
 * @param patchType how circuits are judged; an algorithm that learns them may learn for that
 * @param official a known circuit of the model's graph
 * @param avoid edges of the model's graph that are to stay out of the circuit, for an algorithm
 *     that {@linkplain PruneAlgorithmProvider#avoids can avoid} edges
 */
public record PruneContext(
    long seed, PatchType patchType, Optional<Circuit> official, Optional<Circuit> avoid) {
  /** Seed 42, tree patching, no known circuit, nothing to avoid. */
  public static final PruneContext STANDARD =
      new PruneContext(42, PatchType.TREE_PATCH, Optional.empty());

  /**
   * With nothing to avoid.
   *
   * @param seed of all that is random in the run
   * @param patchType how circuits are judged
   * @param official a known circuit of the model's graph
   */
  public PruneContext(long seed, PatchType patchType, Optional<Circuit> official) {
    this(seed, patchType, official, Optional.empty());
  }
}
