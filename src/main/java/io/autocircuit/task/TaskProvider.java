package io.autocircuit.task;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Entry;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
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
