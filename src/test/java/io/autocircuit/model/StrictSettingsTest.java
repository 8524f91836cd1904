package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static io.autocircuit.model.Loaded.complaint;
import static io.autocircuit.model.Loaded.notices;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.model.ModelDirectories.Draft;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Settings that say something by being false or null, or by naming another family. */
class StrictSettingsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final Map<String, Supplier<Draft>> LAYOUTS =
      Map.of(
          "gpt2", ModelDirectories::gpt2,
          "gpt_neox", ModelDirectories::neox,
          "llama", ModelDirectories::llama,
          "hooked", ModelDirectories::hooked);

  @TempDir Path directory;

  private static Draft with(Supplier<Draft> base, String json) throws IOException {
    Draft m = base.get();
    m.config().setAll((ObjectNode) JSON.readTree(json.replace('\'', '"')));
    return m;
  }

  @Test
  void attentionToLaterPositions() throws IOException {
    for (Supplier<Draft> base : LAYOUTS.values()) {
      assertContains(
          complaint(with(base, "{'is_causal': false}"), directory),
          "file=M/config.json: is_causal=false is not supported");
      assertEquals(List.of(), notices(with(base, "{'is_causal': true}"), directory));
    }
    for (String type : List.of("gpt2", "gpt_neox", "llama")) {
      assertContains(
          complaint(with(LAYOUTS.get(type), "{'use_bidirectional_attention': true}"), directory),
          "use_bidirectional_attention=true is not supported");
      assertEquals(
          List.of(),
          notices(with(LAYOUTS.get(type), "{'use_bidirectional_attention': false}"), directory));
    }
  }

  @Test
  void unknownSettingsThatAreFalse() throws IOException {
    for (Supplier<Draft> base : LAYOUTS.values()) {
      assertContains(
          notices(with(base, "{'use_rope_or_so': false}"), directory).get(0),
          "settings not known to this library and not read: use_rope_or_so=false;");
    }
    String known =
        "{'use_qk_norm': false, 'is_encoder_decoder': false, 'tie_encoder_decoder': false,"
            + " 'alibi': false, 'sliding_window': false, 'output_attentions': false,"
            + " 'rope_interleaved': false, 'tf_legacy_loss': false, 'moe': false}";
    for (String type : List.of("gpt2", "gpt_neox", "llama")) {
      assertEquals(List.of(), notices(with(LAYOUTS.get(type), known), directory));
    }
  }

  @Test
  void anotherFamilysClass() throws IOException {
    Map<String, String> wrong =
        Map.of(
            "GemmaForCausalLM", "llama",
            "LlamaForCausalLM", "gpt2",
            "LlamaBidirectionalModel", "llama",
            "GPT2LMHeadModel", "gpt_neox",
            "GPTNeoXJapaneseForCausalLM", "gpt_neox",
            "JAISLMHeadModel", "gpt2",
            "MistralForCausalLM", "llama");
    for (Map.Entry<String, String> e : wrong.entrySet()) {
      for (String value : List.of("['" + e.getKey() + "']", "'" + e.getKey() + "'")) {
        Draft m = with(LAYOUTS.get(e.getValue()), "{'architectures': " + value + "}");
        assertContains(
            complaint(m, directory),
            "architectures=[\"" + e.getKey() + "\"] is not model_type=\"" + e.getValue() + "\": ");
      }
    }
    assertContains(
        complaint(with(LAYOUTS.get("llama"), "{'architectures': [7]}"), directory),
        "architectures=[\"7\"] is not model_type=\"llama\"");
    Map<String, String> right =
        Map.of(
            "LlamaForCausalLM", "llama",
            "LLaMAForCausalLM", "llama",
            "LlamaModel", "llama",
            "GPT2LMHeadModel", "gpt2",
            "GPT2Model", "gpt2",
            "GPT2DoubleHeadsModel", "gpt2",
            "GPTNeoXForCausalLM", "gpt_neox",
            "GPTNeoXModel", "gpt_neox");
    for (Map.Entry<String, String> e : right.entrySet()) {
      Draft m = with(LAYOUTS.get(e.getValue()), "{'architectures': ['" + e.getKey() + "']}");
      assertEquals(List.of(), notices(m, directory));
    }
    assertContains(
        notices(
                with(LAYOUTS.get("llama"), "{'architectures': ['LlamaForSequenceClassification']}"),
                directory)
            .get(0),
        "architectures=[\"LlamaForSequenceClassification\"]: the model was made to classify");
  }

  @Test
  void nullWhereTrueIsTheDefault() throws IOException {
    Map<String, String> flags =
        Map.of(
            "use_attn_scale", "hooked",
            "scale_attn_weights", "gpt2",
            "use_parallel_residual", "gpt_neox",
            "attention_bias", "gpt_neox",
            "tie_word_embeddings", "gpt2");
    for (Map.Entry<String, String> e : flags.entrySet()) {
      Draft m = with(LAYOUTS.get(e.getValue()), "{'" + e.getKey() + "': null}");
      assertContains(
          complaint(m, directory), e.getKey() + "=null is not clear", "; give true or false");
    }
    for (String flag : List.of("tie_word_embeddings", "attention_bias", "mlp_bias")) {
      Draft m = with(LAYOUTS.get("llama"), "{'" + flag + "': null}");
      assertEquals(List.of(), notices(m, directory));
    }
  }

  @Test
  void numbersThatNothingIsScaledBy() throws IOException {
    Map<String, String> rotary =
        Map.of(
            "'rope_type': 'yarn', 'factor': 4, 'beta_fast': -1", "rope_scaling.beta_fast=-1.0",
            "'rope_type': 'yarn', 'factor': 4, 'beta_slow': -2", "rope_scaling.beta_slow=-2.0",
            "'rope_type': 'yarn', 'factor': 1e-9", "rope_scaling.factor=1.0E-9",
            "'rope_type': 'yarn', 'factor': 4, 'rope_theta': 1", "rotary base=1",
            "'rope_type': 'yarn', 'factor': 4, 'attention_factor': 1e-30",
                "rope_scaling.attention_factor=1.0E-30",
            "'rope_type': 'linear', 'factor': 1e12", "rope_scaling.factor=1.0E12");
    for (Map.Entry<String, String> e : rotary.entrySet()) {
      Draft m = with(LAYOUTS.get("llama"), "{'rope_scaling': {" + e.getKey() + "}}");
      assertContains(complaint(m, directory), e.getValue(), " is not usable; ");
    }
    for (String scale : List.of("1e-320", "1e-30", "1e30")) {
      Draft m = with(LAYOUTS.get("hooked"), "{'attn_scale': " + scale + "}");
      assertContains(complaint(m, directory), "attn_scale=", " is not usable; give a number in");
    }
  }

  /** What checkpoints on the Hugging Face hub have in their configurations. */
  @Test
  void settingsOfRealCheckpoints() throws IOException {
    String found =
        "{'is_llama_config': true, 'transformers.js_config': {'dtype': 'q4'}, '_num_labels': 1,"
            + " 'output_past': true, 'xla_device': true, 'max_sequence_length': 2048,"
            + " 'custom_pipelines': {'text-generation': {'pt': 'X'}}, 'use_return_dict': true,"
            + " 'is_composition': false, 'renormalize_logits': true,"
            + " '_flash_attn_2_enabled': true, 'tokenizer_padding_side': 'right',"
            + " 'model_max_length': 64, 'cache_implementation': 'static',"
            + " 'transformers_weights': 'model.safetensors', 'is_causal': true,"
            + " 'rope_interleaved': false, 'unsloth_version': '2025.1', 'unsloth_fixed': true,"
            + " '_attn_implementation': 'sdpa', '_attn_implementation_autoset': true,"
            + " 'attn_logit_softcapping': 0, 'final_logit_softcapping': 0.0}";
    for (String type : List.of("gpt2", "gpt_neox", "llama")) {
      assertEquals(List.of(), notices(with(LAYOUTS.get(type), found), directory));
      assertContains(
          notices(with(LAYOUTS.get(type), "{'auto_map': {'AutoConfig': 'x.Y'}}"), directory).get(0),
          "auto_map=an object");
    }
    Draft off =
        with(
            ModelDirectories::hooked,
            "{'attn_scores_soft_cap': 0, 'output_logits_soft_cap': 0.0, 'num_experts': 0,"
                + " 'rmsnorm_uses_offset': false}");
    assertEquals(List.of(), notices(off, directory));
    assertArrayEquals(
        Loaded.logits(ModelDirectories.hooked(), directory), Loaded.logits(off, directory));
    assertContains(
        complaint(with(ModelDirectories::llama, "{'attn_logit_softcapping': 30}"), directory),
        "attn_logit_softcapping=30 is not supported");
  }
}
