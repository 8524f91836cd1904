package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/**
 * A family of checkpoints in Hugging Face's layout: what tells it from others, and how its settings
 * and tensors are read.
 *
 * @param key the {@code model_type}
 * @param classes what the names of its classes begin with: {@code Llama} of {@code
 *     LlamaForCausalLM}; an expression
 * @param embedding the end of the name of its embedding, by which families are told apart
 * @param roots what names of tensors may begin with
 * @param refused what of the family is not computed
 * @param neutral settings of this family that change nothing
 * @param reader reads settings and names
 */
record Family(
    String key,
    String title,
    String description,
    Source source,
    String classes,
    String embedding,
    Set<String> roots,
    List<String> refused,
    Set<String> neutral,
    Function<FamilyReader, TransformerConfig> reader)
    implements Architecture {
  /** What most call their embedding. */
  static final String TOKENS = "embed_tokens.weight";

  /** A family with the root {@code model}. */
  static Family of(
      String key,
      String title,
      String description,
      Source source,
      String classes,
      Function<FamilyReader, TransformerConfig> reader) {
    return new Family(
        key,
        title,
        description,
        source,
        classes,
        TOKENS,
        Set.of("model"),
        List.of(),
        Set.of(),
        reader);
  }

  /** Other names of tensors: the embedding's, and what all may begin with. */
  Family named(String otherEmbedding, String... otherRoots) {
    return new Family(
        key,
        title,
        description,
        source,
        classes,
        otherEmbedding,
        Set.of(otherRoots),
        refused,
        neutral,
        reader);
  }

  /** What is refused, one line each. */
  Family refusing(String... lines) {
    return new Family(
        key,
        title,
        description,
        source,
        classes,
        embedding,
        roots,
        List.of(lines),
        neutral,
        reader);
  }

  /** Settings that change nothing, with blanks between them. */
  Family ignoring(String settings) {
    return new Family(
        key,
        title,
        description,
        source,
        classes,
        embedding,
        roots,
        refused,
        Set.of(settings.split(" ")),
        reader);
  }

  @Override
  public TransformerConfig read(Checkpoint c) {
    return c.take(FamilyReader.read(this, c.name(), c.settings(), c.files()));
  }
}
