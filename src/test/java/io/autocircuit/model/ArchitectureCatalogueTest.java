package io.autocircuit.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.files.DataException;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An architecture of another jar: one class, and one line that registers it. */
class ArchitectureCatalogueTest {
  @TempDir Path folder;

  /** Attention alone, under names of its own; the line is written by the test. */
  public static final class Lattice implements Architecture {
    @Override
    public String key() {
      return "lattice";
    }

    @Override
    public String title() {
      return "Lattice";
    }

    @Override
    public String description() {
      return "attention-only transformers of a test";
    }

    @Override
    public Source source() {
      return Source.OURS;
    }

    @Override
    public Set<String> roots() {
      return Set.of("lattice");
    }

    @Override
    public TransformerConfig read(Checkpoint c) {
      int d = c.size("width");
      int heads = c.size("heads");
      int dHead = c.size("head_width", d / heads);
      int words = c.size("words");
      c.refuse("soft_cap");
      c.neutral("colour");
      Normalization norm = c.normalization(Normalization.Kind.LAYER_NORM, "epsilon", 1e-5);
      int context = c.size("context");
      c.put("embed.W_E", "words.weight", words, d);
      c.put("pos_embed.W_pos", "places.weight", context, d);
      int blocks = c.size("depth");
      for (int b = 0; b < blocks; b++) {
        String to = "blocks." + b + ".attn.";
        String from = "layer." + b + ".";
        for (int i = 0; i < 3; i++) {
          long part = i;
          String name = "QKV".substring(i, i + 1);
          c.put(to + "W_" + name, from + "qkv", t -> t.select(0, part), 3, heads, d, dHead);
          c.putZeros(to + "b_" + name, heads, dHead);
        }
        c.put(to + "W_O", from + "out", t -> t.reshape(heads, dHead, d), (long) heads * dHead, d);
        c.put(to + "b_O", from + "shift", d);
        c.put("blocks." + b + ".ln1.w", from + "scale", d);
        c.putZeros("blocks." + b + ".ln1.b", d);
      }
      c.put("ln_final.w", "scale", d);
      c.putZeros("ln_final.b", d);
      c.put("unembed.W_U", "words.weight", Tensor::t, words, d);
      c.putZeros("unembed.b_U", words);
      return new TransformerConfig(
          c.name(),
          blocks,
          heads,
          d,
          dHead,
          0,
          words,
          words,
          context,
          c.activation("activation", "relu"),
          false,
          norm,
          norm,
          true,
          false,
          new TransformerConfig.Learned(),
          Math.sqrt(dHead));
    }
  }

  /** Runs something where a jar that registers the class is on the class path. */
  private <T> T registered(Callable<T> work) throws Exception {
    Path services = Files.createDirectories(folder.resolve("jar/META-INF/services"));
    Files.writeString(services.resolve(Architecture.class.getName()), Lattice.class.getName());
    Thread thread = Thread.currentThread();
    ClassLoader before = thread.getContextClassLoader();
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {folder.resolve("jar").toUri().toURL()}, before)) {
      thread.setContextClassLoader(loader);
      return work.call();
    } finally {
      thread.setContextClassLoader(before);
    }
  }

  private static final int D = 8;
  private static final int HEADS = 2;
  private static final int WORDS = 11;
  private static final int CONTEXT = 9;

  /** A model directory; {@code more} are further settings. */
  private Path model(String more, Map<String, Safetensors.Array> others) throws IOException {
    Path model = Files.createTempDirectory(folder, "model");
    Map<String, Safetensors.Array> weights = new TreeMap<>(others);
    weights.put("lattice.words.weight", array(1, WORDS, D));
    weights.put("lattice.places.weight", array(2, CONTEXT, D));
    weights.put("lattice.scale", array(3, D));
    weights.put("lattice.layer.0.qkv", array(4, 3, HEADS, D, D / HEADS));
    weights.put("lattice.layer.0.out", array(5, D, D));
    weights.put("lattice.layer.0.shift", array(6, D));
    weights.put("lattice.layer.0.scale", array(7, D));
    Safetensors.write(model.resolve("model.safetensors"), weights, Map.of());
    Files.writeString(
        model.resolve("config.json"),
        "{\"model_type\": \"lattice\", \"width\": 8, \"heads\": 2, \"words\": 11, \"context\": 9,"
            + " \"depth\": 1"
            + more
            + "}");
    return model;
  }

  private static Safetensors.Array array(long seed, long... shape) {
    int count = (int) Arrays.stream(shape).reduce(1, (a, b) -> a * b);
    float[] data = new float[count];
    java.util.Random random = new java.util.Random(seed);
    for (int i = 0; i < count; i++) {
      data[i] = (float) random.nextGaussian() / 2;
    }
    return new Safetensors.Array(shape, data);
  }

  @Test
  void computesWhatItsWeightsSay() throws Exception {
    Path directory = model(", \"colour\": \"red\", \"use_cache\": true", Map.of());
    TokenBatch tokens = RandomModels.batch(3, 5, 9).clean();
    try (TensorScope scope = new TensorScope();
        Transformer got =
            registered(
                () -> ModelLoader.load(directory, WeightProcessing.NONE, ScalarType.Double));
        Transformer processed = registered(() -> ModelLoader.load(directory))) {
      assertEquals(List.of(), got.notices());
      Map<String, Tensor> weights = new TreeMap<>();
      Tensor embedding = tensor(array(1, WORDS, D));
      weights.put("embed.W_E", embedding);
      weights.put("pos_embed.W_pos", tensor(array(2, CONTEXT, D)));
      Tensor qkv = tensor(array(4, 3, HEADS, D, D / HEADS));
      for (int i = 0; i < 3; i++) {
        String name = "QKV".substring(i, i + 1);
        weights.put("blocks.0.attn.W_" + name, qkv.select(0, i).contiguous());
        weights.put("blocks.0.attn.b_" + name, Tensors.zeros(ScalarType.Double, HEADS, D / HEADS));
      }
      weights.put(
          "blocks.0.attn.W_O", tensor(array(5, D, D)).reshape(HEADS, D / HEADS, D).contiguous());
      weights.put("blocks.0.attn.b_O", tensor(array(6, D)));
      weights.put("blocks.0.ln1.w", tensor(array(7, D)));
      weights.put("blocks.0.ln1.b", Tensors.zeros(ScalarType.Double, D));
      weights.put("ln_final.w", tensor(array(3, D)));
      weights.put("ln_final.b", Tensors.zeros(ScalarType.Double, D));
      weights.put("unembed.W_U", embedding.t().contiguous());
      weights.put("unembed.b_U", Tensors.zeros(ScalarType.Double, WORDS));
      try (Transformer want = new Transformer(got.config(), weights, ScalarType.Double)) {
        assertArrayEquals(
            Tensors.doubles(want.logits(tokens, OutputSlice.ALL)),
            Tensors.doubles(got.logits(tokens, OutputSlice.ALL)),
            1e-12);
      }
      // by default all weights are processed: logits have no mean
      double[] logits = Tensors.doubles(processed.logits(tokens, OutputSlice.ALL));
      for (int row = 0; row < logits.length; row += WORDS) {
        assertEquals(0, Arrays.stream(logits, row, row + WORDS).sum(), 1e-5);
      }
    }
  }

  private static Tensor tensor(Safetensors.Array array) {
    return Tensors.of(ScalarType.Double, array.data(), array.shape());
  }

  private DataException refused(Path directory) {
    return assertThrows(
        DataException.class, () -> registered(() -> ModelLoader.load(directory)).close());
  }

  @Test
  void whatItDoesNotReadIsRefusedOrToldOf() throws Exception {
    DataException tensor = refused(model("", Map.of("lattice.layer.0.extra", array(8, 3))));
    assertTrue(
        tensor.getMessage().contains("model_type=\"lattice\" does not read: \"lattice.layer.0.ex"),
        tensor::getMessage);
    DataException flag = refused(model(", \"soft_cap\": true", Map.of()));
    assertTrue(flag.getMessage().contains("soft_cap"), flag::getMessage);
    try (Transformer model =
        registered(() -> ModelLoader.load(model(", \"flavour\": 3", Map.of())))) {
      assertEquals(1, model.notices().size());
      assertTrue(model.notices().get(0).contains("flavour=3"), model.notices()::toString);
    }
    DataException shape = refused(model(", \"head_width\": 5", Map.of()));
    assertTrue(shape.getMessage().contains("shape=[3, 2, 8, 4]"), shape::getMessage);
  }

  @Test
  void withoutTheJarItIsUnknown() throws Exception {
    Path directory = model("", Map.of());
    DataException e = assertThrows(DataException.class, () -> ModelLoader.load(directory).close());
    assertTrue(e.getMessage().contains("model_type=\"lattice\" is not supported"), e::getMessage);
    List<String> keys = Architecture.catalogue().keys();
    assertEquals(List.of("gpt2", "gpt_neox", "llama"), keys.subList(0, 3));
    assertEquals(ModelLoader.ARCHITECTURES, keys.subList(0, keys.size() - 1));
    assertEquals("hooked_transformer", keys.get(keys.size() - 1));
    List<String> more = new ArrayList<>(keys);
    more.add("lattice");
    assertEquals(more, registered(() -> Architecture.catalogue().keys()));
  }
}
