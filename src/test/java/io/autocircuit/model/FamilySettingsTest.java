package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Settings of the families: each that changes numbers is computed or refused by name, and the
 * spellings of old and new versions of transformers mean the same. On the checkpoints under {@code
 * -Dreference.dir}, whose numbers {@code ReferenceParityTest} compares.
 */
class FamilySettingsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path FOLDERS =
      Path.of(System.getProperty("reference.dir", "../shared/reference")).resolve("architectures");

  @TempDir Path directory;

  @BeforeEach
  void needsCheckpoints() {
    assumeTrue(Files.isDirectory(FOLDERS), "no model folders at reference.dir: " + FOLDERS);
  }

  /**
   * A checkpoint with other settings.
   *
   * @param change settings to set, with ' for "; a setting that is {@code 'gone'} is removed
   */
  private Path with(String folder, String change) throws IOException {
    Path from = FOLDERS.resolve(folder).resolve("model");
    Path to = Files.createTempDirectory(directory, folder);
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(file.getFileName()));
      }
    }
    ObjectNode config = (ObjectNode) JSON.readTree(from.resolve("config.json").toFile());
    config.setAll((ObjectNode) JSON.readTree(change.replace('\'', '"')));
    List<String> gone =
        config.properties().stream()
            .filter(e -> e.getValue().asText().equals("gone"))
            .map(Map.Entry::getKey)
            .toList();
    config.remove(gone);
    Files.writeString(to.resolve("config.json"), config.toString());
    return to;
  }

  /** A prompt that is longer than windows and original contexts. */
  private static float[] logits(Path model) {
    int[] ids = new int[24];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = (7 * i + 3) % 61;
    }
    try (TensorScope scope = new TensorScope();
        Transformer t = ModelLoader.load(model, WeightProcessing.NONE, ScalarType.Float)) {
      assertEquals(List.of(), t.notices(), model::toString);
      return Tensors.floats(
          t.logits(new TokenBatch(ids, 1, ids.length, new int[1]), OutputSlice.ALL));
    }
  }

  private static final List<Map.Entry<String, String>> SAME =
      List.of(
          Map.entry("mistral", "{'rope_parameters': 'gone', 'rope_theta': 10000}"),
          Map.entry("mistral", "{'dtype': 'gone', 'torch_dtype': 'float32', 'head_dim': null}"),
          Map.entry("mistral", "{'sliding_window': 64, 'attention_bias': false}"),
          Map.entry("mistral", "{'num_key_value_heads': 2, 'architectures': ['MistralModel']}"),
          Map.entry("qwen2", "{'layer_types': 'gone', 'sliding_window': 4}"),
          Map.entry("gemma2", "{'layer_types': 'gone', 'hidden_act': 'gelu_pytorch_tanh'}"),
          Map.entry("gemma2", "{'sliding_window_size': 8, 'cache_implementation': 'hybrid'}"),
          Map.entry(
              "gemma3_text",
              "{'rope_parameters': 'gone', 'layer_types': 'gone', 'rope_theta': 1000000,"
                  + " 'rope_local_base_freq': 10000, 'sliding_window_pattern': 6,"
                  + " '_sliding_window_pattern': 'gone', 'rope_scaling': null}"),
          Map.entry("gpt_neo", "{'attention_layers': 'gone', 'intermediate_size': 128}"),
          Map.entry("gpt_neo", "{'attention_types': 'gone'}"),
          Map.entry("gpt_neo", "{'attention_types': 'gone', 'attention_layers': 'gone'}"),
          Map.entry("smollm3", "{'no_rope_layers': 'gone', 'layer_types': 'gone'}"),
          Map.entry("phi", "{'rope_parameters': 'gone', 'rope_theta': 10000.0}"),
          Map.entry("phi", "{'partial_rotary_factor': 'gone'}"),
          Map.entry(
              "stablelm", "{'rope_parameters': {'rope_theta': 10000, 'rope_type': 'default'}}"),
          Map.entry("phi3", "{'sliding_window': 2047, 'attention_bias': false}"),
          Map.entry("bloom", "{'hidden_size': 'gone', 'n_embed': 32, 'seq_length': 40}"),
          Map.entry("gptj", "{'rotary': true, 'scale_attn_weights': true, 'n_inner': 128}"),
          Map.entry("opt", "{'prefix': '</s>', 'activation_dropout': 0.0, 'layerdrop': 0.1}"),
          Map.entry("olmo", "{'clip_qkv': 1000}"),
          Map.entry("falcon", "{'apply_residual_connection_post_layernorm': false}"),
          Map.entry("granite", "{'rope_parameters': 'gone', 'rope_scaling': null}"));

  @Test
  void otherSpellingsGiveTheSameNumbers() throws IOException {
    for (Map.Entry<String, String> e : SAME) {
      assertArrayEquals(
          logits(FOLDERS.resolve(e.getKey()).resolve("model")),
          logits(with(e.getKey(), e.getValue())),
          2e-6f,
          e.toString());
    }
  }

  @Test
  void aTiedBloomMayStoreItsHeadAlone() throws IOException {
    Path model = with("bloom", "{}");
    Map<String, Safetensors.Array> weights = new LinkedHashMap<>();
    try (Safetensors file = Safetensors.open(model.resolve("model.safetensors"))) {
      for (String name : file.names()) {
        weights.put(
            name.endsWith("word_embeddings.weight") ? "lm_head.weight" : name,
            new Safetensors.Array(file.shape(name), file.floats(name)));
      }
    }
    Safetensors.write(model.resolve("model.safetensors"), weights, Map.of());
    assertArrayEquals(logits(FOLDERS.resolve("bloom").resolve("model")), logits(model), 2e-6f);
  }

  private static final List<Map.Entry<String, String>> OTHER =
      List.of(
          Map.entry("mistral", "{'sliding_window': 3}"),
          Map.entry(
              "mistral",
              "{'sliding_window': 'gone', 'max_position_embeddings': 8192,"
                  + " 'rope_parameters': {'rope_theta': 500}}"),
          Map.entry(
              "qwen2",
              "{'layer_types': 'gone', 'sliding_window': 4,"
                  + " 'use_sliding_window': true, 'max_window_layers': 1}"),
          Map.entry(
              "qwen3",
              "{'layer_types': ['sliding_attention', 'full_attention'],"
                  + " 'sliding_window': 4, 'use_sliding_window': true}"),
          Map.entry("gemma2", "{'attn_logit_softcapping': 0.1}"),
          Map.entry("gemma2", "{'final_logit_softcapping': 0.1}"),
          Map.entry("gemma2", "{'final_logit_softcapping': 0.1, 'attn_logit_softcapping': null}"),
          Map.entry("gemma2", "{'query_pre_attn_scalar': 256}"),
          Map.entry("gemma2", "{'layer_types': ['full_attention', 'sliding_attention']}"),
          Map.entry("gemma3_text", "{'layer_types': ['full_attention', 'sliding_attention']}"),
          Map.entry("gemma3_text", "{'sliding_window': 5}"),
          Map.entry("gpt_neo", "{'window_size': 3}"),
          Map.entry(
              "gpt_neo",
              "{'attention_layers': 'gone',"
                  + " 'attention_types': [[['local'], 1], [['global'], 1]]}"),
          Map.entry("smollm3", "{'no_rope_layers': [1, 0]}"),
          Map.entry("smollm3", "{'no_rope_layers': 'gone', 'no_rope_layer_interval': 2}"),
          Map.entry("phi3", "{'sliding_window': 4}"),
          Map.entry("starcoder2", "{'sliding_window': 4}"),
          Map.entry("granite", "{'embedding_multiplier': 3}"),
          Map.entry("granite", "{'residual_multiplier': 1}"),
          Map.entry("granite", "{'attention_multiplier': 0.4}"),
          Map.entry("granite", "{'logits_scaling': 4}"),
          Map.entry("cohere", "{'logit_scale': 1}"),
          Map.entry("olmo", "{'clip_qkv': 0.01}"),
          Map.entry("gptj", "{'rotary_dim': 6}"),
          Map.entry("falcon", "{'activation': 'relu'}"),
          Map.entry("phi", "{'rope_parameters': {'partial_rotary_factor': 0.25}}"));

  @Test
  void whatChangesNumbersIsRead() throws IOException {
    for (Map.Entry<String, String> e : OTHER) {
      float[] before = logits(FOLDERS.resolve(e.getKey()).resolve("model"));
      Path changed = with(e.getKey(), e.getValue());
      float[] after;
      try (TensorScope scope = new TensorScope();
          Transformer t = ModelLoader.load(changed, WeightProcessing.NONE, ScalarType.Float)) {
        after = logitsOf(t);
      }
      float largest = 0;
      for (int i = 0; i < before.length; i++) {
        largest = Math.max(largest, Math.abs(before[i] - after[i]));
      }
      assertTrue(largest > 1e-4, e + " changed logits by " + largest);
    }
  }

  private static float[] logitsOf(Transformer t) {
    int[] ids = new int[24];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = (7 * i + 3) % 61;
    }
    return Tensors.floats(
        t.logits(new TokenBatch(ids, 1, ids.length, new int[1]), OutputSlice.ALL));
  }

  private static final List<List<String>> REFUSED =
      List.of(
          List.of("opt", "{'do_layer_norm_before': false}", "do_layer_norm_before=false is not"),
          List.of("opt", "{'word_embed_proj_dim': 16}", "word_embed_proj_dim=16 is not supported"),
          List.of(
              "opt", "{'_remove_final_layer_norm': true}", "does not read: \"model.decoder.final"),
          List.of("falcon", "{'alibi': true}", "alibi=true is not supported"),
          List.of(
              "bloom",
              "{'apply_residual_connection_post_layernorm': true}",
              "apply_residual_connection_post_layernorm=true is not supported"),
          List.of(
              "gemma",
              "{'use_bidirectional_attention': true}",
              "use_bidirectional_attention=true is not supported"),
          List.of("gemma2", "{'attention_bias': true}", "attention_bias=true is not supported"),
          List.of("olmo2", "{'attention_bias': true}", "attention_bias=true is not supported"),
          List.of(
              "phi3",
              "{'rope_scaling': {'type': 'longrope', 'factor': 2}, 'rope_parameters': null}",
              "rope_type=\"longrope\" is not supported"),
          List.of(
              "gemma2",
              "{'layer_types': ['full_attention', 'chunked_attention']}",
              "layer_types=\"chunked_attention\" is not supported"),
          List.of(
              "gemma2",
              "{'layer_types': ['full_attention']}",
              "layer_types=an array is not usable; give a list of one for each"),
          List.of(
              "qwen3",
              "{'layer_types': ['full_attention', 'sliding_attention']}",
              "layer_types has \"sliding_attention\", but sliding_window gives no window"),
          List.of("smollm3", "{'no_rope_layers': [1]}", "no_rope_layers=an array is not usable"),
          List.of("cohere", "{'logit_scale': 0}", "logit_scale=0.0 is not usable"),
          List.of("gptj", "{'rotary_dim': 9}", "rotary_dim=9 does not fit heads of width=8"),
          List.of("gptj", "{'rotary_dim': 16}", "rotary_dim=16 does not fit heads of width=8"),
          List.of("gpt_neo", "{'attention_layers': ['local', 'local']}", "disagree"),
          List.of(
              "gpt_neo",
              "{'attention_layers': 'gone', 'attention_types': [[['global'], 1]]}",
              "attention_types of layers=1 and num_layers=2 disagree"),
          List.of(
              "gpt_neo",
              "{'attention_layers': 'gone', 'attention_types': [[['global', 'far'], 1]]}",
              "attention_types=\"far\" is not supported"),
          List.of("qwen3", "{'rms_norm_eps': 0}", "epsilon=0.0 of a normalisation"),
          List.of("mistral", "{'logit_scale': 2}", "logit_scale=2 is not supported"),
          List.of("mistral", "{'num_local_experts': 8}", "num_local_experts=8 is not supported"),
          List.of("mistral", "{'model_type': 'opt'}", "is not model_type=\"opt\""),
          List.of(
              "gptj",
              "{'model_type': 'mistral', 'architectures': null}",
              "but the weights have the names of model_type=\"gpt2\""),
          List.of("phi", "{'qk_layernorm': true}", "q_layernorm.weight\" is missing"),
          List.of(
              "mistral", "{'partial_rotary_factor': 0.5}", "partial_rotary_factor other than 1"));

  @Test
  void whatIsNotComputedIsRefusedByName() throws IOException {
    for (List<String> wrong : REFUSED) {
      String message = Loaded.complaint(with(wrong.get(0), wrong.get(1)));
      assertContains(message, wrong.get(2));
    }
  }

  @Test
  void unknownSettingsOfEveryFamilyAreToldOf() throws IOException {
    try (Stream<Path> all = Files.list(FOLDERS)) {
      for (Path folder : all.filter(f -> Files.isDirectory(f.resolve("model"))).sorted().toList()) {
        Path model = with(folder.getFileName().toString(), "{'residual_alpha': 0.5}");
        assertContains(Loaded.notices(model).get(0), "residual_alpha=0.5");
      }
    }
  }

  @Test
  void anExactGeluOfGemmaIsToldOf() throws IOException {
    assertContains(
        Loaded.notices(with("gemma", "{'hidden_act': 'gelu'}")).get(0),
        "hidden_act=\"gelu\" without hidden_activation");
    assertEquals(
        List.of(),
        Loaded.notices(
            with("gemma", "{'hidden_act': 'gelu', 'hidden_activation': 'gelu_pytorch_tanh'}")));
  }
}
