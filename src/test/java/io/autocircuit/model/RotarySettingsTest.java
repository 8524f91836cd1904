package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static io.autocircuit.model.Loaded.complaint;
import static io.autocircuit.model.Loaded.notices;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.model.ModelDirectories.Draft;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.tensor.Safetensors.Array;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Rotary settings in all the places where versions of transformers and TransformerLens put them.
 */
class RotarySettingsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Base 10000 over the 8 coordinates of a head. */
  private static final double[] PLAIN = {1, 0.1, 0.01, 0.001};

  @TempDir Path directory;

  private static Draft llama(String json) throws IOException {
    Draft m = ModelDirectories.llama();
    m.config().setAll((ObjectNode) JSON.readTree(json.replace('\'', '"')));
    return m;
  }

  private static Draft neox(String json) throws IOException {
    Draft m = ModelDirectories.neox();
    m.config().setAll((ObjectNode) JSON.readTree(json.replace('\'', '"')));
    return m;
  }

  private static Draft hooked(String json) throws IOException {
    Draft m = ModelDirectories.hooked();
    m.config().put("positional_embedding_type", "rotary");
    m.config().setAll((ObjectNode) JSON.readTree(json.replace('\'', '"')));
    m.weights().remove("pos_embed.W_pos");
    return m;
  }

  private double[] frequencies(Draft m) throws IOException {
    return ((Rotary) Loaded.config(m, directory).positions()).inverseFrequencies();
  }

  @Test
  void theBaseMayStandInsideTheScaling() throws IOException {
    double[] base100 = {1, Math.pow(100, -0.25), 0.1, Math.pow(100, -0.75)};
    for (String json :
        List.of(
            "{'rope_theta': 100}",
            "{'rope_parameters': {'rope_theta': 100}}",
            "{'rope_parameters': {'rope_theta': 100, 'rope_type': 'default'}}",
            "{'rope_scaling': {'rope_theta': 100, 'type': 'default'}}",
            "{'rope_scaling': {'rope_theta': 100}, 'rope_parameters': null}",
            "{'rope_scaling': {'rope_theta': 100}, 'rope_parameters': {'rope_theta': 100}}")) {
      assertArrayEquals(base100, frequencies(llama(json)), 1e-12, json);
      assertEquals(List.of(), notices(llama(json), directory), json);
    }
    double[] halved = {0.5, base100[1] / 2, 0.05, base100[3] / 2};
    assertArrayEquals(
        halved,
        frequencies(llama("{'rope_scaling':{'rope_type':'linear','factor':2,'rope_theta':100}}")),
        1e-12);
    double[] half = {1, 0.1};
    for (String json :
        List.of(
            "{'rotary_pct': 0.5, 'rotary_emb_base': 100}",
            "{'rope_scaling': {'partial_rotary_factor': 0.5, 'rope_theta': 100}}",
            "{'rope_parameters': {'partial_rotary_factor': 0.5}, 'rotary_emb_base': 100}")) {
      assertArrayEquals(half, frequencies(neox(json)), 1e-12, json);
    }
  }

  @Test
  void placesThatDisagree() throws IOException {
    Draft m = llama("{'rope_theta': 10000, 'rope_parameters': {'rope_theta': 100}}");
    assertArrayEquals(
        new double[] {1, Math.pow(100, -0.25), 0.1, Math.pow(100, -0.75)}, frequencies(m), 1e-12);
    assertEquals(
        List.of(
            "file=M/config.json: rope_theta=10000.0 and rope_parameters.rope_theta=100.0 disagree;"
                + " the second is used, as transformers 5 does"),
        notices(m, directory));
    assertContains(
        complaint(
            llama("{'rope_scaling': {'rope_theta': 9}, 'rope_parameters': {'rope_theta': 8}}"),
            directory),
        "rope_scaling and rope_parameters are both given and differ");
    assertContains(
        complaint(llama("{'rotary_emb_base': 500}"), directory),
        "rotary_emb_base=500.0 is not read for model_type=\"llama\", whose rope_theta=10000.0 says"
            + " otherwise");
    assertContains(
        complaint(neox("{'rope_theta': 500}"), directory),
        "rope_theta=500.0 is not read for model_type=\"gpt_neox\"");
    assertContains(
        complaint(llama("{'rope_scaling': {'rope_type': 'linear', 'type': 'llama3'}}"), directory),
        "rope_type=linear and type=llama3 disagree");
    assertContains(
        complaint(llama("{'partial_rotary_factor': 0.5}"), directory),
        "partial_rotary_factor other than 1 is not supported with model_type=\"llama\"");
    assertContains(
        complaint(llama("{'rope_parameters': {'full_attention': {'rope_theta': 5}}}"), directory),
        "rope_parameters holds settings for kinds of layers");
  }

  /** Original context 12 (the whole): 2π is between 12/4 and 12, all others are longer. */
  @Test
  void withoutAnOriginalLengthTheContextIsTaken() throws IOException {
    double blend = (12 / (2 * Math.PI) - 1) / 3;
    double[] expected = {(1 - blend) / 8 + blend, 0.0125, 0.00125, 0.000125};
    String llama3 =
        "'rope_type': 'llama3', 'factor': 8, 'low_freq_factor': 1, 'high_freq_factor': 4";
    assertArrayEquals(expected, frequencies(llama("{'rope_scaling': {" + llama3 + "}}")), 1e-12);
    String original = "'original_max_position_embeddings': ";
    double[] long1000 =
        frequencies(llama("{'rope_scaling': {" + llama3 + ", " + original + "1000}}"));
    assertEquals(0.1, long1000[1], 1e-12);
    assertArrayEquals(
        long1000, frequencies(llama("{'rope_scaling': {" + llama3 + "}, " + original + "1000}")));
    Draft both =
        llama("{'rope_scaling': {" + llama3 + ", " + original + "9}, " + original + "1000}");
    assertArrayEquals(long1000, frequencies(both));
    assertContains(notices(both, directory).get(0), "=1000.0 at the top and 9.0 in the rotary");
  }

  @Test
  void dynamicScalingChangesNothingWithinTheContext() throws IOException {
    assertArrayEquals(
        PLAIN, frequencies(llama("{'rope_scaling': {'type': 'dynamic', 'factor': 2}}")), 1e-15);
  }

  /**
   * Over 8 coordinates with base 10000 and a context of 16, the pair that turns 32 times is below 0
   * and the one that turns once is 8·ln(16/2π)/(2·ln 10000) = 0.41, rounded up to 1: pair 0 stays
   * and the others are divided by 4. Scores get the square of 0.1·ln 4 + 1.
   */
  @Test
  void yarn() throws IOException {
    String yarn = "'rope_type': 'yarn', 'factor': 4, 'original_max_position_embeddings': 16";
    Draft m = llama("{'rope_scaling': {" + yarn + "}}");
    assertArrayEquals(new double[] {1, 0.025, 0.0025, 0.00025}, frequencies(m), 1e-15);
    double factor = 0.1 * Math.log(4) + 1;
    assertEquals(
        Math.sqrt(8) / factor / factor, Loaded.config(m, directory).attentionScale(), 1e-12);
    Draft given = llama("{'rope_scaling': {" + yarn + ", 'attention_factor': 2}}");
    assertEquals(Math.sqrt(8) / 4, Loaded.config(given, directory).attentionScale(), 1e-12);
    // fast at pair 0.41 (not rounded), slow at 8·ln(16/0.2π)/(2·ln 10000) = 1.41: a ramp of length
    // 1
    Draft ramp =
        llama("{'rope_scaling': {" + yarn + ",'beta_fast':1,'beta_slow':0.1,'truncate':false}}");
    double from = 8 * Math.log(16 / (2 * Math.PI)) / (2 * Math.log(10000));
    double to = 8 * Math.log(16 / (0.2 * Math.PI)) / (2 * Math.log(10000));
    double share = (1 - from) / (to - from);
    assertArrayEquals(
        new double[] {1, 0.1 / 4 * share + 0.1 * (1 - share), 0.0025, 0.00025},
        frequencies(ramp),
        1e-12);
    assertContains(
        complaint(neox("{'rope_scaling': {" + yarn + "}}"), directory),
        "rope_type=\"yarn\" on a part of each head is not supported");
  }

  @Test
  void whatIsMissingOrNotComputed() throws IOException {
    String missing = "missing field \"rope_scaling.";
    for (String type : List.of("linear", "dynamic", "llama3", "yarn")) {
      assertContains(
          complaint(llama("{'rope_scaling': {'rope_type': '" + type + "'}}"), directory),
          missing + "factor\"");
    }
    assertContains(
        complaint(llama("{'rope_scaling': {'rope_type': 'llama3', 'factor': 8}}"), directory),
        missing + "low_freq_factor\"");
    for (String type : List.of("longrope", "su", "mrope", "proportional")) {
      assertContains(
          complaint(llama("{'rope_scaling': {'rope_type': '" + type + "'}}"), directory),
          "rope_type=\"" + type + "\" is not supported; use a model with one of: default, linear,");
    }
  }

  @Test
  void transformerLensScalesToo() throws IOException {
    assertArrayEquals(PLAIN, frequencies(hooked("{}")), 1e-15);
    assertArrayEquals(
        new double[] {0.125, 0.0125, 0.00125, 0.000125},
        frequencies(hooked("{'rotary_scaling_factor': 8.0}")),
        1e-15);
    String parts = "'use_NTK_by_parts_rope': true, 'NTK_original_ctx_len': 1000";
    assertArrayEquals(
        frequencies(
            llama(
                "{'rope_scaling': {'rope_type': 'llama3', 'factor': 8, 'low_freq_factor': 1,"
                    + " 'high_freq_factor': 4, 'original_max_position_embeddings': 1000}}")),
        frequencies(hooked("{" + parts + "}")));
    assertArrayEquals(
        new double[] {1, 0.1, 0.0025, 0.00025},
        frequencies(
            hooked(
                "{"
                    + parts
                    + ", 'NTK_by_parts_factor': 4, 'NTK_by_parts_low_freq_factor': 2,"
                    + " 'NTK_by_parts_high_freq_factor': 3}")),
        1e-15);
    assertContains(
        complaint(hooked("{" + parts + ", 'rotary_scaling_factor': 8}"), directory),
        "rotary_scaling_factor=8.0 together with use_NTK_by_parts_rope=true is not supported");
    assertContains(
        complaint(hooked("{" + parts + ", 'NTK_by_parts_low_freq_factor': 4}"), directory),
        "NTK_by_parts_low_freq_factor=4.0 is not below");
  }

  /** A dictionary may hold the angles that its model was used with. */
  @Test
  void storedAnglesMustBeOurs() throws IOException {
    for (boolean adjacent : new boolean[] {false, true}) {
      Draft m = hooked("{'rotary_base': 100, 'rotary_adjacent_pairs': " + adjacent + "}");
      float[] cosines = new float[ModelDirectories.CONTEXT * 8];
      for (int i = 0; i < cosines.length; i++) {
        int pair = adjacent ? i % 8 / 2 : i % 4;
        cosines[i] = (float) Math.cos(i / 8 * Math.pow(100, -pair / 4.0));
      }
      m.weights()
          .put(
              "blocks.0.attn.rotary_cos",
              new Array(new long[] {ModelDirectories.CONTEXT, 8}, cosines));
      Loaded.logits(m, directory);
      m.config().put("rotary_base", 10000);
      assertContains(
          complaint(m, directory),
          "tensor=\"blocks.0.attn.rotary_cos\" has ",
          " at position 1, but the rotary settings of config.json give ");
    }
  }
}
