package io.autocircuit.task;

import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.Columns;
import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.PromptLimits;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.files.DataException;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;

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
   * @param model the model; closed with the task
   * @param prompts prompt pairs that the model can read
   * @throws io.autocircuit.files.DataException if not
   */
  public Task {
    TransformerConfig c = model.config();
    prompts.requireFits(c.vocabulary(), c.outputs(), c.contextLength()).requireDifference();
  }

  /**
   * Reads a model directory, in float32 with its layout's default weight processing, and a prompt
   * file; {@code tokenizer.json} in the model directory turns text into token ids.
   *
   * @param modelDirectory the model's directory
   * @param promptFile the prompts' file
   * @return the task, which the caller closes
   * @throws io.autocircuit.files.DataException if one of them cannot be used; the message says why
   */
  public static Task load(Path modelDirectory, Path promptFile) {
    Transformer model = ModelLoader.load(modelDirectory);
    try {
      return new Task(
          model,
          tokenize(
              promptFile,
              modelDirectory,
              BosPolicy.AUTO,
              MultiTokenAnswers.REFUSE,
              limits(model, false)));
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  /**
   * Like {@link #tokenize(PromptDataset, Path, BosPolicy, MultiTokenAnswers)}, refusing answers of
   * several tokens.
   *
   * @param prompts text or token ids
   * @param modelDirectory where {@code tokenizer.json} may lie; null for nowhere
   * @param bos whether text begins with the model's BOS
   * @return token ids
   */
  public static TokenizedDataset tokenize(
      PromptDataset prompts, Path modelDirectory, BosPolicy bos) {
    return tokenize(prompts, modelDirectory, bos, MultiTokenAnswers.REFUSE);
  }

  /**
   * Turns prompts into token ids with the tokenizer of a model directory, if it has one.
   *
   * @param prompts text or token ids
   * @param modelDirectory where {@code tokenizer.json} may lie; null for nowhere
   * @param bos whether text begins with the model's BOS
   * @param several what becomes of answers of several tokens
   * @return token ids
   * @throws io.autocircuit.files.DataException if there is text and no tokenizer, or an answer
   *     cannot be used
   */
  public static TokenizedDataset tokenize(
      PromptDataset prompts, Path modelDirectory, BosPolicy bos, MultiTokenAnswers several) {
    try (Tokenizer tokenizer = tokenizer(modelDirectory, bos)) {
      return prompts.tokenize(tokenizer, several);
    }
  }

  /**
   * Reads a prompt file, turns it into token ids with the tokenizer of a model directory, if it has
   * one, and checks what the model takes, so that one message names whatever is wrong.
   *
   * @param promptFile the prompts' file
   * @param modelDirectory where {@code tokenizer.json} may lie; null for nowhere
   * @param bos whether text begins with the model's BOS
   * @param several what becomes of answers of several tokens
   * @param limits what the model takes
   * @return token ids
   * @throws io.autocircuit.files.DataException if the file cannot be read, there is text and no
   *     tokenizer, or a prompt cannot be used
   */
  public static TokenizedDataset tokenize(
      Path promptFile,
      Path modelDirectory,
      BosPolicy bos,
      MultiTokenAnswers several,
      PromptLimits limits) {
    return tokenize(promptFile, Columns.NONE, modelDirectory, bos, several, limits);
  }

  /**
   * The same for a file whose columns are called otherwise, or a folder of files.
   *
   * @param place the prompts' file, or a folder
   * @param columns which columns hold what
   * @param modelDirectory where {@code tokenizer.json} may lie; null for nowhere
   * @param bos whether text begins with the model's BOS
   * @param several what becomes of answers of several tokens
   * @param limits what the model takes
   * @return token ids
   * @throws io.autocircuit.files.DataException if a file cannot be read, there is text and no
   *     tokenizer, or a prompt cannot be used
   */
  public static TokenizedDataset tokenize(
      Path place,
      Columns columns,
      Path modelDirectory,
      BosPolicy bos,
      MultiTokenAnswers several,
      PromptLimits limits) {
    try (Tokenizer tokenizer = tokenizer(modelDirectory, bos)) {
      return PromptDataset.readTokens(place, columns, tokenizer, several, limits);
    }
  }

  /**
   * The text of each token, for people.
   *
   * @param ids token ids
   * @param modelDirectory where {@code tokenizer.json} may lie; null for nowhere
   * @return for each id its text; the ids themselves where there is no tokenizer that can be used
   */
  public static List<String> texts(int[] ids, Path modelDirectory) {
    return texts(List.of(ids), modelDirectory).get(0);
  }

  /**
   * As {@link #texts(int[], Path)}, of many prompts, by one tokenizer.
   *
   * @param prompts tokens of each
   * @param modelDirectory where {@code tokenizer.json} may be, or null
   * @return a text for each token of each prompt
   */
  public static List<List<String>> texts(List<int[]> prompts, Path modelDirectory) {
    try (Tokenizer tokenizer = tokenizer(modelDirectory, BosPolicy.AUTO)) {
      return prompts.stream()
          .map(
              ids ->
                  IntStream.of(ids)
                      .mapToObj(id -> tokenizer == null ? String.valueOf(id) : tokenizer.decode(id))
                      .toList())
          .toList();
    } catch (DataException e) { // prompts given as ids need no tokenizer
      return prompts.stream()
          .map(ids -> IntStream.of(ids).mapToObj(String::valueOf).toList())
          .toList();
    }
  }

  private static Tokenizer tokenizer(Path modelDirectory, BosPolicy bos) {
    boolean has =
        modelDirectory != null && Files.isRegularFile(modelDirectory.resolve("tokenizer.json"));
    return has ? HuggingFaceTokenizer.load(modelDirectory, bos) : null;
  }

  /**
   * What a model takes.
   *
   * @param model the model
   * @param paired whether clean and corrupt prompts of a pair must have one length: without padding
   * @return its limits
   */
  public static PromptLimits limits(Transformer model, boolean paired) {
    TransformerConfig c = model.config();
    return new PromptLimits(c.vocabulary(), c.outputs(), c.contextLength(), paired);
  }

  @Override
  public void close() {
    model.close();
  }
}
