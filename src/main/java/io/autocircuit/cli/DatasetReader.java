package io.autocircuit.cli;

import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.Columns;
import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.Transformer;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The options of the commands that read a prompt file, perhaps with a model. */
final class DatasetReader {
  @Parameters(paramLabel = "FILE", arity = "1", description = "The prompt file.")
  private Path file;

  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description =
          "The model that reads the prompts, a directory or a name on the Hugging Face hub; its"
              + " tokenizer.json turns text into tokens.")
  private Path model;

  @Option(
      names = "--bos",
      paramLabel = "POLICY",
      defaultValue = "auto",
      description = "First token of text, as for discover (default: ${DEFAULT-VALUE}).")
  private BosPolicy bos;

  @Option(
      names = "--columns",
      paramLabel = "NAME=COLUMN,…",
      description = "Which columns of the file hold what, as for discover.")
  private String columns;

  @Mixin private DeviceOption device;

  @Mixin private HubOption hub;

  private Path found;

  private String fingerprint;

  Path file() {
    return file;
  }

  /** The directory of the model, downloaded if need be; null where none is named. */
  Path model(CommandLine line) {
    if (found == null) {
      found = hub.directory(model, line.getErr());
    }
    return found;
  }

  /** Whether a model is named. */
  boolean hasModel() {
    return model != null;
  }

  /** The prompts; a column that means nothing is wrong usage. */
  PromptDataset prompts(CommandLine line) {
    Columns given;
    try {
      given = columns == null ? Columns.NONE : Columns.parse(columns);
    } catch (IllegalArgumentException e) {
      throw new CommandLine.ParameterException(line, "--" + e.getMessage());
    }
    fingerprint = PromptDataset.fingerprint(file, given);
    return PromptDataset.read(file, given);
  }

  /** The SHA-256 of what {@link #prompts} has read. */
  String fingerprint() {
    return fingerprint;
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
  Transformer load(CommandLine line) {
    DeviceChoice on = device.choose();
    return ModelLoader.load(model(line)).to(on.device());
  }
}
