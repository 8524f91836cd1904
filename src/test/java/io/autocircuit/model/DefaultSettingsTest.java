package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static io.autocircuit.model.Loaded.complaint;
import static io.autocircuit.model.Loaded.notices;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.model.ModelDirectories.Draft;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Settings that are not in config.json have transformers' defaults, which shapes can contradict.
 */
class DefaultSettingsTest {
  @TempDir Path directory;

  private static Draft without(Draft m, String... fields) {
    m.config().remove(List.of(fields));
    return m;
  }

  @Test
  void lengthsThatNoTensorHas() throws IOException {
    Draft neox = without(ModelDirectories.neox(), "max_position_embeddings");
    assertEquals(2048, Loaded.config(neox, directory).contextLength());
    Draft llama = without(ModelDirectories.llama(), "max_position_embeddings");
    assertEquals(2048, Loaded.config(llama, directory).contextLength());
    assertEquals(List.of(), notices(llama, directory));
    assertArrayEquals(
        Loaded.logits(ModelDirectories.llama(), directory), Loaded.logits(llama, directory));
    assertEquals(1e-6, Loaded.config(llama, directory).normalization().epsilon());
  }

  @Test
  void gpt2sOwn() throws IOException {
    Draft m = without(ModelDirectories.gpt2(), "n_positions");
    m.put("transformer.wpe.weight", 1024, ModelDirectories.D);
    assertEquals(1024, Loaded.config(m, directory).contextLength());
    Draft old = without(ModelDirectories.gpt2(), "n_positions");
    old.config().put("n_ctx", ModelDirectories.CONTEXT);
    assertEquals(ModelDirectories.CONTEXT, Loaded.config(old, directory).contextLength());
    Draft vocabulary = without(ModelDirectories.gpt2(), "vocab_size");
    vocabulary.put("transformer.wte.weight", 50257, ModelDirectories.D);
    assertEquals(50257, Loaded.config(vocabulary, directory).vocabulary());
    // 12 heads in 48 coordinates: as good as any other number of heads
    Draft heads = without(ModelDirectories.gpt2(), "n_head");
    heads.config().put("n_embd", 48);
    for (String name : List.copyOf(heads.weights().keySet())) {
      long[] shape = heads.weights().get(name).shape().clone();
      for (int i = 0; i < shape.length; i++) {
        shape[i] = shape[i] == 32 ? 48 : shape[i] == 96 ? 144 : shape[i];
      }
      heads.put(name, shape);
    }
    assertEquals(12, Loaded.config(heads, directory).heads());
    assertContains(notices(heads, directory).get(0), "n_head is missing: 12, the default of");
  }

  @Test
  void namesThatTransformersAcceptsForGpt2() throws IOException {
    Draft m = without(ModelDirectories.gpt2(), "n_embd", "n_head", "n_layer", "n_positions");
    m.config()
        .put("hidden_size", ModelDirectories.D)
        .put("num_attention_heads", ModelDirectories.HEADS)
        .put("num_hidden_layers", ModelDirectories.BLOCKS)
        .put("max_position_embeddings", ModelDirectories.CONTEXT);
    assertArrayEquals(
        Loaded.logits(ModelDirectories.gpt2(), directory), Loaded.logits(m, directory));
    m.config().put("n_embd", 64);
    assertContains(complaint(m, directory), "n_embd=64 and hidden_size=32 disagree");
  }

  @Test
  void defaultsThatTheTensorsContradict() throws IOException {
    Map<String, String> gpt2 =
        Map.of(
            "n_embd", "[11, 32] but config.json needs shape=[11, 768]",
            "n_layer", "tensor=\"transformer.h.2.ln_1.weight\" is missing",
            "n_head", "n_embd=32 is not a multiple of n_head=12",
            "n_positions", "[12, 32] but config.json needs shape=[1024, 32]",
            "vocab_size", "[11, 32] but config.json needs shape=[50257, 32]");
    Map<String, String> llama =
        Map.of(
            "hidden_size", "needs shape=[11, 4096]",
            "num_hidden_layers", "tensor=\"model.layers.2.input_layernorm.weight\" is missing",
            "intermediate_size", "[20, 32] but config.json needs shape=[11008, 32]",
            "vocab_size", "needs shape=[32000, 32]");
    Map<String, String> neox =
        Map.of(
            "hidden_size", "needs shape=[11, 6144]",
            "num_hidden_layers", "tensor=\"gpt_neox.layers.2.input_layernorm.weight\" is missing",
            "num_attention_heads", "hidden_size=32 is not a multiple of num_attention_heads=64",
            "intermediate_size", "needs shape=[24576, 32]",
            "vocab_size", "needs shape=[50432, 32]");
    for (Map.Entry<String, String> e : gpt2.entrySet()) {
      contradicted(ModelDirectories.gpt2(), e);
    }
    for (Map.Entry<String, String> e : llama.entrySet()) {
      contradicted(ModelDirectories.llama(), e);
    }
    for (Map.Entry<String, String> e : neox.entrySet()) {
      contradicted(ModelDirectories.neox(), e);
    }
  }

  private void contradicted(Draft m, Map.Entry<String, String> e) throws IOException {
    assertContains(
        complaint(without(m, e.getKey()), directory),
        e.getValue(),
        "; not in config.json, so the default of transformers: " + e.getKey() + "=");
  }
}
