package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.model.ModelDirectories;
import io.autocircuit.model.ModelDirectories.Draft;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.NodeScores;
import io.autocircuit.prune.SavedScores;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code circuit export --as-model}. */
class CircuitExportTest {
  private static final int NODES = 5;

  @TempDir Path folder;

  private static Draft draft(String name) {
    return switch (name) {
      case "gpt2" -> ModelDirectories.gpt2();
      case "neox" -> ModelDirectories.neox();
      case "llama" -> ModelDirectories.llama();
      case "biasedLlama" -> ModelDirectories.biasedLlama();
      case "granite" -> {
        Draft m = ModelDirectories.biasedLlama();
        m.config()
            .put("model_type", "granite")
            .put("residual_multiplier", 0.25)
            .put("attention_multiplier", 0.3)
            .put("logits_scaling", 2);
        yield m;
      }
      case "qwen2" -> {
        Draft m = ModelDirectories.biasedLlama();
        m.config().put("model_type", "qwen2").remove(List.of("attention_bias", "mlp_bias"));
        m.weights().keySet().removeIf(n -> n.matches(".*(o_proj|mlp\\..*)\\.bias"));
        yield m;
      }
      default -> throw new IllegalArgumentException(name);
    };
  }

  private Path model(String name) throws Exception {
    Path model = draft(name).write(folder.resolve(name));
    Files.writeString(model.resolve("generation_config.json"), "{}");
    return model;
  }

  private Path discovered(Path model, Object... more) throws Exception {
    SplittableRandom random = new SplittableRandom(5);
    List<String> pairs = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      pairs.add(
          "{\"clean\":%s,\"corrupt\":%s,\"answers\":[[%d]],\"wrong_answers\":[[%d]]}"
              .formatted(
                  Arrays.toString(random.ints(6, 0, 11).toArray()),
                  Arrays.toString(random.ints(6, 0, 11).toArray()),
                  i,
                  i + 1));
    }
    Path prompts = folder.resolve("prompts.json");
    Files.writeString(prompts, "{\"prompts\":[" + String.join(",", pairs) + "]}");
    Path results = folder.resolve("results");
    List<Object> words =
        new ArrayList<>(
            List.of(
                "discover",
                "--model",
                model,
                "--dataset",
                prompts,
                "--algorithm",
                "random",
                "--out",
                results));
    words.addAll(List.of(more));
    Ran ran = Ran.command(words.toArray());
    assertEquals(0, ran.code(), ran.err());
    return results;
  }

  @ParameterizedTest
  @CsvSource({
    "gpt2, zero, all",
    "gpt2, token_mean, all",
    "gpt2, token_mean, none",
    "gpt2, optimal, all",
    "neox, token_zero, all",
    "neox, token_mean, fold_ln",
    "llama, zero, all",
    "qwen2, zero, fold_ln",
    "granite, token_mean, all",
    "biasedLlama, token_mean, all"
  })
  void theModelsLogitsAreTheCircuits(String name, String ablation, String processing)
      throws Exception {
    Path model = model(name);
    Path results =
        discovered(model, "--level", "node", "--ablation", ablation, "--processing", processing);
    compare(results, export(results, 0), 0); // every head and MLP is constant
    Path out = folder.resolve("made");
    Ran ran = Ran.command("circuit", "export", results, "--nodes", NODES, "--as-model", out);
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.out().startsWith("in the circuit: 5 of heads and MLPs\n  "), ran.out());
    assertTrue(
        ran.out().contains("constant (" + ablation + "): 5 of heads and MLPs\n  "), ran.out());
    assertEquals(Set.of("config.json", "model.safetensors", "generation_config.json"), names(out));
    assertArrayEquals(
        Files.readAllBytes(model.resolve("config.json")),
        Files.readAllBytes(out.resolve("config.json")));

    compare(results, out, NODES);
  }

  private Path export(Path results, int nodes) {
    Path out = folder.resolve("made" + nodes);
    Ran ran = Ran.command("circuit", "export", results, "--nodes", nodes, "--as-model", out);
    assertEquals(0, ran.code(), ran.err());
    return out;
  }

  private static void compare(Path results, Path out, int nodes) {
    int[] seen = {0};
    try (Run run = Run.open(RunSpec.read(results.resolve("run.json")));
        Transformer made = ModelLoader.load(out, WeightProcessing.NONE, ScalarType.Float)) {
      Discovery d = run.discovery();
      NodeScores scores =
          NodeScores.of(
              d.model().graph().nodes(),
              SavedScores.read(results.resolve("scores.safetensors"), d.model().graph()).scores());
      Circuit circuit = scores.circuit(scores.best(nodes));
      d.runs()
          .forEach(
              d.model(),
              d.test(),
              List.of(circuit),
              (c, b, logits) -> {
                try (TensorScope scope = new TensorScope()) {
                  // centring the unembedding shifts logits
                  Tensor circuits = torch.log_softmax(logits, -1);
                  Tensor models =
                      torch.log_softmax(
                          made.logits(d.test().get(b).clean(), d.model().slice()), -1);
                  Tensor plain = torch.log_softmax(d.model().logits(d.test().get(b).clean()), -1);
                  assertEquals(0, distance(circuits, models), 1e-4);
                  assertTrue(distance(circuits, plain) > 0.1);
                  seen[0]++;
                }
              });
    }
    assertTrue(seen[0] > 0);
  }

  private static double distance(Tensor a, Tensor b) {
    return a.sub(b).abs().max().item_float();
  }

  private static Set<String> names(Path directory) throws Exception {
    try (var list = Files.list(directory)) {
      return new TreeSet<>(list.map(f -> f.getFileName().toString()).toList());
    }
  }

  @Test
  void otherTensorsKeepTheirBytesAndTypes() throws Exception {
    Draft draft = ModelDirectories.gpt2();
    Path model = draft.write(folder.resolve("half"));
    ModelDirectories.write(
        model.resolve("model.safetensors"), "F16", ModelDirectories::float16, draft.weights());
    Path results = discovered(model, "--level", "node", "--ablation", "token_mean");
    Path out = folder.resolve("made");
    Ran ran = Ran.command("circuit", "export", results, "--nodes=0", "--as-model", out);
    assertEquals(0, ran.code(), ran.err());
    int changed = 0;
    try (Safetensors was = Safetensors.open(model);
        Safetensors is = Safetensors.open(out)) {
      assertEquals("pt", is.metadata().get("format"));
      assertEquals(was.names(), is.names());
      for (String name : was.names()) {
        assertEquals("F16", is.dtype(name));
        assertArrayEquals(was.shape(name), is.shape(name));
        if (name.contains("c_proj")) {
          changed++;
          assertFalse(Arrays.equals(was.floats(name), is.floats(name)), name);
          assertEquals(
              name.endsWith("weight"),
              Arrays.equals(new float[is.floats(name).length], is.floats(name)));
        } else {
          assertArrayEquals(was.floats(name), is.floats(name));
        }
      }
    }
    assertEquals(8, changed);
  }

  @Test
  void whatNoModelCanHoldIsRefused() throws Exception {
    Path out = folder.resolve("made");
    Path model = model("llama");
    refused(discovered(model), out, "level=edge");
    refused(discovered(model, "--level=node"), out, "ablation=resample has values that differ");
    refused(
        discovered(model, "--level=node", "--ablation=tokenwise_mean_clean"),
        out,
        "from position to position");
    refused(
        discovered(model, "--level=node", "--ablation=batch_all_tok_mean"),
        out,
        "from batch to batch");
    refused(
        discovered(model, "--level=node", "--ablation=token_mean"),
        out,
        "has no bias, which would hold the constant; discover with --ablation zero");
    refused(
        discovered(model, "--level=node", "--ablation=zero", "--token-positions"),
        out,
        "token positions");
    refused(
        discovered(model, "--level=node", "--ablation=zero", "--graph=unfactorized"),
        out,
        "graph=unfactorized");
    assertFalse(Files.exists(out));
    Path results = discovered(model, "--level=node", "--ablation=zero");
    refused(results, model, "holds files already (");
    refused(
        discovered(model("qwen2"), "--level=node", "--ablation=zero"), out, "fold_value_biases");
    assertFalse(Files.exists(out));
    Ran ran = Ran.command("circuit", "export", results, "--nodes=99", "--as-model", out);
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("99"), ran.err());
    ran = Ran.command("circuit", "compare");
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("give WHAT, A and B"), ran.err());
  }

  private static void refused(Path results, Path out, String why) {
    Ran ran = Ran.command("circuit", "export", results, "--nodes=3", "--as-model", out);
    assertTrue(ran.code() != 0, ran.out());
    assertTrue(ran.err().contains(why), ran.err());
    assertEquals(1, ran.err().lines().filter(l -> !l.isBlank()).count(), ran.err());
  }
}
