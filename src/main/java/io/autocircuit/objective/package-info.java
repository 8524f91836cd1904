/**
 * Functions of logits: answer values and differences, Kullback–Leibler divergence, accuracies. They
 * give one number per prompt, as libtorch tensors, so the same function serves as a loss (its
 * gradient comes from libtorch's autograd) and as a metric (its mean over prompts).
 *
 * <p>Shapes: logits and everything computed from them are {@code [B, P, V]} with P the number of
 * sliced positions. Answers are {@code [B][positions][n]}: with one position they belong to the
 * last sliced position, otherwise there is one list for each.
 */
package io.autocircuit.objective;
