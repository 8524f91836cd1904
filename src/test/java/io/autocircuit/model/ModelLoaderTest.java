package io.autocircuit.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.files.DataException;
import io.autocircuit.kernels.Tolerance;
import io.autocircuit.model.ModelDirectories.Draft;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.Safetensors.Array;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

@SuppressWarnings("try") // scopes work without being mentioned
class ModelLoaderTest {
  private static final TokenBatch TOKENS =
      new TokenBatch(new int[] {3, 1, 4, 1, 5, 9, 2, 6, 5, 10}, 2, 5, new int[2]);

  @TempDir Path directory;

  // ---- what loads ----

  private static float[] logits(Path model) {
    try (TensorScope scope = new TensorScope();
        Transformer t = ModelLoader.load(model)) {
      return Tensors.floats(t.logits(TOKENS, OutputSlice.ALL));
    }
  }

  private float[] logits(Draft draft) throws IOException {
    return logits(draft.write(Files.createTempDirectory(directory, "model")));
  }

  private TransformerConfig config(Draft draft) throws IOException {
    try (Transformer t =
        ModelLoader.load(draft.write(Files.createTempDirectory(directory, "model")))) {
      return t.config();
    }
  }

  private static Draft with(Draft draft, Consumer<ObjectNode> change) {
    change.accept(draft.config());
    return draft;
  }

  private static void assertDiffer(float[] a, float[] b) {
    assertFalse(Arrays.equals(a, b), "the change must show in the logits");
  }

  /** Every layout, with biases and without. */
  private static Map<String, Supplier<Draft>> drafts() {
    return Map.of(
        "gpt2", ModelDirectories::gpt2,
        "gpt_neox", ModelDirectories::neox,
        "llama", ModelDirectories::llama,
        "llama with biases", ModelDirectories::biasedLlama,
        "hooked", ModelDirectories::hooked,
        "hooked without an output bias",
            () -> {
              Draft m = ModelDirectories.hooked();
              m.weights().keySet().removeIf(n -> n.endsWith(".attn.b_O"));
              return m;
            },
        "hooked with grouped keys and values",
            () -> {
              Draft m = ModelDirectories.hooked();
              for (String part : List.of("K", "V")) {
                String p = "blocks.1.attn.";
                m.weights().remove(p + "W_" + part);
                m.weights().remove(p + "b_" + part);
                m.put(
                    p + "_W_" + part,
                    ModelDirectories.GROUPS,
                    ModelDirectories.D,
                    ModelDirectories.D_HEAD);
                m.put(p + "_b_" + part, ModelDirectories.GROUPS, ModelDirectories.D_HEAD);
              }
              return m;
            });
  }

  /** Folding and centring change weights, never log-probabilities. */
  @TestFactory
  Stream<DynamicTest> processingLeavesLogProbabilitiesAsTheyAre() {
    return drafts().entrySet().stream()
        .map(
            e ->
                DynamicTest.dynamicTest(
                    e.getKey(),
                    () -> {
                      Path path =
                          e.getValue().get().write(Files.createTempDirectory(directory, "m"));
                      try (TensorScope scope = new TensorScope();
                          Transformer plain =
                              ModelLoader.load(path, WeightProcessing.NONE, ScalarType.Double);
                          Transformer processed =
                              ModelLoader.load(path, WeightProcessing.DEFAULT, ScalarType.Double)) {
                        Tensor raw = plain.logits(TOKENS, OutputSlice.ALL);
                        // weights are processed in float32
                        new Tolerance(2e-4, 1e-4)
                            .check(
                                e.getKey(),
                                logProbabilities(raw),
                                logProbabilities(processed.logits(TOKENS, OutputSlice.ALL)));
                        assertDiffer(
                            Tensors.floats(raw),
                            Tensors.floats(processed.logits(TOKENS, OutputSlice.ALL)));
                      }
                    }));
  }

  private static Tensor logProbabilities(Tensor logits) {
    return torch.log_softmax(logits, -1, new ScalarTypeOptional());
  }

  @Test
  void shardsLoadLikeOneFile() throws IOException {
    Draft whole = ModelDirectories.llama();
    Path sharded = Files.createDirectory(directory.resolve("sharded"));
    Files.writeString(sharded.resolve("config.json"), whole.config().toString());
    List<SortedMap<String, Array>> shards = List.of(new TreeMap<>(), new TreeMap<>());
    StringBuilder index = new StringBuilder();
    int i = 0;
    for (Map.Entry<String, Array> e : whole.weights().entrySet()) {
      int shard = i++ % 2;
      shards.get(shard).put(e.getKey(), e.getValue());
      index
          .append(index.length() == 0 ? "" : ",")
          .append("\"" + e.getKey() + "\":\"model-" + shard + ".safetensors\"");
    }
    for (int s = 0; s < 2; s++) {
      Safetensors.write(sharded.resolve("model-" + s + ".safetensors"), shards.get(s), Map.of());
    }
    Files.writeString(
        sharded.resolve("model.safetensors.index.json"), "{\"weight_map\":{" + index + "}}");
    assertArrayEquals(logits(whole), logits(sharded));
  }

  @Test
  void halfPrecisionFilesLoad() throws IOException {
    for (Supplier<Draft> kind :
        List.<Supplier<Draft>>of(ModelDirectories::gpt2, ModelDirectories::llama)) {
      Draft exact = kind.get();
      Path half =
          Files.createDirectory(directory.resolve(exact.config().get("model_type").asText()));
      Files.writeString(half.resolve("config.json"), exact.config().toString());
      Path file = half.resolve("model.safetensors");
      ModelDirectories.write(file, "F16", ModelDirectories::float16, exact.weights());
      float[] expected = logits(exact);
      assertArrayEquals(expected, logits(half));
      ModelDirectories.write(file, "BF16", ModelDirectories::bfloat16, exact.weights());
      Draft truncated = kind.get();
      truncated
          .weights()
          .replaceAll(
              (n, a) -> {
                float[] cut = a.data().clone();
                for (int i = 0; i < cut.length; i++) {
                  cut[i] = Float.intBitsToFloat(Float.floatToRawIntBits(cut[i]) & 0xffff0000);
                }
                return new Array(a.shape(), cut);
              });
      float[] coarse = logits(half);
      assertArrayEquals(logits(truncated), coarse);
      assertDiffer(expected, coarse);
    }
  }

  @Test
  void gpt2NamesMayLackTheirPrefix() throws IOException {
    Draft bare = ModelDirectories.gpt2();
    for (String name : List.copyOf(bare.weights().keySet())) {
      bare.rename(name, name.replace("transformer.", ""));
    }
    assertTrue(bare.weights().containsKey("h.0.ln_1.weight"));
    assertArrayEquals(logits(ModelDirectories.gpt2()), logits(bare));
  }

  @Test
  void gpt2sMlpIsFourTimesAsWideUnlessToldOtherwise() throws IOException {
    Draft m = ModelDirectories.gpt2();
    m.config().putNull("n_inner");
    int wide = 4 * ModelDirectories.D;
    for (int b = 0; b < ModelDirectories.BLOCKS; b++) {
      String p = "transformer.h." + b + ".mlp.";
      m.put(p + "c_fc.weight", ModelDirectories.D, wide);
      m.put(p + "c_fc.bias", wide);
      m.put(p + "c_proj.weight", wide, ModelDirectories.D);
    }
    assertEquals(wide, config(m).dMlp());
    assertEquals(ModelDirectories.MLP, config(ModelDirectories.gpt2()).dMlp());
  }

  @Test
  void tiedEmbeddingsAreUsedTwice() throws IOException {
    float[] tied = logits(ModelDirectories.gpt2());
    Draft untied = with(ModelDirectories.gpt2(), c -> c.put("tie_word_embeddings", false));
    untied.copy("transformer.wte.weight", "lm_head.weight");
    assertArrayEquals(tied, logits(untied));
    untied.put("lm_head.weight", ModelDirectories.VOCABULARY, ModelDirectories.D);
    assertDiffer(tied, logits(untied));

    float[] llama = logits(ModelDirectories.llama());
    Draft tiedLlama = with(ModelDirectories.llama(), c -> c.put("tie_word_embeddings", true));
    tiedLlama.weights().remove("lm_head.weight");
    assertDiffer(llama, logits(tiedLlama));
    Draft same = ModelDirectories.llama();
    same.copy("model.embed_tokens.weight", "lm_head.weight");
    assertArrayEquals(logits(same), logits(tiedLlama));
  }

  @Test
  void groupedHeadsAreRepeated() throws IOException {
    Draft full = with(ModelDirectories.biasedLlama(), c -> c.put("num_key_value_heads", 4));
    for (String name : List.copyOf(full.weights().keySet())) {
      if (name.contains("k_proj") || name.contains("v_proj")) {
        Array a = full.weights().get(name);
        int group = a.data().length / ModelDirectories.GROUPS;
        float[] twice = new float[2 * a.data().length];
        for (int g = 0; g < ModelDirectories.HEADS; g++) {
          System.arraycopy(a.data(), g / 2 * group, twice, g * group, group);
        }
        long[] shape = a.shape().clone();
        shape[0] *= 2;
        full.weights().put(name, new Array(shape, twice));
      }
    }
    assertArrayEquals(logits(full), logits(ModelDirectories.biasedLlama()), 1e-4f);
  }

  // ---- rotary settings ----

  private double[] frequencies(Draft draft) throws IOException {
    return ((Rotary) config(draft).positions()).inverseFrequencies();
  }

  @Test
  void oldAndNewRotarySettingsAgree() throws IOException {
    Draft newer = ModelDirectories.neox();
    newer
        .config()
        .putObject("rope_parameters")
        .put("partial_rotary_factor", 0.5)
        .put("rope_theta", 500)
        .put("rope_type", "default");
    Draft older =
        with(ModelDirectories.neox(), c -> c.put("rotary_pct", 0.5).put("rotary_emb_base", 500));
    // half of 8 coordinates; 500^(−2/4)
    assertArrayEquals(new double[] {1, 0.044721359549995794}, frequencies(newer), 1e-15);
    assertArrayEquals(frequencies(newer), frequencies(older));
    assertArrayEquals(logits(newer), logits(older));
    assertDiffer(logits(newer), logits(ModelDirectories.neox()));

    Draft newerLlama = ModelDirectories.llama();
    newerLlama.config().putObject("rope_parameters").put("rope_theta", 500);
    Draft olderLlama = with(ModelDirectories.llama(), c -> c.put("rope_theta", 500));
    assertArrayEquals(frequencies(newerLlama), frequencies(olderLlama));
    assertArrayEquals(logits(newerLlama), logits(olderLlama));
    assertDiffer(logits(newerLlama), logits(ModelDirectories.llama()));
  }

  @Test
  void withoutSettingsPythiaTurnsAQuarterAndLlamaAll() throws IOException {
    assertArrayEquals(new double[] {1}, frequencies(ModelDirectories.neox()));
    assertArrayEquals(
        new double[] {1, 0.1, 0.01, 0.001}, frequencies(ModelDirectories.llama()), 1e-15);
  }

  /**
   * Wavelengths 2π, 20π, 200π and 2000π (6.3, 63, 628, 6283) with an original context of 1000: the
   * first two are shorter than 1000/4 and stay, the last is longer than 1000/1 and is divided by 8,
   * the third is blended with weight (1000/628.3185 − 1)/(4 − 1) = 0.1971831.
   */
  @Test
  void llama3ScalingStretchesLongWavelengths() throws IOException {
    double[] expected = {1, 0.1, 0.8028169 * 0.00125 + 0.1971831 * 0.01, 0.000125};
    for (String place : List.of("rope_scaling", "rope_parameters")) {
      Draft m = ModelDirectories.llama();
      m.config()
          .putObject(place)
          .put("rope_type", "llama3")
          .put("factor", 8)
          .put("low_freq_factor", 1)
          .put("high_freq_factor", 4)
          .put("original_max_position_embeddings", 1000);
      assertArrayEquals(expected, frequencies(m), 1e-9, place);
      assertDiffer(logits(m), logits(ModelDirectories.llama()));
    }
  }

  @Test
  void linearScalingDividesAllFrequencies() throws IOException {
    Draft m = ModelDirectories.llama();
    m.config().putObject("rope_scaling").put("type", "linear").put("factor", 4);
    assertArrayEquals(new double[] {0.25, 0.025, 0.0025, 0.00025}, frequencies(m), 1e-15);
  }

  // ---- what does not load ----

  private static String message(Path model) {
    DataException e =
        assertThrows(DataException.class, () -> ModelLoader.load(model).close(), model::toString);
    return e.getMessage();
  }

  /** The message without the name of the temporary directory, after checks all messages pass. */
  private String relative(Path model) {
    String message = message(model);
    assertEquals(1, message.lines().count(), message);
    assertTrue(message.contains(";") || message.contains("did you mean"), "no cure: " + message);
    return message.replace(model.toString(), "M");
  }

  private String complaint(Draft draft) throws IOException {
    return relative(draft.write(Files.createTempDirectory(directory, "bad")));
  }

  @Test
  void aDirectoryThatIsNone() throws IOException {
    Path missing = directory.resolve("missing");
    assertEquals(
        "model directory=M does not exist;"
            + " give a directory with config.json and model.safetensors",
        relative(missing));
    Path file = Files.createFile(directory.resolve("file"));
    assertEquals(
        "model directory=M is a file; give a directory with config.json and model.safetensors",
        relative(file));
  }

  @Test
  void aDirectoryWithoutConfig() throws IOException {
    Path path = ModelDirectories.gpt2().write(directory.resolve("m"));
    Files.delete(path.resolve("config.json"));
    assertEquals(
        "model directory=M has no config.json;"
            + " give a directory with config.json and model.safetensors",
        relative(path));
  }

  @Test
  void aDirectoryWithoutWeights() throws IOException {
    Path path = ModelDirectories.gpt2().write(directory.resolve("m"));
    Files.delete(path.resolve("model.safetensors"));
    assertEquals(
        "model directory=M holds neither model.safetensors nor model.safetensors.index.json, nor"
            + " pytorch_model.bin; name a directory with weights in one of these formats",
        relative(path));
  }

  @Test
  void aConfigThatIsNoJson() throws IOException {
    Path path = ModelDirectories.gpt2().write(directory.resolve("m"));
    Files.writeString(path.resolve("config.json"), "{\n  \"n_embd\": 32,\n  oops\n}");
    String message = relative(path);
    assertTrue(
        message.startsWith("file=M/config.json line=3 column=") && message.contains("invalid JSON"),
        message);
    Files.writeString(path.resolve("config.json"), "[1, 2]");
    assertEquals(
        "file=M/config.json: it holds an array; give the object of settings that belongs to the"
            + " weights",
        relative(path));
  }

  private record Wrong(Supplier<Draft> base, Consumer<ObjectNode> change, String message) {}

  private static Wrong gpt2(Consumer<ObjectNode> change, String message) {
    return new Wrong(ModelDirectories::gpt2, change, message);
  }

  private static Wrong neox(Consumer<ObjectNode> change, String message) {
    return new Wrong(ModelDirectories::neox, change, message);
  }

  private static Wrong llama(Consumer<ObjectNode> change, String message) {
    return new Wrong(ModelDirectories::llama, change, message);
  }

  private static Wrong hooked(Consumer<ObjectNode> change, String message) {
    return new Wrong(ModelDirectories::hooked, change, message);
  }

  @TestFactory
  Stream<DynamicTest> settingsThatAreRefused() {
    String size = " is not usable; give a whole number in 1..16777216";
    String missing = "; add it, or give the config.json that belongs here";
    return Stream.of(
            gpt2(
                c -> c.put("model_type", "mamba"),
                "model_type=\"mamba\" is not supported; use a model with one of: "
                    + String.join(", ", ModelLoader.ARCHITECTURES)
                    + ", or \"architecture\": \"HookedTransformer\""),
            gpt2(c -> c.remove("model_type"), "missing field \"model_type\"" + missing),
            gpt2(c -> c.put("model_type", 2), "model_type=2 is not usable; give a string"),
            gpt2(
                c -> c.putNull("n_head"),
                "n_embd=32 is not a multiple of n_head=12; correct one of them; not in config.json,"
                    + " so the default of transformers: n_head=12"),
            gpt2(c -> c.put("n_embd", "32"), "n_embd=\"32\"" + size),
            gpt2(c -> c.put("n_embd", 0), "n_embd=0" + size),
            gpt2(c -> c.put("n_embd", -32), "n_embd=-32" + size),
            gpt2(c -> c.put("n_embd", 32.5), "n_embd=32.5" + size),
            gpt2(c -> c.put("n_layer", 1_000_000_000_000L), "n_layer=1000000000000" + size),
            gpt2(c -> c.putObject("n_layer"), "n_layer=an object" + size),
            gpt2(c -> c.put("vocab_size", 16777217), "vocab_size=16777217" + size),
            gpt2(
                c -> c.put("n_head", 5),
                "n_embd=32 is not a multiple of n_head=5; correct one of them"),
            gpt2(
                c -> c.put("activation_function", "tanh"),
                "activation_function=\"tanh\" is not supported; use a model with one of: gelu,"
                    + " gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu, swish"),
            gpt2(
                c -> c.put("layer_norm_epsilon", -1e-5),
                "layer_norm_epsilon=-1.0E-5 is negative; give a small number such as 1e-5"),
            gpt2(
                c -> c.put("layer_norm_epsilon", "small"),
                "layer_norm_epsilon=\"small\" is not usable; give a finite number"),
            gpt2(
                c -> c.put("tie_word_embeddings", "yes"),
                "tie_word_embeddings=\"yes\" is not usable; give true or false"),
            gpt2(
                c -> c.put("add_cross_attention", true),
                "add_cross_attention=true is not supported; use a model without it"),
            neox(
                c -> c.put("rotary_pct", 0.1),
                "rotary dimensions=0 of head width=8 are not usable; correct the rotary share=0.1"
                    + " so that an even number of at least 2 results"),
            neox(
                c -> c.put("rotary_pct", 1.5),
                "rotary dimensions=12 of head width=8 are not usable; correct the rotary share=1.5"
                    + " so that an even number of at least 2 results"),
            llama(
                c -> c.put("num_key_value_heads", 3),
                "num_attention_heads=4 is not a multiple of num_key_value_heads=3; correct one of"
                    + " them"),
            llama(
                c -> c.put("max_position_embeddings", 16777216),
                "max_position_embeddings=16777216 with rotary dimensions=8 is too much; lower it to"
                    + " the longest prompt you need, at most 4194304"),
            llama(
                c -> c.put("rope_theta", -1),
                "rope_theta=-1.0 is not usable; give a number above 0"),
            llama(
                c -> c.put("rope_parameters", 3),
                "rope_parameters=3 is not usable; give an object"),
            llama(
                c -> c.putObject("rope_scaling").put("rope_type", "longrope"),
                "rope_scaling.rope_type=\"longrope\" is not supported; use a model with one of:"
                    + " default, linear, dynamic, llama3, yarn"),
            llama(
                c -> c.putObject("rope_scaling").put("rope_type", "linear").put("factor", 0),
                "rope_scaling.factor=0.0 is not usable; give a number above 0"),
            llama(
                c ->
                    c.putObject("rope_scaling")
                        .put("rope_type", "llama3")
                        .put("factor", 8)
                        .put("low_freq_factor", 4)
                        .put("high_freq_factor", 4),
                "low_freq_factor=4.0 is not below high_freq_factor=4.0; correct one of them"),
            hooked(
                c -> c.put("normalization_type", "batch"),
                "normalization_type=\"batch\" is not supported; use a model with one of: LN, LNPre,"
                    + " RMS, RMSPre, null"),
            hooked(
                c -> c.put("positional_embedding_type", "shortformer"),
                "positional_embedding_type=\"shortformer\" is not supported; use a model with one"
                    + " of: standard, rotary, alibi, none"),
            hooked(
                c -> c.put("positional_embedding_type", "rotary").put("rotary_dim", 7),
                "rotary_dim=7 does not fit d_head=8; give an even number of at most that"),
            hooked(
                c -> c.put("attention_dir", "sideways"),
                "attention_dir=\"sideways\" is not supported; use a model with one of: causal,"
                    + " bidirectional"),
            hooked(c -> c.remove("act_fn"), "missing field \"act_fn\"" + missing),
            hooked(
                c -> c.put("act_fn", "mish"),
                "act_fn=\"mish\" is not supported; use a model with one of: gelu, gelu_new,"
                    + " gelu_fast, gelu_pytorch_tanh, relu, silu, swish"),
            hooked(
                c -> c.put("use_local_attn", true).put("window_size", 4),
                "attn_types=null is not usable with use_local_attn=true; give a list of \"global\" or"
                    + " \"local\" for each of n_layers=2"),
            hooked(
                c -> c.put("use_normalization_before_and_after", true),
                "use_normalization_before_and_after=true is not supported with normalization_type"
                    + " other than RMS; use a model without it"),
            hooked(
                c -> c.put("use_qk_norm", true).put("scale_attn_by_inverse_layer_idx", true),
                "scale_attn_by_inverse_layer_idx=true with use_qk_norm=true is not supported; use a"
                    + " model with one of them"))
        .map(
            w ->
                DynamicTest.dynamicTest(
                    w.message(),
                    () ->
                        assertEquals(
                            "file=M/config.json: " + w.message(),
                            complaint(with(w.base().get(), w.change())))));
  }

  @Test
  void aSettingOfAnyLengthAndKindMakesAShortMessage() throws IOException {
    Path path = ModelDirectories.gpt2().write(directory.resolve("m"));
    for (String value :
        List.of("9".repeat(900), "\"" + "x".repeat(100_000) + "\"", "\"a\\nb\\u0007\"")) {
      Files.writeString(
          path.resolve("config.json"), "{\"model_type\": \"gpt2\", \"n_embd\": " + value + "}");
      String message = relative(path);
      assertTrue(message.length() < 300, message);
      assertTrue(message.chars().noneMatch(Character::isISOControl), message);
    }
  }

  @Test
  void everyTensorOfEveryLayoutIsNeeded() throws IOException {
    for (Map.Entry<String, Supplier<Draft>> kind :
        Map.<String, Supplier<Draft>>of(
                "gpt2", ModelDirectories::gpt2,
                "gpt_neox", ModelDirectories::neox,
                "llama", ModelDirectories::biasedLlama)
            .entrySet()) {
      for (String name : List.copyOf(kind.getValue().get().weights().keySet())) {
        Draft m = kind.getValue().get();
        m.weights().remove(name);
        String message = complaint(m);
        assertTrue(
            message.startsWith("file=M/model.safetensors: tensor=\"" + name + "\" is missing; "),
            message);
      }
    }
  }

  @Test
  void everyTensorOfHookedModelsIsNeededInSomeBlocksOrNone() throws IOException {
    for (String name : List.copyOf(ModelDirectories.hooked().weights().keySet())) {
      Draft m = ModelDirectories.hooked();
      m.weights().remove(name);
      if (name.equals("unembed.b_U")) {
        assertDiffer(logits(ModelDirectories.hooked()), logits(m));
      } else {
        String message = complaint(m);
        assertTrue(message.contains("\"" + name + "\""), message);
        assertTrue(message.contains("missing"), message);
      }
    }
  }

  @Test
  void everyTensorOfEveryLayoutHasItsShape() throws IOException {
    for (Map.Entry<String, Supplier<Draft>> kind : drafts().entrySet()) {
      for (String name : List.copyOf(kind.getValue().get().weights().keySet())) {
        Draft m = kind.getValue().get();
        long[] shape = m.weights().get(name).shape().clone();
        shape[shape.length - 1]++;
        m.put(name, shape);
        String message = complaint(m);
        assertTrue(
            message.startsWith(
                "file=M/model.safetensors: tensor=\""
                    + name
                    + "\" has shape="
                    + Arrays.toString(shape)
                    + " but config.json needs shape=["),
            message);
        assertTrue(message.endsWith("]; check that both belong together"), message);
      }
    }
  }

  @Test
  void wrongShapesOfHookedModelsAreNoticedBeforeProcessing() throws IOException {
    Draft m = ModelDirectories.hooked();
    m.put("blocks.0.ln1.w", 7);
    Path path = m.write(directory.resolve("m"));
    DataException e =
        assertThrows(
            DataException.class,
            () -> ModelLoader.load(path, WeightProcessing.DEFAULT, ScalarType.Float).close());
    assertTrue(e.getMessage().contains("tensor=\"blocks.0.ln1.w\" has shape=[7]"), e.getMessage());
  }

  @Test
  void weightsThatAreNotFinite() throws IOException {
    for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      Draft m = ModelDirectories.llama();
      m.weights().get("model.layers.1.mlp.up_proj.weight").data()[2 * ModelDirectories.D + 5] =
          value;
      assertEquals(
          "file=M/model.safetensors: tensor=\"model.layers.1.mlp.up_proj.weight\"[2, 5]="
              + value
              + " is not a finite float32; the weights are damaged, get them again",
          complaint(m));
      Draft hooked = ModelDirectories.hooked();
      hooked.weights().get("unembed.b_U").data()[3] = value;
      assertEquals(
          "file=M/model.safetensors: tensor=\"unembed.b_U\"[3]="
              + value
              + " is not a finite float32; the weights are damaged, get them again",
          complaint(hooked));
    }
  }

  @Test
  void truncatedWeights() throws IOException {
    Path path = ModelDirectories.neox().write(directory.resolve("m"));
    Path file = path.resolve("model.safetensors");
    byte[] all = Files.readAllBytes(file);
    for (int length : new int[] {0, 7, 8, 100, all.length / 2, all.length - 1}) {
      Files.write(file, Arrays.copyOf(all, length));
      String message = relative(path);
      assertTrue(
          message.startsWith("file=M/model.safetensors: not a valid safetensors model: ")
              && message.endsWith("; download or write it again"),
          message);
    }
  }

  @Test
  void aMissingShard() throws IOException {
    Path path = ModelDirectories.gpt2().write(directory.resolve("m"));
    Files.delete(path.resolve("model.safetensors"));
    Files.writeString(
        path.resolve("model.safetensors.index.json"),
        "{\"weight_map\": {\"wte.weight\": \"model-1.safetensors\"}}");
    assertEquals(
        "file=M/model.safetensors.index.json: shard=\"model-1.safetensors\" does not exist beside"
            + " it; download the missing file",
        relative(path));
  }
}
