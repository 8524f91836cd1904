package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.files.JsonFiles;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * The files of a model directory that a model and its tokenizer are read from.
 *
 * @param directory where they lie: the one given, or the only snapshot of a folder of Hugging
 *     Face's cache
 * @param weights names of the files of weights, and of their index; empty where there are none
 * @param tokenizer names of the files of the tokenizer; empty where there is none
 */
public record ModelFiles(Path directory, List<String> weights, List<String> tokenizer) {
  /** The settings of every model. */
  public static final String CONFIG = "config.json";

  /** What the names of weights begin with that torch saved. */
  static final String TORCH = "pytorch_model";

  /** What the names of indices of weights end with. */
  static final String INDEX = ".index.json";

  /** Under which names weights are looked for, in this order. */
  static final List<String> WEIGHTS =
      List.of(
          "model.safetensors", "model.safetensors" + INDEX, TORCH + ".bin", TORCH + ".bin" + INDEX);

  private static final String TOKENIZER = "tokenizer.json";

  /**
   * Keeps unmodifiable copies.
   *
   * @param directory where they lie: the one given, or the only snapshot of a folder of Hugging
   *     Face's cache
   * @param weights names of the files of weights, and of their index; empty where there are none
   * @param tokenizer names of the files of the tokenizer; empty where there is none
   */
  public ModelFiles {
    weights = List.copyOf(weights);
    tokenizer = List.copyOf(tokenizer);
  }

  /**
   * Looks into a directory; only an index of weights is read.
   *
   * @param given a model directory as {@link ModelLoader} takes it
   * @return its files
   * @throws DataException if there is no {@code config.json}, or the index cannot be read
   */
  public static ModelFiles of(Path given) {
    Path directory = ModelDirectory.resolve(given);
    List<String> tokenizer =
        Files.isRegularFile(directory.resolve(TOKENIZER))
            ? Stream.of(TOKENIZER, "tokenizer_config.json", "special_tokens_map.json")
                .filter(name -> Files.isRegularFile(directory.resolve(name)))
                .toList()
            : List.of();
    return new ModelFiles(directory, weights(directory), tokenizer);
  }

  /**
   * What the settings are.
   *
   * @return the SHA-256 of {@value #CONFIG}; where there is none, of the settings in the metadata
   *     of the weights
   */
  public String configFingerprint() {
    Path file = directory.resolve(CONFIG);
    return Files.isRegularFile(file)
        ? Fingerprint.of(file)
        : Fingerprint.of(
            StoredConfig.find(directory).orElseThrow().text().getBytes(StandardCharsets.UTF_8));
  }

  private static List<String> weights(Path directory) {
    Optional<String> found =
        WEIGHTS.stream().filter(n -> Files.exists(directory.resolve(n))).findFirst();
    if (found.isEmpty() || !found.get().endsWith(INDEX)) {
      return found.map(List::of).orElse(List.of());
    }
    if (!Files.isRegularFile(directory.resolve(found.get()))) {
      return List.of();
    }
    TreeSet<String> names = new TreeSet<>(List.of(found.get()));
    for (JsonNode shard : JsonFiles.read(directory.resolve(found.get())).path("weight_map")) {
      Path name = Path.of(shard.asText());
      if (name.getNameCount() == 1 && !name.isAbsolute()) { // the loader refuses others
        names.add(name.toString());
      }
    }
    return List.copyOf(names);
  }
}
