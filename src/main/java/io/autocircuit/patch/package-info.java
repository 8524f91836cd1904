/**
 * Running a model with some edges ablated, and the gradient of that with respect to the masks.
 *
 * <p>With c the current output of a source, p its ablation value and m the mask of an edge (1 =
 * ablated), a destination reads {@code resid + Σ_s m_s (p_s − c_s)}. A {@link
 * io.autocircuit.patch.PatchMask} or a {@link io.autocircuit.patch.Circuit} is an argument of a
 * run, never state of the model: a {@link io.autocircuit.patch.PatchableModel} is immutable, and
 * two threads may run different circuits on one.
 *
 * <p>{@link io.autocircuit.patch.Evaluation} is the engine: it holds Δ = p − c of every source
 * once, hands all destinations of a block to one fused kernel call, and takes gradients block by
 * block without an autograd graph across the model.
 */
package io.autocircuit.patch;
