package io.autocircuit;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.autocircuit.data.Batches;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.DeviceRequest;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.metric.AreaUnderCurve;
import io.autocircuit.metric.Completeness;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Measurements;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Roc;
import io.autocircuit.metric.Similarity;
import io.autocircuit.model.Autoencoders;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
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
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.KnockoutTraining;
import io.autocircuit.prune.MaskFunction;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.SubnetworkProbing;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Reproduces the numbers of other libraries: every case of every model folder under {@code
 * -Dreference.dir} (AutoCircuit's, in {@code expected.json} and {@code more.json}, and the logits
 * of transformers, in {@code hf_logits.json}), and the logits in {@code expected.json} of every
 * folder under {@code -Dfield.dir}. Prints for each kind the number of cases and the largest
 * deviation; an unknown kind fails. The models are placed on {@code -Dautocircuit.device}, by
 * default the processor.
 *
 * <p><b>The rule.</b> Our float32 run must be within the tolerance of every figure; there is no
 * allowance for noise. Some kinds are decided otherwise, {@link #TRAINED}, because Adam divides
 * gradients by their own size and so magnifies rounding: their figures are the truth, computed in
 * float64 (the field {@code "float64"} of {@code expected.json} says so, and must; those of {@code
 * more.json} were compared with float64 and are as good), our float64 run must be within the
 * tolerance of them, and our float32 run, which is that same program with rounding, within {@link
 * #ROUNDING} times the tolerance. Cases whose float32 run needed that are printed.
 *
 * <p><b>Logits of transformers</b> are compared with weight processing {@code none}, and their
 * log-probabilities with all steps. A model may be refused instead if the case says {@code
 * "or_refused": true}, and those of {@code -Dfield.dir}: by a message that names a {@code
 * model_type} that does not load, or else says that something is not supported, not read, or not in
 * the right format. Where a model is refused, nothing but a {@link DataException} of one line will
 * do.
 */
@Tag("slow")
class ReferenceParityTest {
  /** Cases and the largest deviation of a kind. */
  private static final class Tally {
    int cases;
    double absolute;
    double relative;
    double seconds;
    String worst = "";
  }

  private static final Set<String> TRAINED =
      Set.of(
          "subnetwork_probing",
          "subnetwork_probing_avoid",
          "circuit_probing",
          "avoid_edges",
          "completeness_training");

  private static final String LOGITS = "hf_logits";
  private static final String LOG_PROBABILITIES = "log-probabilities";
  private static final String REFUSED = "refused by name";
  private static final String TWIN = " (defects, not copied)";
  private static final String UNREAD = " (not read)";
  private static final String LEFT = " (left out of the sample)";
  private static final double ROUNDING = 4;
  private static final double HF_TOLERANCE = 2e-4;

  // Python writes NaN and Infinity
  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS).build();

  private final Map<String, Tally> tallies = new TreeMap<>();
  private final List<String> failures = new ArrayList<>();
  private long last = System.nanoTime();
  private final Device device =
      DeviceChoice.of(DeviceRequest.parse(System.getProperty("autocircuit.device", "cpu")))
          .device();
  private final KernelsProvider.Choice choice = KernelsProvider.choose(device);
  private final Kernels kernels = choice.kernels();

  @AfterEach
  void close() {
    choice.close();
  }

  /** Whether a case is run: here, all are. */
  boolean wanted(Path folder, String kind) {
    return true;
  }

  /** Whether all are run that the files hold. */
  boolean whole() {
    return true;
  }

  @Test
  void everyCaseOfEveryModel() throws IOException {
    Path dir = Path.of(System.getProperty("reference.dir", "../shared/reference"));
    if (!Files.isDirectory(dir)) {
      System.out.println("ReferenceParityTest: skipped, no reference cases at reference.dir");
    }
    assumeTrue(Files.isDirectory(dir), "no reference cases at reference.dir");
    int folders = 0;
    Map<String, Integer> held = held(dir);
    try (Stream<Path> all = Files.walk(dir, 3)) {
      for (Path folder : all.filter(Files::isDirectory).sorted().toList()) {
        try (TensorScope scope = new TensorScope()) {
          if (Files.isRegularFile(folder.resolve("expected.json"))) {
            folders++;
            folder(folder, "expected");
          }
          if (Files.isRegularFile(folder.resolve("more.json"))) {
            folders++;
            folder(folder, "more");
          }
          if (Files.isRegularFile(folder.resolve("hf_logits.json"))) {
            folders++;
            logits(folder, folder.resolve("hf_logits.json"), false);
          }
          for (String file : ReferenceEapIg.FILES) {
            if (Files.isRegularFile(folder.resolve(file + ".json"))) {
              folders++;
              fieldMethods(folder, file);
            }
          }
        }
      }
    }
    Path field = Path.of(System.getProperty("field.dir", dir.resolve("../field").toString()));
    if (Files.isDirectory(field)) {
      try (Stream<Path> all = Files.list(field)) {
        for (Path folder : all.sorted().toList()) {
          Path file = folder.resolve("expected.json");
          if (Files.isRegularFile(file) && hasLogits(file)) {
            folders++;
            held.merge(LOGITS, 1, Integer::sum);
            try (TensorScope scope = new TensorScope()) {
              logits(folder, file, true);
            }
          }
        }
      }
    } else {
      System.out.println("ReferenceParityTest: no inputs at field.dir");
    }
    System.out.printf(
        "ReferenceParityTest: %d model folders on %s, kernels %s%n",
        folders, device, kernels.name());
    tallies.forEach(
        (kind, t) ->
            System.out.printf(
                "  %-20s %4d cases in %.1f s, largest deviation %.3g absolute, %.3f of the tolerance"
                    + " (%s)%n",
                kind, t.cases, t.seconds, t.absolute, t.relative, t.worst));
    compareCounts(held);
    if (folders == 0) {
      fail("no model folder with expected.json under reference.dir=" + dir);
    }
    if (!failures.isEmpty()) {
      fail(
          failures.size()
              + " failures:\n"
              + String.join("\n", failures.subList(0, Math.min(40, failures.size()))));
    }
  }

  /** How many cases of each kind the files under a folder hold, by their names alone. */
  private static Map<String, Integer> held(Path dir) throws IOException {
    Map<String, Integer> held = new TreeMap<>();
    try (Stream<Path> all = Files.walk(dir, 4)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        String name = file.getFileName().toString();
        if (name.equals("hf_logits.json")) {
          held.merge(LOGITS, 1, Integer::sum);
        } else if (name.equals("expected.json")
            || name.equals("more.json")
            || ReferenceEapIg.FILES.contains(name.replace(".json", ""))) {
          JSON.readTree(file.toFile())
              .path("cases")
              .forEach(c -> held.merge(c.get("kind").asText(), 1, Integer::sum));
        }
      }
    }
    return held;
  }

  /** Each case that a file holds was run and measured; those of {@link #TRAINED} twice. */
  private void compareCounts(Map<String, Integer> held) {
    Map<String, Integer> run = new TreeMap<>();
    tallies.forEach(
        (kind, t) -> {
          String name =
              kind.replaceAll(" \\(float(32|64)\\)$", "")
                  .replace(TWIN, "")
                  .replace(UNREAD, "")
                  .replace(LEFT, "");
          if (kind.endsWith("(float32)")) {
            Tally truth = tallies.get(name + " (float64)");
            if (truth == null || truth.cases != t.cases) {
              failures.add(name + ": " + t.cases + " cases in float32 alone");
            }
          } else if (!kind.equals(LOG_PROBABILITIES)) {
            run.merge(kind.equals(REFUSED) ? LOGITS : name, t.cases, Integer::sum);
          }
        });
    if (whole() && !run.equals(held)) {
      failures.add("cases run: " + run + ", but the files hold " + held);
    }
  }

  private void folder(Path folder, String file) throws IOException {
    JsonNode expected = JSON.readTree(folder.resolve(file + ".json").toFile());
    try (Safetensors tensors = Safetensors.open(folder.resolve(file + ".safetensors"));
        Transformer model = ModelLoader.load(folder.resolve("model")).to(device);
        Transformer exact =
            ModelLoader.load(folder.resolve("model"), null, torch.ScalarType.Double).to(device)) {
      int i = 0;
      for (JsonNode c : expected.get("cases")) {
        String kind = c.get("kind").asText();
        String name = folder.getFileName() + "#" + i++ + " " + kind;
        if (!wanted(folder, kind)) {
          continue;
        }
        try {
          if (TRAINED.contains(kind)) {
            check(
                file.equals("more") || strings(expected.path("float64")).contains(kind),
                name + " is not in float64");
            Case truth = new Case(folder, expected, c, tensors, exact, kernels, name);
            truth.run(1);
            tally(kind + " (float64)", truth);
            Case rounded = new Case(folder, expected, c, tensors, model, kernels, name);
            rounded.run(ROUNDING);
            tally(kind + " (float32)", rounded);
            if (rounded.relative > 1 && rounded.wrong.isEmpty()) {
              System.out.printf(
                  "%s in float32 is %.2f tolerances off, in float64 %.2f%n",
                  rounded.worst, rounded.relative, truth.relative);
            }
          } else {
            Case single = new Case(folder, expected, c, tensors, model, kernels, name);
            single.run(1);
            tally(kind, single);
          }
        } catch (RuntimeException e) {
          failures.add(name + ": " + e);
          e.printStackTrace(System.out);
        }
      }
    }
  }

  /** EAP-IG's library, RelP and GIM. */
  private void fieldMethods(Path folder, String file) throws IOException {
    for (ReferenceEapIg.Outcome o :
        ReferenceEapIg.run(folder, file, device, kernels, kind -> wanted(folder, kind))) {
      failures.addAll(o.wrong);
      String kind = o.kind + (o.twin ? TWIN : o.left ? LEFT : o.unread ? UNREAD : "");
      tally(kind, o.absolute, o.relative, o.worst);
    }
  }

  private void tally(String kind, Case measured) {
    failures.addAll(measured.wrong);
    tally(kind, measured.absolute, measured.relative, measured.worst);
  }

  private void tally(String kind, double absolute, double relative, String worst) {
    Tally tally = tallies.computeIfAbsent(kind, k -> new Tally());
    tally.cases++;
    long now = System.nanoTime();
    tally.seconds += (now - last) / 1e9;
    last = now;
    tally.absolute = Math.max(tally.absolute, absolute);
    if (relative > tally.relative) {
      tally.relative = relative;
      tally.worst = worst;
    }
  }

  private static void check(boolean holds, String otherwise) {
    if (!holds) {
      throw new IllegalStateException(otherwise);
    }
  }

  private static List<String> strings(JsonNode array) {
    List<String> list = new ArrayList<>();
    array.forEach(n -> list.add(n.asText()));
    return list;
  }

  // ---- logits of transformers ----

  private static boolean hasLogits(Path file) throws IOException {
    JsonNode json = JSON.readTree(file.toFile());
    return json.has("ids") && json.has("logits");
  }

  private void logits(Path folder, Path file, boolean field) throws IOException {
    JsonNode expected = JSON.readTree(file.toFile());
    Path inner = folder.resolve("model");
    Path place = Files.isDirectory(inner) ? inner : folder;
    String name = folder.getFileName() + " " + (field ? "field" : "hf_logits");
    if (!field && !expected.path("kind").asText().equals("hf_logits")) {
      failures.add(name + ": unknown kind " + expected.path("kind"));
      return;
    }
    try {
      logits(place, expected, WeightProcessing.NONE, name);
      logits(place, expected, WeightProcessing.DEFAULT, name + " log-probabilities");
    } catch (DataException e) {
      JsonNode config = JSON.readTree(place.resolve("config.json").toFile());
      String type = config.path("model_type").asText();
      boolean ours = type.isEmpty() || ModelLoader.ARCHITECTURES.contains(type);
      String message = e.getMessage();
      boolean names =
          ours
              ? Stream.of("not supported", "does not read").anyMatch(message::contains)
              : message.contains("model_type=\"" + type + "\" is not supported");
      boolean may = field || expected.path("or_refused").asBoolean(false);
      if (!may || !names || message.lines().count() != 1) {
        failures.add(name + ": " + e);
      } else {
        tally(REFUSED, 0, 0, "");
      }
    } catch (RuntimeException e) {
      failures.add(name + ": " + e);
      e.printStackTrace(System.out);
    }
  }

  private void logits(Path place, JsonNode expected, WeightProcessing processing, String name) {
    boolean logs = processing.equals(WeightProcessing.DEFAULT);
    double atol = expected.path("atol").asDouble(HF_TOLERANCE);
    double rtol = expected.path("rtol").asDouble(HF_TOLERANCE);
    double absolute = 0;
    double relative = 0;
    String worst = "";
    try (TensorScope scope = new TensorScope();
        Transformer model =
            ModelLoader.load(place, processing, torch.ScalarType.Float).to(device)) {
      for (int p = 0; p < expected.get("ids").size(); p++) {
        JsonNode prompt = expected.get("ids").get(p);
        int[] ids = new int[prompt.size()];
        Arrays.setAll(ids, i -> prompt.get(i).asInt());
        JsonNode rows = expected.get("logits").get(p);
        double[] want = new double[ids.length * rows.get(0).size()];
        int n = 0;
        for (JsonNode row : rows) {
          for (JsonNode value : row) {
            want[n++] = value.asDouble();
          }
        }
        TokenBatch batch = new TokenBatch(ids, 1, ids.length, new int[1]);
        double[] got = Tensors.doubles(model.logits(batch, OutputSlice.ALL));
        if (logs && n == got.length) {
          logProbabilities(got, got.length / ids.length);
          logProbabilities(want, want.length / ids.length);
        }
        if (n != want.length || got.length != want.length) {
          failures.add(name + ": " + got.length + " logits of prompt " + p + ", not " + n);
          return;
        }
        for (int i = 0; i < want.length; i++) {
          double off = Math.abs(got[i] - want[i]);
          double share = off / (atol + rtol * Math.abs(want[i]));
          absolute = Math.max(absolute, off);
          if (!(share <= relative)) {
            relative = share;
            worst = name + " prompt " + p + "[" + i + "]";
          }
          if (!(share <= 1)) {
            failures.add(name + ": prompt " + p + "[" + i + "] is " + got[i] + ", not " + want[i]);
            return;
          }
        }
      }
    }
    tally(logs ? LOG_PROBABILITIES : LOGITS, absolute, relative, worst);
  }

  /** Logits, in rows of that width, become log-probabilities. */
  private static void logProbabilities(double[] rows, int width) {
    for (int from = 0; from < rows.length; from += width) {
      double largest = Arrays.stream(rows, from, from + width).max().getAsDouble();
      double sum = Arrays.stream(rows, from, from + width).map(x -> Math.exp(x - largest)).sum();
      for (int i = from; i < from + width; i++) {
        rows[i] -= largest + Math.log(sum);
      }
    }
  }

  /** One reference case. */
  final class Case {
    final JsonNode c;
    final Safetensors tensors;
    final String name;
    final List<String> wrong = new ArrayList<>();
    double allowed = 1;
    double absolute;
    double relative;
    String worst = "";
    final double rtol;
    final double atol;
    final List<PromptBatch> batches;
    final Autoencoders autoencoders;
    final PatchableModel model;
    final ComputationGraph graph;
    final Kernels kernels;

    Case(
        Path folder,
        JsonNode expected,
        JsonNode c,
        Safetensors tensors,
        Transformer transformer,
        Kernels kernels,
        String name) {
      this.c = c;
      this.kernels = kernels;
      this.tensors = tensors;
      this.name = name;
      this.rtol = expected.at("/tolerance/rtol").asDouble();
      this.atol = expected.at("/tolerance/atol").asDouble();
      int batchSize = c.path("batch_size").asInt(4);
      this.batches =
          Batches.inOrder(
              PromptDataset.read(folder.resolve("dataset.json")).tokenize(null), batchSize, true);
      boolean positions = c.path("token_positions").asBoolean(false);
      OutputSlice slice =
          switch (c.path("slice_output").asText("all")) {
            case "last_seq" -> OutputSlice.LAST_SEQ;
            case "not_first_seq" -> OutputSlice.NOT_FIRST_SEQ;
            default -> OutputSlice.ALL;
          };
      this.autoencoders =
          c.has("sae") ? ReferenceAutoencoders.of(c, tensors, transformer.placement()) : null;
      Transformer seen =
          autoencoders == null ? transformer : transformer.withAutoencoders(autoencoders);
      int length = positions ? batches.get(0).clean().length() : 0;
      this.model =
          c.path("factorized").asBoolean(true)
              ? PatchableModel.of(
                  seen, c.path("separate_qkv").asBoolean(true), length, slice, kernels)
              : new PatchableModel(seen, seen.config().unfactorizedGraph(length), slice, kernels);
      this.graph = model.graph();
    }

    /** Measures; {@code allowed} is how many tolerances a figure may be off. */
    void run(double allowed) {
      this.allowed = allowed;
      try (TensorScope scope = new TensorScope()) {
        measure();
      } finally {
        if (autoencoders != null) {
          autoencoders.close();
        }
      }
    }

    /** The sources of a graph with autoencoders are those of its tables. */
    void latentGraph() {
      ReferenceAutoencoders.graph(graph, c).forEach(this::mistake);
    }

    void latentAblations() {
      try (AblationValues values = AblationValues.prepare(model, ablation(), batches)) {
        Tensor mine = values.of(batches.get(c.path("batch").asInt(0)).corrupt());
        compare(
            "ablations",
            ReferenceAutoencoders.written(model, mine).contiguous(),
            c.get("expected").asText());
      }
    }

    void latentPruning() {
      ReferenceAutoencoders.Pruned mine = ReferenceAutoencoders.pruned(model.model(), batches, c);
      for (int b = 0; b < mine.totals().size(); b++) {
        double[] total = mine.totals().get(b);
        compare(
            "total " + b,
            total,
            new long[] {total.length},
            c.get("total_activation").get(b).asText());
      }
      check(
          "kept",
          mine.kept().stream().map(Arrays::toString).toList(),
          ReferenceAutoencoders.kept(c.at("/as_meant/kept")));
      compare("logits", mine.logits(), c.at("/as_meant/logits").asText());
    }

    private void measure() {
      switch (c.get("kind").asText()) {
        case "logits" -> logits();
        case "graph" -> graph();
        case "unfactorized_graph" -> wrong.addAll(ReferenceUnfactorized.graph(name, graph, c));
        case "src_ablations", "unfactorized_src_ablations" -> srcAblations();
        case "patched_logits", "unfactorized_patched_logits", "sae_patched_logits" ->
            patchedLogits();
        case "mask_gradient", "unfactorized_mask_gradient", "sae_mask_gradient" -> maskGradient();
        case "sae_logits" -> logits();
        case "sae_graph" -> latentGraph();
        case "sae_src_ablations" -> latentAblations();
        case "sae_prune" -> latentPruning();
        case "subnetwork_probing" -> subnetworkProbing();
        case "run_circuits", "unfactorized_run_circuits" -> runCircuits();
        case "roc" -> roc();
        case "acdc" -> acdc();
        case "similarity" -> similarity();
        case "completeness" -> completeness();
        case "completeness_training" -> knockoutTraining();
        case "instance_masks" -> ReferencePrompts.instanceMasks(this);
        case "tail_divergence", "tail_divergence_own_prefix" ->
            ReferencePrompts.tailDivergence(this);
        case "tail_divergence_src_ablations" -> ReferencePrompts.tailAblations(this);
        case "circuit_probing" -> new ReferenceProbing(this).circuitProbing();
        case "subnetwork_probing_avoid" -> new ReferenceProbing(this).probingThatAvoids();
        case "avoid_edges" -> new ReferenceProbing(this).anotherCircuit();
        case "activation_magnitude" -> new ReferenceProbing(this).activationMagnitude();
        default -> mistake("unknown kind");
      }
    }

    void logits() {
      compare(
          "clean",
          concat(batches.stream().map(b -> model.logits(b.clean())).toList()),
          c.get("clean").asText());
      compare(
          "corrupt",
          concat(batches.stream().map(b -> model.logits(b.corrupt())).toList()),
          c.get("corrupt").asText());
    }

    Tensor concat(List<Tensor> list) {
      return torch.cat(new TensorVector(list.toArray(Tensor[]::new)), 0);
    }

    void graph() {
      check("n_edges", graph.edgeCount(), c.get("n_edges").asInt());
      check("srcs", graph.sources().stream().map(SrcNode::name).toList(), strings(c.get("srcs")));
      check(
          "dests",
          graph.destinations().stream().map(DestNode::name).sorted().toList(),
          strings(c.get("dests")).stream().sorted().toList());
      Map<String, List<Long>> shapes = new TreeMap<>();
      graph
          .modules()
          .forEach(m -> shapes.put(m.name(), Arrays.stream(graph.maskShape(m)).boxed().toList()));
      Map<String, List<Long>> want = new TreeMap<>();
      c.get("mask_shapes")
          .fields()
          .forEachRemaining(
              e -> {
                List<Long> shape = new ArrayList<>();
                e.getValue().forEach(n -> shape.add(n.asLong()));
                want.put(e.getKey(), shape);
              });
      check("mask_shapes", shapes, want);
      int i = 0;
      for (JsonNode e : c.get("first_edges_in_acdc_order")) {
        Edge mine = graph.edge(i++);
        check(
            "edge " + (i - 1),
            mine.name() + "@" + mine.position(),
            e.get(0).asText() + "@" + (e.get(1).isNull() ? -1 : e.get(1).asInt()));
      }
    }

    void check(String what, Object mine, Object want) {
      if (!mine.equals(want)) {
        mistake(what + " is " + mine + " but should be " + want);
      }
    }

    void mistake(String what) {
      wrong.add(name + ": " + what);
    }

    Ablation ablation() {
      return Ablation.of(c.path("ablation").asText("RESAMPLE"));
    }

    void srcAblations() {
      try (AblationValues values = AblationValues.prepare(model, ablation(), batches)) {
        PromptBatch batch = batches.get(c.path("batch").asInt(0));
        boolean corrupt = c.path("sample").asText("corrupt").equals("corrupt");
        Tensor mine = values.of(corrupt ? batch.corrupt() : batch.clean());
        long[] shape = tensors.shape(c.get("expected").asText());
        compare("ablations", mine.expand(shape).contiguous(), c.get("expected").asText());
      }
    }

    Map<String, float[]> modules(JsonNode names) {
      Map<String, float[]> map = new LinkedHashMap<>();
      names
          .fields()
          .forEachRemaining(e -> map.put(e.getKey(), tensors.floats(e.getValue().asText())));
      return map;
    }

    void patchedLogits() {
      PatchMask mask =
          PatchMask.of(graph, PruneScores.fromModules(graph, modules(c.get("mask"))).values());
      PromptBatch batch = batches.get(c.path("batch").asInt(0));
      try (AblationValues values = AblationValues.prepare(model, ablation(), batches);
          Evaluation run = Evaluation.of(model, batch.clean(), values.of(batch.corrupt()))) {
        compare("logits", run.logits(mask), c.get("expected").asText());
      }
    }

    void maskGradient() {
      boolean integrated = c.hasNonNull("integrated_grad_samples");
      MaskGradient algorithm =
          new MaskGradient(
              LogitFunction.valueOf(c.get("grad_function").asText().toUpperCase(Locale.ROOT)),
              MaskGradient.AnswerFunction.valueOf(
                  c.get("answer_function").asText().toUpperCase(Locale.ROOT)),
              integrated ? 0 : c.get("mask_val").asDouble(),
              integrated ? c.get("integrated_grad_samples").asInt() : 0,
              ablation(),
              MaskGradient.PatchSource.valueOf(
                  c.path("clean_corrupt").asText("corrupt").toUpperCase(Locale.ROOT)));
      PruneScores scores = algorithm.score(model, batches);
      compareScores(scores, c.get("expected"), c.path("expected_is_mean_times").asDouble(1));
    }

    void subnetworkProbing() {
      String fn = c.path("mask_fn").asText("null");
      SubnetworkProbing algorithm =
          new SubnetworkProbing(
              c.get("learning_rate").asDouble(),
              c.get("epochs").asInt(),
              c.get("regularize_lambda").asDouble(),
              fn.equals("null")
                  ? MaskFunction.NONE
                  : MaskFunction.valueOf(fn.toUpperCase(Locale.ROOT)),
              c.get("tree_optimisation").asBoolean() ? PatchType.TREE_PATCH : PatchType.EDGE_PATCH,
              ablation(),
              SubnetworkProbing.Target.valueOf(
                  c.get("faithfulness_target").asText().toUpperCase(Locale.ROOT)),
              0,
              0,
              null,
              1,
              0);
      compareScores(algorithm.score(model, batches), c.get("expected"), 1);
    }

    /** Scores are expected of every module, no more and no fewer. */
    void checkModules(JsonNode expected) {
      List<String> names = new ArrayList<>();
      expected.fieldNames().forEachRemaining(names::add);
      check(
          "modules",
          graph.modules().stream().map(DestModule::name).sorted().toList(),
          names.stream().sorted().toList());
    }

    void compareScores(PruneScores scores, JsonNode expected, double factor) {
      checkModules(expected);
      expected
          .fields()
          .forEachRemaining(
              e -> {
                float[] module = scores.module(graph.module(e.getKey()));
                double[] mine = new double[module.length];
                for (int i = 0; i < mine.length; i++) {
                  mine[i] = module[i] * factor;
                }
                compare(
                    e.getKey(),
                    mine,
                    graph.maskShape(graph.module(e.getKey())),
                    e.getValue().asText());
              });
    }

    /** Scores that say who is a member: no tolerance. */
    void exactScores(PruneScores scores, JsonNode expected) {
      checkModules(expected);
      expected
          .properties()
          .forEach(
              e ->
                  check(
                      e.getKey(),
                      Arrays.toString(scores.module(graph.module(e.getKey()))),
                      Arrays.toString(tensors.floats(e.getValue().asText()))));
    }

    void runCircuits() {
      PruneScores scores = PruneScores.fromModules(graph, modules(c.get("scores")));
      Map<Integer, Circuit> bySize = new TreeMap<>();
      c.get("edge_counts")
          .forEach(
              k -> {
                Circuit circuit = scores.topWithTies(k.asInt());
                bySize.put(circuit.size(), circuit);
              });
      List<Circuit> circuits = List.copyOf(bySize.values());
      check(
          "sizes",
          bySize.keySet().stream().map(String::valueOf).toList(),
          new ArrayList<>(sortedKeys(c.get("expected"))));
      CircuitRuns runs =
          new CircuitRuns(
              PatchType.valueOf(c.get("patch_type").asText()),
              ablation(),
              c.path("reverse_clean_corrupt").asBoolean(false));
      Map<Integer, List<Tensor>> outputs = new TreeMap<>();
      try (TensorScope scope = new TensorScope()) {
        CircuitRuns.Visitor keep =
            (i, b, logits) -> {
              logits.retainReference();
              outputs.computeIfAbsent(circuits.get(i).size(), k -> new ArrayList<>()).add(logits);
            };
        runs.forEach(model, batches, circuits, keep);
        outputs.forEach(
            (k, list) -> {
              String tensor = c.get("expected").path(String.valueOf(k)).asText();
              compare("circuit " + k, concat(list), tensor);
              list.forEach(Tensor::releaseReference);
            });
      }
      Map<String, Metric> keys = new LinkedHashMap<>();
      keys.put("kl_div", Metric.KL_DIV);
      keys.put("corrupt_kl_div", Metric.CORRUPT_KL_DIV);
      keys.put("answer_diff_logits", Metric.LOGIT_DIFF);
      keys.put("answer_val_logits", Metric.ANSWER_LOGIT);
      keys.put("wrong_answer_val_logits", Metric.WRONG_ANSWER_LOGIT);
      keys.put("answer_diff_softmax", Metric.PROB_DIFF);
      keys.put("answer_val_softmax", Metric.ANSWER_PROB);
      keys.put("wrong_answer_val_softmax", Metric.WRONG_ANSWER_PROB);
      keys.put("answer_diff_log_softmax", Metric.LOGPROB_DIFF);
      keys.put("answer_val_log_softmax", Metric.ANSWER_LOGPROB);
      keys.put("wrong_answer_val_log_softmax", Metric.WRONG_ANSWER_LOGPROB);
      keys.put("answer_diff_percent", Metric.LOGIT_DIFF_PERCENT);
      keys.put("answer_diff_percent_mean_of_diffs", Metric.LOGIT_DIFF_PERCENT_MEAN);
      keys.put("correct_answer_percent", Metric.CORRECT_ANSWER_PERCENT);
      keys.put("correct_answer_greater_than_incorrect_percent", Metric.CORRECT_OVER_WRONG_PERCENT);
      JsonNode metrics = c.path("metrics");
      List<Metric> wanted =
          keys.entrySet().stream()
              .filter(e -> metrics.has(e.getKey()))
              .map(Map.Entry::getValue)
              .toList();
      Map<Metric, Measurement> measured = new LinkedHashMap<>();
      Measurements.of(model, runs, batches, circuits, wanted, Progress.SILENT)
          .forEach(m -> measured.put(m.metric(), m));
      metrics
          .fields()
          .forEachRemaining(
              e -> {
                if (e.getKey().startsWith("auc_kl_div")) {
                  boolean logX = e.getKey().contains("logx1");
                  check(e.getKey() + " has a linear y axis", e.getKey().endsWith("logy0"), true);
                  double area =
                      new AreaUnderCurve(logX, false, 1).of(measured.get(Metric.KL_DIV).points());
                  // AutoCircuit hides areas below its floor of 0.001 (11-A10)
                  compare(e.getKey(), Math.max(area, 1e-3), e.getValue().asDouble());
                } else if (!keys.containsKey(e.getKey())) {
                  mistake("unknown metric " + e.getKey());
                } else {
                  // AutoCircuit keeps the order in which sizes were asked for
                  Map<Integer, Double> want = new TreeMap<>();
                  e.getValue().forEach(p -> want.put(p.get(0).asInt(), p.get(1).asDouble()));
                  List<Measurement.Point> points = measured.get(keys.get(e.getKey())).points();
                  check(
                      e.getKey() + " sizes",
                      points.stream().map(Measurement.Point::edges).toList(),
                      List.copyOf(want.keySet()));
                  for (Measurement.Point p : points) {
                    compare(
                        e.getKey() + "@" + p.edges(),
                        p.value(),
                        want.getOrDefault(p.edges(), Double.NaN));
                  }
                }
              });
    }

    List<String> sortedKeys(JsonNode object) {
      List<Integer> keys = new ArrayList<>();
      object.fieldNames().forEachRemaining(k -> keys.add(Integer.valueOf(k)));
      return keys.stream().sorted().map(String::valueOf).toList();
    }

    void roc() {
      PruneScores scores = PruneScores.fromModules(graph, modules(c.get("scores")));
      List<Edge> official = new ArrayList<>();
      c.get("official")
          .forEach(
              e ->
                  official.add(
                      graph.edge(e.get(0).asText(), e.get(1).isNull() ? -1 : e.get(1).asInt())));
      int[] counts = EdgeCounts.AUTO.resolve(graph.edgeCount(), scores.values(), -1);
      List<Roc.Point> points = Roc.curve(scores, Circuit.of(graph, official), counts);
      check("points", points.size(), c.get("expected").size());
      for (int i = 0; i < Math.min(points.size(), c.get("expected").size()); i++) {
        compare(
            "false positive rate " + i,
            points.get(i).falsePositiveRate(),
            c.get("expected").get(i).get(0).asDouble());
        compare(
            "true positive rate " + i,
            points.get(i).truePositiveRate(),
            c.get("expected").get(i).get(1).asDouble());
      }
    }

    void acdc() {
      List<Double> taus = new ArrayList<>();
      for (JsonNode base : c.get("tao_bases")) {
        for (JsonNode exp : c.get("tao_exps")) {
          taus.add(base.asDouble() * Math.pow(10, exp.asInt()));
        }
      }
      Acdc algorithm =
          new Acdc(
              taus,
              Acdc.Target.valueOf(c.get("faithfulness_target").asText().toUpperCase(Locale.ROOT)),
              ablation());
      PruneScores scores = algorithm.score(model, batches.subList(0, 1));
      checkModules(c.get("expected"));
      int flipped = 0;
      for (var fields = c.get("expected").fields(); fields.hasNext(); ) {
        var e = fields.next();
        float[] mine = scores.module(graph.module(e.getKey()));
        float[] want = tensors.floats(e.getValue().asText());
        check("length of " + e.getKey(), mine.length, want.length);
        for (int i = 0; i < mine.length; i++) {
          boolean same =
              mine[i] == want[i]
                  || Math.abs(mine[i] - want[i]) <= atol * 1e-2 + rtol * Math.abs(want[i]);
          flipped += same ? 0 : 1;
        }
      }
      double share = (double) flipped / graph.edgeCount();
      deviation("share of edges decided otherwise", share, share / 0.01);
      if (share > 0.01) {
        mistake(flipped + " of " + graph.edgeCount() + " edges decided otherwise");
      }
    }

    void similarity() {
      Map<String, float[]> sets = new LinkedHashMap<>();
      c.get("score_sets")
          .properties()
          .forEach(
              e ->
                  sets.put(
                      e.getKey(), PruneScores.fromModules(graph, modules(e.getValue())).values()));
      List<Integer> sizes = new ArrayList<>();
      c.get("edge_counts").forEach(n -> sizes.add(n.asInt()));
      Similarity mine = Similarity.of(sets, sizes.stream().mapToInt(n -> n).toArray());
      check("sizes", mine.tables().size(), c.get("expected").size());
      for (Similarity.Table table : mine.tables()) {
        JsonNode want = c.get("expected").get(String.valueOf(table.edges()));
        for (int a = 0; a < sets.size(); a++) {
          for (int b = a; b < sets.size(); b++) {
            JsonNode share = want.get(mine.names().get(a)).get(mine.names().get(b));
            String what = table.edges() + " " + mine.names().get(a) + " " + mine.names().get(b);
            compare(what, table.share(a, b), number(share));
            compare(what, table.share(b, a), number(share));
          }
        }
      }
    }

    /** JSON has no NaN: it is a string. */
    double number(JsonNode node) {
      return node.isTextual() ? Double.parseDouble(node.asText()) : node.asDouble();
    }

    Circuit circuit() {
      return PruneScores.fromModules(graph, modules(c.get("circuit_scores")))
          .topWithTies(c.get("circuit_size").asInt());
    }

    void completeness() {
      PruneScores knockouts = PruneScores.fromModules(graph, modules(c.get("knockout_scores")));
      float threshold = (float) c.get("knockout_threshold").asDouble();
      JsonNode meant = c.get("as_meant");
      completeness(knockouts, threshold, meant.get("expected"), meant.get("result"));
      // as coded, scores that equal the threshold are knocked out too
      completeness(knockouts, Math.nextDown(threshold), c.get("expected"), c.get("result"));
    }

    void completeness(PruneScores knockouts, float threshold, JsonNode outputs, JsonNode result) {
      Circuit circuit = circuit();
      Circuit out = Completeness.knockedOut(circuit, knockouts, threshold);
      Map<String, Circuit> circuits = new LinkedHashMap<>();
      circuits.put("circuit", circuit);
      circuits.put("circuit_knockout", Completeness.without(circuit, out));
      circuits.put("model", Circuit.full(graph));
      circuits.put("model_knockout", Completeness.without(Circuit.full(graph), out));
      List<String> names = circuits.keySet().stream().filter(k -> outputs.has(k)).toList();
      check("outputs", names.size(), outputs.size());
      Map<String, List<Tensor>> logits = new LinkedHashMap<>();
      CircuitRuns.of(PatchType.TREE_PATCH, ablation())
          .forEach(
              model,
              batches,
              names.stream().map(circuits::get).toList(),
              (i, b, output) -> {
                output.retainReference();
                logits.computeIfAbsent(names.get(i), k -> new ArrayList<>()).add(output);
              });
      logits.forEach(
          (output, list) -> {
            compare(output, concat(list), outputs.get(output).asText());
            list.forEach(Tensor::releaseReference);
          });
      Completeness mine =
          Completeness.of(model, batches, ablation(), circuit, out, Progress.SILENT);
      check("circuit size", mine.edges(), result.get(0).asInt());
      check("knocked out", mine.knockedOut(), result.get(1).asInt());
      compare("KL(model, circuit)", mine.normal(), result.get(2).asDouble());
      compare("KL under knockouts", mine.knockout(), result.get(3).asDouble());
    }

    void knockoutTraining() {
      KnockoutTraining training =
          new KnockoutTraining(
              c.get("learning_rate").asDouble(),
              c.get("epochs").asInt(),
              c.get("regularize_lambda").asDouble(),
              MaskFunction.valueOf(c.get("mask_fn").asText().toUpperCase(Locale.ROOT)),
              ablation(),
              KnockoutTraining.Target.valueOf(
                  c.get("faithfulness_target").asText().toUpperCase(Locale.ROOT)),
              0);
      compare("init", -MaskFunction.INITIAL, c.get("init").asDouble());
      compare("off", KnockoutTraining.OFF_CIRCUIT, c.get("off_circuit_value").asDouble());
      PruneScores scores = training.train(model, batches, circuit(), Progress.SILENT);
      compareScores(scores, c.get("expected"), 1);
    }

    void compare(String what, double mine, double want) {
      compareElement(what, mine, want);
    }

    void compare(String what, Tensor mine, String tensor) {
      compare(what, Tensors.doubles(mine), mine.shape(), tensor);
    }

    void compare(String what, double[] mine, long[] shape, String tensor) {
      long[] wantShape = tensors.shape(tensor);
      float[] want = tensors.floats(tensor);
      // AutoCircuit's last_seq slice drops the position axis
      long[] squeezed = Arrays.stream(shape).filter(n -> n != 1).toArray();
      long[] wantSqueezed = Arrays.stream(wantShape).filter(n -> n != 1).toArray();
      if (!Arrays.equals(squeezed, wantSqueezed)) {
        mistake(
            what
                + " has shape "
                + Arrays.toString(shape)
                + " but should have "
                + Arrays.toString(wantShape));
        return;
      }
      for (int i = 0; i < want.length; i++) {
        if (!compareElement(what + "[" + i + "]", mine[i], want[i])) {
          return;
        }
      }
    }

    boolean compareElement(String what, double mine, double want) {
      if (Double.compare(mine, want) == 0) {
        return true; // NaN and infinities included
      }
      double difference = Math.abs(mine - want);
      double tolerance = atol + rtol * Math.abs(want);
      deviation(what, difference, difference / tolerance);
      if (!(difference <= allowed * tolerance)) {
        wrong.add(name + ": " + what + " is " + mine + " but should be " + want);
        return false;
      }
      return true;
    }

    void deviation(String what, double difference, double ofTolerance) {
      absolute = Math.max(absolute, difference);
      if (ofTolerance > relative) {
        relative = ofTolerance;
        worst = name + " " + what;
      }
    }
  }
}
