/**
 * Transformers and their weights. Nothing here knows of patching.
 *
 * <pre>
 * directory --ModelLoader--&gt; TransformerConfig + weights --WeightProcessing--&gt; Transformer
 * </pre>
 *
 * <ul>
 *   <li>{@link io.autocircuit.model.TransformerConfig} is the shape of a model, {@link
 *       io.autocircuit.model.Transformer} its weights in native memory and the functions of its
 *       parts: normalise, project, attend, MLP, unembed, each with its gradient with respect to its
 *       input. They take and give tensors and remember nothing, so the {@code patch} package can
 *       call them with whatever inputs it makes. {@link io.autocircuit.model.Transformer#logits}
 *       strings them together: the plain forward pass.
 *   <li>{@link io.autocircuit.model.ModelLoader} reads model directories in the layouts of Hugging
 *       Face and of TransformerLens, brings every architecture to TransformerLens's names ({@code
 *       blocks.0.attn.W_Q [heads, d_model, d_head]}), and applies {@link
 *       io.autocircuit.model.WeightProcessing}. {@link io.autocircuit.model.RandomModels} makes the
 *       same from a seed.
 *   <li>{@link io.autocircuit.model.OutputSlice} says which positions' logits are looked at.
 * </ul>
 *
 * <p><b>A model directory is untrusted.</b> Whatever is wrong with it (a field that is missing or
 * absurd, an architecture, activation or rotary variant that we do not compute, a tensor that is
 * missing, misshapen or not finite) is a {@link io.autocircuit.files.DataException} that names file
 * and field, and nothing is computed with settings that were not understood. Sizes in a {@code
 * config.json} reserve no memory: tensors are compared with them first. What is not read is not
 * ignored either: tensors that nothing takes are refused, settings that nobody asks for are known
 * to change nothing, refused, or told of ({@link io.autocircuit.model.Transformer#notices}).
 *
 * <p><b>Loading is lazy.</b> A layout says what each tensor is made of; numbers are read,
 * processed, converted and freed part by part, so that the most memory in use is the finished
 * model's and one part's.
 *
 * <p><b>Weights are in the form that is fastest to use</b>: queries, keys and values of all heads
 * in one matrix, grouped key/value heads repeated for every query head, so that each head has three
 * inputs of its own.
 */
package io.autocircuit.model;
