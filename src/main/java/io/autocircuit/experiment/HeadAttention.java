package io.autocircuit.experiment;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.patch.AttentionScore;
import io.autocircuit.patch.AttentionScore.Contribution;
import io.autocircuit.patch.AttentionScore.Pair;
import io.autocircuit.patch.AttentionScores;
import io.autocircuit.patch.PatchableModel;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.List;

/**
 * Why a head attends as it does at the end of a prompt: the contributions that matter most to the
 * score of the last position's query and the key that it attends to most ({@link AttentionScore}).
 *
 * @param head its name
 * @param query the position that looks
 * @param key the position that is looked at
 * @param attention the share of its attention that the key gets, 0 to 1
 * @param score what the softmax takes
 * @param product what all contributions add up to: the score, but for a cap and a distance
 * @param querySide the best of the query's side, by descending |value|
 * @param keySide the best of the key's side
 * @param pairs the best pairs
 */
public record HeadAttention(
    String head,
    int query,
    int key,
    double attention,
    double score,
    double product,
    List<Contribution> querySide,
    List<Contribution> keySide,
    List<Pair> pairs) {
  /** So that a page of a large model stays small, and is soon made. */
  private static final int HEADS = 60;

  private static final int ROWS = 5;
  private static final int PAIRS = 5;
  private static final int DIGITS = 5;

  /**
   * Keeps unmodifiable copies.
   *
   * @param head its name
   * @param query the position that looks
   * @param key the position that is looked at
   * @param attention the share of its attention that the key gets
   * @param score what the softmax takes
   * @param product what all contributions add up to
   * @param querySide the best of the query's side
   * @param keySide the best of the key's side
   * @param pairs the best pairs
   */
  public HeadAttention {
    querySide = List.copyOf(querySide);
    keySide = List.copyOf(keySide);
    pairs = List.copyOf(pairs);
  }

  /** Of the first of some heads on one prompt. */
  static List<HeadAttention> of(PatchableModel model, TokenBatch prompt, List<SrcNode> heads) {
    List<HeadAttention> all = new ArrayList<>();
    try (AttentionScores scores = AttentionScores.of(model, prompt)) {
      for (SrcNode head : heads.subList(0, Math.min(HEADS, heads.size()))) {
        all.add(of(scores.ofMost(head.block(), head.head(), prompt.length() - 1)));
      }
    }
    return all;
  }

  private static HeadAttention of(AttentionScore score) {
    AttentionScore.Value value = score.value();
    return new HeadAttention(
        score.place().name(),
        score.place().query(),
        score.place().key(),
        rounded(value.attention()),
        rounded(value.score()),
        rounded(value.product()),
        best(score.querySide()),
        best(score.keySide()),
        score.pairs(PAIRS).stream()
            .map(p -> new Pair(p.query(), p.key(), rounded(p.value())))
            .toList());
  }

  private static List<Contribution> best(List<Contribution> side) {
    return AttentionScore.best(side, ROWS).stream()
        .map(c -> new Contribution(c.name(), rounded(c.value())))
        .toList();
  }

  /** With so many digits as people read. */
  static double rounded(double value) {
    return Double.isFinite(value)
        ? new BigDecimal(value).round(new MathContext(DIGITS)).doubleValue()
        : value;
  }

  /** {@code {"head", "query", "key", …, "query_side": [[name, value], …], …}}. */
  void write(ObjectNode node) {
    node.put("head", head).put("query", query).put("key", key);
    node.put("attention", attention).put("score", score).put("product", product);
    write(node.putArray("query_side"), querySide);
    write(node.putArray("key_side"), keySide);
    ArrayNode list = node.putArray("pairs");
    pairs.forEach(p -> list.addArray().add(p.query()).add(p.key()).add(p.value()));
  }

  private static void write(ArrayNode list, List<Contribution> side) {
    side.forEach(c -> list.addArray().add(c.name()).add(c.value()));
  }

  /** Reads what {@link #write} wrote. */
  static HeadAttention read(JsonNode node) {
    List<Pair> pairs = new ArrayList<>();
    for (JsonNode p : node.required("pairs")) {
      pairs.add(
          new Pair(
              p.required(0).textValue(), p.required(1).textValue(), p.required(2).doubleValue()));
    }
    return new HeadAttention(
        node.required("head").textValue(),
        node.required("query").intValue(),
        node.required("key").intValue(),
        node.required("attention").doubleValue(),
        node.required("score").doubleValue(),
        node.required("product").doubleValue(),
        side(node.required("query_side")),
        side(node.required("key_side")),
        pairs);
  }

  private static List<Contribution> side(JsonNode list) {
    List<Contribution> side = new ArrayList<>();
    for (JsonNode c : list) {
      side.add(new Contribution(c.required(0).textValue(), c.required(1).doubleValue()));
    }
    return side;
  }
}
