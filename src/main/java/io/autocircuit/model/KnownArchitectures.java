package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.Set;

/** The architectures of this library; see {@code docs/models.md}. */
final class KnownArchitectures {
  private static final String KINDS = "rotary scaling of kinds other than those of docs/models.md";

  /** The one that no {@code model_type} names. */
  static final Architecture HOOKED_TRANSFORMER =
      new Known(
          "hooked_transformer",
          "TransformerLens state dictionary",
          "any model under TransformerLens's names, as its settings say; processed already",
          Source.web("TransformerLens", "https://github.com/TransformerLensOrg/TransformerLens"),
          Set.of(),
          List.of("local attention", "norms after attention and MLP", "soft caps", "experts"),
          WeightProcessing.NONE);

  /** All, in the order of the documents. */
  static final List<Architecture> ALL =
      List.of(
          new Known(
              "gpt2",
              "GPT-2",
              "learned positions, attention then MLP, LayerNorm with a shift",
              Source.named(
                  "Radford et al. 2019, \"Language models are unsupervised multitask learners\""),
              Set.of("transformer", "model"),
              List.of("add_cross_attention"),
              WeightProcessing.DEFAULT),
          new Known(
              "gpt_neox",
              "GPT-NeoX, Pythia",
              "rotary positions, attention and MLP side by side or in turn",
              Source.arxiv("Black et al. 2022, \"GPT-NeoX-20B\"", "2204.06745"),
              Set.of("gpt_neox", "model"),
              List.of(KINDS),
              WeightProcessing.DEFAULT),
          new Known(
              "llama",
              "Llama",
              "rotary positions, RMS normalisation, gated MLP, shared keys and values",
              Source.arxiv("Touvron et al. 2023, \"LLaMA\"", "2302.13971"),
              Set.of("model"),
              List.of(KINDS, "windows of attention shorter than the context"),
              WeightProcessing.DEFAULT),
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
      return c.take(
          key.equals(HOOKED_TRANSFORMER.key())
              ? HookedTransformerLayout.read(c.name(), c.settings(), c.files())
              : HuggingFaceLayout.read(c.name(), c.settings(), c.files()));
    }
  }
}
