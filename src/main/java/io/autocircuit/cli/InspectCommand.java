package io.autocircuit.cli;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.Columns;
import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.data.PairReader;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.PromptLimits;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.model.ModelFiles;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.Transformer;
import io.autocircuit.report.InspectionJson;
import io.autocircuit.report.InspectionReport;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.ModelFolders;
import io.autocircuit.task.Task;
import io.autocircuit.task.TaskProvider;
import io.autocircuit.task.WantedModel;
import io.autocircuit.task.dataset.InspectedPrompt;
import io.autocircuit.task.dataset.Inspection;
import io.autocircuit.task.dataset.PromptInspector;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.bytedeco.pytorch.global.torch.ScalarType;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code inspect}: prompts as the model sees them. */
@Command(
    name = "inspect",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    modelTransformer = EntryOptions.InspectAdder.class,
    customSynopsis = "autocircuit inspect [OPTIONS]",
    description = {
      "Shows the tokens of prompts, clean against corrupt, and what the model says, and finds what"
          + " makes prompts useless. Without --model and --dataset it looks at the embedded ones.",
      "Ends with 0 whatever is found, unless --strict."
    })
final class InspectCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description = "Model directory, or a name on the Hugging Face hub, as for discover.")
  private Path model;

  @Option(
      names = "--dataset",
      paramLabel = "FILE",
      description = "Prompt pairs, as for discover. Default: the embedded ones.")
  private Path dataset;

  @Option(
      names = "--task",
      paramLabel = "KEY",
      completionCandidates = EntryOptions.Tasks.class,
      description =
          "Instead of --dataset: the model and the prompts of a task: ${COMPLETION-CANDIDATES}.")
  private String task;

  @Option(
      names = "--model-dir",
      paramLabel = "DIRS",
      description = "Folders below which the models of tasks are, as for discover.")
  private String modelDir;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "42",
      description = "Seed of a task's prompts (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--columns",
      paramLabel = "NAME=COLUMN,…",
      description = "Which columns of the file hold what, as for discover.")
  private String columns;

  @Option(
      names = "--bos",
      paramLabel = "POLICY",
      defaultValue = "auto",
      description = "First token of text, as for discover (default: ${DEFAULT-VALUE}).")
  private BosPolicy bos;

  @Option(
      names = "--multi-token-answers",
      paramLabel = "HOW",
      defaultValue = "refuse",
      description = "Answers of several tokens, as for discover (default: ${DEFAULT-VALUE}).")
  private MultiTokenAnswers several;

  @Option(
      names = "--limit",
      paramLabel = "N",
      description = "Look at the first N prompts only. Default: all.")
  private Integer limit;

  @Option(
      names = "--show",
      paramLabel = "N",
      defaultValue = "5",
      description =
          "Prompts that are shown token by token, first those with a finding that none before has"
              + " (default: ${DEFAULT-VALUE}).")
  private int show;

  @Option(
      names = "--top",
      paramLabel = "N",
      defaultValue = "5",
      description = "Likeliest next tokens that are listed (default: ${DEFAULT-VALUE}).")
  private int top;

  @Option(
      names = "--tokens-only",
      description =
          "Do not ask the model; of --model only the tokenizer is read, but a name on the hub is"
              + " downloaded whole.")
  private boolean tokensOnly;

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = "Write a page with at most " + InspectionReport.MAX_PROMPTS + " prompts.")
  private Path html;

  @Option(names = "--json", paramLabel = "FILE", description = "Write every prompt as JSON.")
  private Path json;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "Write both, as inspect.html and inspect.json, into that directory.")
  private Path directory;

  @Option(names = "--strict", description = "End with 1 if anything is found.")
  private boolean strict;

  @Mixin private DeviceOption device;

  @Mixin private HubOption hub;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  /** Set when the options are added. */
  EntryOptions<TaskProvider> tasks;

  @Override
  public Integer call() {
    check();
    TaskProvider entry = task == null ? null : tasks.entries().get(task);
    Settings settings = entry == null ? null : settings(entry);
    Path found = found(entry);
    DeviceChoice on = tokensOnly ? null : device.choose();
    Transformer loaded = tokensOnly ? null : loaded(entry, settings, found);
    try (Transformer asked = loaded == null ? null : loaded.to(on.device())) {
      return inspect(entry, settings, found, asked);
    }
  }

  private int inspect(TaskProvider entry, Settings settings, Path found, Transformer asked) {
    Path files = found == null ? null : ModelFiles.of(found).directory();
    boolean spelled =
        files != null && Files.isRegularFile(files.resolve(HuggingFaceTokenizer.FILE));
    Inspection inspection =
        new Inspection(Math.max(show, html == null ? 0 : InspectionReport.MAX_PROMPTS));
    List<String> notices = new ArrayList<>();
    String model = asked == null ? "" : asked.config().name();
    try (Tokenizer tokenizer = spelled ? HuggingFaceTokenizer.load(files, bos) : null) {
      PairReader pairs;
      String name;
      if (entry != null) {
        TokenizedDataset prompts = entry.prompts(settings, asked, Optional.ofNullable(found), seed);
        pairs = PairReader.of(prompts);
        name = entry.key();
        notices.addAll(prompts.remarks());
      } else {
        PromptDataset prompts =
            dataset == null ? EmbeddedTask.prompts() : PromptDataset.read(dataset, columns());
        PromptLimits limits = asked == null ? null : Task.limits(asked, false);
        pairs = PairReader.of(prompts, tokenizer, several, limits);
        name = dataset == null ? EmbeddedTask.NAME : String.valueOf(dataset.getFileName());
        notices.addAll(prompts.remarks());
      }
      PromptInspector inspector =
          new PromptInspector(tokenizer, asked, convention(files, tokenizer), top);
      int most = limit == null ? Integer.MAX_VALUE : limit;
      if (json == null) {
        inspector.inspect(pairs, most, inspection::add);
      } else {
        written(inspector, pairs, most, inspection, new String[] {name, model}, notices);
      }
      return said(inspection, name, model, notices);
    }
  }

  private void written(
      PromptInspector inspector,
      PairReader pairs,
      int most,
      Inspection inspection,
      String[] names,
      List<String> notices) {
    AtomicFile.write(
        json,
        out -> {
          InspectionJson file = InspectionJson.begin(out, names[0], names[1]);
          Consumer<InspectedPrompt> both =
              p -> {
                inspection.add(p);
                file.add(p);
              };
          try {
            inspector.inspect(pairs, most, both);
          } catch (UncheckedIOException e) {
            throw e.getCause();
          }
          file.end(inspection, notices);
        });
  }

  private int said(Inspection inspection, String name, String model, List<String> notices) {
    Map<String, String> summary = summary(inspection, name, model);
    if (html != null) {
      InspectionReport.write(
          html,
          "Prompts of " + name + (model.isEmpty() ? "" : " and " + model),
          summary,
          inspection,
          notices);
    }
    boolean colours = Bars.terminal() && CommandLine.Help.Ansi.AUTO.enabled();
    InspectPrintout printout =
        new InspectPrintout(spec.commandLine().getOut(), spec.usageMessage().width(), colours);
    inspection.shown(show).forEach(printout::prompt);
    printout.summary(summary, inspection, notices);
    if (html != null) {
      spec.commandLine().getOut().println("page: " + html);
    }
    spec.commandLine().getOut().flush();
    return strict && inspection.troubled() > 0 ? 1 : 0;
  }

  private static Map<String, String> summary(Inspection inspection, String name, String model) {
    Map<String, String> rows = new LinkedHashMap<>();
    rows.put("prompts", count(inspection.size()) + " of " + name);
    if (inspection.usable() < inspection.size()) {
      rows.put("usable", count(inspection.usable()));
    }
    if (!inspection.lengths().isEmpty()) {
      int least = inspection.lengths().firstKey();
      int most = inspection.lengths().lastKey();
      rows.put("tokens", least == most ? least + " each" : least + " to " + most);
    }
    Inspection.Model said = inspection.model();
    if (said.prompts() > 0) {
      rows.put("model", model);
      if (!Double.isNaN(said.squaredError())) {
        rows.put("mean squared error", String.format(Locale.ROOT, "%.3g", said.squaredError()));
        return rows;
      }
      rows.put("right", of(said.right(), said.prompts()));
      rows.put("first choice", of(said.top(), said.prompts()));
      rows.put("answer probability", String.format(Locale.ROOT, "%.3f", said.probability()));
      if (!Double.isNaN(said.difference())) {
        rows.put(
            "logit difference",
            String.format(
                Locale.ROOT,
                "clean %.3f, corrupt %.3f",
                said.difference(),
                said.corruptDifference()));
      }
    }
    return rows;
  }

  private static String count(int n) {
    return String.format(Locale.ROOT, "%,d", n);
  }

  private static String of(int n, int all) {
    return String.format(Locale.ROOT, "%,d of %,d (%.0f%%)", n, all, 100.0 * n / all);
  }

  // ---- what is looked at

  private Path found(TaskProvider entry) {
    if (model != null) {
      return hub.directory(model, spec.commandLine().getErr());
    }
    if (entry == null) {
      return EmbeddedTask.directory();
    }
    Optional<WantedModel> wanted = entry.wanted();
    ModelFolders folders = ModelFolders.standard();
    ModelFolders all = modelDir == null ? folders : ModelFolders.parse(modelDir).and(folders);
    return wanted.map(w -> all.require(w, entry.key())).orElse(null);
  }

  private Transformer loaded(TaskProvider entry, Settings settings, Path found) {
    return found == null
        ? entry.model(settings, null, ScalarType.Float, seed)
        : ModelLoader.load(found);
  }

  /** What prompts of this model begin with, whatever {@code --bos} says. */
  private int[] convention(Path files, Tokenizer tokenizer) {
    if (tokenizer == null) {
      return new int[0];
    }
    if (bos == BosPolicy.AUTO) {
      return PromptInspector.beginning(tokenizer);
    }
    try (Tokenizer usual = HuggingFaceTokenizer.load(files, BosPolicy.AUTO)) {
      return PromptInspector.beginning(usual);
    }
  }

  private Settings settings(TaskProvider entry) {
    try {
      return tasks.settings(entry, spec.commandLine().getParseResult(), Map.of());
    } catch (IllegalArgumentException e) {
      throw usage(e.getMessage());
    }
  }

  private Columns columns() {
    try {
      return columns == null ? Columns.NONE : Columns.parse(columns);
    } catch (IllegalArgumentException e) {
      throw usage("--" + e.getMessage());
    }
  }

  private CommandLine.ParameterException usage(String message) {
    return new CommandLine.ParameterException(spec.commandLine(), message);
  }

  private void check() {
    if (task != null && dataset != null) {
      throw usage("give --task or --dataset, not both");
    }
    boolean wanted = task != null && tasks.entries().get(task).wanted().isPresent();
    if (task != null && model != null && !wanted) {
      throw usage("give --task or --model, not both: this task has a model of its own");
    }
    if (task == null && model != null && dataset == null) {
      throw usage("--model needs --dataset FILE: prompt pairs for this model");
    }
    if (tokensOnly && task != null) {
      throw usage("--tokens-only needs --dataset: the prompts of a task are made for its model");
    }
    if (limit != null && limit < 1 || show < 0 || top < 1) {
      throw usage(
          "--limit="
              + limit
              + " --show="
              + show
              + " --top="
              + top
              + " are out of range; give at least 1, 0 and 1");
    }
    if (directory != null) {
      if (html != null || json != null) {
        throw usage("give --out, or --html and --json");
      }
      try {
        Files.createDirectories(directory);
      } catch (IOException e) {
        throw new DataException("directory=" + directory + " cannot be made: " + e.getMessage(), e);
      }
      html = directory.resolve("inspect.html");
      json = directory.resolve("inspect.json");
    }
    for (Path file : new Path[] {html, json}) {
      if (file != null) {
        AtomicFile.requireWritable(file);
      }
    }
  }
}
