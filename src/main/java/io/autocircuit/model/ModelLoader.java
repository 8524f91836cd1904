package io.autocircuit.model;

import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Reads a model directory: {@code config.json} beside {@code model.safetensors} or a sharded {@code
 * model.safetensors.index.json}.
 *
 * <p>Every tensor of the files and every setting is read, known to change nothing, or refused or
 * told of by name ({@link Transformer#notices}). Tensors are read, processed and converted part by
 * part.
 *
 * <p>Two layouts are known. <em>Hugging Face</em>: architectures {@link #ARCHITECTURES}, and those
 * that other jars add to the {@linkplain Architecture#catalogue catalogue}; the weights are brought
 * to TransformerLens's names and processed. <em>HookedTransformer</em>: a TransformerLens state
 * dictionary under its own names, already processed ({@code "architecture": "HookedTransformer"});
 * processing is applied only when asked for explicitly.
 */
public final class ModelLoader {
  /** The values of {@code model_type} that this library itself supports. */
  public static final List<String> ARCHITECTURES = KnownArchitectures.modelTypes();

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
    return load(directory, processing, type, WeightType.FLOAT32);
  }

  /**
   * Reads a model, whose matrices may be stored in 16 bits: they are rounded part by part, so that
   * no more than one part is in memory in more bits.
   *
   * @param directory the model directory
   * @param processing the weight processing; null for the layout's default (all steps for Hugging
   *     Face, none for HookedTransformer)
   * @param type float32 or float64, the type it computes in
   * @param stored how matrices are stored
   * @return the model, on the processor; the caller closes it
   * @throws DataException if the directory does not hold a supported, complete, finite model, or a
   *     weight is too large for {@code stored}
   */
  public static Transformer load(
      Path directory, WeightProcessing processing, ScalarType type, WeightType stored) {
    return read(
        directory,
        (config, weights, architecture, notices) -> {
          WeightProcessing steps = processing != null ? processing : architecture.processing();
          return new Transformer(config, steps.apply(config, weights), type, stored, notices);
        });
  }

  /**
   * What a model directory says of the model: settings, and names and shapes of its tensors. No
   * weights are read.
   *
   * @param directory the model directory
   * @return the model's configuration
   * @throws DataException if the directory does not hold a supported, complete model
   */
  public static TransformerConfig config(Path directory) {
    return read(directory, (config, weights, architecture, notices) -> config);
  }

  /** What becomes of a checkpoint whose names and settings were checked. */
  interface Use<T> {
    T of(
        TransformerConfig config,
        WeightSource weights,
        Architecture architecture,
        List<String> notices);
  }

  static <T> T read(Path directory, Use<T> use) {
    Path place = ModelDirectory.resolve(directory);
    ConfigReader reader = reader(place);
    Quantisation.refuse(reader);
    boolean declared = reader.value("architecture").asText().equals("HookedTransformer");
    boolean looks = !reader.has("model_type") && HookedTransformerLayout.looksLikeOne(reader);
    Architecture architecture =
        declared || looks
            ? KnownArchitectures.HOOKED_TRANSFORMER
            : supported(reader); // before the weights, which may be anything
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
      Checkpoint checkpoint = new Checkpoint(name, reader, files, architecture.roots());
      TransformerConfig config = architecture.read(checkpoint);
      WeightSource weights = checkpoint.finished(architecture.key(), config);
      return use.of(config, weights, architecture, reader.notices());
    }
  }

  /** The settings, of a directory that has some. */
  private static ConfigReader reader(Path place) {
    Path file = place.resolve(ModelFiles.CONFIG);
    return Files.isRegularFile(file)
        ? new ConfigReader(file, JsonFiles.read(file, JsonFiles.LARGEST_CONFIG))
        : StoredConfig.find(place).orElseThrow().reader();
  }

  /**
   * The architecture that {@code model_type} names.
   *
   * @throws DataException if there is none of that name
   */
  private static Architecture supported(ConfigReader c) {
    String type = c.text("model_type");
    List<Architecture> all =
        Architecture.catalogue().entries().stream()
            .filter(a -> !a.key().equals(KnownArchitectures.HOOKED_TRANSFORMER.key()))
            .toList();
    return all.stream()
        .filter(a -> a.key().equals(type))
        .findFirst()
        .orElseThrow(
            () ->
                c.unsupported(
                    "model_type",
                    type,
                    all.stream().map(Architecture::key).collect(Collectors.joining(", "))
                        + ", or \"architecture\": \"HookedTransformer\""));
  }

  /** A configuration with weights under TransformerLens's names. */
  record Layout(TransformerConfig config, WeightSource weights) {}
}
