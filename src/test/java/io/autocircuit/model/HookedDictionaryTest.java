package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static io.autocircuit.model.Loaded.complaint;
import static io.autocircuit.model.Loaded.notices;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.autocircuit.files.DataException;
import io.autocircuit.model.ModelDirectories.Draft;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.Safetensors.Array;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a dictionary of TransformerLens holds is what its settings say, no less and no more. */
class HookedDictionaryTest {
  private static final int T = ModelDirectories.CONTEXT;
  private static final int D = ModelDirectories.D;

  @TempDir Path directory;

  private static Draft without(String... names) {
    Draft m = ModelDirectories.hooked();
    for (String name : names) {
      m.weights().remove(name);
    }
    return m;
  }

  @Test
  void settingsMayLieInTheMetadataOfTheWeights() throws IOException {
    Draft m = ModelDirectories.hooked();
    Path usual = m.write(directory.resolve("usual"));
    Path packed = Files.createDirectories(directory.resolve("packed"));
    String settings = Files.readString(usual.resolve("config.json"));
    Safetensors.write(
        packed.resolve("model.safetensors"),
        m.weights(),
        Map.of("author", "somebody", "cfg", settings, "notes", "{no JSON"));
    try (Transformer a = ModelLoader.load(usual);
        Transformer b = ModelLoader.load(packed)) {
      assertEquals(a.config().features(), b.config().features());
      assertEquals(a.config().blocks(), b.config().blocks());
      assertEquals(a.config().contextLength(), b.config().contextLength());
    }
    assertEquals(
        ModelFiles.of(usual).configFingerprint(), ModelFiles.of(packed).configFingerprint());
    Safetensors.write(packed.resolve("model.safetensors"), m.weights(), Map.of("format", "pt"));
    DataException none = assertThrows(DataException.class, () -> ModelLoader.load(packed));
    assertContains(none.getMessage(), "has no config.json");
  }

  @Test
  void missingBiases() throws IOException {
    for (String bias :
        List.of("attn.b_Q", "attn.b_K", "attn.b_V", "attn.b_O", "mlp.b_in", "mlp.b_out")) {
      assertContains(
          complaint(without("blocks.1." + bias), directory),
          "tensors are missing that other blocks have: \"blocks.1." + bias + "\"; get");
      assertEquals(
          List.of(
              "file=M/config.json: the weights have no "
                  + bias
                  + ", which TransformerLens always stores: zeros are used; if the model has them,"
                  + " get the weights again"),
          notices(without("blocks.0." + bias, "blocks.1." + bias), directory));
    }
    assertContains(
        notices(without("unembed.b_U"), directory).get(0),
        "the weights have no unembed.b_U, which");
  }

  @Test
  void missingNorms() throws IOException {
    for (String norm : List.of("blocks.0.ln1", "blocks.1.ln2", "ln_final")) {
      for (String part : List.of(".w", ".b")) {
        assertContains(
            complaint(without(norm + part), directory),
            "tensor=\"" + norm + part + "\" is missing, which normalization_type=\"LN\" has; if",
            "set \"normalization_type\": \"LNPre\"");
      }
    }
  }

  @Test
  void parametersThatThereAreNot() throws IOException {
    Draft rms = ModelDirectories.hooked();
    rms.config().put("normalization_type", "RMS");
    assertContains(complaint(rms, directory), "does not read: \"blocks.0.ln1.b\"");
    rms.weights().keySet().removeIf(n -> n.matches(".*ln.*\\.b"));
    assertEquals(List.of(), notices(rms, directory));
    rms.put("ln_final.b", D);
    assertContains(complaint(rms, directory), "does not read: \"ln_final.b\"");
    Draft gated = ModelDirectories.hooked();
    gated.config().put("gated_mlp", true);
    for (int b = 0; b < ModelDirectories.BLOCKS; b++) {
      gated.put("blocks." + b + ".mlp.W_gate", D, ModelDirectories.MLP);
    }
    assertEquals(List.of(), notices(gated, directory));
    gated.put("blocks.0.mlp.b_gate", ModelDirectories.MLP);
    assertContains(complaint(gated, directory), "does not read: \"blocks.0.mlp.b_gate\"");
  }

  private static final int ROTATED = 4;

  private static Draft rotary(double base) {
    Draft m = without("pos_embed.W_pos");
    m.config()
        .put("positional_embedding_type", "rotary")
        .put("rotary_dim", ROTATED)
        .put("rotary_base", base);
    return m;
  }

  private static Array table(double base, boolean cosine) {
    float[] data = new float[T * ROTATED];
    for (int i = 0; i < data.length; i++) {
      double angle = i / ROTATED * Math.pow(base, -(i % (ROTATED / 2)) / (ROTATED / 2.0));
      data[i] = (float) (cosine ? Math.cos(angle) : Math.sin(angle));
    }
    return new Array(new long[] {T, ROTATED}, data);
  }

  @Test
  void anglesOfEveryBlock() throws IOException {
    for (int b = 0; b < ModelDirectories.BLOCKS; b++) {
      for (boolean cosine : new boolean[] {true, false}) {
        String name = "blocks." + b + ".attn.rotary_" + (cosine ? "cos" : "sin");
        Draft m = rotary(10000);
        m.weights().put(name, table(10000, cosine));
        assertEquals(List.of(), notices(m, directory));
        for (double other : new double[] {500000, 5000}) {
          if (other == 5000 && cosine) {
            continue; // slow angles are near 0 here, and their cosines near 1
          }
          m.weights().put(name, table(other, cosine));
          assertContains(
              complaint(m, directory),
              "tensor=\"" + name + "\" has ",
              ", but the rotary settings of config.json give ");
        }
        m.put(name, T, ROTATED + 2);
        assertContains(complaint(m, directory), "\"" + name + "\" is not a table of rotary_dim=4");
      }
    }
    Draft none = ModelDirectories.hooked();
    none.weights().put("blocks.0.attn.rotary_sin", table(10000, false));
    assertContains(complaint(none, directory), "does not read: \"blocks.0.attn.rotary_sin\"");
  }

  /** The table of a model that was kept in 16 bits is rounded, not another. */
  @Test
  void roundedAngles() throws IOException {
    Draft m = rotary(10000);
    m.weights().put("blocks.0.attn.rotary_cos", table(10000, true));
    m.weights().put("blocks.1.attn.rotary_sin", table(10000, false));
    Path path = m.write(directory.resolve("bf16"));
    ModelDirectories.write(
        path.resolve("model.safetensors"), "BF16", ModelDirectories::bfloat16, m.weights());
    assertEquals(List.of(), notices(path));
    m.weights().put("blocks.1.attn.rotary_sin", table(500000, false));
    ModelDirectories.write(
        path.resolve("model.safetensors"), "BF16", ModelDirectories::bfloat16, m.weights());
    assertContains(complaint(path), "\"blocks.1.attn.rotary_sin\" has ");
  }

  @Test
  void masksThatAreNotCausal() throws IOException {
    for (int b = 0; b < ModelDirectories.BLOCKS; b++) {
      String name = "blocks." + b + ".attn.mask";
      Draft m = ModelDirectories.hooked();
      float[] causal = new float[T * T];
      for (int i = 0; i < causal.length; i++) {
        causal[i] = i % T <= i / T ? 1 : 0;
      }
      m.weights().put(name, new Array(new long[] {T, T}, causal.clone()));
      assertEquals(List.of(), notices(m, directory));
      float[] window = causal.clone();
      window[(T - 1) * T] = 0;
      m.weights().put(name, new Array(new long[] {T, T}, window));
      assertContains(
          complaint(m, directory),
          "tensor=\"" + name + "\" is not a causal mask: position 11 does not see 0, which");
      float[] later = causal.clone();
      later[2 * T + 5] = 1;
      m.weights().put(name, new Array(new long[] {T, T}, later));
      assertContains(complaint(m, directory), "is not a causal mask: position 2 sees 5, which");
      m.config().put("attention_dir", "bidirectional");
      assertEquals(List.of(), notices(m, directory));
    }
  }

  @Test
  void aShardBesideTheIndex() throws IOException {
    Draft m = ModelDirectories.hooked();
    Path path = m.write(directory.resolve("sharded"));
    Files.move(path.resolve("model.safetensors"), path.resolve("model-00001-of-00001.safetensors"));
    StringBuilder map = new StringBuilder();
    for (String name : m.weights().keySet()) {
      map.append(map.isEmpty() ? "" : ", ").append('"').append(name);
      map.append("\": \"model-00001-of-00001.safetensors\"");
    }
    Files.writeString(
        path.resolve("model.safetensors.index.json"), "{\"weight_map\": {" + map + "}}");
    assertEquals(List.of(), notices(path));
    Files.writeString(path.resolve("model-00002-of-00002.safetensors"), "x");
    assertContains(
        complaint(path),
        "the index does not list \"model-00002-of-00002.safetensors\" beside it; remove");
  }
}
