package io.autocircuit;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.prune.EapIgInputs;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.MaskGradient.AnswerFunction;
import io.autocircuit.prune.MaskGradient.PatchSource;
import io.autocircuit.prune.PromptAlgorithm;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;

/** The cases of {@code eap_ig.json} and {@code relp_gim.json} about scores. */
final class ReferenceEapIgScores {
  private final ReferenceEapIg from;
  private final JsonNode c;
  private final ReferenceEapIg.Outcome outcome;

  ReferenceEapIgScores(ReferenceEapIg from, JsonNode c, ReferenceEapIg.Outcome outcome) {
    this.from = from;
    this.c = c;
    this.outcome = outcome;
  }

  void measure() {
    switch (c.get("kind").asText()) {
      case "edge_scores", "ragged_edge_scores" -> edges();
      case "edge_scores_per_example" -> perExample();
      default -> outcome.unread = true;
    }
  }

  private float[] expected() {
    return from.tensors.floats(c.get("expected").get("scores").asText());
  }

  private MaskGradient gradient() {
    return new MaskGradient(
        c.path("metric").asText().equals("prob_diff") ? LogitFunction.PROB : LogitFunction.LOGIT,
        AnswerFunction.AVG_DIFF,
        0,
        0,
        ablation(),
        PatchSource.CORRUPT);
  }

  private Ablation ablation() {
    return switch (c.get("ablation").asText()) {
      case "patching" -> Ablation.RESAMPLE;
      case "zero" -> Ablation.TOKEN_ZERO;
      case "mean" -> Ablation.TOKEN_MEAN;
      case "mean-positional" -> Ablation.TOKENWISE_MEAN_CLEAN;
      default -> throw new IllegalArgumentException("unknown ablation " + c.get("ablation"));
    };
  }

  /** Null if nothing of ours is it. */
  private PromptAlgorithm algorithm() {
    if (c.path("metric").asText().equals("kl")) {
      return null;
    }
    return switch (c.get("method").asText()) {
      case "EAP" -> gradient();
      case "EAP-IG-inputs" -> new EapIgInputs(gradient(), c.get("steps").asInt());
      default -> null;
    };
  }

  private void edges() {
    PromptAlgorithm algorithm = algorithm();
    if (algorithm == null) {
      outcome.unread = true;
    } else {
      from.compareEdges(c, outcome, library(inOrder(algorithm)), expected());
    }
  }

  private void perExample() {
    float[] all = expected();
    int size = from.rows() * from.columns();
    inOrder(gradient())
        .forEach(
            (row, mine) -> {
              float[] want = Arrays.copyOfRange(all, row * size, (row + 1) * size);
              double[] values = new double[mine.length];
              Arrays.setAll(values, i -> mine[i]);
              from.compareEdges(c, outcome, values, want);
            });
  }

  /** The scores of each prompt, by its place in the data. */
  private TreeMap<Integer, float[]> inOrder(PromptAlgorithm algorithm) {
    List<PromptBatch> batches = from.batches(c);
    PromptScores scores = algorithm.scorePrompts(from.model, batches, Progress.SILENT);
    TreeMap<Integer, float[]> rows = new TreeMap<>();
    int next = 0;
    for (PromptBatch batch : batches) {
      for (int row : batch.rows()) {
        rows.put(row, scores.values().get(next++));
      }
    }
    return rows;
  }

  /** (1/N) · sum over the library's batches of the batch mean. */
  private double[] library(TreeMap<Integer, float[]> rows) {
    int size = c.get("batch_size").asInt();
    double[] sum = new double[rows.get(0).length];
    rows.forEach(
        (i, row) -> {
          int first = i / size * size;
          double weight = 1.0 / rows.size() / Math.min(size, rows.size() - first);
          for (int e = 0; e < sum.length; e++) {
            sum[e] += weight * row[e];
          }
        });
    return sum;
  }
}
