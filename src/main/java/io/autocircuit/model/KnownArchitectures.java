package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** The architectures of this library; see {@code docs/models.md}. */
enum KnownArchitectures implements Architecture {
  GPT2(
      "GPT-2",
      "learned positions, attention then MLP, LayerNorm with a shift",
      Source.named("Radford et al. 2019, \"Language models are unsupervised multitask learners\""),
      Set.of("transformer", "model"),
      List.of("add_cross_attention")),
  GPT_NEOX(
      "GPT-NeoX, Pythia",
      "rotary positions, attention and MLP side by side or in turn",
      Source.arxiv("Black et al. 2022, \"GPT-NeoX-20B\"", "2204.06745"),
      Set.of("gpt_neox", "model"),
      List.of("rotary scaling of kinds other than those of docs/models.md")),
  LLAMA(
      "Llama",
      "rotary positions, RMS normalisation, gated MLP, shared keys and values",
      Source.arxiv("Touvron et al. 2023, \"LLaMA\"", "2302.13971"),
      Set.of("model"),
      List.of(
          "rotary scaling of kinds other than those of docs/models.md",
          "windows of attention shorter than the context")),
  HOOKED_TRANSFORMER(
      "TransformerLens state dictionary",
      "any model under TransformerLens's names, as its settings say; processed already",
      Source.web("TransformerLens", "https://github.com/TransformerLensOrg/TransformerLens"),
      Set.of(),
      List.of("local attention", "norms after attention and MLP", "soft caps", "experts"));

  /** All, in the order of the documents. */
  static final List<Architecture> ALL = List.of(values());

  private final String title;
  private final String description;
  private final Source source;
  private final Set<String> roots;
  private final List<String> refused;

  KnownArchitectures(
      String title, String description, Source source, Set<String> roots, List<String> refused) {
    this.title = title;
    this.description = description;
    this.source = source;
    this.roots = roots;
    this.refused = refused;
  }

  /** The values of {@code model_type} among them. */
  static List<String> modelTypes() {
    return ALL.stream().filter(a -> a != HOOKED_TRANSFORMER).map(Architecture::key).toList();
  }

  @Override
  public String key() {
    return name().toLowerCase(Locale.ROOT);
  }

  @Override
  public String title() {
    return title;
  }

  @Override
  public String description() {
    return description;
  }

  @Override
  public Source source() {
    return source;
  }

  @Override
  public Set<String> roots() {
    return roots;
  }

  @Override
  public List<String> refused() {
    return refused;
  }

  @Override
  public WeightProcessing processing() {
    return this == HOOKED_TRANSFORMER ? WeightProcessing.NONE : WeightProcessing.DEFAULT;
  }

  @Override
  public TransformerConfig read(Checkpoint checkpoint) {
    return checkpoint.take(
        this == HOOKED_TRANSFORMER
            ? HookedTransformerLayout.read(
                checkpoint.name(), checkpoint.settings(), checkpoint.files())
            : HuggingFaceLayout.read(checkpoint.name(), checkpoint.settings(), checkpoint.files()));
  }
}
