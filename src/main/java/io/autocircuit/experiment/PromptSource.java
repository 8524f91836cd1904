package io.autocircuit.experiment;

import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.Columns;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.files.DataException;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.model.Transformer;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.RandomPrompts;
import io.autocircuit.task.Task;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;

/** Where a run's prompts come from. */
public sealed interface PromptSource {
  /**
   * How they are read or drawn.
   *
   * @param directory where {@code tokenizer.json} may lie; null for nowhere
   * @param bos whether text begins with the model's BOS
   * @param several what becomes of answers of several tokens
   * @param paired whether clean and corrupt of a pair must have one length
   * @param seed of random prompts
   */
  record Reading(
      Path directory, BosPolicy bos, MultiTokenAnswers several, boolean paired, long seed) {}

  /**
   * Reads or draws them.
   *
   * @param model who reads them
   * @param how how text becomes token ids
   * @return the prompts
   * @throws io.autocircuit.files.DataException if they cannot be read or used
   * @throws UnfitSettingException if they do not fit the model
   */
  TokenizedDataset read(Transformer model, Reading how);

  /**
   * The prompts as they are now.
   *
   * @return with the fingerprint of their file
   * @throws io.autocircuit.files.DataException if it cannot be read
   */
  PromptSource pinned();

  /**
   * A prompt file, or a folder of such.
   *
   * @param file the file
   * @param columns which columns hold what
   */
  record File(StoredFile file, Columns columns) implements PromptSource {
    /**
     * A prompt file that says itself what is what.
     *
     * @param file the file
     */
    public File(StoredFile file) {
      this(file, Columns.NONE);
    }

    @Override
    public TokenizedDataset read(Transformer model, Reading how) {
      return Task.tokenize(
          file.path(),
          columns,
          how.directory(),
          how.bos(),
          how.several(),
          Task.limits(model, how.paired()));
    }

    @Override
    public PromptSource pinned() {
      String sha256 = PromptDataset.fingerprint(file.path(), columns);
      return new File(new StoredFile(file.path(), Optional.of(sha256)), columns);
    }
  }

  /**
   * The prompts that travel in the jar.
   *
   * @param name their name
   * @param sha256 the SHA-256 of their file; empty where it has not been read yet
   */
  record Embedded(String name, Optional<String> sha256) implements PromptSource {
    @Override
    public TokenizedDataset read(Transformer model, Reading how) {
      return Task.tokenize(EmbeddedTask.prompts(), how.directory(), how.bos(), how.several());
    }

    @Override
    public PromptSource pinned() {
      return new Embedded(name, Optional.of(Fingerprint.of(EmbeddedTask.promptBytes())));
    }
  }

  /**
   * Random tokens.
   *
   * @param size how many prompts, and how long
   */
  record Random(RandomPrompts size) implements PromptSource {
    @Override
    public TokenizedDataset read(Transformer model, Reading how) {
      try {
        return size.of(model.config(), how.seed());
      } catch (IllegalArgumentException e) {
        throw new UnfitSettingException(e);
      }
    }

    @Override
    public PromptSource pinned() {
      return this;
    }
  }

  /**
   * The prompts of a task of the catalogue.
   *
   * @param task the task
   */
  record OfTask(CatalogueTask task) implements PromptSource {
    @Override
    public TokenizedDataset read(Transformer model, Reading how) {
      try {
        if (task.entry().wanted().isPresent() && how.bos() != BosPolicy.AUTO) {
          throw new IllegalArgumentException(
              "--bos="
                  + how.bos().name().toLowerCase(Locale.ROOT)
                  + " does not fit task="
                  + task.key()
                  + ", whose prompts are made for --bos=auto; leave it away");
        }
        return task.entry()
            .prompts(task.settings(), model, Optional.ofNullable(how.directory()), how.seed());
      } catch (DataException e) {
        throw e;
      } catch (IllegalArgumentException e) {
        throw new UnfitSettingException(e);
      }
    }

    @Override
    public PromptSource pinned() {
      return new OfTask(task.pinned());
    }
  }

  /**
   * A prompt file that has not been read yet.
   *
   * @param file the file
   * @return the source
   */
  static PromptSource at(Path file) {
    return new File(StoredFile.at(file));
  }

  /**
   * A prompt file that has not been read yet, whose columns are called otherwise.
   *
   * @param file the file, or a folder
   * @param columns which columns hold what
   * @return the source
   */
  static PromptSource at(Path file, Columns columns) {
    return new File(StoredFile.at(file), columns);
  }

  /**
   * The prompts that travel in the jar.
   *
   * @return the source
   */
  static PromptSource embedded() {
    return new Embedded(EmbeddedTask.NAME, Optional.empty());
  }
}
