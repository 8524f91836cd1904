package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.Tolerance;
import io.autocircuit.metric.AreaUnderCurve;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Measurements;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Roc;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.MaskFunction;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.SubnetworkProbing;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The second, independent reference set, which travels with the tests: {@code
 * lcg/autocircuit_golden.json}. Its models' weights come from a linear congruential generator, so
 * nothing but numbers is read. Everything that the library covers is compared, for all five
 * variants.
 */
@Tag("slow")
class LcgReferenceTest {
  private static final Tolerance CLOSE = new Tolerance(6e-6, 1e-5);

  /** Percentages are quotients of differences, some of them small. */
  private static final Tolerance PERCENT = new Tolerance(1e-3, 5e-5);

  private static final int LENGTH = 4;
  private static final int PROMPTS_PER_BATCH = 2;

  private static JsonNode golden;

  @BeforeAll
  static void read() throws IOException {
    try (InputStream file =
        LcgReferenceTest.class.getResourceAsStream("lcg/autocircuit_golden.json")) {
      golden = new ObjectMapper().readTree(file);
    }
  }

  static Stream<String> variants() {
    return Stream.of("seq_sepqkv", "seq_nosep", "parallel_nosep", "parallel_sep", "attn_only_sep");
  }

  /** A use of a variant's model. */
  private interface Body {
    void run(PatchableModel model, JsonNode expected);
  }

  private static void with(String variant, int positions, OutputSlice slice, Body body) {
    try (TensorScope scope = new TensorScope();
        Transformer transformer = transformer(variant, weights(variant))) {
      body.run(
          PatchableModel.of(
              transformer,
              !variant.endsWith("nosep"),
              positions,
              slice,
              KernelsProvider.choose().kernels()),
          golden.get(variant));
    }
  }

  private static void with(String variant, Body body) {
    with(variant, 0, OutputSlice.LAST_SEQ, body);
  }

  private static TransformerConfig config(String variant) {
    boolean parallel = variant.startsWith("parallel");
    Normalization norm = new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);
    return new TransformerConfig(
        variant,
        2,
        2,
        4,
        2,
        variant.startsWith("attn_only") ? 0 : 16,
        7,
        7,
        8,
        TransformerConfig.Activation.GELU_TANH,
        false,
        norm,
        norm,
        true,
        parallel,
        parallel
            ? TransformerConfig.Rotary.withBase(2, 10000, false)
            : new TransformerConfig.Learned(),
        Math.sqrt(2));
  }

  private static Transformer transformer(String variant, Map<String, Tensor> weights) {
    return new Transformer(config(variant), weights, torch.ScalarType.Float);
  }

  /** The parameters in the order of the file, drawn from one stream. */
  private static Map<String, Tensor> weights(String variant) {
    TransformerConfig c = config(variant);
    long x = 42;
    Map<String, Tensor> weights = new LinkedHashMap<>();
    for (JsonNode node : golden.get(variant).get("param_order")) {
      String name = node.asText();
      long[] shape = shape(c, name.substring(name.lastIndexOf('.') + 1));
      float[] data = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
      for (int i = 0; i < data.length; i++) {
        x = (1103515245L * x + 12345) & 0x7fffffffL;
        data[i] = (float) ((x / 2147483648.0 - 0.5) * 2);
      }
      weights.put(name, Tensors.of(torch.ScalarType.Float, data, shape));
    }
    return weights;
  }

  private static long[] shape(TransformerConfig c, String parameter) {
    return switch (parameter) {
      case "W_E" -> new long[] {c.vocabulary(), c.dModel()};
      case "W_pos" -> new long[] {c.contextLength(), c.dModel()};
      case "W_Q", "W_K", "W_V" -> new long[] {c.heads(), c.dModel(), c.dHead()};
      case "W_O" -> new long[] {c.heads(), c.dHead(), c.dModel()};
      case "b_Q", "b_K", "b_V" -> new long[] {c.heads(), c.dHead()};
      case "b_O", "b_out" -> new long[] {c.dModel()};
      case "W_in" -> new long[] {c.dModel(), c.dMlp()};
      case "b_in" -> new long[] {c.dMlp()};
      case "W_out" -> new long[] {c.dMlp(), c.dModel()};
      case "W_U" -> new long[] {c.dModel(), c.outputs()};
      case "b_U" -> new long[] {c.outputs()};
      default -> throw new AssertionError("unknown parameter " + parameter);
    };
  }

  private static List<PromptBatch> batches(boolean multiple) {
    JsonNode data = golden.get("data");
    assertEquals(PROMPTS_PER_BATCH, data.get("batch_size").asInt());
    List<PromptBatch> list = new ArrayList<>();
    for (int first = 0; first < data.get("clean").size(); first += PROMPTS_PER_BATCH) {
      int[] rows = {first, first + 1};
      list.add(
          new PromptBatch(
              tokens(data.get("clean"), rows),
              tokens(data.get("corrupt"), rows),
              answers(data.get(multiple ? "answers_multi" : "answers"), rows),
              answers(data.get(multiple ? "wrong_multi" : "wrong"), rows),
              rows));
    }
    return list;
  }

  private static TokenBatch tokens(JsonNode prompts, int[] rows) {
    int[] ids =
        Arrays.stream(rows)
            .flatMap(r -> IntStream.range(0, LENGTH).map(t -> prompts.get(r).get(t).asInt()))
            .toArray();
    return new TokenBatch(ids, rows.length, LENGTH, new int[rows.length]);
  }

  private static int[][][] answers(JsonNode lists, int[] rows) {
    return Arrays.stream(rows)
        .mapToObj(
            r ->
                new int[][] {
                  IntStream.range(0, lists.get(r).size())
                      .map(i -> lists.get(r).get(i).asInt())
                      .toArray()
                })
        .toArray(int[][][]::new);
  }

  /** All numbers of nested arrays, row-major. */
  private static double[] numbers(JsonNode array) {
    if (!array.isArray()) {
      return new double[] {array.asDouble()};
    }
    List<double[]> parts = new ArrayList<>();
    array.forEach(a -> parts.add(numbers(a)));
    return parts.stream().flatMapToDouble(Arrays::stream).toArray();
  }

  private static void close(String what, JsonNode want, Tensor mine) {
    close(what, numbers(want), Tensors.doubles(mine));
  }

  private static void close(String what, double[] want, double[] mine) {
    assertEquals(want.length, mine.length, what + ": number of elements");
    CLOSE.check(what, new long[] {want.length}, want, mine);
  }

  /** Values by edge name, in canonical order. */
  private static float[] byEdge(ComputationGraph graph, JsonNode names) {
    assertEquals(graph.edgeCount(), names.size());
    float[] values = new float[graph.edgeCount()];
    names
        .fields()
        .forEachRemaining(
            e -> {
              String[] parts = e.getKey().split("\\|");
              Edge edge =
                  parts.length == 1
                      ? graph.edge(parts[0], -1)
                      : graph.edge(parts[1], Integer.parseInt(parts[0]));
              values[edge.index()] = e.getValue().floatValue();
            });
    return values;
  }

  private static void closeScores(String what, JsonNode want, PruneScores mine, double factor) {
    float[] expected = byEdge(mine.graph(), want);
    close(
        what,
        IntStream.range(0, expected.length).mapToDouble(i -> expected[i]).toArray(),
        IntStream.range(0, expected.length).mapToDouble(i -> mine.values()[i] * factor).toArray());
  }

  @ParameterizedTest
  @MethodSource("variants")
  void weightsAreThoseOfTheGenerator(String variant) {
    try (TensorScope scope = new TensorScope()) {
      JsonNode first = golden.get(variant).get("first_params").get("W_E");
      float[] mine = Tensors.floats(weights(variant).get("embed.W_E"));
      double[] want = numbers(first);
      for (int i = 0; i < want.length; i++) {
        assertEquals((float) want[i], mine[i], "W_E element " + i);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void graph(String variant) {
    with(
        variant,
        (model, expected) -> {
          ComputationGraph graph = model.graph();
          assertEquals(expected.get("n_edges").asInt(), graph.edgeCount());
          List<String> sources = new ArrayList<>();
          expected
              .get("srcs")
              .forEach(
                  n ->
                      sources.add(
                          String.join(
                              " ",
                              n.get(1).asText(),
                              n.get(0).asText(),
                              n.get(2).asText(),
                              n.get(3).asText())));
          assertEquals(
              sources,
              graph.sources().stream()
                  .map(s -> s.name() + " " + s.index() + " " + s.layer() + " " + s.module())
                  .toList());
          List<String> destinations = new ArrayList<>();
          expected
              .get("dests")
              .forEach(
                  d ->
                      destinations.add(
                          d.get(0).asText()
                              + " "
                              + d.get(1)
                              + " "
                              + d.get(2).asText()
                              + " "
                              + d.get(3).asInt(-1)));
          assertEquals(
              destinations.stream().sorted().toList(),
              graph.destinations().stream().map(LcgReferenceTest::describe).sorted().toList());
          assertEquals(shapes(expected.get("mask_shapes")), shapes(graph));
          ComputationGraph tokens = graph.withPositions(LENGTH);
          assertEquals(expected.at("/tok/n_edges").asInt(), tokens.edgeCount());
          assertEquals(shapes(expected.at("/tok/mask_shapes")), shapes(tokens));
          List<String> order = new ArrayList<>();
          expected.get("acdc_order").forEach(n -> order.add(n.asText()));
          assertEquals(order, graph.edgeNames(), "the canonical order");
        });
  }

  private static String describe(DestNode d) {
    return d.name() + " " + d.layer() + " " + d.module() + " " + d.head();
  }

  private static Map<String, List<Long>> shapes(ComputationGraph graph) {
    Map<String, List<Long>> map = new TreeMap<>();
    graph
        .modules()
        .forEach(m -> map.put(m.name(), Arrays.stream(graph.maskShape(m)).boxed().toList()));
    return map;
  }

  private static Map<String, List<Long>> shapes(JsonNode node) {
    Map<String, List<Long>> map = new TreeMap<>();
    node.fields()
        .forEachRemaining(
            e ->
                map.put(
                    e.getKey(),
                    Arrays.stream(numbers(e.getValue()))
                        .mapToLong(x -> (long) x)
                        .boxed()
                        .toList()));
    return map;
  }

  @ParameterizedTest
  @MethodSource("variants")
  void logitsAndActivations(String variant) {
    List<PromptBatch> batches = batches(false);
    with(
        variant,
        (model, expected) -> {
          for (int b = 0; b < batches.size(); b++) {
            PromptBatch batch = batches.get(b);
            close("clean", expected.get("clean_logits").get(b), model.logits(batch.clean()));
            close("corrupt", expected.get("corrupt_logits").get(b), model.logits(batch.corrupt()));
          }
          close(
              "source outputs",
              expected.get("src_outs_clean_batch0"),
              SourceOutputs.of(model, batches.get(0).clean()));
          try (AblationValues values =
              AblationValues.prepare(model, Ablation.TOKENWISE_MEAN_CORRUPT, batches)) {
            close(
                "token means",
                expected.get("src_outs_tokmean_corrupt"),
                values
                    .of(batches.get(0).corrupt())
                    .expand(model.graph().sources().size(), PROMPTS_PER_BATCH, LENGTH, 4));
          }
        });
    with(
        variant,
        0,
        OutputSlice.ALL,
        (model, expected) -> {
          for (int b = 0; b < batches.size(); b++) {
            close(
                "clean, all positions",
                expected.get("clean_logits_all_pos").get(b),
                model.logits(batches.get(b).clean()));
          }
        });
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everyEdgePatchedAlone(String variant) {
    PromptBatch batch = batches(false).get(0);
    with(
        variant,
        (model, expected) -> {
          JsonNode single = expected.get("single_edge_patched_batch0");
          assertEquals(model.graph().edgeCount(), single.size());
          try (Evaluation run =
              Evaluation.of(model, batch.clean(), SourceOutputs.of(model, batch.corrupt()))) {
            for (String name : model.graph().edgeNames()) {
              Circuit one = Circuit.named(model.graph(), List.of(name));
              close(name, single.get(name), run.logits(one.mask(PatchType.EDGE_PATCH)));
            }
          }
        });
  }

  /** AutoCircuit adds up over batches and over the N + 1 samples; ours are means. */
  @ParameterizedTest
  @MethodSource("variants")
  void gradients(String variant) {
    List<PromptBatch> single = batches(false);
    List<PromptBatch> multiple = batches(true);
    MaskGradient.AnswerFunction difference = MaskGradient.AnswerFunction.AVG_DIFF;
    MaskGradient.AnswerFunction value = MaskGradient.AnswerFunction.AVG_VAL;
    Map<String, MaskGradient> settings = new LinkedHashMap<>();
    settings.put("eap", MaskGradient.eap());
    settings.put("mask.3", gradient(LogitFunction.LOGIT, difference, 0.3, Ablation.RESAMPLE));
    settings.put("prob", gradient(LogitFunction.PROB, value, 0, Ablation.RESAMPLE));
    settings.put("logprob_diff", gradient(LogitFunction.LOGPROB, difference, 0, Ablation.RESAMPLE));
    settings.put("logprob_val", gradient(LogitFunction.LOGPROB, value, 0, Ablation.RESAMPLE));
    settings.put("logit_exp", gradient(LogitFunction.LOGIT_EXP, value, 0, Ablation.RESAMPLE));
    settings.put("ig5", MaskGradient.integrated(5));
    settings.put("eap_multi_answer", MaskGradient.eap());
    settings.put("eap_zero_abl", gradient(LogitFunction.LOGIT, difference, 0, Ablation.ZERO));
    settings.put(
        "eap_tokmean_corrupt",
        gradient(LogitFunction.LOGIT, difference, 0, Ablation.TOKENWISE_MEAN_CORRUPT));
    with(
        variant,
        (model, expected) -> {
          assertEquals(settings.size(), expected.get("grad").size());
          settings.forEach(
              (name, algorithm) ->
                  closeScores(
                      name,
                      expected.get("grad").get(name),
                      algorithm.score(model, name.endsWith("multi_answer") ? multiple : single),
                      single.size() * (algorithm.samples() + 1)));
        });
    with(
        variant,
        LENGTH,
        OutputSlice.LAST_SEQ,
        (model, expected) ->
            closeScores(
                "token positions",
                expected.at("/tok/eap"),
                MaskGradient.eap().score(model, single),
                single.size()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"seq_sepqkv", "seq_nosep", "attn_only_sep"})
  void unfactorizedGraphs(String variant) {
    JsonNode want = golden.get(variant).get("unfact");
    try (TensorScope scope = new TensorScope();
        Transformer transformer = transformer(variant, weights(variant))) {
      ComputationGraph graph = transformer.config().unfactorizedGraph(0);
      assertEquals(want.get("n_edges").asInt(), graph.edgeCount());
      List<String> sources = new ArrayList<>();
      want.get("srcs")
          .forEach(
              n ->
                  sources.add(
                      n.get(1).asText() + " " + n.get(0) + " " + n.get(2) + " " + n.get(3)));
      assertEquals(
          sources,
          graph.sources().stream()
              .map(s -> s.name() + " " + s.index() + " " + s.layer() + " \"" + s.module() + "\"")
              .toList());
      List<String> destinations = new ArrayList<>();
      want.get("dests")
          .forEach(
              n ->
                  destinations.add(
                      n.get(0).asText() + " " + n.get(1) + " " + n.get(2) + " " + n.get(3)));
      assertEquals(
          destinations.stream().sorted().toList(),
          graph.destinations().stream()
              .map(d -> d.name() + " " + d.layer() + " \"" + d.module() + "\" " + d.firstSource())
              .sorted()
              .toList());
      List<PromptBatch> batches = batches(false);
      closeScores(
          "eap",
          want.get("eap"),
          MaskGradient.eap()
              .score(
                  new PatchableModel(
                      transformer, graph, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels()),
                  batches),
          batches.size());
    }
  }

  private static MaskGradient gradient(
      LogitFunction function,
      MaskGradient.AnswerFunction answers,
      double maskValue,
      Ablation ablation) {
    return new MaskGradient(
        function, answers, maskValue, 0, ablation, MaskGradient.PatchSource.CORRUPT);
  }

  @ParameterizedTest
  @MethodSource("variants")
  void gradientsOfInstances(String variant) {
    PromptBatch batch = batches(false).get(0);
    with(
        variant,
        (model, expected) -> {
          ComputationGraph graph = model.graph();
          try (Evaluation run =
              Evaluation.of(model, batch.clean(), SourceOutputs.of(model, batch.corrupt()))) {
            PatchMask zero =
                new PatchMask(
                    graph, new float[PROMPTS_PER_BATCH * graph.edgeCount()], PROMPTS_PER_BATCH);
            float[] mine =
                run.gradient(zero, MaskGradient.eap().loss(), batch, null).maskGradient();
            JsonNode want = expected.get("instance_grads_batch0");
            assertEquals(graph.modules().size(), want.size());
            for (int i = 0; i < PROMPTS_PER_BATCH; i++) {
              PruneScores row =
                  new PruneScores(
                      graph,
                      Arrays.copyOfRange(mine, i * graph.edgeCount(), (i + 1) * graph.edgeCount()));
              for (var module : graph.modules()) {
                float[] values = row.module(module);
                close(
                    module.name() + ", prompt " + i,
                    numbers(want.get(module.name()).get(i)),
                    IntStream.range(0, values.length)
                        .mapToDouble(k -> values[k] / (double) PROMPTS_PER_BATCH)
                        .toArray());
              }
            }
          }
        });
  }

  /** The canonical order is the file's order (see {@link #graph}), so decisions are comparable. */
  @ParameterizedTest
  @MethodSource("variants")
  void acdc(String variant) {
    List<Double> thresholds = List.of(1e-3, 1e-2, 1e-1, 5e-3, 5e-2, 5e-1);
    List<PromptBatch> first = batches(false).subList(0, 1);
    with(
        variant,
        (model, expected) -> {
          PruneScores kl =
              new Acdc(thresholds, Acdc.Target.KL_DIV, Ablation.RESAMPLE).score(model, first);
          closeScores("acdc_kl", expected.get("acdc_kl"), kl, 1);
          closeScores(
              "acdc_mse",
              expected.get("acdc_mse"),
              new Acdc(thresholds, Acdc.Target.MSE, Ablation.RESAMPLE).score(model, first),
              1);
          int[] counts = EdgeCounts.AUTO.resolve(model.graph().edgeCount(), kl.values(), -1);
          close(
              "edge counts",
              numbers(expected.get("acdc_edge_counts")),
              Arrays.stream(counts).asDoubleStream().toArray());
          close(
              "circuit sizes",
              numbers(expected.get("acdc_circuit_keys")),
              Arrays.stream(counts).mapToDouble(k -> kl.topWithTies(k).size()).toArray());
        });
  }

  private static PruneScores eap(PatchableModel model, JsonNode expected) {
    return new PruneScores(model.graph(), byEdge(model.graph(), expected.get("grad").get("eap")));
  }

  private static List<Circuit> circuits(PatchableModel model, JsonNode expected) {
    PruneScores scores = eap(model, expected);
    int n = model.graph().edgeCount();
    return IntStream.of(0, 1, 5, 10, n / 2, n).mapToObj(scores::topWithTies).toList();
  }

  @ParameterizedTest
  @MethodSource("variants")
  void circuitsUnderEveryAblation(String variant) {
    List<PromptBatch> batches = batches(false);
    with(
        variant,
        (model, expected) -> {
          List<Circuit> circuits = circuits(model, expected);
          for (PatchType type : PatchType.values()) {
            for (Ablation ablation : Ablation.standard()) {
              if (ablation.keepsPositions()) {
                continue; // none of AutoCircuit's
              }
              JsonNode want =
                  expected
                      .get("circuits")
                      .get(type + "/" + ablation.key().toUpperCase(Locale.ROOT));
              assertEquals(circuits.size(), want.size());
              CircuitRuns.of(type, ablation)
                  .forEach(
                      model,
                      batches,
                      circuits,
                      (c, b, logits) ->
                          close(
                              type + "/" + ablation + " " + circuits.get(c) + " batch " + b,
                              want.get(String.valueOf(circuits.get(c).size())).get(b),
                              logits));
            }
          }
        });
  }

  @ParameterizedTest
  @MethodSource("variants")
  void metrics(String variant) {
    Map<String, Metric> names = new LinkedHashMap<>();
    names.put("Clean KL Div", Metric.KL_DIV);
    names.put("Corrupt KL Div", Metric.CORRUPT_KL_DIV);
    names.put("Answer Prob", Metric.ANSWER_PROB);
    names.put("Answer Logit", Metric.ANSWER_LOGIT);
    names.put("Wrong Answer Logit", Metric.WRONG_ANSWER_LOGIT);
    names.put("Answer Logprob", Metric.ANSWER_LOGPROB);
    names.put("Logit Diff", Metric.LOGIT_DIFF);
    names.put("Prob Diff", Metric.PROB_DIFF);
    names.put("Logprob Diff", Metric.LOGPROB_DIFF);
    names.put("Logit Diff Percent", Metric.LOGIT_DIFF_PERCENT);
    names.put("Prob Diff Percent", Metric.PROB_DIFF_PERCENT);
    names.put("LogProb Diff Percent", Metric.LOGPROB_DIFF_PERCENT);
    names.put("Correct Answer Percent", Metric.CORRECT_ANSWER_PERCENT);
    names.put("Correct Answer Greater Than Incorrect Percent", Metric.CORRECT_OVER_WRONG_PERCENT);
    with(
        variant,
        (model, expected) -> {
          List<Circuit> circuits = circuits(model, expected);
          for (PatchType type : PatchType.values()) {
            for (boolean multiple : new boolean[] {false, true}) {
              String key = type + "/RESAMPLE/" + (multiple ? "metrics_multi" : "metrics");
              JsonNode want = expected.get("circuits").get(key);
              List<String> wanted = new ArrayList<>();
              want.fieldNames().forEachRemaining(wanted::add);
              assertTrue(names.keySet().containsAll(wanted), wanted::toString);
              assertEquals(multiple ? 12 : 14, wanted.size());
              List<Measurement> measured =
                  measure(model, type, circuits, batches(multiple), wanted, names);
              for (int m = 0; m < measured.size(); m++) {
                checkCurve(key + " " + wanted.get(m), want.get(wanted.get(m)), measured.get(m));
              }
            }
            String key = type + "/RESAMPLE/diffpct_mean_of_ratio";
            checkCurve(
                key,
                expected.get("circuits").get(key),
                Measurements.of(
                        model,
                        CircuitRuns.of(type, Ablation.RESAMPLE),
                        batches(false),
                        circuits,
                        List.of(Metric.LOGIT_DIFF_PERCENT_MEAN),
                        Progress.SILENT)
                    .get(0));
          }
        });
  }

  private static List<Measurement> measure(
      PatchableModel model,
      PatchType type,
      List<Circuit> circuits,
      List<PromptBatch> batches,
      List<String> wanted,
      Map<String, Metric> names) {
    return Measurements.of(
        model,
        CircuitRuns.of(type, Ablation.RESAMPLE),
        batches,
        circuits,
        wanted.stream().map(names::get).toList(),
        Progress.SILENT);
  }

  private static void checkCurve(String what, JsonNode want, Measurement measurement) {
    assertEquals(want.size(), measurement.points().size(), what);
    Tolerance tolerance = what.contains("Percent") || what.contains("diffpct") ? PERCENT : CLOSE;
    for (int i = 0; i < want.size(); i++) {
      Measurement.Point p = measurement.points().get(i);
      assertEquals(want.get(i).get(0).asInt(), p.edges(), what);
      tolerance.check(
          what + " at edges=" + p.edges(),
          new long[] {1},
          new double[] {want.get(i).get(1).asDouble()},
          new double[] {p.value()});
    }
  }

  private static List<Measurement.Point> points(JsonNode list) {
    List<Measurement.Point> points = new ArrayList<>();
    list.forEach(p -> points.add(new Measurement.Point(p.get(0).asInt(), p.get(1).asDouble())));
    return points;
  }

  /** The file's areas are of the clean runs with the complement ablated. */
  @ParameterizedTest
  @MethodSource("variants")
  void areasUnderCurves(String variant) {
    JsonNode expected = golden.get(variant);
    JsonNode metrics = expected.get("circuits").get("TREE_PATCH/RESAMPLE/metrics");
    List<Measurement.Point> difference = points(metrics.get("Logit Diff"));
    // AutoCircuit hides areas below 0.001 (11-A10)
    assertEquals(
        expected.get("auc_logitdiff_lin").asDouble(),
        Math.max(1e-3, AreaUnderCurve.LINEAR.of(difference)),
        1e-6);
    assertEquals(
        expected.get("auc_logitdiff_logx").asDouble(),
        Math.max(1e-3, new AreaUnderCurve(true, false, 1).of(difference)),
        1e-6);

    // on a logarithmic axis of values it subtracts the baseline as it is, not its logarithm
    // (11-A10): the right area follows from the points, and from it the file's
    double floor = 1e-2;
    List<Measurement.Point> kl = points(metrics.get("Clean KL Div"));
    double baseline = Math.log10(Math.max(kl.get(0).value(), floor) / floor);
    double area = 0;
    for (int i = 2; i < kl.size(); i++) {
      double width = Math.log10((double) kl.get(i).edges() / kl.get(i - 1).edges());
      double left = Math.log10(Math.max(kl.get(i - 1).value(), floor) / floor);
      double right = Math.log10(Math.max(kl.get(i).value(), floor) / floor);
      area += width * ((left + right) / 2 - baseline);
    }
    double ours = new AreaUnderCurve(true, true, floor).of(kl);
    assertEquals(area, ours, 1e-9);
    double width = Math.log10((double) kl.get(kl.size() - 1).edges() / kl.get(1).edges());
    assertEquals(
        expected.get("auc_kl_loglog").asDouble(),
        ours + width * (baseline - kl.get(0).value()),
        1e-6);
  }

  /** The settings behind the three runs: learning rate 0.1, λ 0.5, or 0.1 with a size of 10. */
  @Test
  void subnetworkProbing() {
    with(
        "seq_sepqkv",
        (model, expected) -> {
          Circuit avoided =
              Circuit.named(
                  model.graph(),
                  List.of(
                      "Resid Start->A0.0.K",
                      "Resid Start->A0.1.K",
                      "Resid Start->A0.0.Q",
                      "Resid Start->A0.1.Q"));
          closeScores(
              "tree",
              expected.get("sp_sigmoid_tree_10epochs"),
              probing(0.5, PatchType.TREE_PATCH, 0, null).score(model, batches(false)),
              1);
          closeScores(
              "tree, size 10, four edges avoided",
              expected.get("sp_sigmoid_tree_size10_avoid4"),
              probing(0.1, PatchType.TREE_PATCH, 10, avoided).score(model, batches(false)),
              1);
          // as AutoCircuit codes it: means of corrupt prompts patched into corrupt runs (11-A4)
          closeScores(
              "edge",
              expected.get("sp_sigmoid_edge_10epochs"),
              probing(0.5, PatchType.EDGE_PATCH, 0, null).score(model, batches(false)),
              1);
        });
  }

  private static SubnetworkProbing probing(
      double lambda, PatchType type, int circuitSize, Circuit avoided) {
    return new SubnetworkProbing(
        0.1,
        10,
        lambda,
        MaskFunction.SIGMOID,
        type,
        Ablation.TOKENWISE_MEAN_CORRUPT,
        SubnetworkProbing.Target.KL_DIV,
        circuitSize,
        0,
        avoided,
        0.3,
        0);
  }

  @Test
  void roc() {
    with(
        "seq_sepqkv",
        (model, expected) -> {
          JsonNode roc = expected.get("roc");
          List<String> names = new ArrayList<>();
          roc.get("official").forEach(n -> names.add(n.asText()));
          PruneScores scores = eap(model, expected);
          Circuit official = Circuit.named(model.graph(), names);
          int n = model.graph().edgeCount();
          int[] some = EdgeCounts.AUTO.resolve(n, scores.values(), -1);
          int[] all = EdgeCounts.of(EdgeCounts.Mode.ALL).resolve(n, scores.values(), -1);
          close("points", numbers(roc.get("points")), flat(Roc.curve(scores, official, some)));
          close(
              "all points", numbers(roc.get("points_all")), flat(Roc.curve(scores, official, all)));
        });
  }

  private static double[] flat(List<Roc.Point> points) {
    return points.stream()
        .flatMapToDouble(
            p -> Arrays.stream(new double[] {p.falsePositiveRate(), p.truePositiveRate()}))
        .toArray();
  }
}
