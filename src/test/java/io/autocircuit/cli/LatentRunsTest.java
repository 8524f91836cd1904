package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.model.ShapedModels;
import io.autocircuit.tensor.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Graphs of latents from the command line, with autoencoders that are trained here. */
class LatentRunsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int VOCABULARY = 12;

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
    Ran ran = trained(autoencoders);
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.out().contains("explained"), ran.out());
  }

  private static Ran trained(Path out) {
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
        40,
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

  /** The same settings give the same bits; the errors shrink. */
  @Test
  void trainingIsRepeatable() throws IOException {
    Path again = dir.resolve("again");
    assertEquals(0, trained(again).code());
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
    String run = Files.readString(with.resolve("run.json"));
    RunSpec spec = RunSpec.parse(run, "run.json");
    assertTrue(spec.graph().autoencoders().orElseThrow().errorTerm());
    assertEquals(3, spec.graph().autoencoders().orElseThrow().maxLatents());
    assertEquals(spec, RunSpec.parse(spec.json(), "run.json"));
    // the hash does not say where they lie
    assertTrue(!spec.identity().contains(autoencoders.toString()));
    assertTrue(!RunSpec.read(plain.resolve("run.json")).json().contains("autoencoders"));
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
    assertEquals(0, trained(moved).code());
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
