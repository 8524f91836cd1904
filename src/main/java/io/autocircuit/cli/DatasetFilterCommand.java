package io.autocircuit.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.files.DataException;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.model.ModelFiles;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.task.dataset.DatasetFile;
import io.autocircuit.task.dataset.DatasetFilter;
import io.autocircuit.task.dataset.ModelAnswers;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code dataset filter FILE}: the pairs that a model knows the answer of. */
@Command(
    name = "filter",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Writes the pairs that a model knows the answer of. The rule and the model stand in the"
            + " file.")
final class DatasetFilterCommand implements Callable<Integer> {
  private static final String FILTER = "filter";

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Mixin private DatasetReader reader;

  @Option(
      names = "--min-prob",
      paramLabel = "P",
      description = "Answers together must be likelier than that, from 0 to below 1.")
  private Double minProbability;

  @Option(names = "--top", description = "The likeliest token must be an answer.")
  private boolean top;

  @Option(
      names = "--balance",
      description = "Then leave pairs out at the end until each answer is right as often.")
  private boolean balance;

  @Option(names = "--out", required = true, paramLabel = "FILE", description = "The new file.")
  private Path out;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public Integer call() {
    DatasetFilter filter = filter();
    boolean asks = minProbability != null || top;
    if (asks && !reader.hasModel()) {
      throw usage("--min-prob and --top ask a model; give --model MODEL");
    }
    PromptDataset prompts = reader.prompts(spec.commandLine());
    List<ModelAnswers.Said> said = asks ? said(prompts) : List.of();
    DatasetFilter.Result kept = filter.apply(prompts, said);
    DatasetFile.write(out, kept.prompts(), fields(kept, prompts.prompts().size(), asks));
    PrintWriter to = spec.commandLine().getOut();
    to.printf("%s: %,d of %,d pairs%n", out, size(kept.prompts()), size(prompts));
    print(to, "the model does not know the answer", kept.unknown());
    print(to, "the corrupt prompt is the clean one of such a pair", kept.corruptUnknown());
    print(to, "to balance the answers", kept.unbalanced());
    to.flush();
    return 0;
  }

  private static void print(PrintWriter to, String why, int n) {
    if (n > 0) {
      to.printf("left out: %s: %,d%n", why, n);
    }
  }

  private static int size(PromptDataset prompts) {
    return prompts.prompts().size();
  }

  private DatasetFilter filter() {
    try {
      return new DatasetFilter(
          minProbability == null ? OptionalDouble.empty() : OptionalDouble.of(minProbability),
          top,
          balance);
    } catch (IllegalArgumentException e) {
      throw usage("--" + e.getMessage().replaceFirst("^nothing", "out: nothing"));
    }
  }

  private CommandLine.ParameterException usage(String message) {
    return new CommandLine.ParameterException(spec.commandLine(), message);
  }

  private List<ModelAnswers.Said> said(PromptDataset prompts) {
    TokenizedDataset tokens;
    try (Tokenizer tokenizer = reader.tokenizer(reader.model(spec.commandLine()))) {
      tokens = prompts.tokenize(tokenizer);
    }
    tokens.requireTokens("dataset filter", "filter files whose answers are tokens");
    try (Transformer model = reader.load(spec.commandLine())) {
      TransformerConfig c = model.config();
      return ModelAnswers.of(
          tokens.requireFits(c.vocabulary(), c.outputs(), c.contextLength()), model);
    }
  }

  /** What made the file, what filtered it before, and this. */
  private ObjectNode fields(DatasetFilter.Result kept, int of, boolean asks) {
    ObjectNode fields = JsonNodeFactory.instance.objectNode();
    JsonNode root = root();
    if (root.has(DatasetFile.GENERATOR)) {
      fields.set(DatasetFile.GENERATOR, root.get(DatasetFile.GENERATOR));
    }
    var filters = fields.putArray(FILTER);
    root.path(FILTER).forEach(filters::add);
    ObjectNode filter = filters.addObject();
    if (minProbability == null) {
      filter.putNull("min_prob");
    } else {
      filter.put("min_prob", minProbability);
    }
    filter.put("top", top).put("balance", balance);
    filter.put("kept", size(kept.prompts())).put("of", of);
    filter.put("source_sha256", reader.fingerprint());
    if (asks) {
      ModelFiles files = ModelFiles.of(reader.model(spec.commandLine()));
      filter.put("model_weights_sha256", Fingerprint.of(files.directory(), files.weights()));
    }
    return fields;
  }

  /** The file where it is one JSON object; else an empty one. */
  private JsonNode root() {
    try {
      List<JsonNode> values =
          JsonFiles.values(
              JsonFiles.text(reader.file(), JsonFiles.LARGEST), reader.file().toString());
      if (values.size() == 1 && values.get(0).isObject()) {
        return values.get(0);
      }
    } catch (DataException e) {
      // a table, or a folder
    }
    return JsonNodeFactory.instance.objectNode();
  }
}
