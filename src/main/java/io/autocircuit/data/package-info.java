/**
 * Prompts, from a file to the token ids that a model is run on.
 *
 * <pre>
 * PromptDataset  --tokenize(Tokenizer)--&gt;  TokenizedDataset  --Batches--&gt;  List&lt;PromptBatch&gt;
 * what a file says                          token ids                         what is run at once
 * </pre>
 *
 * <p>Each arrow is a pure function. {@link io.autocircuit.data.PromptDataset} reads AutoCircuit's
 * JSON. {@link io.autocircuit.data.TokenizedDataset} checks what a use needs ({@code requireFits},
 * {@code requireEqualLengths}, …) and selects prompts, shuffled as CPython would. {@link
 * io.autocircuit.data.Batches} never loses a prompt unless told to.
 *
 * <ul>
 *   <li><b>BOS</b> is the tokenizer's business, see {@link io.autocircuit.data.BosPolicy}; there is
 *       never a second one. Answers get none. Prompts given as ids are complete.
 *   <li><b>Padding</b> is opt-in and on the left. Prompts of mixed length are batched by length, so
 *       that nothing is padded and every number is exact.
 *   <li><b>Answers</b> belong to the last position of a prompt, or to its last P positions when the
 *       file nests them.
 *   <li>Whatever is wrong with a file is a {@link io.autocircuit.tensor.DataException} that says
 *       which prompt.
 * </ul>
 */
package io.autocircuit.data;
