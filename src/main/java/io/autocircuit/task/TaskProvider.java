package io.autocircuit.task;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Entry;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * A task of the catalogue: a model and prompts that need no file of the user's.
 *
 * <p>A class that implements this, has a public constructor without arguments and is named in
 * {@code META-INF/services/io.autocircuit.task.TaskProvider} of a jar on the class path is a task:
 * {@code discover --task} runs it, with its settings as options, and it is listed.
 */
public interface TaskProvider extends Entry {
  /**
   * Makes or loads the model.
   *
   * @param settings values of {@link #settings}
   * @param processing weight processing; null for what the task does by itself
   * @param type float32 or float64
   * @param seed of all that is random in the run
   * @return a model on the processor, that the caller closes
   */
  Transformer model(Settings settings, WeightProcessing processing, ScalarType type, long seed);

  /**
   * Makes or reads the prompts.
   *
   * @param settings values of {@link #settings}
   * @param model what {@link #model} returned
   * @param seed of all that is random in the run
   * @return prompts that the model can read
   * @throws IllegalArgumentException if settings do not fit the model
   */
  TokenizedDataset prompts(Settings settings, Transformer model, long seed);

  /**
   * Makes or reads the prompts, for a model of which the files are known. A run calls this one.
   *
   * @param settings values of {@link #settings}
   * @param model the task's own, or the {@link #wanted} one
   * @param directory where the model's tokenizer lies; empty where it has no files
   * @param seed of all that is random in the run
   * @return prompts that the model can read; {@link #prompts(Settings, Transformer, long)} unless
   *     overridden
   * @throws IllegalArgumentException if settings do not fit the model
   */
  default TokenizedDataset prompts(
      Settings settings, Transformer model, Optional<Path> directory, long seed) {
    return prompts(settings, model, seed);
  }

  /**
   * The model that the task is about, where it brings none: {@link #model} is not called then.
   *
   * @return empty unless overridden
   */
  default Optional<WantedModel> wanted() {
    return Optional.empty();
  }

  /**
   * How the task is usually run.
   *
   * @return {@link TaskDefaults#USUAL} unless overridden
   */
  default TaskDefaults defaults() {
    return TaskDefaults.USUAL;
  }

  /**
   * How the task is usually run with some settings.
   *
   * @param settings values of {@link #settings}
   * @return {@link #defaults()} unless overridden
   */
  default TaskDefaults defaults(Settings settings) {
    return defaults();
  }

  /**
   * The circuits of the task that are known.
   *
   * @param settings values of {@link #settings}
   * @return the usual one first; none unless overridden
   */
  default List<KnownCircuit> circuits(Settings settings) {
    return List.of();
  }

  /**
   * Whether its model or its prompts depend on the seed. Those that do not are run once in an
   * experiment of several seeds, unless the algorithm or the drawing of prompts depends on it.
   *
   * @param settings values of {@link #settings}
   * @return true unless overridden
   */
  default boolean usesSeed(Settings settings) {
    return true;
  }

  /**
   * What the model and the prompts are made of, so that a recorded run notices when that changes.
   *
   * @param settings values of {@link #settings}
   * @return a SHA-256 of 64 hexadecimal digits; empty where they are a function of settings and
   *     seed
   */
  default Optional<String> fingerprint(Settings settings) {
    return Optional.empty();
  }

  /**
   * Opens the task.
   *
   * @param settings values of {@link #settings}
   * @param type float32 or float64
   * @param seed of all that is random
   * @return the task, on the processor; the caller closes it
   */
  default Task open(Settings settings, ScalarType type, long seed) {
    Transformer model = model(settings, null, type, seed);
    try {
      return new Task(model, prompts(settings, model, seed));
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  /**
   * All tasks that there are: the library's, then those of other jars.
   *
   * @return a new catalogue
   */
  static Catalogue<TaskProvider> catalogue() {
    return Catalogue.load("task", TaskProvider.class);
  }
}
