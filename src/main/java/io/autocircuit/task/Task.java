package io.autocircuit.task;

import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A behaviour to find a circuit for: a model and prompt pairs that show it.
 *
 * @param model the model; closed with the task
 * @param prompts prompt pairs that the model can read
 */
public record Task(Transformer model, TokenizedDataset prompts) implements AutoCloseable {
  /**
   * Checks that the model can read the prompts and say the answers, and that clean and corrupt
   * differ somewhere.
   *
   * @throws io.autocircuit.tensor.DataException if not
   */
  public Task {
    TransformerConfig c = model.config();
    prompts.requireFits(c.vocabulary(), c.outputs(), c.contextLength()).requireDifference();
  }

  /**
   * Reads a model directory, in float32 with its layout's default weight processing, and a prompt
   * file; {@code tokenizer.json} in the model directory turns text into token ids.
   *
   * @throws io.autocircuit.tensor.DataException if one of them cannot be used; the message says why
   */
  public static Task load(Path modelDirectory, Path promptFile) {
    PromptDataset prompts = PromptDataset.read(promptFile);
    Transformer model = ModelLoader.load(modelDirectory);
    try {
      return new Task(model, tokenize(prompts, modelDirectory, BosPolicy.AUTO));
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  /**
   * Like {@link #tokenize(PromptDataset, Path, BosPolicy, MultiTokenAnswers)}, refusing answers of
   * several tokens.
   */
  public static TokenizedDataset tokenize(
      PromptDataset prompts, Path modelDirectory, BosPolicy bos) {
    return tokenize(prompts, modelDirectory, bos, MultiTokenAnswers.REFUSE);
  }

  /**
   * Turns prompts into token ids with the tokenizer of a model directory, if it has one.
   *
   * @param modelDirectory where {@code tokenizer.json} may lie; null for nowhere
   * @param bos whether text begins with the model's BOS
   * @param several what becomes of answers of several tokens
   * @throws io.autocircuit.tensor.DataException if there is text and no tokenizer, or an answer
   *     cannot be used
   */
  public static TokenizedDataset tokenize(
      PromptDataset prompts, Path modelDirectory, BosPolicy bos, MultiTokenAnswers several) {
    boolean has =
        modelDirectory != null && Files.isRegularFile(modelDirectory.resolve("tokenizer.json"));
    try (Tokenizer tokenizer = has ? HuggingFaceTokenizer.load(modelDirectory, bos) : null) {
      return prompts.tokenize(tokenizer, several);
    }
  }

  @Override
  public void close() {
    model.close();
  }
}
