package io.autocircuit.cli;

import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.Transformer;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The options of the commands that read a prompt file, perhaps with a model. */
final class DatasetReader {
  @Parameters(paramLabel = "FILE", arity = "1", description = "The prompt file.")
  private Path file;

  @Option(
      names = "--model",
      paramLabel = "DIR",
      description = "The model that reads the prompts; its tokenizer.json turns text into tokens.")
  private Path model;

  @Option(
      names = "--bos",
      paramLabel = "POLICY",
      defaultValue = "auto",
      description = "First token of text, as for discover (default: ${DEFAULT-VALUE}).")
  private BosPolicy bos;

  @Mixin private DeviceOption device;

  Path file() {
    return file;
  }

  Path model() {
    return model;
  }

  PromptDataset prompts() {
    return PromptDataset.read(file);
  }

  /** The tokenizer of a directory; null where it has none. */
  Tokenizer tokenizer(Path directory) {
    boolean has =
        directory != null
            && (Files.isRegularFile(directory)
                || Files.isRegularFile(directory.resolve("tokenizer.json")));
    return has ? HuggingFaceTokenizer.load(directory, bos) : null;
  }

  /** The model, which the caller closes. */
  Transformer load() {
    DeviceChoice on = device.choose();
    return ModelLoader.load(model).to(on.device());
  }
}
