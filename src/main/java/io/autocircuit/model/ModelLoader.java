package io.autocircuit.model;

import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Reads a model directory: {@code config.json} beside {@code model.safetensors} or a sharded {@code
 * model.safetensors.index.json}.
 *
 * <p>Every tensor of the files and every setting is read, known to change nothing, or refused or
 * told of by name ({@link Transformer#notices}). Tensors are read, processed and converted part by
 * part.
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
   * @param directory the model directory
   * @return the model, on the processor; the caller closes it
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
   * @return the model, on the processor; the caller closes it
   * @throws DataException if the directory does not hold a supported, complete, finite model
   */
  public static Transformer load(Path directory, WeightProcessing processing, ScalarType type) {
    Path place = ModelDirectory.resolve(directory);
    Path configFile = place.resolve("config.json");
    ConfigReader reader =
        new ConfigReader(configFile, JsonFiles.read(configFile, JsonFiles.LARGEST_CONFIG));
    Quantisation.refuse(reader);
    boolean declared = reader.value("architecture").asText().equals("HookedTransformer");
    boolean looks = !reader.has("model_type") && HookedTransformerLayout.looksLikeOne(reader);
    if (!declared && !looks) {
      HuggingFaceLayout.requireSupported(reader); // before the weights, which may be anything
    }
    String name = ModelDirectory.name(place);
    try (Safetensors files = ModelDirectory.weights(place);
        TensorScope scope = new TensorScope()) {
      if (!declared && looks && !HookedTransformerLayout.looksLikeOne(files)) {
        throw reader.error(
            "missing field \"model_type\"; add it, or \"architecture\": \"HookedTransformer\" if"
                + " the weights are a state dictionary of TransformerLens (these have other names)");
      }
      Quantisation.refuse(files);
      boolean hooked = declared || looks;
      if (!hooked && HookedTransformerLayout.looksLikeOne(files)) {
        throw reader.error(
            "model_type="
                + DataException.quote(reader.text("model_type"))
                + ", but the weights have the names of TransformerLens; give the settings that they"
                + " were saved with, with \"architecture\": \"HookedTransformer\"");
      }
      Layout layout =
          hooked
              ? HookedTransformerLayout.read(name, reader, files)
              : HuggingFaceLayout.read(name, reader, files);
      WeightProcessing steps =
          processing != null
              ? processing
              : hooked ? WeightProcessing.NONE : WeightProcessing.DEFAULT;
      return new Transformer(
          layout.config(), steps.apply(layout.config(), layout.weights()), type, reader.notices());
    }
  }

  /** A configuration with weights under TransformerLens's names. */
  record Layout(TransformerConfig config, WeightSource weights) {}
}
