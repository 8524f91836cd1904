/**
 * Prompt pairs made by rule. A {@link io.autocircuit.task.dataset.DatasetGenerator} fills the slots
 * of a frame with words that a tokenizer has whole, and says what it left out and why.
 */
package io.autocircuit.task.dataset;
