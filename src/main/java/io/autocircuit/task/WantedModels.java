package io.autocircuit.task;

import java.util.List;

/** The models that the tasks of AutoCircuit are about. */
final class WantedModels {
  /** GPT-2 small. */
  static final WantedModel GPT2_SMALL =
      new WantedModel("openai-community/gpt2", List.of("gpt2-small"), 12, 12);

  /** The attention-only model of four blocks of TransformerLens. */
  static final WantedModel ATTENTION_ONLY_4L =
      new WantedModel("NeelNanda/Attn_Only_4L512W_C4_Code", List.of("attn-only-4l"), 4, 8);

  /** Pythia of 70 million parameters. */
  static final WantedModel PYTHIA_70M =
      new WantedModel("EleutherAI/pythia-70m-deduped", List.of(), 6, 8);

  /** Pythia of 2.8 milliard parameters. */
  static final WantedModel PYTHIA_2_8B =
      new WantedModel("EleutherAI/pythia-2.8b-deduped", List.of(), 32, 32);

  private WantedModels() {}
}
