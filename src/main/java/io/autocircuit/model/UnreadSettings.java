package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * What is done with the settings that a layout does not read: some never change what the model
 * computes, some do so unless they have a certain value and are refused then, and of the rest the
 * user is told. A setting that is null or empty does nothing; one that is false does nothing where
 * it switches on something that is known, and else is as unknown as any other value.
 *
 * @param neutral settings that may have any value
 * @param variants settings of variants that are not computed, with the value that leaves the model
 *     as it is; NaN if every number changes it
 */
record UnreadSettings(Set<String> neutral, Map<String, Double> variants) {
  private static final int SHOWN = 8;

  /** Endings of names of settings for training and generation. */
  private static final List<String> NEUTRAL_ENDINGS =
      List.of("_token_id", "_token_ids", "dropout", "_dropout_prob", "_pdrop");

  /** What every configuration of transformers may hold. */
  private static final String COMMON =
      "architectures model_type _name_or_path name_or_path transformers_version torch_dtype dtype"
          + " _attn_implementation _attn_implementation_autoset _attn_implementation_internal"
          + " attn_implementation _commit_hash use_cache initializer_range is_decoder"
          + " output_attentions output_hidden_states output_scores return_dict"
          + " return_dict_in_generate id2label label2id num_labels problem_type finetuning_task"
          + " task_specific_params tokenizer_class prefix bad_words_ids temperature top_k top_p"
          + " typical_p repetition_penalty length_penalty no_repeat_ngram_size"
          + " encoder_no_repeat_ngram_size num_beams num_beam_groups diversity_penalty"
          + " early_stopping max_length min_length max_new_tokens do_sample num_return_sequences"
          + " exponential_decay_length_penalty suppress_tokens begin_suppress_tokens"
          + " remove_invalid_values chunk_size_feed_forward torchscript tf_legacy_loss"
          + " use_bfloat16 gradient_checkpointing unsloth_version unsloth_fixed pretraining_tp"
          + " max_window_layers num_experts_per_tok resid_pdrop is_llama_config"
          + " transformers.js_config _num_labels output_past xla_device max_sequence_length"
          + " custom_pipelines use_return_dict is_composition renormalize_logits"
          + " _flash_attn_2_enabled use_flash_attention use_flash_attn tokenizer_padding_side"
          + " tokenizer_model_max_length model_max_length cache_implementation"
          + " transformers_weights tie_encoder_decoder cross_attention_hidden_size device_map"
          + " low_cpu_mem_usage trust_remote_code fp16 bf16 torch_compile neftune_noise_alpha"
          + " rope_scaling.finetuned rope_parameters.finetuned";

  /** What no model of these families does, if it is false. */
  private static final Set<String> OFF =
      words(
          "scale_attn_by_inverse_layer_idx mup use_mup moe use_moe output_router_logits"
              + " sliding_window is_layer_norm_activation use_headwise_qkv_input"
              + " rmsnorm_uses_offset attention_bias mlp_bias");

  /**
   * Settings of other families and of variants: what they would change is not computed. They are
   * refused also where transformers would not read them for this family, because they say that the
   * weights belong to another.
   */
  private static final Map<String, Double> VARIANTS = refused();

  static final UnreadSettings HOOKED =
      new UnreadSettings(
          words(
              "architecture model_type device n_devices seed init_mode initializer_range"
                  + " init_weights model_name original_architecture from_checkpoint"
                  + " checkpoint_index checkpoint_label_type checkpoint_value tokenizer_name"
                  + " trust_remote_code dtype n_params use_attn_result use_split_qkv_input"
                  + " use_hook_mlp_in use_attn_in use_hook_tokens default_prepend_bos"
                  + " tokenizer_prepends_bos window_size attn_types rotary_base_local"
                  + " ungroup_grouped_query_attention decoder_start_token_id tie_word_embeddings"
                  + " norm_topk_prob experts_per_token relative_attention_max_distance"
                  + " relative_attention_num_buckets uses_rms_norm layer_norm_folding yarn_factor"
                  + " yarn_attention_factor yarn_beta_fast yarn_beta_slow"
                  + " yarn_original_max_position_embeddings NTK_by_parts_low_freq_factor"
                  + " NTK_by_parts_high_freq_factor NTK_by_parts_factor NTK_original_ctx_len"
                  + " rotary_dim rotary_base rotary_adjacent_pairs rotary_scaling_factor act_fn"
                  + " d_mlp gated_mlp eps attn_scale"),
          Map.of());

  UnreadSettings {
    neutral = Set.copyOf(neutral);
    variants = Map.copyOf(variants);
  }

  /** For a family of another jar: what is neutral everywhere, and what it names. */
  static UnreadSettings others(Set<String> neutral) {
    Set<String> all = words(COMMON);
    all.addAll(neutral);
    return new UnreadSettings(all, VARIANTS);
  }

  private static Set<String> words(String... lists) {
    Set<String> all = new HashSet<>();
    for (String list : lists) {
      all.addAll(Arrays.asList(list.split(" ")));
    }
    return all;
  }

  private static Map<String, Double> refused() {
    Map<String, Double> v = new TreeMap<>();
    for (String never :
        List.of(
            "query_pre_attn_scalar",
            "attention_multiplier",
            "scale_depth",
            "dim_model_base",
            "clip_qkv",
            "use_bidirectional_attention",
            "bidirectional",
            "window_size",
            "attention_window",
            "no_rope_layers",
            "no_rope_layer_interval",
            "pruned_heads",
            "is_encoder_decoder",
            "use_sliding_window",
            "alibi",
            "use_alibi",
            "qk_layernorm",
            "use_qk_norm",
            "qk_norm",
            "new_decoder_architecture",
            "parallel_attn",
            "rope_interleaved",
            "add_cross_attention",
            "multi_query")) {
      v.put(never, Double.NaN);
    }
    for (String one :
        List.of(
            "logit_scale",
            "logits_scaling",
            "embedding_multiplier",
            "residual_multiplier",
            "embedding_scale",
            "scale_emb",
            "scale_embedding",
            "lm_head_multiplier",
            "scoring_func_scale")) {
      v.put(one, 1.0);
    }
    for (String zero :
        List.of(
            "attn_logit_softcapping",
            "final_logit_softcapping",
            "attn_logit_softcap",
            "final_logit_softcap",
            "logits_soft_cap",
            "num_experts",
            "num_local_experts",
            "n_routed_experts",
            "n_shared_experts",
            "moe_num_experts",
            "num_nextn_predict_layers")) {
      v.put(zero, 0.0);
    }
    return v;
  }

  /**
   * Looks at what was not read.
   *
   * @param config the model as it was understood
   * @throws io.autocircuit.files.DataException if a setting says that the model computes something
   *     else
   */
  void check(ConfigReader c, TransformerConfig config) {
    List<String> unknown = new ArrayList<>();
    c.unread()
        .forEach(
            (field, value) -> {
              if (isNothing(value) || isNeutral(field)) {
                return;
              }
              boolean off = value.isBoolean() && !value.booleanValue();
              if (field.equals("is_causal")) {
                requireCausal(c, value);
              } else if (off && (variants.containsKey(field) || OFF.contains(field))) {
                return;
              } else if (field.equals("sliding_window") || field.equals("layer_types")) {
                requireWholeContext(c, field, value, config);
              } else if (!variants.containsKey(field)) {
                unknown.add(shown(field) + "=" + ConfigReader.shown(value));
              } else if (!value.isNumber() || value.doubleValue() != variants.get(field)) {
                throw c.error(
                    field
                        + "="
                        + ConfigReader.shown(value)
                        + " is not supported: a model with it computes something else; use a model"
                        + " without it");
              }
            });
    if (!unknown.isEmpty()) {
      String more = unknown.size() > SHOWN ? " and " + (unknown.size() - SHOWN) + " more" : "";
      c.notice(
          "settings not known to this library and not read: "
              + String.join(", ", unknown.subList(0, Math.min(SHOWN, unknown.size())))
              + more
              + "; if one of them changes what the model computes, its numbers are wrong");
    }
  }

  /** A name from the file, which may be anything. */
  private static String shown(String field) {
    return field.matches("[\\w.]{1,60}") ? field : DataException.quote(field);
  }

  /** Whether a value is null or empty. */
  private static boolean isNothing(JsonNode value) {
    return value.isNull()
        || value.isTextual() && value.textValue().isEmpty()
        || value.isContainerNode() && value.isEmpty();
  }

  private static void requireCausal(ConfigReader c, JsonNode value) {
    if (!(value.isBoolean() && value.booleanValue())) {
      throw c.error(
          "is_causal="
              + ConfigReader.shown(value)
              + " is not supported: no position sees later ones here; use a model without it");
    }
  }

  private boolean isNeutral(String field) {
    return neutral.contains(field) || NEUTRAL_ENDINGS.stream().anyMatch(field::endsWith);
  }

  /** Attention to a window is the same as to everything if no prompt is longer. */
  private static void requireWholeContext(
      ConfigReader c, String field, JsonNode value, TransformerConfig config) {
    boolean whole =
        field.equals("sliding_window")
            ? value.isIntegralNumber() && value.longValue() >= config.contextLength()
                || c.value("use_sliding_window").isBoolean() && !c.flag("use_sliding_window", true)
            : value.isArray() && allFull(value);
    if (!whole) {
      throw c.error(
          field
              + "="
              + ConfigReader.shown(value)
              + " is not supported: every layer sees the whole prompt here; use a model without"
              + " windows");
    }
  }

  private static boolean allFull(JsonNode types) {
    for (JsonNode type : types) {
      if (!type.asText().equals("full_attention")) {
        return false;
      }
    }
    return true;
  }
}
