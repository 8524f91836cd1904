package io.autocircuit.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.files.DataException;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Layouts and conventions of autoencoders against their formulas, and files that are wrong. */
class AutoencoderReaderTest {
  private static final int D = 8;
  private static final int K = 6;
  private static final Placement PLACE = new Placement(ScalarType.Double, Device.CPU);
  private static final TransformerConfig CONFIG =
      RandomModels.named("sequential LN, folded").config();

  @TempDir private Path dir;

  private final Random random = new Random(1);
  private final float[][] encode = new float[D][K];
  private final float[] encodeBias = new float[K];
  private final float[][] decode = new float[K][D];
  private final float[] bias = new float[D];
  private final float[] threshold = new float[K];

  @BeforeEach
  void draw() {
    for (float[] row : encode) {
      fill(row);
    }
    for (float[] row : decode) {
      fill(row);
    }
    fill(encodeBias);
    fill(bias);
    for (int k = 0; k < K; k++) {
      threshold[k] = 0.3f * k;
    }
  }

  private void fill(float[] values) {
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
  }

  private static Safetensors.Array matrix(float[][] rows, boolean turned) {
    int n = rows.length;
    int m = rows[0].length;
    float[] flat = new float[n * m];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < m; j++) {
        flat[turned ? j * n + i : i * m + j] = rows[i][j];
      }
    }
    return new Safetensors.Array(turned ? new long[] {m, n} : new long[] {n, m}, flat);
  }

  private static Safetensors.Array vector(float[] values) {
    return new Safetensors.Array(new long[] {values.length}, values);
  }

  private Map<String, Safetensors.Array> saeLens() {
    Map<String, Safetensors.Array> all = new TreeMap<>();
    all.put("W_enc", matrix(encode, false));
    all.put("b_enc", vector(encodeBias));
    all.put("W_dec", matrix(decode, false));
    all.put("b_dec", vector(bias));
    return all;
  }

  private Map<String, Safetensors.Array> turned(String e, String eb, String d, String b) {
    Map<String, Safetensors.Array> all = new TreeMap<>();
    all.put(e, matrix(encode, true));
    all.put(eb, vector(encodeBias));
    all.put(d, matrix(decode, true));
    all.put(b, vector(bias));
    return all;
  }

  private Path block(String name, Map<String, Safetensors.Array> tensors, String settings)
      throws IOException {
    Path folder = Files.createDirectories(dir.resolve(name));
    Safetensors.write(folder.resolve("sae_weights.safetensors"), tensors, Map.of());
    if (settings != null) {
      Files.writeString(folder.resolve("cfg.json"), settings);
    }
    return folder;
  }

  private Autoencoders read() {
    return Autoencoders.read(dir, CONFIG, false, PLACE);
  }

  /** The latents and the reconstruction of one x, by the formulas. */
  private double[][] byHand(
      double[] x, Autoencoder.Scaling scaling, boolean inputBias, boolean thresholds, int chosen) {
    double mean = 0;
    double scale = 1;
    double divisor = 1;
    if (scaling == Autoencoder.Scaling.LAYER_NORM) {
      mean = Arrays.stream(x).average().orElseThrow();
      double m = mean;
      scale = Math.sqrt(Arrays.stream(x).map(v -> (v - m) * (v - m)).sum() / (D - 1));
      divisor = scale + 1e-5;
    } else if (scaling == Autoencoder.Scaling.CONSTANT_NORM) {
      scale = Math.sqrt(Arrays.stream(x).map(v -> v * v).sum() / D);
      divisor = scale;
    }
    double[] h = new double[K];
    for (int k = 0; k < K; k++) {
      h[k] = encodeBias[k];
      for (int d = 0; d < D; d++) {
        h[k] += ((x[d] - mean) / divisor - (inputBias ? bias[d] : 0)) * encode[d][k];
      }
    }
    double[] sorted = Arrays.stream(h).sorted().toArray();
    double least = chosen > 0 ? sorted[K - chosen] : Double.NEGATIVE_INFINITY;
    double[] f = new double[K];
    double[] out = new double[D];
    for (int k = 0; k < K; k++) {
      boolean active = h[k] > (thresholds ? threshold[k] : 0) && h[k] >= least;
      f[k] = active && h[k] > 0 ? scale * h[k] : 0;
    }
    for (int d = 0; d < D; d++) {
      out[d] = scale * bias[d] + mean;
      for (int k = 0; k < K; k++) {
        out[d] += f[k] * decode[k][d];
      }
    }
    return new double[][] {f, out};
  }

  private void check(
      Autoencoder a, Autoencoder.Scaling scaling, boolean in, boolean thresholds, int chosen) {
    assertEquals(scaling, a.scaling());
    for (int trial = 0; trial < 5; trial++) {
      float[] values = new float[D];
      fill(values);
      double[] x = new double[D];
      Arrays.setAll(x, d -> values[d]);
      try (TensorScope scope = new TensorScope()) {
        Tensor t = PLACE.tensor(x, 1, D);
        Autoencoder.Encoded encoded = a.encode(t);
        double[][] want = byHand(x, scaling, in, thresholds, chosen);
        assertArrayEquals(want[0], Tensors.doubles(encoded.activations()), 1e-9);
        assertArrayEquals(want[1], Tensors.doubles(a.reconstruct(encoded)), 1e-9);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "standard,none,true,0",
    "standard,layer_norm,true,0",
    "standard,constant_norm_rescale,false,0",
    "jumprelu,none,false,0",
    "jumprelu,layer_norm,true,0",
    "topk,none,true,2",
    "topk,constant_norm_rescale,true,3",
  })
  void saeLensAsItsSettingsSay(String architecture, String scaling, boolean in, int k)
      throws IOException {
    Map<String, Safetensors.Array> tensors = saeLens();
    if (architecture.equals("jumprelu")) {
      tensors.put("threshold", vector(threshold));
    }
    String settings =
        String.format(
            "{\"architecture\": \"%s\", \"d_in\": 8, \"d_sae\": 6, \"apply_b_dec_to_input\": %s,"
                + " \"normalize_activations\": \"%s\", \"hook_name\": \"blocks.1.hook_mlp_out\","
                + " \"model_name\": \"x\"%s}",
            architecture, in, scaling, k > 0 ? ", \"k\": " + k : "");
    block("blocks.1", tensors, settings);
    Autoencoder.Scaling wanted =
        switch (scaling) {
          case "none" -> Autoencoder.Scaling.NONE;
          case "layer_norm" -> Autoencoder.Scaling.LAYER_NORM;
          default -> Autoencoder.Scaling.CONSTANT_NORM;
        };
    try (Autoencoders all = read()) {
      assertNull(all.block(0));
      assertEquals(List.of(), all.notices());
      check(all.block(1), wanted, in, architecture.equals("jumprelu"), k);
    }
  }

  @Test
  void openAiWithAndWithoutItsSettings() throws IOException {
    Map<String, Safetensors.Array> tensors =
        turned("encoder.weight", "latent_bias", "decoder.weight", "pre_bias");
    tensors.put("stats_last_nonzero", vector(new float[K]));
    block("0", tensors, null);
    block("1", tensors, "{\"activation\": \"TopK\", \"k\": 2, \"normalize\": true}");
    try (Autoencoders all = read()) {
      check(all.block(0), Autoencoder.Scaling.NONE, true, false, 0);
      check(all.block(1), Autoencoder.Scaling.LAYER_NORM, true, false, 2);
      assertEquals(1, all.notices().size(), all.notices()::toString);
      String notice = all.notices().get(0);
      assertTrue(notice.contains("activation is not given: ReLU, not normalised"), notice);
    }
    // what is normalised where it is not said
    block("0", tensors, "{\"activation\": \"ReLU\"}");
    block("1", tensors, "{\"activation\": \"TopK\", \"k\": 2}");
    try (Autoencoders all = read()) {
      check(all.block(0), Autoencoder.Scaling.NONE, true, false, 0);
      check(all.block(1), Autoencoder.Scaling.LAYER_NORM, true, false, 2);
      assertEquals(List.of(), all.notices());
    }
  }

  @Test
  void plainFilesAndDictionaries() throws IOException {
    Safetensors.write(
        dir.resolve("0.safetensors"),
        turned("encode_weight", "latent_bias", "decode_weight", "bias"),
        Map.of());
    block("layer_1", turned("encoder.weight", "encoder.bias", "decoder.weight", "bias"), null);
    Files.writeString(dir.resolve("README.md"), "what they are");
    Files.writeString(dir.resolve("notes.txt"), "what else");
    try (Autoencoders all = read()) {
      check(all.block(0), Autoencoder.Scaling.NONE, true, false, 0);
      check(all.block(1), Autoencoder.Scaling.NONE, true, false, 0);
      assertEquals(1, all.notices().size());
      assertTrue(all.notices().get(0).contains("\"notes.txt\" is not read"));
    }
  }

  /** Latents that are kept are as they were; of the largest, the largest of all. */
  @Test
  void keptLatentsAreAsTheyWere() throws IOException {
    block("0", saeLens(), "{\"architecture\": \"topk\", \"k\": 2}");
    block("1", saeLens(), "{\"architecture\": \"standard\"}");
    try (Autoencoders all = read();
        Autoencoders some = all.keeping(List.of(new int[] {4, 1}, new int[] {5, 0, 2}));
        TensorScope scope = new TensorScope()) {
      float[] values = new float[10 * D];
      fill(values);
      Tensor x = PLACE.tensor(values, 10, D);
      for (int b = 0; b < 2; b++) {
        int[] kept = some.block(b).latents();
        double[] every = Tensors.doubles(all.block(b).encode(x).activations());
        double[] few = Tensors.doubles(some.block(b).encode(x).activations());
        for (int i = 0; i < few.length; i++) {
          assertEquals(every[i / kept.length * K + kept[i % kept.length]], few[i], 1e-12);
        }
      }
      assertArrayEquals(new int[] {1, 4}, some.sources().of(0));
      assertEquals(5, some.sources().total());
      assertTrue(some.bytes() < all.bytes());
      assertThrows(
          IllegalArgumentException.class,
          () -> some.keeping(List.of(new int[] {0}, new int[] {0})));
    }
  }

  private String refused() {
    String message = assertThrows(DataException.class, this::read).getMessage();
    assertEquals(1, message.lines().count(), message);
    assertTrue(message.contains(dir.toString()), message);
    return message;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"architecture\": \"gated\"} | architecture=\"gated\" is not supported",
        "{\"activation_fn_str\": \"tanh-relu\"} | activation_fn=\"tanhrelu\" is not supported",
        "{\"normalize_activations\": \"expected_average_only_in\"} | needs a factor",
        "{\"normalize_activations\": \"other\"} | normalize_activations=\"other\"",
        "{\"finetuning_scaling_factor\": true} | finetuning_scaling_factor=true",
        "{\"hook_name\": \"blocks.0.hook_resid_pre\"} | is not blocks.0.hook_mlp_out",
        "{\"metadata\": {\"hook_name\": \"blocks.1.hook_mlp_out\"}} | is not blocks.0.hook_mlp_out",
        "{\"hook_head_index\": 3} | one head",
        "{\"d_in\": 9} | d_in=9 but the weights are of 8",
        "{\"d_sae\": 2} | d_sae=2 but the weights are of 6",
        "{\"architecture\": \"topk\"} | missing field",
        "{\"architecture\": \"topk\", \"k\": 7} | k=7 latents are to be chosen of 6",
        "{\"architecture\": \"jumprelu\"} | \"threshold\"",
        "[] | an array",
      })
  void settingsThatCannotBeFollowed(String settings, String message) throws IOException {
    block("blocks.0", saeLens(), settings);
    String is = refused();
    assertTrue(is.contains(message), is);
  }

  @Test
  void settingsThatNobodyReadsAreToldOf() throws IOException {
    block("blocks.0", saeLens(), "{\"some_new_setting\": 3, \"lr\": 0.1}");
    try (Autoencoders all = read()) {
      assertEquals(1, all.notices().size());
      assertTrue(all.notices().get(0).contains("\"some_new_setting\" is not read"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"W_enc", "b_enc", "W_dec", "b_dec"})
  void tensorsThatAreMissingOrOfAnotherShape(String name) throws IOException {
    Map<String, Safetensors.Array> tensors = saeLens();
    Safetensors.Array is = tensors.remove(name);
    block("blocks.0", tensors, "{}");
    String message = refused();
    assertTrue(message.contains("lacks tensor=\"" + name + "\""), message);
    tensors.put(name, new Safetensors.Array(new long[] {is.data().length, 1, 1}, is.data()));
    block("blocks.0", tensors, "{}");
    message = refused();
    assertTrue(message.contains("has shape="), message);
    is.data()[1] = Float.NaN;
    tensors.put(name, is);
    block("blocks.0", tensors, "{}");
    message = refused();
    assertTrue(message.contains("NaN"), message);
  }

  @Test
  void whatIsNotKnownIsRefused() throws IOException {
    String empty = refused();
    assertTrue(empty.contains("holds none"), empty);
    Map<String, Safetensors.Array> tensors = saeLens();
    tensors.put("r_mag", vector(encodeBias));
    block("blocks.0", tensors, "{}");
    String other = refused();
    assertTrue(other.contains("tensor=\"r_mag\""), other);
    block("blocks.0", saeLens(), "{}");
    block("0", saeLens(), "{}");
    String twice = refused();
    assertTrue(twice.contains("both of block=0"), twice);
    Files.move(dir.resolve("0"), dir.resolve("2"));
    String beyond = refused();
    assertTrue(beyond.contains("block=2") && beyond.contains("blocks=2"), beyond);
    Files.move(dir.resolve("2"), dir.resolve("1"));
    Files.delete(dir.resolve("1/cfg.json"));
    String bare = refused();
    assertTrue(bare.contains("cfg.json"), bare);
    Files.move(dir.resolve("1/sae_weights.safetensors"), dir.resolve("1/weights.pt"));
    String pickled = refused();
    assertTrue(pickled.contains(".pt file, which is not read"), pickled);
    Safetensors.write(dir.resolve("1/x.safetensors"), Map.of("weight", vector(bias)), Map.of());
    String none = refused();
    assertTrue(none.contains("no tensors of an autoencoder"), none);
  }

  @Test
  void aModelWithoutMlpsHasNone() {
    TransformerConfig bare = RandomModels.named("attention-only LN").config();
    String message =
        assertThrows(DataException.class, () -> Autoencoders.read(dir, bare, false, PLACE))
            .getMessage();
    assertTrue(message.contains("has no MLPs"), message);
  }

  /** Sums over prompts leave pads out; the largest come first. */
  @Test
  void activationsAreSummedOverTokens() throws IOException {
    block("0", saeLens(), "{}");
    try (Transformer plain =
            RandomModels.model(RandomModels.named("sequential LN, folded"), ScalarType.Double, 3);
        Autoencoders all = read()) {
      Transformer model = plain.withAutoencoders(all);
      PromptBatch padded = RandomModels.batch(new int[] {3, 5}, 5, 2);
      LatentActivations both = LatentActivations.of(model, List.of(padded.clean()));
      LatentActivations apart =
          LatentActivations.of(
              model,
              List.of(RandomModels.rows(padded, 0).clean(), RandomModels.rows(padded, 1).clean()));
      assertArrayEquals(apart.totals().get(0), both.totals().get(0), 1e-9);
      assertNull(both.totals().get(1));
      int[] kept = both.largest(0).get(0);
      for (int i = 1; i < kept.length; i++) {
        assertTrue(both.totals().get(0)[kept[i - 1]] >= both.totals().get(0)[kept[i]]);
      }
      assertEquals(Arrays.stream(both.totals().get(0)).filter(v -> v > 0).count(), kept.length);
      assertArrayEquals(Arrays.copyOf(kept, 2), both.largest(2).get(0));
      assertNull(both.largest(2).get(1));
      assertEquals(
          1,
          new LatentActivations(List.of(new double[3]), List.of(new int[] {2, 4, 9}))
              .largest(5)
              .get(0)
              .length);
    }
  }
}
