package io.autocircuit.experiment;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.Columns;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.files.DataException;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.model.WeightType;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.KnownCircuit;
import io.autocircuit.task.RandomTask;
import io.autocircuit.task.TaskDefaults;
import io.autocircuit.task.TaskProvider;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;

/** The tasks of an experiment, each with what its runs have in common. */
final class CellTasks {
  /** Stands for the model of a task that cannot be run, so that its cells can be counted. */
  private static final ModelSource MISSING = ModelSource.at(Path.of("missing"));

  private final ExperimentSpec experiment;
  private final Function<TaskProvider, ModelSource> models;
  private final Catalogue<TaskProvider> catalogue = TaskProvider.catalogue();
  private final List<Metric> metrics;

  CellTasks(ExperimentSpec experiment, Function<TaskProvider, ModelSource> models) {
    this.experiment = experiment;
    this.models = models;
    this.metrics = experiment.metrics().isEmpty() ? Metric.all() : experiment.metrics();
  }

  /**
   * A task with one value for each of its settings.
   *
   * @param name with the settings that vary in parentheses
   * @param coordinates its name, and the settings that vary
   * @param base its run by any algorithm
   * @param refusal why it cannot be run; empty where it can
   * @param graphs how its model is seen as a graph
   */
  record Chosen(
      String name,
      SortedMap<String, String> coordinates,
      RunSpec base,
      Optional<String> refusal,
      List<RunSpec.Graph> graphs) {}

  /** All of them, in order. */
  List<Chosen> all() {
    List<Chosen> all = new ArrayList<>();
    for (ExperimentTask task : experiment.tasks()) {
      Optional<TaskProvider> entry = task.key().map(catalogue::get);
      List<String> varying = entry.map(e -> varying(task.name(), e)).orElse(List.of());
      for (Settings settings : settings(task, entry)) {
        SortedMap<String, String> coordinates = new TreeMap<>();
        varying.forEach(name -> coordinates.put(name, Cells.text(settings.value(name))));
        String name = Cells.label(task.name(), coordinates);
        coordinates.put(Cells.TASK, task.name());
        all.add(chosen(task, entry, settings, name, coordinates));
      }
    }
    return all;
  }

  /** The settings that tell the tasks of a name apart. */
  private List<String> varying(String name, TaskProvider entry) {
    List<Settings> all =
        experiment.tasks().stream()
            .filter(t -> t.name().equals(name))
            .flatMap(t -> settings(t, Optional.of(entry)).stream())
            .toList();
    return Cells.varying(all);
  }

  private static List<Settings> settings(ExperimentTask task, Optional<TaskProvider> entry) {
    List<Setting> declared = entry.<List<Setting>>map(TaskProvider::settings).orElse(List.of());
    Map<String, List<Object>> axes = new LinkedHashMap<>();
    for (Setting s : declared) {
      if (task.settings().containsKey(s.name())) {
        axes.put(s.name(), task.settings().get(s.name()));
      }
    }
    return Cells.combinations(axes).stream().map(given -> Settings.of(declared, given)).toList();
  }

  private Chosen chosen(
      ExperimentTask task,
      Optional<TaskProvider> entry,
      Settings settings,
      String name,
      SortedMap<String, String> coordinates) {
    TaskDefaults usual = TaskDefaults.USUAL;
    ModelSource model = MISSING;
    PromptSource prompts = PromptSource.embedded();
    Optional<OfficialSource> official = Optional.empty();
    Optional<String> refusal = Optional.empty();
    try {
      usual = entry.map(e -> e.defaults(settings)).orElse(usual);
      prompts = prompts(task, entry, settings);
      official = official(task, prompts);
      model = model(task, entry, settings);
    } catch (IllegalArgumentException | DataException e) {
      refusal = Optional.of(e.getMessage());
    }
    Options options = new Options(experiment.options(), task.options());
    RunSpec base =
        RunSpec.of(model, prompts, new RunSpec.Algorithm(Cells.RANDOM, Settings.none()))
            .withProcessing(options.processing())
            .withNumbers(
                new NumberTypes(
                    options.choice("precision", Precision.class, Precision.FLOAT32),
                    options.choice("weights", WeightType.class, WeightType.FLOAT32)))
            .withPrompts(
                new RunPrompts(
                    prompts,
                    Optional.empty(),
                    options.choice("bos", BosPolicy.class, BosPolicy.AUTO),
                    options.choice(
                        "multi_token_answers", MultiTokenAnswers.class, MultiTokenAnswers.REFUSE),
                    options.flag("pad", false),
                    options.whole("batch_size", RunPrompts.BATCH_SIZE),
                    new PromptSplit(
                        // a task cannot know how many prompts a file has
                        options.whole("train", task.dataset().isPresent() ? 0 : usual.train()),
                        options.whole("test", task.dataset().isPresent() ? 0 : usual.test()),
                        options.flag("shuffle", true))))
            .withJudging(
                new RunJudging(
                    new CircuitRuns(
                        experiment.patchTypes().get(0),
                        Ablation.RESAMPLE,
                        options.flag("reverse_clean_corrupt", false)),
                    experiment.sizes(),
                    options.flag("ties", false),
                    options.selection(),
                    metrics,
                    options
                        .value("slice")
                        .map(s -> OutputSlice.of((String) s))
                        .orElse(usual.slice()),
                    options.whole("per_prompt", 0)))
            .withOfficial(official);
    return new Chosen(
        name, coordinates, base, refusal, task.graph().or(experiment.graph()).graphs(usual));
  }

  private ModelSource model(ExperimentTask task, Optional<TaskProvider> entry, Settings settings) {
    if (task.model().isPresent()) {
      return ModelSource.at(task.model().get());
    }
    TaskProvider provider = entry.orElseThrow();
    if (provider.wanted().isPresent()) {
      return models.apply(provider);
    }
    return switch (provider.key()) {
      case EmbeddedTask.NAME -> ModelSource.embedded();
      case RandomTask.KEY -> ModelSource.random(RandomTask.shape(settings));
      default ->
          new ModelSource.OfTask(new CatalogueTask(provider.key(), settings, Optional.empty()));
    };
  }

  private static PromptSource prompts(
      ExperimentTask task, Optional<TaskProvider> entry, Settings settings) {
    if (task.dataset().isPresent()) {
      return PromptSource.at(task.dataset().get(), task.columns().orElse(Columns.NONE));
    }
    String key = entry.orElseThrow().key();
    return switch (key) {
      case EmbeddedTask.NAME -> PromptSource.embedded();
      case RandomTask.KEY -> new PromptSource.Random(RandomTask.size(settings));
      default -> new PromptSource.OfTask(new CatalogueTask(key, settings, Optional.empty()));
    };
  }

  /** Its file, or the task's circuit of a key, or the task's usual one. */
  private static Optional<OfficialSource> official(ExperimentTask task, PromptSource prompts) {
    if (task.official().isPresent()) {
      return task.official().map(OfficialSource::at);
    }
    return task.circuit()
        .or(() -> OfficialSource.circuits(prompts).stream().findFirst().map(KnownCircuit::key))
        .filter(key -> !key.equals(OfficialSource.NONE))
        .map(OfficialSource.Known::new);
  }

  /** How a task is run: what it says itself, else what the experiment says. */
  private record Options(Map<String, Object> values) {
    Options(Settings experiment, Settings task) {
      this(new HashMap<>(experiment.values()));
      values.putAll(task.values());
    }

    Optional<Object> value(String name) {
      return Optional.ofNullable(values.get(name));
    }

    boolean flag(String name, boolean usual) {
      return (boolean) values.getOrDefault(name, usual);
    }

    int whole(String name, int usual) {
      return Math.toIntExact(((Number) values.getOrDefault(name, usual)).longValue());
    }

    <E extends Enum<E>> E choice(String name, Class<E> type, E usual) {
      return value(name)
          .map(v -> Enum.valueOf(type, ((String) v).toUpperCase(java.util.Locale.ROOT)))
          .orElse(usual);
    }

    CircuitSelection selection() {
      List<?> thresholds = value("thresholds").map(v -> (List<?>) v).orElse(List.of());
      return new CircuitSelection(
          choice("select", CircuitSelection.Rule.class, CircuitSelection.Rule.TOP),
          flag("signed", false),
          flag("prune", false),
          thresholds.stream().map(t -> ((Number) t).doubleValue()).toList());
    }

    Optional<WeightProcessing> processing() {
      return value("processing")
          .map(
              v -> WeightProcessing.parse(((List<?>) v).stream().map(String.class::cast).toList()));
    }
  }
}
