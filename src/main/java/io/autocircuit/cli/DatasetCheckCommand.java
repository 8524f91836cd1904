package io.autocircuit.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.Spans;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.files.CanonicalJson;
import io.autocircuit.files.DataException;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.task.dataset.DatasetCheck;
import io.autocircuit.task.dataset.ModelAnswers;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code dataset check FILE}: what prompts are like. */
@Command(
    name = "check",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Says what the prompts of a file are like: lengths, duplicates, answers, and with a model"
            + " which answers it gets right. Ends with 1 if some pairs cannot be used.")
final class DatasetCheckCommand implements Callable<Integer> {
  /** Answers and lengths that are listed one by one. */
  private static final int LISTED = 12;

  private static final int WIDEST_BAR = 40;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Mixin private DatasetReader reader;

  @Option(
      names = "--tokenizer",
      paramLabel = "DIR",
      description = "Instead of --model: only its tokenizer.")
  private Path tokenizerDirectory;

  @Option(names = "--json", description = "As JSON.")
  private boolean json;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public Integer call() {
    if (reader.hasModel() && tokenizerDirectory != null) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "--tokenizer and --model exclude each other; give one of them");
    }
    PromptDataset prompts = reader.prompts(spec.commandLine());
    DatasetCheck check;
    try (Tokenizer tokenizer =
        reader.tokenizer(
            !reader.hasModel() ? tokenizerDirectory : reader.model(spec.commandLine()))) {
      check = DatasetCheck.of(prompts, tokenizer);
    }
    List<ModelAnswers.Said> said = List.of();
    if (reader.hasModel() && check.tokens().isPresent()) {
      try (Transformer model = reader.load(spec.commandLine())) {
        TransformerConfig c = model.config();
        TokenizedDataset fit =
            check.tokens().get().requireFits(c.vocabulary(), c.outputs(), c.contextLength());
        said = ModelAnswers.of(fit, model);
      }
    }
    PrintWriter out = spec.commandLine().getOut();
    out.print(json ? CanonicalJson.text(json(check, said), true) + "\n" : text(check, said));
    out.flush();
    return check.faults().isPresent() ? 1 : 0;
  }

  // ---- for people

  private String text(DatasetCheck check, List<ModelAnswers.Said> said) {
    Map<String, String> rows = new LinkedHashMap<>();
    rows.put("file", reader.file().toString());
    rows.put(
        "pairs",
        count(check.pairs())
            + (check.usable() == check.pairs() ? "" : ", " + count(check.usable()) + " usable"));
    check.tokens().ifPresent(t -> rows.put("beginning", t.beginning()));
    if (check.usable() > 0) {
      rows.put("tokens", lengths(check));
      rows.put(
          "clean and corrupt",
          check.unequalLengths() == 0
              ? "equally long in every pair"
              : "differ in length in " + of(check.unequalLengths(), check.usable()));
      rows.put(
          "duplicates",
          check.repeated() + check.cleanEqualsCorrupt() == 0
              ? "none"
              : of(check.repeated(), check.usable())
                  + " are there already; in "
                  + check.cleanEqualsCorrupt()
                  + " clean equals corrupt");
    }
    if (check.severalTokens() > 0) {
      rows.put(
          "answers",
          of(check.severalTokens(), check.pairs())
              + " have answers of several tokens (--multi-token-answers)");
    }
    rows.put("answer balance", balance(check));
    check
        .tokens()
        .ifPresent(
            t -> {
              if (!t.wordIdxs().isEmpty()) {
                rows.put("positions, with BOS", positions(t));
              }
              if (t.prompts().stream().anyMatch(pair -> !pair.spans().isEmpty())) {
                rows.put("spans", spans(t));
              }
            });
    model(said, rows);
    StringBuilder text = new StringBuilder(new Rows(rows).text(width()));
    if (check.lengths().size() > 1) {
      text.append('\n').append(histogram(check.lengths()));
    }
    notices(check).forEach(n -> text.append("note: ").append(n).append('\n'));
    check.faults().ifPresent(f -> text.append("cannot be used: ").append(f).append('\n'));
    return text.toString();
  }

  private int width() {
    return spec.usageMessage().width();
  }

  private static List<String> notices(DatasetCheck check) {
    List<String> all = new ArrayList<>(check.misplaced());
    check.tokens().ifPresent(t -> all.addAll(t.notices()));
    return all;
  }

  private static String lengths(DatasetCheck check) {
    return check.lengths().size() == 1
        ? check.lengths().firstKey() + " each"
        : check.lengths().firstKey()
            + " to "
            + check.lengths().lastKey()
            + ", "
            + check.lengths().size()
            + " different lengths";
  }

  /** One line for each length; of many, for each of some ranges. */
  private static String histogram(Map<Integer, Integer> lengths) {
    List<Integer> keys = new ArrayList<>(lengths.keySet());
    int low = keys.get(0);
    int span = keys.get(keys.size() - 1) - low + 1;
    int step = (span + LISTED - 1) / LISTED;
    int[] counts = new int[(span + step - 1) / step];
    lengths.forEach((length, n) -> counts[(length - low) / step] += n);
    int most = 1;
    for (int n : counts) {
      most = Math.max(most, n);
    }
    StringBuilder text = new StringBuilder("tokens       pairs\n");
    for (int i = 0; i < counts.length; i++) {
      int from = low + i * step;
      String range = step == 1 ? String.valueOf(from) : from + "-" + (from + step - 1);
      int bar = (int) Math.ceil((double) counts[i] * WIDEST_BAR / most);
      text.append(
          String.format(Locale.ROOT, "%-11s %6d %s", range, counts[i], "#".repeat(bar))
              .stripTrailing());
      text.append('\n');
    }
    return text.toString();
  }

  private static String balance(DatasetCheck check) {
    Map<String, Integer> answers = check.answers();
    if (answers.isEmpty()) {
      return "answers are numbers";
    }
    List<String> shown =
        answers.entrySet().stream()
            .limit(LISTED)
            .map(e -> Shown.quoted(e.getKey()) + " " + e.getValue())
            .toList();
    return String.format(Locale.ROOT, "%,d different: ", answers.size())
        + String.join(", ", shown)
        + (answers.size() > LISTED ? ", …" : "");
  }

  private static String positions(TokenizedDataset tokens) {
    return String.join(
        ", ",
        tokens.wordIdxs().entrySet().stream().map(e -> e.getKey() + " " + e.getValue()).toList());
  }

  /** Their names, in how many pairs they are and how long at most; or why they cannot be used. */
  private static String spans(TokenizedDataset tokens) {
    Spans spans;
    try {
      spans = Spans.of(tokens);
    } catch (DataException e) {
      return "cannot be used: " + e.getMessage();
    }
    List<String> shown = new ArrayList<>();
    spans
        .longest()
        .forEach(
            (name, most) -> {
              int number = spans.names().indexOf(name);
              int having =
                  (int)
                      spans.columns().values().stream()
                          .filter(own -> Arrays.stream(own).anyMatch(c -> c == number))
                          .count();
              shown.add(
                  name
                      + " (in "
                      + count(having)
                      + " of "
                      + count(tokens.size())
                      + ", at most "
                      + most
                      + (most == 1 ? " token)" : " tokens)"));
            });
    return String.join(", ", shown);
  }

  private static void model(List<ModelAnswers.Said> said, Map<String, String> rows) {
    if (said.isEmpty()) {
      return;
    }
    double error = mean(said, ModelAnswers.Said::squaredError);
    if (!Double.isNaN(error)) {
      rows.put("mean squared error", number(error));
      return;
    }
    rows.put("model is right", right(said));
    rows.put(
        "logit difference",
        "clean "
            + number(mean(said, ModelAnswers.Said::difference))
            + ", corrupt "
            + number(mean(said, ModelAnswers.Said::corruptDifference)));
    rows.put(
        "answer probability",
        number(mean(said, ModelAnswers.Said::probability))
            + "; above 0.5 for "
            + of((int) said.stream().filter(s -> s.probability() > 0.5).count(), said.size()));
  }

  private static String right(List<ModelAnswers.Said> said) {
    return "for "
        + of((int) said.stream().filter(ModelAnswers.Said::right).count(), said.size())
        + ": an answer above all wrong ones; its first choice for "
        + of((int) said.stream().filter(ModelAnswers.Said::top).count(), said.size());
  }

  private static String count(int n) {
    return String.format(Locale.ROOT, "%,d", n);
  }

  private static String of(int n, int all) {
    return String.format(Locale.ROOT, "%,d of %,d (%.0f%%)", n, all, 100.0 * n / all);
  }

  private static String number(double value) {
    return Double.isNaN(value)
        ? "none (no wrong answers)"
        : String.format(Locale.ROOT, "%.3f", value);
  }

  private static double mean(List<ModelAnswers.Said> said, ToDoubleFunction<ModelAnswers.Said> of) {
    return said.stream().mapToDouble(of).average().orElse(Double.NaN);
  }

  // ---- for programs

  private ObjectNode json(DatasetCheck check, List<ModelAnswers.Said> said) {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("file", reader.file().toString());
    root.put("pairs", check.pairs());
    root.put("usable", check.usable());
    root.put("several_tokens", check.severalTokens());
    root.put("fault", check.faults().orElse(null));
    ObjectNode lengths = root.putObject("lengths");
    check.lengths().forEach((length, n) -> lengths.put(String.valueOf(length), n));
    root.put("unequal_lengths", check.unequalLengths());
    root.put("repeated", check.repeated());
    root.put("clean_equals_corrupt", check.cleanEqualsCorrupt());
    ObjectNode answers = root.putObject("answers");
    check.answers().forEach(answers::put);
    ArrayNode notices = root.putArray("notices");
    notices(check).forEach(notices::add);
    if (!said.isEmpty()) {
      ObjectNode model = root.putObject("model");
      model.put("right", said.stream().filter(ModelAnswers.Said::right).count());
      model.put("first_choice", said.stream().filter(ModelAnswers.Said::top).count());
      put(model, "answer_probability", mean(said, ModelAnswers.Said::probability));
      put(model, "logit_difference", mean(said, ModelAnswers.Said::difference));
      put(model, "corrupt_logit_difference", mean(said, ModelAnswers.Said::corruptDifference));
      put(model, "mean_squared_error", mean(said, ModelAnswers.Said::squaredError));
    }
    return root;
  }

  /** JSON has no NaN. */
  private static void put(ObjectNode node, String name, double value) {
    if (Double.isNaN(value)) {
      node.putNull(name);
    } else {
      node.put(name, value);
    }
  }
}
