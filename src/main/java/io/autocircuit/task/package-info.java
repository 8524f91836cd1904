/**
 * Behaviours to find circuits for: a model together with prompt pairs.
 *
 * <p>The embedded default lives here as well, with all that made it. {@link
 * io.autocircuit.task.InductionModelTrainer} trains a two-block attention-only transformer until it
 * has induction heads, {@link io.autocircuit.task.InductionPrompts} draws its prompt pairs. Both
 * are functions of their settings and a seed. {@code AttentionOnlyNetwork} is the trainer's own
 * forward pass, which autograd can follow; the library evaluates models elsewhere.
 */
package io.autocircuit.task;
