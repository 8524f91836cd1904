package io.autocircuit.experiment;

import io.autocircuit.files.Fingerprint;
import io.autocircuit.model.ModelFiles;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.ModelFolders;
import io.autocircuit.task.WantedModel;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Where a run's model comes from. */
public sealed interface ModelSource {
  /** What stands for the hash of a tokenizer where there is none. */
  String NO_TOKENIZER = "none";

  /**
   * Loads it.
   *
   * @param processing weight processing; null for the layout's default
   * @param numbers the types of its numbers
   * @param seed of random weights
   * @return a model that the caller closes
   * @throws io.autocircuit.files.DataException if it cannot be loaded
   */
  Transformer load(WeightProcessing processing, NumberTypes numbers, long seed);

  /**
   * The model as it is now.
   *
   * @return with the fingerprints of its files
   * @throws io.autocircuit.files.DataException if one cannot be read
   */
  ModelSource pinned();

  /**
   * Where its tokenizer may lie.
   *
   * @return its directory; empty if it has none
   */
  default Optional<Path> directory() {
    return Optional.empty();
  }

  /**
   * What a model directory holds.
   *
   * @param weights the SHA-256 of the file of weights; of several files, that of the lines which
   *     {@code sha256sum} prints for them and their index, sorted by name
   * @param config the SHA-256 of {@code config.json}
   */
  record Contents(String weights, String config) {
    /**
     * Checks that they are hashes.
     *
     * @param weights the SHA-256 of the file of weights; of several files, that of the lines which
     *     {@code sha256sum} prints for them and their index, sorted by name
     * @param config the SHA-256 of {@code config.json}
     * @throws IllegalArgumentException if they are not
     */
    public Contents {
      if (!Fingerprint.isOne(weights) || !Fingerprint.isOne(config)) {
        throw new IllegalArgumentException(
            "weights=" + weights + ", config=" + config + ": give 64 hexadecimal digits each");
      }
    }

    private static Contents of(Path directory) {
      ModelFiles files = ModelFiles.of(directory);
      if (files.weights().isEmpty()) {
        throw new io.autocircuit.files.DataException(
            "model directory="
                + directory
                + " holds no weights; name a directory with model.safetensors or"
                + " pytorch_model.bin");
      }
      return new Contents(
          Fingerprint.of(files.directory(), files.weights()), files.configFingerprint());
    }
  }

  /**
   * A model directory.
   *
   * @param path the directory; no part of a run's hash
   * @param contents what it holds; empty where it has not been read yet
   */
  record Directory(Path path, Optional<Contents> contents) implements ModelSource {
    @Override
    public Transformer load(WeightProcessing processing, NumberTypes numbers, long seed) {
      return ModelLoader.load(path, processing, numbers.precision().type(), numbers.weights());
    }

    @Override
    public ModelSource pinned() {
      return new Directory(path, Optional.of(Contents.of(path)));
    }

    @Override
    public Optional<Path> directory() {
      return Optional.of(path);
    }
  }

  /**
   * The model that travels in the jar.
   *
   * @param name its name
   * @param contents what its files hold; empty where they have not been read yet
   */
  record Embedded(String name, Optional<Contents> contents) implements ModelSource {
    @Override
    public Transformer load(WeightProcessing processing, NumberTypes numbers, long seed) {
      return EmbeddedTask.model(processing, numbers.precision().type())
          .withWeights(numbers.weights());
    }

    @Override
    public ModelSource pinned() {
      return new Embedded(name, Optional.of(Contents.of(EmbeddedTask.directory())));
    }
  }

  /**
   * Random weights: a function of shape and seed, so that nothing has to be read.
   *
   * @param shape the name of a shape
   */
  record Random(String shape) implements ModelSource {
    @Override
    public Transformer load(WeightProcessing processing, NumberTypes numbers, long seed) {
      return RandomModels.of(
          RandomModels.shape(shape), seed, numbers.precision().type(), numbers.weights());
    }

    @Override
    public ModelSource pinned() {
      return this;
    }
  }

  /**
   * The model of a task of the catalogue.
   *
   * @param task the task
   */
  record OfTask(CatalogueTask task) implements ModelSource {
    @Override
    public Transformer load(WeightProcessing processing, NumberTypes numbers, long seed) {
      return task.entry()
          .model(task.settings(), processing, numbers.precision().type(), seed)
          .withWeights(numbers.weights());
    }

    @Override
    public ModelSource pinned() {
      return new OfTask(task.pinned());
    }
  }

  /**
   * A model directory that has not been read yet.
   *
   * @param path the directory
   * @return the source
   */
  static ModelSource at(Path path) {
    return new Directory(path, Optional.empty());
  }

  /**
   * The model of a task of the catalogue: the task's own, or the one that it wants.
   *
   * @param task the task
   * @param folders where wanted models are looked for
   * @return the source
   * @throws io.autocircuit.files.DataException if the wanted model is in none of the folders
   */
  static ModelSource of(CatalogueTask task, ModelFolders folders) {
    Optional<WantedModel> wanted = task.entry().wanted();
    return wanted.isPresent() ? at(folders.require(wanted.get(), task.key())) : new OfTask(task);
  }

  /**
   * The model that travels in the jar.
   *
   * @return the source
   */
  static ModelSource embedded() {
    return new Embedded(EmbeddedTask.NAME, Optional.empty());
  }

  /**
   * Random weights of a known shape.
   *
   * @param shape such as {@code gpt2-small}
   * @return the source
   * @throws io.autocircuit.graph.UnknownNameException if there is none of that name
   */
  static ModelSource random(String shape) {
    return new Random(RandomModels.shape(shape).name());
  }

  /**
   * What tokenizes text for it.
   *
   * @return the SHA-256 of its tokenizer's files as of several weights; {@code none} without one
   */
  default String tokenizer() {
    List<String> names =
        directory().map(ModelFiles::of).map(ModelFiles::tokenizer).orElse(List.of());
    return names.isEmpty()
        ? NO_TOKENIZER
        : Fingerprint.of(ModelFiles.of(directory().orElseThrow()).directory(), names);
  }
}
