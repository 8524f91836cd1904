package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.tensor.DataException;
import io.autocircuit.tensor.JsonFiles;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Reads a model directory: {@code config.json} beside {@code model.safetensors} or a sharded {@code
 * model.safetensors.index.json}.
 *
 * <p>Two layouts are known. <em>Hugging Face</em>: architectures {@link #ARCHITECTURES}; the
 * weights are brought to TransformerLens's names and processed. <em>HookedTransformer</em>: a
 * TransformerLens state dictionary under its own names, already processed ({@code "architecture":
 * "HookedTransformer"}); processing is applied only when asked for explicitly.
 */
public final class ModelLoader {
  /** The values of {@code model_type} that are supported. */
  public static final List<String> ARCHITECTURES = List.of("gpt2", "gpt_neox", "llama");

  private ModelLoader() {}

  /**
   * Reads a model in float32 with the default processing of its layout.
   *
   * @throws DataException if the directory does not hold a supported, complete, finite model
   */
  public static Transformer load(Path directory) {
    return load(directory, null, ScalarType.Float);
  }

  /**
   * Reads a model.
   *
   * @param directory the model directory
   * @param processing the weight processing; null for the layout's default (all steps for Hugging
   *     Face, none for HookedTransformer)
   * @param type float32 or float64, the type it computes in
   * @throws DataException if the directory does not hold a supported, complete, finite model
   */
  public static Transformer load(Path directory, WeightProcessing processing, ScalarType type) {
    if (!Files.isDirectory(directory)) {
      throw new DataException(
          "model directory="
              + directory
              + (Files.exists(directory) ? " is a file" : " does not exist")
              + "; give a directory with config.json and model.safetensors");
    }
    Path configFile = directory.resolve("config.json");
    if (!Files.isRegularFile(configFile)) {
      throw new DataException(
          "model directory="
              + directory
              + " has no config.json; give a directory with config.json and model.safetensors");
    }
    JsonNode json = JsonFiles.read(configFile, JsonFiles.LARGEST_CONFIG);
    ConfigReader reader = new ConfigReader(configFile, json);
    String name = modelName(directory);
    try (Safetensors files = Safetensors.open(directory);
        TensorScope scope = new TensorScope()) {
      boolean hooked = "HookedTransformer".equals(json.path("architecture").asText());
      Layout layout =
          hooked
              ? HookedTransformerLayout.read(name, reader, files)
              : HuggingFaceLayout.read(name, reader, files);
      WeightProcessing steps =
          processing != null
              ? processing
              : hooked ? WeightProcessing.NONE : WeightProcessing.DEFAULT;
      WeightCheck.require("file=" + files.source(), layout.config(), layout.weights());
      return new Transformer(layout.config(), steps.apply(layout.config(), layout.weights()), type);
    }
  }

  /** A configuration with weights under TransformerLens's names. */
  record Layout(TransformerConfig config, Map<String, Tensor> weights) {
    Layout {
      weights = new LinkedHashMap<>(weights);
    }
  }

  private static String modelName(Path directory) {
    Path p = directory.toAbsolutePath().normalize();
    Path last = p.getFileName();
    if (last != null && last.toString().equals("model") && p.getParent() != null) {
      last = p.getParent().getFileName();
    }
    return last == null ? "model" : last.toString();
  }

  /**
   * Reads a tensor.
   *
   * @throws DataException if it is missing, or an element is not a finite float32
   */
  static Tensor finite(Safetensors files, String name) {
    Tensor t = files.tensor(name);
    if (!torch.isfinite(t).all().item_bool()) {
      files.requireFinite(name); // says where
    }
    return t;
  }
}
