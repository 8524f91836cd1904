package io.autocircuit.data;

/**
 * Whether prompts that are given as text begin with the model's beginning-of-sequence token. They
 * never begin with two. Prompts that are given as token ids are left as they are.
 */
public enum BosPolicy {
  /**
   * One, wherever the model has one: what the tokenizer's own post-processor puts there, else the
   * {@code bos_token} of {@code tokenizer_config.json} or {@code special_tokens_map.json}, else,
   * where neither says anything, {@code <|endoftext|>} if it is a token (GPT-2, Pythia). As
   * TransformerLens, and with it AutoCircuit and EAP-IG, do it. A tokenizer that names {@code null}
   * has none.
   */
  AUTO,
  /** What the tokenizer's own post-processor does: Llama adds one, GPT-2 does not. */
  TOKENIZER,
  /**
   * Exactly one, also where the tokenizer does not add it itself; a model without one is refused.
   */
  ALWAYS,
  /** None: the prompts are tokenised without special tokens. */
  NEVER
}
