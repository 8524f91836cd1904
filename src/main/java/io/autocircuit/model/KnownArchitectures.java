package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.Set;

/** The architectures of this library; see {@code docs/models.md}. */
final class KnownArchitectures {
  /** The one that no {@code model_type} names. */
  static final Architecture HOOKED_TRANSFORMER =
      new Known(
          "hooked_transformer",
          "TransformerLens state dictionary",
          "any model under TransformerLens's names, as its settings say; processed already",
          Source.web("TransformerLens", "https://github.com/TransformerLensOrg/TransformerLens"),
          Set.of(),
          List.of("yarn", "a norm of the embedding", "experts", "relative positions"),
          WeightProcessing.NONE);

  /** All, in the order of the documents. */
  static final List<Architecture> ALL =
      List.of(
          Gpt2.FAMILY,
          GptNeoX.FAMILY,
          Llama.FAMILY,
          GptNeo.FAMILY,
          GptJ.FAMILY,
          Mistral.FAMILY,
          Qwen.QWEN2,
          Qwen.QWEN3,
          Gemma.FAMILY,
          Gemma2.FAMILY,
          Gemma3.FAMILY,
          Phi.FAMILY,
          Phi3.FAMILY,
          Opt.FAMILY,
          Olmo.FAMILY,
          Olmo2.FAMILY,
          StableLm.FAMILY,
          SmolLm3.FAMILY,
          Starcoder2.FAMILY,
          Granite.FAMILY,
          Cohere.FAMILY,
          Bloom.FAMILY,
          Falcon.FAMILY,
          HOOKED_TRANSFORMER);

  private KnownArchitectures() {}

  /** The values of {@code model_type} among them. */
  static List<String> modelTypes() {
    return ALL.stream()
        .map(Architecture::key)
        .filter(key -> !key.equals(HOOKED_TRANSFORMER.key()))
        .toList();
  }

  private record Known(
      String key,
      String title,
      String description,
      Source source,
      Set<String> roots,
      List<String> refused,
      WeightProcessing processing)
      implements Architecture {
    @Override
    public TransformerConfig read(Checkpoint c) {
      return c.take(HookedTransformerLayout.read(c.name(), c.settings(), c.files()));
    }
  }
}
