package io.autocircuit.task;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.tensor.Safetensors;
import java.util.LinkedHashMap;
import java.util.Map;

/** The form in which {@link InductionModelTrainer} saves a model. */
final class InductionModelFiles {
  private InductionModelFiles() {}

  /** The weights by name, from one array that holds them one after another. */
  static Map<String, Safetensors.Array> split(AttentionOnlyNetwork network, float[] flat) {
    Map<String, Safetensors.Array> weights = new LinkedHashMap<>();
    int offset = 0;
    for (Map.Entry<String, long[]> entry : network.shapes().entrySet()) {
      int size = AttentionOnlyNetwork.size(entry.getValue());
      float[] part = new float[size];
      System.arraycopy(flat, offset, part, 0, size);
      weights.put(entry.getKey(), new Safetensors.Array(entry.getValue(), part));
      offset += size;
    }
    return weights;
  }

  /**
   * TransformerLens's default processing, which leaves every probability as it is: what reads the
   * normalised stream is centred over its input, what writes to the stream over its output, the
   * unembedding over the vocabulary, and value biases move into the output bias.
   */
  static Map<String, Safetensors.Array> processed(
      AttentionOnlyNetwork network, Map<String, Safetensors.Array> trained) {
    Map<String, Safetensors.Array> weights = new LinkedHashMap<>(trained);
    int width = network.dModel();
    int inner = network.dHead();
    weights.compute("embed.W_E", (n, a) -> centred(a, width, 1));
    weights.compute("pos_embed.W_pos", (n, a) -> centred(a, width, 1));
    for (int layer = 0; layer < network.layers(); layer++) {
      String attn = "blocks." + layer + ".attn.";
      for (String reader : new String[] {"W_Q", "W_K", "W_V"}) {
        weights.compute(attn + reader, (n, a) -> centred(a, width, inner));
      }
      Safetensors.Array writer = centred(weights.get(attn + "W_O"), width, 1);
      Safetensors.Array valueBias = weights.get(attn + "b_V");
      Safetensors.Array bias = centred(weights.get(attn + "b_O"), width, 1);
      weights.put(attn + "W_O", writer);
      weights.put(attn + "b_O", plus(bias, valueBias.data(), writer.data()));
      weights.put(
          attn + "b_V",
          new Safetensors.Array(valueBias.shape(), new float[valueBias.data().length]));
    }
    weights.compute(
        "unembed.W_U", (n, a) -> centred(centred(a, width, network.vocab()), network.vocab(), 1));
    weights.compute("unembed.b_U", (n, a) -> centred(a, network.vocab(), 1));
    return weights;
  }

  /**
   * {@code array} less its mean over the axis of {@code extent} whose elements lie {@code stride}
   * apart.
   */
  private static Safetensors.Array centred(Safetensors.Array array, int extent, int stride) {
    float[] data = array.data().clone();
    for (int outer = 0; outer < data.length; outer += extent * stride) {
      for (int i = outer; i < outer + stride; i++) {
        double sum = 0;
        for (int k = 0; k < extent; k++) {
          sum += data[i + k * stride];
        }
        for (int k = 0; k < extent; k++) {
          data[i + k * stride] = (float) (data[i + k * stride] - sum / extent);
        }
      }
    }
    return new Safetensors.Array(array.shape(), data);
  }

  /** {@code bias + row · matrix}. */
  private static Safetensors.Array plus(Safetensors.Array bias, float[] row, float[] matrix) {
    float[] sum = bias.data().clone();
    for (int j = 0; j < sum.length; j++) {
      double total = sum[j];
      for (int i = 0; i < row.length; i++) {
        total += (double) row[i] * matrix[i * sum.length + j];
      }
      sum[j] = (float) total;
    }
    return new Safetensors.Array(bias.shape(), sum);
  }

  /** The {@code config.json} of a model trained with these settings. */
  static ObjectNode config(InductionModelTrainer.Settings settings) {
    return new ObjectMapper()
        .createObjectNode()
        .put("architecture", "HookedTransformer")
        .put("n_layers", settings.layers())
        .put("n_heads", settings.heads())
        .put("d_model", settings.dModel())
        .put("d_head", settings.dHead())
        .putNull("d_mlp")
        .put("d_vocab", settings.vocab())
        .put("d_vocab_out", settings.vocab())
        .put("n_ctx", settings.context())
        .putNull("act_fn")
        .put("normalization_type", "LNPre")
        .put("eps", AttentionOnlyNetwork.EPS)
        .put("attn_only", true)
        .put("attention_dir", "causal")
        .put("positional_embedding_type", "standard")
        .putNull("rotary_dim")
        .put("rotary_base", 10000)
        .put("rotary_adjacent_pairs", false)
        .put("parallel_attn_mlp", false)
        .put("gated_mlp", false)
        .put("final_rms", false)
        .putNull("n_key_value_heads")
        .put("use_attn_scale", true)
        .put("attn_scale", Math.sqrt(settings.dHead()));
  }
}
