package io.autocircuit.task;

import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.files.DataException;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.tensor.NativeCache;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The task that travels in the jar: a two-block attention-only model with induction heads, which
 * this project trained itself, and prompts that make it show them. See {@code datasets/README.md}.
 */
public final class EmbeddedTask {
  private static final String FOLDER = "/io/autocircuit/datasets/induction/";

  /** Its name in reports. */
  public static final String NAME = "induction";

  private EmbeddedTask() {}

  /**
   * The model in float32 with its prompts.
   *
   * @return a task that the caller closes
   * @throws DataException if the jar does not hold it
   */
  public static Task load() {
    TokenizedDataset prompts = Task.tokenize(prompts(), null, BosPolicy.AUTO);
    return new Task(model(null, ScalarType.Float), prompts);
  }

  /**
   * The model; the caller closes it. Its files lie beside the native libraries where those are
   * unpacked, see {@link NativeCache}.
   *
   * @param processing extra weight processing, or null for none (the weights are processed already)
   * @param type float32 or float64
   * @return a model that the caller closes
   * @throws DataException if the jar does not hold it
   */
  public static Transformer model(WeightProcessing processing, ScalarType type) {
    return ModelLoader.load(directory(), processing, type);
  }

  /**
   * Where the model's files lie: beside the native libraries where those are unpacked.
   *
   * @return a model directory
   * @throws DataException if the jar does not hold them
   */
  public static Path directory() {
    Path folder = NativeCache.directory(EmbeddedTask.class, FOLDER + "config.json");
    if (folder == null) {
      throw new DataException("resource " + FOLDER + " is not in the jar; build it again");
    }
    return folder;
  }

  /**
   * Its prompts, with the spans of {@link InductionPrompts#spanned}.
   *
   * @return token ids
   * @throws DataException if the jar does not hold them
   */
  public static PromptDataset prompts() {
    return InductionPrompts.spanned(
        PromptDataset.parse(
            new String(promptBytes(), StandardCharsets.UTF_8), "embedded prompts.json"));
  }

  /**
   * The file of its prompts.
   *
   * @return the bytes of {@code prompts.json}
   * @throws DataException if the jar does not hold it
   */
  public static byte[] promptBytes() {
    try {
      return bytes("prompts.json");
    } catch (IOException e) {
      throw new DataException("the embedded prompts cannot be read: " + e.getMessage(), e);
    }
  }

  private static byte[] bytes(String file) throws IOException {
    try (InputStream in = EmbeddedTask.class.getResourceAsStream(FOLDER + file)) {
      if (in == null) {
        throw new IOException("resource " + FOLDER + file + " is not in the jar; build it again");
      }
      return in.readAllBytes();
    }
  }
}
