package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.Batches;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.Autoencoder;
import io.autocircuit.model.Autoencoders;
import io.autocircuit.model.LatentActivations;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.ShapedModels;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Graphs of latents from the command line, with autoencoders that are trained here. */
class LatentRunsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int VOCABULARY = 12;
  private static final int STEPS = 40;
  private static final int LONG = 300;

  @TempDir private static Path dir;

  private static Path model;
  private static Path prompts;
  private static Path autoencoders;

  @BeforeAll
  static void train() throws IOException {
    model = Files.createDirectories(dir.resolve("model"));
    ObjectNode tokenizer = JSON.createObjectNode();
    ObjectNode vocabulary = tokenizer.putObject("model").putObject("vocab");
    for (int i = 0; i < VOCABULARY; i++) {
      vocabulary.put("t" + i, i);
    }
    Files.writeString(model.resolve("tokenizer.json"), tokenizer.toString());
    ShapedModels.write(model, 2, 2, ShapedModels.Kind.SEQUENTIAL);
    Files.delete(model.resolve("tokenizer.json"));
    prompts = dir.resolve("prompts.json");
    Random random = new Random(1);
    ObjectNode root = JSON.createObjectNode();
    ArrayNode list = root.putArray("prompts");
    for (int i = 0; i < 6; i++) {
      ObjectNode pair = list.addObject();
      for (String side : new String[] {"clean", "corrupt"}) {
        ArrayNode ids = pair.putArray(side);
        random.ints(5, 0, VOCABULARY).forEach(ids::add);
      }
      pair.putArray("answers").add(i % 2);
      pair.putArray("wrong_answers").add(1 - i % 2);
    }
    Files.writeString(prompts, root.toString());
    autoencoders = dir.resolve("autoencoders");
    Ran ran = trained(autoencoders, STEPS);
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.out().contains("explained"), ran.out());
  }

  private static Ran trained(Path out, int steps) {
    return Ran.command(
        "autoencoders",
        "train",
        "--model",
        model,
        "--dataset",
        prompts,
        "--out",
        out,
        "--steps",
        steps,
        "--texts",
        "8x6",
        "--latents",
        7);
  }

  private static Ran discover(Path out, Object... more) {
    Object[] words = {
      "discover",
      "--model",
      model,
      "--dataset",
      prompts,
      "--out",
      out,
      "--edges",
      "0,5,all",
      "--autoencoders",
      autoencoders
    };
    Object[] all = new Object[words.length + more.length];
    System.arraycopy(words, 0, all, 0, words.length);
    System.arraycopy(more, 0, all, words.length, more.length);
    return Ran.command(all);
  }

  /** Pairs whose prompts differ in length are padded for the choice of latents, too. */
  @Test
  void latentsAreChosenOnPaddedPrompts() throws IOException {
    ObjectNode uneven = (ObjectNode) JSON.readTree(prompts.toFile());
    ((ArrayNode) uneven.at("/prompts/0/corrupt")).remove(0);
    byte[] before = Files.readAllBytes(prompts);
    try {
      Files.writeString(prompts, uneven.toString());
      Ran ran = discover(dir.resolve("padded"), "--pad");
      assertEquals(0, ran.code(), ran.err());
    } finally {
      Files.write(prompts, before);
    }
  }

  /** By block, as printed: the share that is explained. */
  private static double[] explained(Ran ran) {
    assertEquals(0, ran.code(), ran.err());
    return Pattern.compile("^\\d+ +\\d+ +([\\d.-]+)%", Pattern.MULTILINE)
        .matcher(ran.out())
        .results()
        .mapToDouble(found -> Double.parseDouble(found.group(1)) / 100)
        .toArray();
  }

  /** More steps explain more, and the files hold what was explained, in the model's units. */
  @Test
  void trainingExplainsOutputs() {
    double[] few = explained(trained(dir.resolve("few"), 2));
    Path best = dir.resolve("best");
    double[] many = explained(trained(best, LONG));
    assertEquals(2, many.length);
    double[] written = reconstructed(best);
    for (int b = 0; b < 2; b++) {
      assertTrue(many[b] > few[b] + 0.1, many[b] + " after " + few[b]);
      assertTrue(many[b] > 0.5, "explained=" + many[b]);
      assertEquals(many[b], written[b], 0.2, "of the prompts by what was written");
    }
  }

  /** Of what the MLPs write on the clean prompts, the share that autoencoders explain, by block. */
  private static double[] reconstructed(Path directory) {
    double[] shares = new double[2];
    try (Transformer transformer = ModelLoader.load(model);
        Autoencoders read =
            Autoencoders.read(directory, transformer.config(), false, transformer.placement());
        TensorScope scope = new TensorScope()) {
      PatchableModel patchable =
          PatchableModel.of(
              transformer, false, 0, OutputSlice.ALL, KernelsProvider.choose().kernels());
      TokenBatch clean =
          Batches.inOrder(PromptDataset.read(prompts).tokenize(null), 6, false).get(0).clean();
      Tensor outputs = SourceOutputs.of(patchable, clean);
      for (Stage stage : patchable.graph().stages()) {
        if (stage.kind() == Stage.Kind.MLP) {
          Tensor x = outputs.select(0, stage.firstWritten());
          x = x.reshape(x.size(0) * x.size(1), x.size(2));
          Autoencoder block = read.block(stage.block());
          double rest = variance(block.reconstruct(block.encode(x)).sub(x));
          shares[stage.block()] = 1 - rest / variance(x.sub(x.mean(new long[] {0}, false, null)));
        }
      }
    }
    return shares;
  }

  private static double variance(Tensor x) {
    return x.mul(x).sum().item_double();
  }

  /** The same settings give the same bits. */
  @Test
  void trainingIsRepeatable() throws IOException {
    Path again = dir.resolve("again");
    assertEquals(0, trained(again, STEPS).code());
    for (int b = 0; b < 2; b++) {
      String file = "blocks." + b + "/sae_weights.safetensors";
      try (Safetensors x = Safetensors.open(autoencoders.resolve(file));
          Safetensors y = Safetensors.open(again.resolve(file))) {
        assertArrayEquals(x.floats("W_enc"), y.floats("W_enc"));
        assertArrayEquals(new long[] {7, 4}, x.shape("W_dec"));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "eap",
        "ig",
        "acdc --tau 0.01",
        "sp --epochs 2",
        "exact",
        "random",
        "eap --token-positions",
        "eap --separate-qkv=false",
        "ig --patch-type edge"
      })
  void everyAlgorithmWorks(String words) throws IOException {
    Path out = dir.resolve("out-" + words.replaceAll("\\W+", "-"));
    String[] parts = ("--algorithm " + words).split(" ");
    Ran ran = discover(out, (Object[]) parts);
    assertEquals(0, ran.code(), ran.err());
    JsonNode scores = JSON.readTree(out.resolve("edges.json").toFile());
    assertTrue(scores.toString().contains("MLP 0 Latent "), "no latent among the sources");
    assertTrue(Files.size(out.resolve("report.html")) > 1000);
  }

  /** With the error term the full circuit is the model without autoencoders, and says so. */
  @Test
  void theErrorTermKeepsTheModel() throws IOException {
    Path with = dir.resolve("with");
    assertEquals(0, discover(with, "--error-term", "--max-latents", 3).code());
    Path plain = dir.resolve("plain");
    Ran bare =
        Ran.command(
            "discover", "--model", model, "--dataset", prompts, "--out", plain, "--edges", "all");
    assertEquals(0, bare.code(), bare.err());
    JsonNode a = JSON.readTree(with.resolve("measurements.json").toFile());
    JsonNode b = JSON.readTree(plain.resolve("measurements.json").toFile());
    assertEquals(last(b, "logit_diff"), last(a, "logit_diff"), 1e-5);
    assertEquals(largest(3), latents(JSON.readTree(with.resolve("edges.json").toFile())));
    String run = Files.readString(with.resolve("run.json"));
    RunSpec spec = RunSpec.parse(run, "run.json");
    assertTrue(spec.graph().autoencoders().orElseThrow().errorTerm());
    assertEquals(3, spec.graph().autoencoders().orElseThrow().maxLatents());
    assertEquals(spec, RunSpec.parse(spec.json(), "run.json"));
    // the hash does not say where they lie
    assertTrue(!spec.identity().contains(autoencoders.toString()));
    assertTrue(!RunSpec.read(plain.resolve("run.json")).json().contains("autoencoders"));
  }

  /** The latents that edges leave, by block. */
  private static Map<Integer, Set<Integer>> latents(JsonNode edges) {
    Map<Integer, Set<Integer>> latents = new TreeMap<>();
    Pattern name = Pattern.compile("MLP (\\d+) Latent (\\d+)->.*");
    for (JsonNode edge : edges) {
      Matcher found = name.matcher(edge.get("name").asText());
      if (found.matches()) {
        latents
            .computeIfAbsent(Integer.valueOf(found.group(1)), b -> new TreeSet<>())
            .add(Integer.valueOf(found.group(2)));
      }
    }
    return latents;
  }

  /** The most active latents of each block on the clean prompts; the model has the error term. */
  private static Map<Integer, Set<Integer>> largest(int most) {
    try (Transformer transformer = ModelLoader.load(model);
        Autoencoders all =
            Autoencoders.read(autoencoders, transformer.config(), true, transformer.placement())) {
      TokenBatch clean =
          Batches.inOrder(PromptDataset.read(prompts).tokenize(null), 6, false).get(0).clean();
      List<double[]> totals =
          LatentActivations.of(transformer.withAutoencoders(all), List.of(clean)).totals();
      Map<Integer, Set<Integer>> largest = new TreeMap<>();
      for (int b = 0; b < totals.size(); b++) {
        double[] total = totals.get(b);
        double[] sorted = Arrays.stream(total).sorted().toArray();
        double least = sorted[sorted.length - most];
        assertTrue(least > sorted[sorted.length - most - 1], "no ties");
        Set<Integer> kept = new TreeSet<>();
        for (int k = 0; k < total.length; k++) {
          if (total[k] >= least) {
            kept.add(k);
          }
        }
        largest.put(b, kept);
      }
      return largest;
    }
  }

  private static double last(JsonNode results, String metric) {
    JsonNode points = results.get("metrics").get(metric);
    return points.get(points.size() - 1).get(1).asDouble();
  }

  /**
   * A run is repeated from its file, also where the autoencoders lie elsewhere, not with others.
   */
  @Test
  void runsAreRepeated() throws IOException {
    Path first = dir.resolve("first");
    assertEquals(0, discover(first).code());
    Path moved = dir.resolve("moved");
    assertEquals(0, trained(moved, STEPS).code());
    Path second = dir.resolve("second");
    Ran again =
        Ran.command(
            "discover",
            "--run",
            first.resolve("run.json"),
            "--autoencoders",
            moved,
            "--out",
            second);
    assertEquals(0, again.code(), again.err());
    assertEquals(
        JSON.readTree(first.resolve("edges.json").toFile()),
        JSON.readTree(second.resolve("edges.json").toFile()));
    Files.writeString(moved.resolve("blocks.0/cfg.json"), "{}");
    Ran other =
        Ran.command(
            "discover",
            "--run",
            first.resolve("run.json"),
            "--autoencoders",
            moved,
            "--out",
            second);
    assertEquals(1, other.code());
    assertTrue(other.err().contains("autoencoders=" + moved), other.err());
  }

  @Test
  void wrongUseIsRefusedByName() {
    Path out = dir.resolve("wrong");
    Ran alone = Ran.command("discover", "--model", model, "--dataset", prompts, "--error-term");
    assertEquals(2, alone.code());
    assertTrue(alone.err().contains("--error-term is for autoencoders"), alone.err());
    Ran zero = discover(out, "--max-latents", 0);
    assertEquals(2, zero.code());
    assertTrue(zero.err().contains("--max-latents=0"), zero.err());
    Ran nowhere =
        Ran.command(
            "discover",
            "--model",
            model,
            "--dataset",
            prompts,
            "--autoencoders",
            dir.resolve("nowhere"),
            "--out",
            out);
    assertEquals(1, nowhere.code());
    assertTrue(nowhere.err().contains("is not a directory"), nowhere.err());
    Ran embedded = Ran.command("discover", "--autoencoders", autoencoders, "--out", out);
    assertEquals(1, embedded.code());
    assertTrue(embedded.err().contains("has no MLPs"), embedded.err());
    Ran training =
        Ran.command("autoencoders", "train", "--model", model, "--out", out, "--texts", "three");
    assertEquals(2, training.code());
    assertTrue(training.err().contains("--texts=three"), training.err());
  }
}
