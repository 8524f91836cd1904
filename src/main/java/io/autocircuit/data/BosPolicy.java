package io.autocircuit.data;

/**
 * Whether prompts that are given as text begin with the model's beginning-of-sequence token. They
 * never begin with two. Prompts that are given as token ids are left as they are.
 */
public enum BosPolicy {
  /** What the tokenizer's own post-processor does: Llama adds one, GPT-2 does not. */
  TOKENIZER,
  /** Exactly one, also where the tokenizer does not add it itself (as AutoCircuit does). */
  ALWAYS,
  /** None: the prompts are tokenised without special tokens. */
  NEVER
}
