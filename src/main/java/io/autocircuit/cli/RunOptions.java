package io.autocircuit.cli;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.cli.DiscoverOptions.Input;
import io.autocircuit.cli.DiscoverOptions.Judging;
import io.autocircuit.cli.DiscoverOptions.Scoring;
import io.autocircuit.data.Columns;
import io.autocircuit.experiment.AutoencoderSource;
import io.autocircuit.experiment.AvoidedEdges;
import io.autocircuit.experiment.CatalogueTask;
import io.autocircuit.experiment.Cell;
import io.autocircuit.experiment.Cells;
import io.autocircuit.experiment.Level;
import io.autocircuit.experiment.ModelSource;
import io.autocircuit.experiment.NumberTypes;
import io.autocircuit.experiment.OfficialSource;
import io.autocircuit.experiment.PromptSource;
import io.autocircuit.experiment.PromptSplit;
import io.autocircuit.experiment.RunJudging;
import io.autocircuit.experiment.RunPrompts;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.experiment.StoredFile;
import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.prune.PruneContext;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.KnownCircuit;
import io.autocircuit.task.ModelFolders;
import io.autocircuit.task.RandomPrompts;
import io.autocircuit.task.RandomTask;
import io.autocircuit.task.TaskDefaults;
import io.autocircuit.task.TaskProvider;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;

/**
 * Makes the {@link RunSpec} of what was typed. Throws {@link IllegalArgumentException} for what
 * makes no sense.
 *
 * @param input which model and prompts
 * @param scoring which algorithm
 * @param judging which circuits
 * @param algorithms the settings of the algorithms
 * @param tasks the settings of the tasks
 * @param parsed all that was typed
 */
record RunOptions(
    Input input,
    Scoring scoring,
    Judging judging,
    EntryOptions<PruneAlgorithmProvider> algorithms,
    EntryOptions<TaskProvider> tasks,
    ParseResult parsed) {
  /** The tasks that have options of the command's own. */
  static final Set<String> FIXED_TASKS = Set.of(EmbeddedTask.NAME, RandomTask.KEY);

  /** What may be given beside {@code --run}: where to write and how to compute. */
  private static final Set<String> BESIDE_RUN =
      Set.of("--run", "--out", "--verbose", "--activations", "--device", "--threads", "--memory");

  /** Of what is given beside {@code --run}, the new places of its files. */
  private static final Set<String> PLACES =
      Set.of(
          "--model",
          "--dataset",
          "--official",
          "--scores",
          "--avoid",
          "--autoencoders",
          "--constants");

  /**
   * The run.
   *
   * @return of a file where {@code --run} names one, else of the options
   */
  RunSpec spec() {
    return input.run == null ? typed() : new MovedFiles(input, scoring).of(recorded());
  }

  private RunSpec recorded() {
    List<String> other = new ArrayList<>();
    for (OptionSpec option : parsed.matchedOptions()) {
      String name = option.longestName();
      if (!BESIDE_RUN.contains(name) && !PLACES.contains(name)) {
        other.add(name);
      }
    }
    if (!other.isEmpty()) {
      throw new IllegalArgumentException(
          String.join(", ", other)
              + " cannot be given beside --run, whose file says what is run; leave it away (only"
              + " where to write, how to compute and new places of its files may be given: --out,"
              + " --device, --threads, --memory, --model, --dataset, --official, --scores,"
              + " --avoid, --autoencoders, --constants)");
    }
    return RunSpec.read(input.run);
  }

  /** The algorithms that were typed, parted by commas. */
  private List<String> algorithmKeys() {
    return scoring.scores != null
        ? List.of(scoring.algorithm)
        : List.of(scoring.algorithm.split(",", -1));
  }

  /** The ablations that were typed, parted by commas; one that is null where none was. */
  private List<String> ablationKeys() {
    return scoring.ablation == null
        ? Collections.singletonList(null)
        : List.of(scoring.ablation.split(",", -1));
  }

  /** These options for each algorithm and ablation that was typed. */
  List<RunOptions> each() {
    List<RunOptions> all = new ArrayList<>();
    for (String algorithm : algorithmKeys()) {
      for (String ablation : ablationKeys()) {
        Scoring one = scoring.of(algorithm, ablation);
        RunOptions options = new RunOptions(input, one, judging, algorithms, tasks, parsed);
        if (ablationKeys().size() > 1 && !options.judgedSpec().ablatesToConstants()) {
          one.constants = null; // of one of several ablations
        }
        all.add(options);
      }
    }
    return all;
  }

  /**
   * These options, for one algorithm and ablation, as a cell of an experiment.
   *
   * @return a cell with a run
   */
  Cell cell() {
    Cell cell =
        Cells.product(spec(), taskName(), List.of(), List.of(), List.of(), List.of()).get(0);
    return preset()
        .map(
            p -> {
              SortedMap<String, String> at = new TreeMap<>(cell.coordinates());
              at.put("label", p.title());
              at.put("preset", p.key());
              return new Cell(
                  cell.task(), cell.algorithm(), p.title(), at, cell.spec(), cell.refusal());
            })
        .orElse(cell);
  }

  /**
   * The preset that was typed.
   *
   * @throws UnknownNameException if there is none of that name
   */
  private Optional<Preset> preset() {
    return Optional.ofNullable(scoring.preset)
        .or(() -> Preset.named(scoring.algorithm))
        .map(algorithms.entries()::preset);
  }

  /** What the model and the prompts are called in an experiment. */
  String taskName() {
    if (input.dataset != null) {
      return String.valueOf(input.dataset.getFileName()).replaceFirst("\\.[a-z]+$", "");
    }
    return task(input);
  }

  private RunSpec judgedSpec() {
    return RunSpec.of(model(), PromptSource.embedded(), scores()).withJudging(judged());
  }

  private RunSpec typed() {
    Optional<WeightProcessing> processing =
        Optional.ofNullable(input.processing).map(WeightProcessing::parse);
    RunSpec spec = judgedSpec();
    if (scoring.constants != null && !spec.ablatesToConstants()) {
      throw new IllegalArgumentException(
          "--constants="
              + scoring.constants
              + " is given, but nothing is ablated to constants; give --ablation optimal too");
    }
    return spec.withProcessing(processing)
        .withNumbers(new NumberTypes(input.precision, input.weights))
        .withPrompts(prompts())
        .withGraph(graph())
        .withConstants(Optional.ofNullable(scoring.constants).map(StoredFile::at))
        .withOfficial(official())
        .withSeed(input.seed);
  }

  private RunSpec.Graph graph() {
    boolean factorized = scoring.graph == Form.FACTORIZED;
    if (given("--separate-qkv") && !factorized) {
      throw new IllegalArgumentException(
          "--separate-qkv is given, but in the graph of --graph=unfactorized heads have no edges"
              + " into them; leave it away");
    }
    if (given("--kv") && (!factorized || given("--separate-qkv") && !scoring.separateQkv)) {
      throw new IllegalArgumentException(
          "--kv="
              + scoring.keyValues.key()
              + " is given, but in this graph keys and values have no inputs of their own; leave it"
              + " away");
    }
    if (scoring.level == Level.NODE && scoring.perPrompt != null) {
      throw new IllegalArgumentException(
          "--per-prompt scores edges, but --level=node is given; leave one of them away");
    }
    return new RunSpec.Graph(
        given("--separate-qkv") ? scoring.separateQkv : !factorized || usual().separateQkv(),
        scoring.keyValues,
        given("--token-positions")
            ? scoring.tokenPositions
            : !scoring.spans && usual().tokenPositions(),
        scoring.spans,
        scoring.graph,
        scoring.level,
        autoencoders());
  }

  private Optional<AutoencoderSource> autoencoders() {
    if (scoring.autoencoders == null && (scoring.maxLatents != null || scoring.errorTerm)) {
      throw new IllegalArgumentException(
          (scoring.errorTerm ? "--error-term" : "--max-latents")
              + " is for autoencoders; give --autoencoders DIR too, or leave it out");
    }
    if (scoring.maxLatents != null && scoring.maxLatents < 1) {
      throw new IllegalArgumentException(
          "--max-latents=" + scoring.maxLatents + " is not positive; give 1 or more");
    }
    if (scoring.autoencoders != null && scoring.graph == Form.UNFACTORIZED) {
      throw new IllegalArgumentException(
          "--autoencoders is given, but only factorized graphs have latents; give"
              + " --graph=factorized");
    }
    return Optional.ofNullable(scoring.autoencoders)
        .map(
            dir ->
                AutoencoderSource.at(
                    dir, scoring.maxLatents == null ? 0 : scoring.maxLatents, scoring.errorTerm));
  }

  private ModelSource model() {
    if (input.model != null) {
      return ModelSource.at(input.model);
    }
    return switch (task(input)) {
      case EmbeddedTask.NAME -> ModelSource.embedded();
      case RandomTask.KEY ->
          ModelSource.random(
              input.randomWeights != null
                  ? input.randomWeights
                  : RandomTask.shape(Settings.defaults(new RandomTask().settings())));
      default -> ModelSource.of(catalogueTask(), folders());
    };
  }

  private ModelFolders folders() {
    return ModelFolders.parse(input.modelDir == null ? "" : input.modelDir)
        .and(ModelFolders.standard());
  }

  private boolean given(String option) {
    return parsed.hasMatchedOption(option);
  }

  /** What holds where no option says otherwise. */
  private TaskDefaults usual() {
    if (input.task == null || FIXED_TASKS.contains(task(input))) {
      return TaskDefaults.USUAL;
    }
    CatalogueTask task = catalogueTask();
    return tasks.entries().get(task.key()).defaults(task.settings());
  }

  /** The key of the task that gives what no file gives. */
  static String task(Input input) {
    return input.task != null
        ? input.task.toLowerCase(Locale.ROOT)
        : input.randomWeights != null ? RandomTask.KEY : EmbeddedTask.NAME;
  }

  private CatalogueTask catalogueTask() {
    TaskProvider entry = tasks.entries().get(input.task);
    return new CatalogueTask(
        entry.key(), tasks.settings(entry, parsed, Map.of()), Optional.empty());
  }

  private PromptSource source() {
    if (input.dataset != null) {
      return PromptSource.at(
          input.dataset, input.columns == null ? Columns.NONE : Columns.parse(input.columns));
    }
    return switch (task(input)) {
      case EmbeddedTask.NAME -> PromptSource.embedded();
      case RandomTask.KEY -> new PromptSource.Random(RandomPrompts.parse(input.randomPrompts));
      default -> new PromptSource.OfTask(catalogueTask());
    };
  }

  /**
   * The known circuit: the file of {@code --official}, or that of the task: the one of {@code
   * --circuit}, or its usual one.
   *
   * @throws UnknownNameException if the task does not know the circuit
   */
  Optional<OfficialSource> official() {
    if (scoring.official != null) {
      return Optional.of(OfficialSource.at(scoring.official));
    }
    List<String> known = OfficialSource.circuits(source()).stream().map(KnownCircuit::key).toList();
    if (scoring.circuit == null) {
      return known.stream().findFirst().map(OfficialSource.Known::new);
    }
    if (scoring.circuit.equals(OfficialSource.NONE)) {
      return Optional.empty();
    }
    if (known.isEmpty()) {
      throw new IllegalArgumentException(
          "--circuit="
              + scoring.circuit
              + " is given, but these prompts belong to no task that knows circuits; give"
              + " --official FILE");
    }
    if (!known.contains(scoring.circuit)) {
      throw new UnknownNameException("circuit", scoring.circuit, known);
    }
    return Optional.of(new OfficialSource.Known(scoring.circuit));
  }

  private RunPrompts prompts() {
    boolean own = input.dataset != null; // of which the task cannot know how many there are
    return new RunPrompts(
        source(),
        Optional.empty(),
        input.bos,
        input.multiTokenAnswers,
        input.pad,
        input.batchSize,
        new PromptSplit(
            input.train != null ? input.train : own ? 0 : usual().train(),
            input.test != null ? input.test : own ? 0 : usual().test(),
            !input.noShuffle));
  }

  private RunJudging judged() {
    EdgeCounts sizes;
    try {
      sizes = EdgeCounts.parse(judging.edges == null ? List.of("auto") : judging.edges);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("--edges: " + e.getMessage(), e);
    }
    return new RunJudging(
        new CircuitRuns(
            judging.patchType,
            scoring.ablation == null ? Ablation.RESAMPLE : Ablation.of(scoring.ablation),
            judging.reverse),
        sizes,
        judging.ties,
        judging.selection(given("--edges") ? "--edges" : null),
        judging.metrics == null
            ? Metric.all()
            : judging.metrics.stream().map(Metric.catalogue()::get).distinct().toList(),
        given("--slice") ? judging.slice : usual().slice(),
        scoring.perPrompt == null ? 0 : scoring.perPrompt);
  }

  private RunSpec.Scoring scores() {
    if (scoring.scores != null) {
      return new RunSpec.Saved(StoredFile.at(scoring.scores));
    }
    PruneAlgorithmProvider entry = algorithm();
    Map<String, Object> usual = new HashMap<>();
    if (scoring.ablation != null) {
      usual.put(PruneAlgorithmProvider.SCORE_ABLATION, scoring.ablation);
    }
    preset().ifPresent(p -> usual.putAll(p.values()));
    Settings settings = algorithms.settings(entry, parsed, usual);
    if (!entry.needsOfficial(settings)) { // what does not go together is refused before the work
      entry.create(settings, new PruneContext(input.seed, judging.patchType, Optional.empty()));
    }
    return new RunSpec.Algorithm(entry.key(), settings, avoid(entry));
  }

  private Optional<AvoidedEdges> avoid(PruneAlgorithmProvider entry) {
    if (scoring.avoid == null || !entry.avoids()) {
      return Optional.empty(); // of an algorithm that avoids nothing, a note says so
    }
    return Optional.of(AvoidedEdges.of(scoring.avoid, Optional.ofNullable(scoring.avoidEdges)));
  }

  /**
   * Whether the algorithm, as it was typed, needs a known circuit.
   *
   * @return true also where that is what it is to avoid
   */
  boolean needsOfficial() {
    RunSpec.Algorithm typed = (RunSpec.Algorithm) scores();
    return algorithm().needsOfficial(typed.settings())
        || typed.avoid().orElse(null) instanceof AvoidedEdges.Official;
  }

  /**
   * The algorithm: that of {@code --preset}, else of {@code --algorithm}.
   *
   * @throws UnknownNameException if there is none of that key
   * @throws IllegalArgumentException if the preset is another algorithm's
   */
  PruneAlgorithmProvider algorithm() {
    Catalogue<PruneAlgorithmProvider> all = algorithms.entries();
    Optional<Preset> preset = preset();
    if (preset.isEmpty()) {
      return all.get(scoring.algorithm);
    }
    PruneAlgorithmProvider entry = all.ofPreset(preset.get().key()).orElseThrow();
    boolean other =
        scoring.preset != null
            && parsed.hasMatchedOption("--algorithm")
            && (Preset.named(scoring.algorithm).isPresent() || all.get(scoring.algorithm) != entry);
    if (other) {
      throw new IllegalArgumentException(
          "--preset="
              + scoring.preset
              + " belongs to --algorithm="
              + entry.key()
              + ", not to "
              + scoring.algorithm
              + "; leave one of them away");
    }
    return entry;
  }
}
