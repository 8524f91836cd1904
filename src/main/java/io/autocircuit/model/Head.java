package io.autocircuit.model;

import io.autocircuit.model.StoredWeights.Recipe;

/**
 * What a checkpoint's embedding and head are made of, both {@code [vocabulary, D]}.
 *
 * @param embedding of tokens
 * @param unembedding the rows that make logits
 */
record Head(Recipe embedding, Recipe unembedding) {

  /** Finds both; see {@link FamilyReader#embed}. */
  static Head read(FamilyReader r, String embedding, String head, boolean tiedByDefault) {
    ConfigReader c = r.c;
    StoredWeights w = r.w;
    int n = r.sizes.vocabulary();
    int d = r.sizes.d();
    boolean tied = c.flag("tie_word_embeddings", tiedByDefault);
    boolean onlyHead = tied && w.has(head) && !w.has(embedding);
    Recipe in = onlyHead ? w.takeHead(head, n, d) : w.take(embedding, n, d);
    Recipe out = in;
    if (tied && !onlyHead && w.has(head)) {
      Recipe stored = w.takeHead(head, n, d);
      if (!w.equal(embedding, head)) {
        out = stored;
        c.notice(
            (c.has("tie_word_embeddings")
                    ? "tie_word_embeddings=true"
                    : "tie_word_embeddings is not given (so true)")
                + ", but the file holds "
                + embedding
                + " and another "
                + head
                + ": both are used, as transformers 5 does; set \"tie_word_embeddings\": false if"
                + " that is meant, or remove "
                + head
                + " if not");
      }
    } else if (!tied) {
      if (!w.has(head) && w.has(embedding)) {
        throw w.missingHead(
            head,
            c.has("tie_word_embeddings")
                ? "tie_word_embeddings=false"
                : "tie_word_embeddings is not given, so false");
      }
      out = w.takeHead(head, n, d);
    }
    return new Head(in, out);
  }
}
