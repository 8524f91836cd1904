package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static io.autocircuit.model.Loaded.complaint;
import static io.autocircuit.model.Loaded.notices;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.model.ModelDirectories.Draft;
import io.autocircuit.task.EmbeddedTask;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every setting is read, known to change nothing, refused by name, or told of. */
class UnreadSettingsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path directory;

  private static final List<Supplier<Draft>> HUGGING_FACE =
      List.of(ModelDirectories::gpt2, ModelDirectories::neox, ModelDirectories::llama);

  private static Draft with(Supplier<Draft> base, String json) throws IOException {
    Draft m = base.get();
    m.config().setAll((ObjectNode) JSON.readTree(json));
    return m;
  }

  /** What transformers and TransformerLens write beside what is read. */
  private static final Map<Supplier<Draft>, String> ORDINARY =
      Map.of(
          ModelDirectories::gpt2,
          "{'activation_function':'gelu_new','add_cross_attention':false,'architectures':"
              + "['GPT2LMHeadModel'],'attn_pdrop':0.1,'bos_token_id':50256,'dtype':'float32',"
              + "'embd_pdrop':0.1,'eos_token_id':50256,'initializer_range':0.02,'n_ctx':12,"
              + "'layer_norm_epsilon':1e-05,'pad_token_id':null,'reorder_and_upcast_attn':false,"
              + "'resid_pdrop':0.1,'scale_attn_by_inverse_layer_idx':false,"
              + "'scale_attn_weights':true,'summary_activation':null,'summary_first_dropout':0.1,"
              + "'summary_proj_to_labels':true,'summary_type':'cls_index','summary_use_proj':true,"
              + "'task_specific_params':{'text-generation':{'do_sample':true,'max_length':50}},"
              + "'transformers_version':'5.18.0','use_cache':true,'_name_or_path':'gpt2'}",
          ModelDirectories::neox,
          "{'architectures':['GPTNeoXForCausalLM'],'attention_bias':true,'attention_dropout':0.0,"
              + "'bos_token_id':0,'classifier_dropout':0.1,'eos_token_id':2,'hidden_act':'gelu',"
              + "'hidden_dropout':0.0,'initializer_range':0.02,'is_decoder':true,'rope_scaling':"
              + "null,'rotary_emb_base':10000,'rotary_pct':0.25,'torch_dtype':'float16',"
              + "'partial_rotary_factor':0.25,'rope_theta':10000,'tie_word_embeddings':false,"
              + "'use_parallel_residual':true,'use_cache':true}",
          ModelDirectories::llama,
          "{'architectures':['LlamaForCausalLM'],'attention_bias':false,'attention_dropout':0.0,"
              + "'bos_token_id':1,'eos_token_id':[2,3],'head_dim':8,'hidden_act':'silu',"
              + "'initializer_range':0.02,'mlp_bias':false,'pretraining_tp':1,'rms_norm_eps':1e-05,"
              + "'sliding_window':null,'use_sliding_window':false,'max_window_layers':28,"
              + "'layer_types':['full_attention','full_attention'],'rope_theta':10000.0,"
              + "'partial_rotary_factor':1.0,'num_local_experts':0,'logits_scaling':1.0}",
          ModelDirectories::hooked,
          "{'device':'cpu','use_attn_result':false,'use_split_qkv_input':true,'seed':0,"
              + "'default_prepend_bos':true,'positional_embedding_type':'standard',"
              + "'n_key_value_heads':null,'attn_only':false,'gated_mlp':false,'eps':1e-05,"
              + "'num_experts':null,'experts_per_token':null,'final_rms':false,"
              + "'dtype':'torch.float32','model_name':'custom','use_attn_scale':true,"
              + "'attn_scale':-1.0,'use_local_attn':false,'window_size':null,'attn_types':null,"
              + "'init_mode':'gpt2','n_devices':1,'attention_dir':'causal','d_vocab_out':-1,"
              + "'rotary_dim':null,'rotary_base':10000,'n_params':3584,"
              + "'tokenizer_prepends_bos':true,'rotary_scaling_factor':1.0,"
              + "'attn_scores_soft_cap':-1.0,'output_logits_soft_cap':-1.0,"
              + "'use_NTK_by_parts_rope':false,'NTK_by_parts_factor':8.0,"
              + "'NTK_original_ctx_len':8192,'use_yarn_rope':false,'yarn_factor':1.0,"
              + "'load_in_4bit':false,'tie_word_embeddings':false}");

  @Test
  void ordinaryConfigurationsLoadWithoutAWord() throws IOException {
    for (Map.Entry<Supplier<Draft>, String> e : ORDINARY.entrySet()) {
      Draft m = with(e.getKey(), e.getValue().replace('\'', '"'));
      assertEquals(List.of(), notices(m, directory));
      assertArrayEquals(
          Loaded.logits(e.getKey().get(), directory), Loaded.logits(m, directory), 1e-3f);
    }
    try (Transformer embedded = EmbeddedTask.model(null, ScalarType.Float);
        Transformer random = RandomModels.of(RandomModels.shape("tiny"), 1)) {
      assertEquals(List.of(), embedded.notices());
      assertEquals(List.of(), random.notices());
    }
  }

  @Test
  void unknownSettingsAreToldOf() throws IOException {
    String json =
        "{\"residual_alpha\": 0.5, \"kind\": \"a\\nb\", \"deep\": {\"x\": 1}, \"on\": true,"
            + " \"off\": false, \"none\": null, \"empty\": \"\", \"nothing\": [], \"no\": {}}";
    for (Supplier<Draft> base :
        List.<Supplier<Draft>>of(
            ModelDirectories::gpt2,
            ModelDirectories::neox,
            ModelDirectories::llama,
            ModelDirectories::hooked)) {
      assertEquals(
          List.of(
              "file=M/config.json: settings not known to this library and not read:"
                  + " residual_alpha=0.5, kind=\"a\\nb\", deep=an object, on=true, off=false; if one of them"
                  + " changes what the model computes, its numbers are wrong"),
          notices(with(base, json), directory));
    }
    Draft rope =
        with(
            ModelDirectories::llama,
            "{\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2, \"strange\": 3}}");
    assertContains(notices(rope, directory).get(0), "rope_scaling.strange=3;");
    StringBuilder many = new StringBuilder("{\"z\": null");
    for (int i = 0; i < 100; i++) {
      many.append(", \"").append("x".repeat(50)).append(i).append("\": \"").append("y".repeat(900));
      many.append('"');
    }
    Path path = with(ModelDirectories::gpt2, many + "}").write(directory.resolve("many"));
    try (Transformer t = ModelLoader.load(path)) {
      assertContains(t.notices().get(0), " and 92 more; if one");
    }
    ObjectNode odd = JSON.createObjectNode().put("a\n" + "b".repeat(40_000), 1);
    assertContains(
        notices(with(ModelDirectories::gpt2, odd.toString()), directory).get(0),
        "not read: \"a\\nbbb");
  }

  @Test
  void variantsAreRefused() throws IOException {
    for (String setting :
        List.of(
            "\"attn_logit_softcapping\": 50.0",
            "\"final_logit_softcapping\": 30.0",
            "\"num_local_experts\": 8",
            "\"num_experts\": 2",
            "\"logits_scaling\": 8.0",
            "\"embedding_multiplier\": 12",
            "\"query_pre_attn_scalar\": 256",
            "\"sliding_window\": 4",
            "\"layer_types\": [\"full_attention\", \"sliding_attention\"]",
            "\"use_qk_norm\": true",
            "\"no_rope_layers\": [1, 0]",
            "\"add_cross_attention\": true",
            "\"pruned_heads\": {\"0\": [1]}",
            "\"is_encoder_decoder\": true")) {
      String field = setting.split("\"")[1];
      for (Supplier<Draft> base : HUGGING_FACE) {
        assertContains(
            complaint(with(base, "{" + setting + "}"), directory),
            "file=M/config.json: " + field + "=",
            " is not supported");
      }
    }
    // a window that no prompt leaves, and one that is switched off
    for (String neutral :
        List.of(
            "{\"sliding_window\": 12}",
            "{\"sliding_window\": 4, \"use_sliding_window\": false}",
            "{\"attn_logit_softcapping\": null, \"num_experts\": 0, \"logit_scale\": 1}")) {
      assertEquals(List.of(), notices(with(ModelDirectories::llama, neutral), directory));
    }
  }

  @Test
  void settingsOfTransformerLensThatAreRefused() throws IOException {
    Map<String, String> wrong =
        Map.of(
            "\"num_experts\": 2", "num_experts=2 is not supported; use a model without experts",
            "\"use_yarn_rope\": true", "use_yarn_rope=true is not supported",
            "\"attn_scale\": 0", "attn_scale=0.0 is not usable; give a number above 0",
            "\"attn_scale\": -2", "attn_scale=-2.0 is not usable; give a number above 0",
            "\"attn_scale\": \"x\"", "attn_scale=\"x\" is not usable; give a finite number",
            "\"load_in_4bit\": true", "load_in_4bit=true: the weights are quantised",
            "\"n_key_value_heads\": 2", "tensor=\"blocks.0.attn._W_K\" has shape=",
            "\"n_key_value_heads\": 3", "n_heads=4 is not a multiple of n_key_value_heads=3",
            "\"post_embedding_ln\": true", "post_embedding_ln=true is not supported",
            "\"use_qk_norm\": true", "tensor=\"blocks.0.attn.q_norm.w\" is missing");
    for (Map.Entry<String, String> e : wrong.entrySet()) {
      Draft m = with(ModelDirectories::hooked, "{" + e.getKey() + "}");
      if (e.getKey().endsWith("heads\": 2")) {
        m.weights().remove("blocks.0.attn.W_K");
        m.put("blocks.0.attn._W_K", 1, ModelDirectories.D, ModelDirectories.D_HEAD);
      }
      assertContains(complaint(m, directory), e.getValue());
    }
  }

  @Test
  void quantisedConfigurations() throws IOException {
    for (String setting :
        List.of(
            "\"quantization_config\": {\"quant_method\": \"gptq\", \"bits\": 4}",
            "\"quantization_config\": {\"load_in_8bit\": true}",
            "\"compression_config\": {\"quant_method\": \"compressed-tensors\"}",
            "\"load_in_8bit\": true",
            "\"load_in_4bit\": true")) {
      for (Supplier<Draft> base :
          List.<Supplier<Draft>>of(ModelDirectories::llama, ModelDirectories::hooked)) {
        assertContains(
            complaint(with(base, "{" + setting + "}"), directory),
            "file=M/config.json: " + setting.split("\"")[1],
            ": the weights are quantised, which is not supported; give the weights before they were"
                + " quantised, or ");
      }
    }
    for (String nothing :
        List.of("{\"quantization_config\": null}", "{\"quantization_config\": {}}")) {
      assertEquals(List.of(), notices(with(ModelDirectories::llama, nothing), directory));
    }
  }

  @Test
  void scoresMayBeDividedByTheNumberOfTheBlock() throws IOException {
    Draft inverse = with(ModelDirectories::gpt2, "{\"scale_attn_by_inverse_layer_idx\": true}");
    Draft byHand = ModelDirectories.gpt2();
    // queries are the first third of the columns; only block 1 is scaled
    for (String name :
        List.of("transformer.h.1.attn.c_attn.weight", "transformer.h.1.attn.c_attn.bias")) {
      float[] data = byHand.weights().get(name).data();
      for (int i = 0; i < data.length; i++) {
        if (i % (3 * ModelDirectories.D) < ModelDirectories.D) {
          data[i] /= 2;
        }
      }
    }
    assertArrayEquals(Loaded.logits(byHand, directory), Loaded.logits(inverse, directory), 1e-4f);
  }
}
