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
 */
public record PruneContext(long seed, PatchType patchType, Optional<Circuit> official) {
  /** Seed 42, tree patching, no known circuit. */
  public static final PruneContext STANDARD =
      new PruneContext(42, PatchType.TREE_PATCH, Optional.empty());
}
