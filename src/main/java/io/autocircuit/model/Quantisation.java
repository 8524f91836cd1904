package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.tensor.Safetensors;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** Recognises weights that are not the numbers a model computes with. */
final class Quantisation {
  private static final String CURE =
      "; give the weights before they were quantised, or load the model in Python, call"
          + " model.dequantize() and save it with save_pretrained";

  private static final Set<String> FLOATS = Set.of("F16", "BF16", "F32", "F64");

  /** What quantisation formats store beside or instead of a weight. */
  private static final Pattern PARTS =
      Pattern.compile(
          ".*\\.(qweight|qzeros|scales|g_idx|SCB|weight_format|absmax|nested_absmax|quant_map"
              + "|nested_quant_map|weight_scale|weight_scales|weight_scale_inv|weight_scale_2"
              + "|qscale|codes|codebooks|centroids|res_centroids|indices|input_scale"
              + "|weight_zero_point|weight_packed|weight_shape|weight_g_idx|quant_state\\..*"
              + "|weight\\.(_data|_scale|_zeropoint|_shift|absmax|nested_absmax|quant_map|nested_quant_map|quant_state.*))");

  private static final Pattern WEIGHT = Pattern.compile(".*(\\.weight|\\.W_\\w+|\\._W_\\w+)");

  private static final Pattern ADAPTER =
      Pattern.compile(
          ".*(\\.|^)(lora_(A|B|embedding_A|embedding_B|magnitude_vector)|base_layer|ia3_l"
              + "|modules_to_save|original_module)\\b.*");

  private Quantisation() {}

  /**
   * Refuses a configuration that says so.
   *
   * @throws DataException if the weights are quantised
   */
  static void refuse(ConfigReader c) {
    for (String field :
        new String[] {"quantization_config", "compression_config", "quantization"}) {
      JsonNode value = c.value(field);
      if (c.has(field)
          && !(value.isContainerNode() && value.isEmpty())
          && !(value.isBoolean() && !value.booleanValue())) {
        String method = value.path("quant_method").asText("");
        throw c.error(
            field
                + (method.isEmpty() ? "" : ".quant_method=" + DataException.quote(method))
                + ": the weights are quantised, which is not supported"
                + CURE);
      }
    }
    for (String field : new String[] {"load_in_4bit", "load_in_8bit"}) {
      if (c.flag(field, false)) {
        throw c.error(field + "=true: the weights are quantised, which is not supported" + CURE);
      }
    }
  }

  /**
   * Refuses files whose tensors say so, and files of adapters.
   *
   * @throws DataException if the weights are quantised, or not a model's
   */
  static void refuse(Safetensors files) {
    List<String> adapters =
        files.names().stream().filter(n -> ADAPTER.matcher(n).matches()).toList();
    if (!adapters.isEmpty()) {
      throw new DataException(
          "file="
              + files.source()
              + ": it holds the tensors of a LoRA adapter ("
              + StoredWeights.listed(adapters)
              + ")"
              + ModelDirectory.MERGE);
    }
    List<String> found = new ArrayList<>();
    for (String name : files.names()) {
      if (PARTS.matcher(name).matches()) {
        found.add(name);
      } else if (WEIGHT.matcher(name).matches() && !FLOATS.contains(files.dtype(name))) {
        found.add(name);
      }
    }
    if (!found.isEmpty()) {
      throw new DataException(
          "file="
              + files.source()
              + ": the weights are quantised, which is not supported: "
              + StoredWeights.listed(found)
              + CURE);
    }
  }
}
