/**
 * Whole runs: {@link io.autocircuit.experiment.Discovery} scores the edges, evaluates circuits of
 * growing size and measures them; {@link io.autocircuit.experiment.ResultFiles} writes what came
 * out.
 */
package io.autocircuit.experiment;
