package io.autocircuit.cli;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.task.dataset.DatasetFile;
import io.autocircuit.task.dataset.DatasetGenerator;
import io.autocircuit.task.dataset.Dropped;
import io.autocircuit.task.dataset.Generated;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code dataset generate KEY}: prompt pairs made by rule. */
@Command(
    name = "generate",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    modelTransformer = EntryOptions.GeneratorAdder.class,
    customSynopsis = "autocircuit dataset generate KEY --tokenizer DIR --out FILE [OPTIONS]",
    description =
        "Makes prompt pairs by rule, of words that a tokenizer has whole, and says what was left"
            + " out. The same options give the same bytes.")
final class DatasetGenerateCommand implements Callable<Integer> {
  /** Where the settings stand in the help. */
  static final int SETTINGS = 2;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(
      paramLabel = "KEY",
      arity = "1",
      completionCandidates = EntryOptions.Generators.class,
      description = "What is made: ${COMPLETION-CANDIDATES}; see 'list datasets'.")
  private String key;

  @Option(
      names = "--tokenizer",
      paramLabel = "DIR",
      description =
          "The directory of the model that is to read the prompts: its tokenizer.json says which"
              + " words are whole.")
  private Path tokenizer;

  @Option(
      names = "--count",
      paramLabel = "N",
      description = "How many pairs. Default: 1000, or as many as there are.")
  private Integer count;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "42",
      description = "Of all that is drawn (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(names = "--out", required = true, paramLabel = "FILE", description = "The prompt file.")
  private Path out;

  @Option(
      names = "--bos",
      paramLabel = "POLICY",
      defaultValue = "auto",
      description =
          "First token, as for discover; positions do not count it (default: ${DEFAULT-VALUE}).")
  private BosPolicy bos;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  /** Set when the options are added. */
  EntryOptions<DatasetGenerator> generators;

  @Override
  public Integer call() {
    DatasetGenerator generator = generator();
    Settings settings = settings(generator);
    if (generator.needsTokenizer() && tokenizer == null) {
      throw usage(
          "dataset="
              + generator.key()
              + " is text; give --tokenizer DIR, the model that is to read it");
    }
    if (count != null && count < 1) {
      throw usage("--count=" + count + " is out of range; give a whole number from 1");
    }
    int wanted = count == null ? DatasetGenerator.USUAL : count;
    Generated made;
    Optional<String> fingerprint = Optional.empty();
    if (generator.needsTokenizer()) {
      try (Tokenizer words = HuggingFaceTokenizer.load(tokenizer, bos)) {
        made = generator.generate(settings, words, wanted, seed);
      }
      Path file = Files.isDirectory(tokenizer) ? tokenizer.resolve("tokenizer.json") : tokenizer;
      fingerprint = Optional.of(Fingerprint.of(file));
    } else {
      made = generator.generate(settings, null, wanted, seed);
    }
    DatasetFile.write(out, made, fingerprint);
    print(made);
    return 0;
  }

  private DatasetGenerator generator() {
    try {
      return generators.entries().get(key);
    } catch (IllegalArgumentException e) {
      throw usage(e.getMessage());
    }
  }

  private Settings settings(DatasetGenerator generator) {
    var parsed = spec.commandLine().getParseResult();
    try {
      Settings settings = generators.settings(generator, parsed, Map.of());
      generators
          .unused(generator, "dataset " + generator.key(), parsed)
          .forEach(note -> spec.commandLine().getErr().println("note: " + note));
      return settings;
    } catch (IllegalArgumentException e) {
      throw usage(e.getMessage());
    }
  }

  private CommandLine.ParameterException usage(String message) {
    return new CommandLine.ParameterException(spec.commandLine(), message);
  }

  private void print(Generated made) {
    PrintWriter to = spec.commandLine().getOut();
    to.printf(
        "%s: %,d pairs of %s, seed %d%n",
        out, made.prompts().prompts().size(), made.generator(), made.seed());
    if (!made.prompts().wordIdxs().isEmpty()) {
      to.println("positions, without BOS: " + positions(made));
    }
    for (Dropped dropped : made.dropped()) {
      to.println("left out: " + dropped);
    }
    to.println(
        "first: "
            + Shown.prompt(made.prompts().prompts().get(0).clean())
            + " | "
            + Shown.prompt(made.prompts().prompts().get(0).corrupt()));
    to.flush();
  }

  private static String positions(Generated made) {
    return String.join(
        ", ",
        made.prompts().wordIdxs().entrySet().stream()
            .map(e -> e.getKey() + " " + e.getValue())
            .toList());
  }
}
