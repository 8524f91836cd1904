/**
 * Judging circuits: how close a circuit's outputs come to the full model's, how well scores recover
 * a known circuit, and areas under such curves.
 *
 * <p>A {@link io.autocircuit.metric.Metric} gives one number per prompt; {@link
 * io.autocircuit.metric.Measurements} evaluates circuits of several sizes and takes means over all
 * prompts, so results do not depend on the batch size. Flags of a metric say how its curve is drawn
 * and whether smaller is better; they change no number.
 */
package io.autocircuit.metric;
