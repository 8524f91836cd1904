package io.autocircuit;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.ReferenceParityTest.Case;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.MaskGradient;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/** The reference cases of masks for each prompt, and of cut prompts. */
final class ReferencePrompts {
  private ReferencePrompts() {}

  /** A mask for each prompt; row i of the gradient has the 1/B of the mean loss. */
  static void instanceMasks(Case c) {
    PromptBatch batch = c.batches.get(c.c.path("batch").asInt(0));
    int prompts = batch.clean().batchSize();
    int edges = c.graph.edgeCount();
    float[] values = new float[prompts * edges];
    for (int i = 0; i < prompts; i++) {
      if (c.c.hasNonNull("mask")) {
        PruneScores row = PruneScores.fromModules(c.graph, rows(c, c.c.get("mask"), i, prompts));
        System.arraycopy(row.values(), 0, values, i * edges, edges);
      }
    }
    PatchMask mask = new PatchMask(c.graph, values, prompts);
    try (AblationValues ablation = AblationValues.prepare(c.model, c.ablation(), c.batches);
        Evaluation run = Evaluation.of(c.model, batch.clean(), ablation.of(batch.corrupt()))) {
      c.compare("logits", run.logits(mask), c.c.get("expected").asText());
      float[] gradient = run.gradient(mask, measure(c.c).loss(), batch, null).maskGradient();
      // our loss is minus the measure
      double factor = -c.c.get("loss").asDouble() / prompts;
      for (DestModule m : c.graph.modules()) {
        String tensor = c.c.get("expected_gradient").get(m.name()).asText();
        List<Double> mine = new ArrayList<>();
        for (int i = 0; i < prompts; i++) {
          float[] row = Arrays.copyOfRange(gradient, i * edges, (i + 1) * edges);
          for (float g : new PruneScores(c.graph, row).module(m)) {
            mine.add(g * factor);
          }
        }
        long[] own = c.graph.maskShape(m);
        long[] shape = new long[own.length + 1];
        shape[0] = prompts;
        System.arraycopy(own, 0, shape, 1, own.length);
        c.compare(m.name(), mine.stream().mapToDouble(d -> d).toArray(), shape, tensor);
      }
    }
  }

  private static Map<String, float[]> rows(Case c, JsonNode names, int row, int rows) {
    Map<String, float[]> map = new LinkedHashMap<>();
    c.modules(names)
        .forEach(
            (name, all) -> {
              int width = all.length / rows;
              map.put(name, Arrays.copyOfRange(all, row * width, (row + 1) * width));
            });
    return map;
  }

  private static MaskGradient measure(JsonNode c) {
    return new MaskGradient(
        LogitFunction.valueOf(c.get("grad_function").asText().toUpperCase(Locale.ROOT)),
        MaskGradient.AnswerFunction.valueOf(
            c.get("answer_function").asText().toUpperCase(Locale.ROOT)),
        c.path("mask_val").asDouble(0),
        0,
        io.autocircuit.patch.Ablation.of(c.path("ablation").asText("RESAMPLE")),
        MaskGradient.PatchSource.CORRUPT);
  }

  /**
   * Prompts behind a prefix that is never ablated: ours never cuts prompts, so the whole prompts
   * are run in a token graph whose masks are 0 in the prefix, which in causal models is the same. A
   * gradient that all positions share is the sum over those behind the prefix.
   */
  static void tailDivergence(Case c) {
    List<PromptBatch> batches = c.c.has("clean") ? own(c) : c.batches;
    PromptBatch batch = batches.get(c.c.path("batch").asInt(0));
    PatchableModel model = whole(c, batch);
    ComputationGraph graph = model.graph();
    int prefix = c.c.get("prefix_length").asInt();
    Map<String, float[]> masks = new LinkedHashMap<>();
    c.modules(c.c.get("mask"))
        .forEach(
            (name, tail) -> masks.put(name, spread(c, graph.module(name), tail, prefix, graph)));
    PatchMask mask = PatchMask.of(graph, PruneScores.fromModules(graph, masks).values());
    String expected = c.c.path(c.c.has("as_meant") ? "as_meant" : "expected").asText();
    try (AblationValues values = AblationValues.prepare(model, c.ablation(), batches);
        Evaluation run = Evaluation.of(model, batch.clean(), values.of(batch.corrupt()))) {
      Tensor logits = run.logits(mask);
      c.compare("logits", logits, expected);
      if (c.c.has("defect_difference")) {
        // what the library does instead: another batch's prefix
        double[] mine = io.autocircuit.tensor.Tensors.doubles(logits);
        float[] coded = c.tensors.floats(c.c.get("as_coded").asText());
        double most = 0;
        for (int i = 0; i < coded.length; i++) {
          most = Math.max(most, Math.abs(mine[i] - coded[i]));
        }
        c.compare("distance to the defect", most, c.c.get("defect_difference").asDouble());
      }
    }
    if (c.c.has("expected_gradient")) {
      PruneScores scores = measure(c.c).score(model, batches);
      double factor = c.c.path("expected_is_mean_times").asDouble(1);
      for (DestModule m : graph.modules()) {
        double[] mine = behind(scores.module(m), graph, prefix, c.c, factor);
        long[] shape = c.graph.maskShape(m);
        if (c.graph.positions() > 0) {
          shape[0] -= prefix;
        }
        c.compare(m.name(), mine, shape, c.c.get("expected_gradient").get(m.name()).asText());
      }
    }
  }

  /** A tail's mask at all positions, 0 in the prefix: {@code [positions][heads?][sources]}. */
  private static float[] spread(
      Case c, DestModule module, float[] tail, int prefix, ComputationGraph graph) {
    int rows = module.nodes().size() * module.sources();
    boolean tokens = c.c.get("token_positions").asBoolean();
    float[] whole = new float[rows * graph.positions()];
    for (int t = prefix; t < graph.positions(); t++) {
      int from = tokens ? (t - prefix) * rows : 0;
      System.arraycopy(tail, from, whole, t * rows, rows);
    }
    return whole;
  }

  private static double[] behind(
      float[] whole, ComputationGraph graph, int prefix, JsonNode c, double factor) {
    int rows = whole.length / graph.positions();
    boolean tokens = c.get("token_positions").asBoolean();
    double[] tail = new double[tokens ? whole.length - prefix * rows : rows];
    for (int i = prefix * rows; i < whole.length; i++) {
      tail[tokens ? i - prefix * rows : i % rows] += whole[i] * factor;
    }
    return tail;
  }

  /** Of the prompts' own ablation values, those behind the prefix. */
  static void tailAblations(Case c) {
    List<PromptBatch> batches = own(c);
    PromptBatch batch = batches.get(c.c.path("batch").asInt(0));
    int prefix = c.c.get("prefix_length").asInt();
    try (AblationValues values = AblationValues.prepare(c.model, c.ablation(), batches)) {
      boolean corrupt = c.c.path("sample").asText("corrupt").equals("corrupt");
      Tensor all = values.of(corrupt ? batch.corrupt() : batch.clean());
      Tensor tail = all.narrow(2, prefix, all.size(2) - prefix).contiguous();
      c.compare("ablations", tail, c.c.get("expected").asText());
    }
  }

  /** The model with a token graph of the prompts' length. */
  private static PatchableModel whole(Case c, PromptBatch batch) {
    return PatchableModel.of(
        c.model.model(), c.graph.separateQkv(), batch.clean().length(), c.model.slice(), c.kernels);
  }

  /** The prompts that the case has itself, with the answers of the dataset. */
  private static List<PromptBatch> own(Case c) {
    List<PromptBatch> batches = new ArrayList<>();
    int first = 0;
    for (PromptBatch given : c.batches) {
      int count = given.clean().batchSize();
      batches.add(
          new PromptBatch(
              tokens(c, "clean", first, count),
              tokens(c, "corrupt", first, count),
              given.answers(),
              given.wrongAnswers(),
              given.rows(),
              given.numbers()));
      first += count;
    }
    return batches;
  }

  private static TokenBatch tokens(Case c, String name, int first, int count) {
    String tensor = c.c.get(name).asText();
    int length = (int) c.tensors.shape(tensor)[1];
    float[] all = c.tensors.floats(tensor);
    int[] ids = new int[count * length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = Math.round(all[first * length + i]);
    }
    return new TokenBatch(ids, count, length, new int[count]);
  }
}
