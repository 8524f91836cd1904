/**
 * Algorithms that give every edge a score: one record each, holding its settings.
 *
 * <p>All of them return {@link io.autocircuit.patch.PruneScores}; a larger |score| means a more
 * important edge, whatever the algorithm. Scores are means over prompts (and integration samples),
 * so they do not depend on the batch size.
 */
package io.autocircuit.prune;
