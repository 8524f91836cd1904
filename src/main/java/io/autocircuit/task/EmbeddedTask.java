package io.autocircuit.task;

import io.autocircuit.data.PromptDataset;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.tensor.DataException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
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
   * The model; the caller closes it.
   *
   * @param processing extra weight processing, or null for none (the weights are processed already)
   * @param type float32 or float64
   */
  public static Transformer model(WeightProcessing processing, ScalarType type) {
    try {
      Path folder = Files.createTempDirectory("autocircuit-").resolve(NAME);
      try {
        Files.createDirectory(folder);
        for (String file : new String[] {"config.json", "model.safetensors"}) {
          Files.write(folder.resolve(file), bytes(file));
        }
        return ModelLoader.load(folder, processing, type);
      } finally {
        for (String file : new String[] {"config.json", "model.safetensors"}) {
          Files.deleteIfExists(folder.resolve(file));
        }
        Files.deleteIfExists(folder);
        Files.deleteIfExists(folder.getParent());
      }
    } catch (IOException e) {
      throw new DataException(
          "the embedded model cannot be unpacked into java.io.tmpdir="
              + System.getProperty("java.io.tmpdir")
              + ": "
              + e.getMessage(),
          e);
    }
  }

  /** Its prompts. */
  public static PromptDataset prompts() {
    try {
      return PromptDataset.parse(
          new String(bytes("prompts.json"), StandardCharsets.UTF_8), "embedded prompts.json");
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
