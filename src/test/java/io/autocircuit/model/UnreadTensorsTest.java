package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static io.autocircuit.model.Loaded.complaint;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.model.ModelDirectories.Draft;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.Safetensors.Array;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every tensor of a file is read, or a buffer that is computed anew, or refused by name. */
class UnreadTensorsTest {
  private static final int D = ModelDirectories.D;
  private static final int T = ModelDirectories.CONTEXT;

  @TempDir Path directory;

  private static Map<String, Supplier<Draft>> layouts() {
    return Map.of(
        "gpt2", ModelDirectories::gpt2,
        "gpt_neox", ModelDirectories::neox,
        "llama", ModelDirectories::llama,
        "HookedTransformer", ModelDirectories::hooked);
  }

  @Test
  void biasesThatTheConfigDoesNotKnow() throws IOException {
    Draft m = ModelDirectories.llama();
    for (int b = 0; b < ModelDirectories.BLOCKS; b++) {
      for (String part : new String[] {"q", "k", "v"}) {
        long width = D / (part.equals("q") ? 1 : 2);
        m.put("model.layers." + b + ".self_attn." + part + "_proj.bias", width);
      }
    }
    assertContains(
        complaint(m, directory),
        "file=M/model.safetensors: 6 tensors that a model with model_type=\"llama\" does not read:"
            + " \"model.layers.0.self_attn.k_proj.bias\",",
        " and 2 more; the config.json does not belong to these weights");
    m.config().put("attention_bias", true);
    m.put("model.layers.0.self_attn.o_proj.bias", D);
    m.put("model.layers.1.self_attn.o_proj.bias", D);
    Loaded.logits(m, directory);
  }

  @Test
  void oneStrangeTensorInAnyLayout() throws IOException {
    for (Map.Entry<String, Supplier<Draft>> layout : layouts().entrySet()) {
      Draft m = layout.getValue().get();
      m.put("strange.weight", 2, D);
      assertContains(
          complaint(m, directory),
          "1 tensor that a model with ",
          layout.getKey(),
          " does not read: \"strange.weight\"; ");
    }
  }

  @Test
  void normsOfVariants() throws IOException {
    Draft m = ModelDirectories.llama();
    m.put("model.layers.1.self_attn.q_norm.weight", ModelDirectories.D_HEAD);
    assertContains(complaint(m, directory), "\"model.layers.1.self_attn.q_norm.weight\"");
    Draft without = ModelDirectories.hooked();
    without.config().putNull("normalization_type");
    assertContains(complaint(without, directory), "\"blocks.0.ln1.b\"", "does not read");
    Draft folded = ModelDirectories.hooked();
    folded.config().put("normalization_type", "LNPre");
    assertContains(complaint(folded, directory), "\"blocks.0.ln1.b\"", "does not read");
    Draft attentionOnly = ModelDirectories.hooked();
    attentionOnly.config().put("attn_only", true);
    assertContains(complaint(attentionOnly, directory), "\"blocks.0.mlp.W_in\"");
  }

  private static float[] causalMask() {
    float[] mask = new float[T * T];
    for (int i = 0; i < mask.length; i++) {
      mask[i] = i % T <= i / T ? 1 : 0;
    }
    return mask;
  }

  @Test
  void buffersThatAreComputedAnew() throws IOException {
    Draft gpt2 = ModelDirectories.gpt2();
    Draft neox = ModelDirectories.neox();
    Draft llama = ModelDirectories.llama();
    Draft hooked = ModelDirectories.hooked();
    for (int b = 0; b < ModelDirectories.BLOCKS; b++) {
      gpt2.put("transformer.h." + b + ".attn.bias", 1, 1, T, T);
      gpt2.put("transformer.h." + b + ".attn.masked_bias");
      neox.put("gpt_neox.layers." + b + ".attention.bias", 1, 1, T, T);
      neox.put("gpt_neox.layers." + b + ".attention.masked_bias");
      neox.put("gpt_neox.layers." + b + ".attention.rotary_emb.inv_freq", 1);
      llama.put("model.layers." + b + ".self_attn.rotary_emb.inv_freq", 4);
      hooked
          .weights()
          .put("blocks." + b + ".attn.mask", new Array(new long[] {T, T}, causalMask()));
      hooked
          .weights()
          .put(
              "blocks." + b + ".attn.IGNORE",
              new Array(new long[] {}, new float[] {Float.NEGATIVE_INFINITY}));
    }
    for (Draft m : List.of(gpt2, neox, llama, hooked)) {
      String type = m.config().path("model_type").asText("HookedTransformer");
      assertArrayEquals(
          Loaded.logits(layouts().get(type).get(), directory), Loaded.logits(m, directory), type);
    }
    // names of one layout mean nothing in another, and shapes must be a buffer's
    gpt2.put("transformer.h.0.attn.bias", D);
    assertContains(complaint(gpt2, directory), "\"transformer.h.0.attn.bias\"");
    llama.put("blocks.0.attn.mask", T, T);
    assertContains(complaint(llama, directory), "\"blocks.0.attn.mask\"");
    hooked.put("blocks.0.attn.rotary_something", 3);
    assertContains(complaint(hooked, directory), "\"blocks.0.attn.rotary_something\"");
  }

  @Test
  void blocksBeyondTheirNumber() throws IOException {
    Map<String, String> fields =
        Map.of(
            "gpt2", "n_layer",
            "gpt_neox", "num_hidden_layers",
            "llama", "num_hidden_layers",
            "HookedTransformer", "n_layers");
    for (Map.Entry<String, Supplier<Draft>> layout : layouts().entrySet()) {
      Draft m = layout.getValue().get();
      String field = fields.get(layout.getKey());
      m.config().put(field, 1);
      assertContains(
          complaint(m, directory),
          " tensors of blocks beyond " + field + "=1: \"",
          "; correct " + field + " in config.json");
    }
    Draft mask = ModelDirectories.gpt2();
    mask.put("transformer.h.2.attn.bias", 1, 1, T, T);
    assertContains(complaint(mask, directory), "1 tensor of blocks beyond n_layer=2: ");
  }

  @Test
  void twoTensorsForOnePlace() throws IOException {
    Draft grouped = ModelDirectories.hooked();
    grouped.copy("blocks.0.attn.W_K", "blocks.0.attn._W_K");
    assertContains(
        complaint(grouped, directory),
        "tensors \"blocks.0.attn.W_K\" and \"blocks.0.attn._W_K\" would both be the model's"
            + " \"blocks.0.attn.W_K\"; remove one of them from the file");
    Draft twice = ModelDirectories.gpt2();
    twice.put("wte.weight", ModelDirectories.VOCABULARY, D);
    assertContains(
        complaint(twice, directory), "\"transformer.wte.weight\" and \"wte.weight\" would both");
  }

  @Test
  void anIndexThatListsLessThanItsShardsHold() throws IOException {
    Draft m = ModelDirectories.gpt2();
    m.put("transformer.extra.weight", 3);
    Path path = m.write(directory.resolve("sharded"));
    Files.move(path.resolve("model.safetensors"), path.resolve("model-1.safetensors"));
    StringBuilder index = new StringBuilder();
    m.weights().keySet().stream()
        .filter(n -> !n.contains("extra"))
        .forEach(n -> index.append(",\"").append(n).append("\":\"model-1.safetensors\""));
    Files.writeString(
        path.resolve("model.safetensors.index.json"),
        "{\"weight_map\":{" + index.substring(1) + "}}");
    assertContains(
        complaint(path),
        "file=M/model.safetensors.index.json: shard=\"model-1.safetensors\" holds tensors that the"
            + " index does not place there: \"transformer.extra.weight\"; ");
  }

  @Test
  void quantisedWeights() throws IOException {
    for (String part :
        List.of(
            "SCB",
            "qweight",
            "qzeros",
            "scales",
            "weight_scale",
            "weight.absmax",
            "weight_packed")) {
      Draft m = ModelDirectories.llama();
      m.put("model.layers.0.mlp.up_proj." + part, 20);
      assertContains(
          complaint(m, directory),
          "file=M/model.safetensors: the weights are quantised, which is not supported: \"model"
              + ".layers.0.mlp.up_proj."
              + part
              + "\"; give the weights before they were quantised, or ");
    }
    for (String dtype : List.of("I8", "U8")) {
      Path path = integers(dtype);
      assertContains(
          complaint(path), "quantised", "\"transformer.h.0.mlp.c_fc.weight\"", "dequantize()");
    }
  }

  /** GPT-2 whose largest matrix is in integers of one byte. */
  private Path integers(String dtype) throws IOException {
    Draft m = ModelDirectories.gpt2();
    Path path = m.write(Files.createTempDirectory(directory, "q"));
    String name = "transformer.h.0.mlp.c_fc.weight";
    StringBuilder header = new StringBuilder();
    long at = 0;
    for (Map.Entry<String, Array> e : m.weights().entrySet()) {
      int width = e.getKey().equals(name) ? 1 : 4;
      long end = at + (long) width * e.getValue().data().length;
      header.append(
          String.format(
              ",\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}",
              e.getKey(),
              width == 1 ? dtype : "F32",
              java.util.Arrays.toString(e.getValue().shape()),
              at,
              end));
      at = end;
    }
    sparse(path.resolve("model.safetensors"), "{" + header.substring(1) + "}", at);
    return path;
  }

  private static void sparse(Path file, String header, long bytes) throws IOException {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
      out.setLength(0);
      out.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(json.length).array());
      out.write(json);
      out.setLength(8 + json.length + bytes);
    }
  }

  @Test
  void anAdapter() throws IOException {
    Draft m = ModelDirectories.llama();
    m.rename(
        "model.layers.0.self_attn.q_proj.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight");
    m.put("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", 2, D);
    m.put("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight", D, 2);
    assertContains(complaint(m, directory), "LoRA", "q_proj.lora_A.weight\"", "merge_and_unload()");
  }

  /** A tensor of 64 GiB that takes no room on the disk must not be read to be refused. */
  @Test
  void whatIsNotReadTakesNoMemory() throws IOException {
    Draft m = ModelDirectories.hooked();
    Path path = m.write(directory.resolve("sparse"));
    StringBuilder header = new StringBuilder("{");
    long at = 0;
    SortedMap<String, long[]> shapes = new TreeMap<>();
    m.weights().forEach((n, a) -> shapes.put(n, a.shape()));
    shapes.put("zz.huge", new long[] {1L << 34});
    for (Map.Entry<String, long[]> e : shapes.entrySet()) {
      long count = java.util.Arrays.stream(e.getValue()).reduce(1, (a, b) -> a * b);
      header
          .append(at == 0 ? "" : ",")
          .append(
              String.format(
                  "\"%s\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%d,%d]}",
                  e.getKey(), java.util.Arrays.toString(e.getValue()), at, at + 4 * count));
      at += 4 * count;
    }
    sparse(path.resolve("model.safetensors"), header.append("}").toString(), at);
    try (Safetensors files = Safetensors.open(path)) {
      assertTrue(files.contains("zz.huge"));
    }
    assertContains(complaint(path), "\"zz.huge\"", "does not read");
  }
}
