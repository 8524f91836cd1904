package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static io.autocircuit.model.Loaded.complaint;
import static io.autocircuit.model.Loaded.notices;
import static io.autocircuit.model.ModelDirectories.BLOCKS;
import static io.autocircuit.model.ModelDirectories.CONTEXT;
import static io.autocircuit.model.ModelDirectories.D;
import static io.autocircuit.model.ModelDirectories.D_HEAD;
import static io.autocircuit.model.ModelDirectories.HEADS;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.Features.AttentionKind;
import io.autocircuit.model.ModelDirectories.Draft;
import io.autocircuit.model.TransformerConfig.Alibi;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.tensor.Safetensors.Array;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What TransformerLens's settings say beyond sizes becomes {@link Features}, or is refused. */
class HookedFeaturesTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path directory;

  private static Draft with(String json) throws IOException {
    Draft m = ModelDirectories.hooked();
    m.config().setAll((ObjectNode) JSON.readTree(json.replace('\'', '"')));
    return m;
  }

  /** RMS without shifts, no bias of attention, scales of further norms. */
  private static Draft normalised(String json) throws IOException {
    Draft m = with(json);
    m.config().put("normalization_type", "RMS");
    m.weights().keySet().removeIf(n -> n.matches(".*ln.*\\.b"));
    for (int b = 0; b < BLOCKS; b++) {
      String p = "blocks." + b + ".";
      m.put(p + "attn.q_norm.w", D_HEAD);
      m.put(p + "attn.k_norm.w", D_HEAD);
      m.put(p + "ln2_post.w", D);
      float[] ones = new float[D];
      java.util.Arrays.fill(ones, 1 + b);
      m.weights().put(p + "ln1_post.w", new Array(new long[] {D}, ones));
      m.weights().put(p + "attn.b_O", new Array(new long[] {D}, new float[D]));
    }
    return m;
  }

  private static final String BOTH =
      "{'use_qk_norm': true, 'use_normalization_before_and_after': true}";

  @Test
  void capsAndFurtherNorms() throws IOException {
    Features caps =
        Loaded.config(
                with("{'attn_scores_soft_cap': 2.5, 'output_logits_soft_cap': 30}"), directory)
            .features();
    assertEquals(2.5, caps.scoreCap());
    assertEquals(30, caps.logitCap());
    Draft m = normalised(BOTH);
    Features norms = Loaded.config(m, directory).features();
    Normalization rms = new Normalization(Normalization.Kind.RMS_NORM, 1e-5);
    assertEquals(rms, norms.queryKeyNormalization());
    assertEquals(rms, norms.outputNormalization());
    assertEquals(List.of(), notices(m, directory));
  }

  @Test
  void biasesBeforeANormBelongToNoSource() throws IOException {
    Draft m = normalised(BOTH);
    m.put("blocks.1.attn.b_O", D);
    assertContains(
        complaint(m, directory), "blocks.1.attn.b_O\": a bias of attention", "is not supported");
    Draft zero = normalised(BOTH);
    zero.weights().put("blocks.0.ln1_post.w", new Array(new long[] {D}, new float[D]));
    assertContains(complaint(zero, directory), "blocks.0.ln1_post.w\" holds a scale of 0");
  }

  @Test
  void localAttentionIsCausal() throws IOException {
    Draft both =
        with(
            "{'use_local_attn': true, 'window_size': 3, 'attn_types': ['global', 'local'],"
                + " 'attention_dir': 'bidirectional'}");
    assertContains(
        complaint(both, directory),
        "use_local_attn=true with attention_dir=\"bidirectional\" is not supported");
  }

  @Test
  void localAttention() throws IOException {
    String local = "'use_local_attn': true, 'window_size': 3, 'attn_types': ['global', 'local']";
    Draft m = with("{" + local + "}");
    List<AttentionKind> kinds = Loaded.config(m, directory).features().attention();
    assertEquals(List.of(0, 3), kinds.stream().map(AttentionKind::window).toList());
    Draft masked = with("{" + local + "}");
    for (int b = 0; b < BLOCKS; b++) {
      float[] mask = new float[CONTEXT * CONTEXT];
      for (int i = 0; i < mask.length; i++) {
        int q = i / CONTEXT;
        int k = i % CONTEXT;
        mask[i] = k <= q && (b == 0 || q - k < 3) ? 1 : 0;
      }
      masked
          .weights()
          .put("blocks." + b + ".attn.mask", new Array(new long[] {CONTEXT, CONTEXT}, mask));
    }
    assertArrayEquals(Loaded.logits(m, directory), Loaded.logits(masked, directory));
    masked.config().put("window_size", 4);
    assertContains(complaint(masked, directory), "position 3 does not see 0");
    Draft rotary =
        with(
            "{"
                + local
                + ", 'positional_embedding_type': 'rotary', 'rotary_base': 100,"
                + " 'rotary_base_local': 7}");
    rotary.weights().remove("pos_embed.W_pos");
    List<AttentionKind> bases = Loaded.config(rotary, directory).features().attention();
    assertEquals(
        Math.pow(7, -0.25),
        assertInstanceOf(Rotary.class, bases.get(1).positions()).inverseFrequencies()[1],
        1e-12);
    rotary.config().put("rotary_scaling_factor", 2);
    assertContains(complaint(rotary, directory), "rotary_base_local=7.0 together with scaled");
    assertContains(
        complaint(with("{" + local.replace("'local'", "'far'") + "}"), directory),
        "attn_types=\"far\" is not supported");
  }

  @Test
  void alibi() throws IOException {
    Draft m = with("{'positional_embedding_type': 'alibi'}");
    m.weights().remove("pos_embed.W_pos");
    Alibi positions = assertInstanceOf(Alibi.class, Loaded.config(m, directory).positions());
    assertArrayEquals(new double[] {0.25, 0.0625, 0.015625, 0.00390625}, positions.slopes());
    // of 12 heads: those of 8, and every other one of those of 16
    double[] twelve = Alibi.of(12).slopes();
    assertEquals(Math.pow(2, -8), twelve[7], 1e-15);
    assertEquals(Math.pow(2, -0.5), twelve[8], 1e-15);
    assertEquals(Math.pow(2, -3.5), twelve[11], 1e-15);
  }

  @Test
  void scoresOfALaterBlockAreDividedByItsNumber() throws IOException {
    Draft halved = with("{}");
    for (String name : List.of("blocks.1.attn.W_Q", "blocks.1.attn.b_Q")) {
      Array whole = halved.weights().get(name);
      float[] half = whole.data().clone();
      for (int i = 0; i < half.length; i++) {
        half[i] /= 2;
      }
      halved.weights().put(name, new Array(whole.shape(), half));
    }
    assertArrayEquals(
        Loaded.logits(halved, directory),
        Loaded.logits(with("{'scale_attn_by_inverse_layer_idx': true}"), directory));
    assertEquals(HEADS, Loaded.config(halved, directory).heads());
  }
}
