/**
 * Prompts, from a file to the token ids that a model is run on.
 *
 * <pre>
 * PromptDataset  --tokenize(Tokenizer)--&gt;  TokenizedDataset  --Batches--&gt;  List&lt;PromptBatch&gt;
 * what a file says                          token ids                         what is run at once
 * </pre>
 *
 * <p>Each arrow is a pure function. {@link io.autocircuit.data.PromptDataset} reads AutoCircuit's
 * JSON and the files of other tools. {@link io.autocircuit.data.TokenizedDataset} checks what a use
 * needs ({@code requireFits}, {@code requireEqualLengths}, …) and selects prompts, shuffled as
 * CPython would. {@link io.autocircuit.data.Batches} never loses a prompt unless told to.
 *
 * <ul>
 *   <li><b>BOS</b>: text gets one wherever the model has one, see {@link
 *       io.autocircuit.data.BosPolicy}; there is never a second. Answers get none. Prompts given as
 *       ids are complete.
 *   <li><b>Padding</b> is opt-in and on the left. Prompts of mixed length are batched by length, so
 *       that nothing is padded and every number is exact.
 *   <li><b>Answers</b> belong to the last position of a prompt, or to its last P positions when the
 *       file nests them. An answer that is text is the token that it adds to its prompt.
 *   <li>Whatever is wrong with a file is a {@link io.autocircuit.files.DataException} that says
 *       which prompts; what only looks like a mistake is a line of {@link
 *       io.autocircuit.data.TokenizedDataset#notices}.
 * </ul>
 */
package io.autocircuit.data;
