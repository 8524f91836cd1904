package io.autocircuit.model;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.tensor.Placement;
import org.bytedeco.pytorch.Tensor;

/** The start of the residual stream. */
record Embedding(TransformerConfig config, TransformerWeights weights) {

  /** See {@link Transformer#embed}. */
  Tensor embed(TokenBatch tokens) {
    if (tokens.length() > config.contextLength()) {
      throw new IllegalArgumentException(
          "prompt length="
              + tokens.length()
              + " exceeds the context length="
              + config.contextLength());
    }
    long[] ids = new long[tokens.ids().length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = tokens.ids()[i];
      if (ids[i] < 0 || ids[i] >= config.vocabulary()) {
        throw new IllegalArgumentException(
            "token id=" + ids[i] + " outside the vocabulary of size=" + config.vocabulary());
      }
    }
    Placement place = weights.place();
    Tensor flat = wide(PromptContext.rows(weights.embedding, place.indices(ids, ids.length)));
    Tensor x = flat.reshape(tokens.batchSize(), tokens.length(), config.dModel());
    Tensor p = positions(tokens);
    return p == null ? x : x.add(p);
  }

  /** See {@link Transformer#positions}. */
  Tensor positions(TokenBatch tokens) {
    if (weights.positionEmbedding == null) {
      return null;
    }
    if (!PromptContext.padded(tokens)) {
      return wide(weights.positionEmbedding.narrow(0, 0, tokens.length()));
    }
    Placement place = weights.place();
    Tensor p =
        PromptContext.rows(
            weights.positionEmbedding,
            place.indices(PromptContext.positionIds(tokens), tokens.ids().length));
    return wide(p).reshape(tokens.batchSize(), tokens.length(), config.dModel());
  }

  /** Rows of a table, in the type that is computed in. */
  private Tensor wide(Tensor rows) {
    Placement place = weights.place();
    return rows.scalar_type().intern() == place.type() ? rows : rows.to(place.type());
  }
}
