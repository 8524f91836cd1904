package io.autocircuit.experiment;

import io.autocircuit.experiment.RunSpec.Algorithm;
import io.autocircuit.patch.Circuit;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.prune.PruneContext;
import java.util.Optional;

/** The algorithm of a spec, by the catalogue. */
final class RunAlgorithms {
  private RunAlgorithms() {}

  /**
   * Reads key and settings; every setting that the algorithm has must be there.
   *
   * @param node an object with {@code algorithm} and {@code settings}
   * @return the algorithm
   * @throws io.autocircuit.files.DataException if there is no such algorithm or setting, one is
   *     missing, or has a value that is not allowed
   */
  static Algorithm read(JsonFields node) {
    PruneAlgorithmProvider entry =
        node.as("algorithm", key -> PruneAlgorithmProvider.catalogue().get(key));
    return new Algorithm(entry.key(), node.settings(entry.settings()));
  }

  /**
   * Makes the algorithm.
   *
   * @param algorithm key and settings
   * @param spec the run
   * @param official its known circuit, or null
   * @return the algorithm
   * @throws IllegalArgumentException if there is none of that key, or it cannot be made of these
   */
  static PruneAlgorithm make(Algorithm algorithm, RunSpec spec, Circuit official) {
    return PruneAlgorithmProvider.catalogue()
        .get(algorithm.key())
        .create(
            algorithm.settings(),
            new PruneContext(
                spec.seed(), spec.judging().runs().patchType(), Optional.ofNullable(official)));
  }
}
