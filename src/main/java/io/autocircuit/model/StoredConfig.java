package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.tensor.Safetensors;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The settings of a model without {@code config.json}: those of TransformerLens that somebody put
 * into the metadata of {@code model.safetensors} as JSON, under any name.
 *
 * @param file what holds them
 * @param text JSON
 */
record StoredConfig(Path file, String text) {
  private static final String WEIGHTS = "model.safetensors";

  /** Reads them; empty where there are none. */
  static Optional<StoredConfig> find(Path directory) {
    Path weights = directory.resolve(WEIGHTS);
    if (!Files.isRegularFile(weights)) {
      return Optional.empty();
    }
    try (Safetensors file = Safetensors.open(weights)) {
      return file.metadata().values().stream()
          .filter(StoredConfig::isOne)
          .findFirst()
          .map(text -> new StoredConfig(weights, text));
    } catch (DataException damaged) { // whoever reads the weights says how
      return Optional.empty();
    }
  }

  private static boolean isOne(String text) {
    if (!text.startsWith("{") || text.length() > JsonFiles.LARGEST_CONFIG) {
      return false;
    }
    try {
      JsonNode json = JsonFiles.parse(text, "metadata");
      return json.has("d_model") && json.has("n_layers");
    } catch (DataException notJson) {
      return false;
    }
  }

  ConfigReader reader() {
    return new ConfigReader(file, JsonFiles.parse(text, file.toString()));
  }
}
