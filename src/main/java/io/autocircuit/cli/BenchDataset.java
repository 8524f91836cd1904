package io.autocircuit.cli;

import io.autocircuit.data.Batches;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.Columns;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.model.Transformer;
import io.autocircuit.task.Task;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Where {@code bench} takes its prompts from, if they are not random. */
final class BenchDataset {
  @Option(
      names = "--dataset",
      paramLabel = "FILE",
      description =
          "The first --batch prompts of that file instead of random ones; all of one length. Text"
              + " needs the tokenizer of --model.")
  private Path file;

  boolean given() {
    return file != null;
  }

  /**
   * The first prompts of the file, in one batch.
   *
   * @param directory the model's, null for none
   * @param model reads them
   * @param most how many at most
   * @return as many as there are, up to that
   * @throws io.autocircuit.files.DataException if the file cannot be used
   */
  PromptBatch read(Path directory, Transformer model, int most) {
    TokenizedDataset all =
        Task.tokenize(
            file,
            Columns.NONE,
            directory,
            BosPolicy.AUTO,
            MultiTokenAnswers.REFUSE,
            Task.limits(model, true));
    TokenizedDataset first =
        all.select(Math.min(most, all.size()), 0, false, 0).train().requireEqualLengths();
    return Batches.byLength(
            first
                .requireTokens("bench", "another --dataset")
                .requireWrongAnswers("bench compares answers with them", "another --dataset"),
            first.size())
        .get(0);
  }
}
