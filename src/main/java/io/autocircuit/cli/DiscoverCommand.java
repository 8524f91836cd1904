package io.autocircuit.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.data.Batches;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.ResultFiles;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.ExactPatching;
import io.autocircuit.prune.GroundTruth;
import io.autocircuit.prune.MaskFunction;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.RandomScores;
import io.autocircuit.prune.SubnetworkProbing;
import io.autocircuit.report.DiscoveryReport;
import io.autocircuit.report.HtmlReport;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.tensor.DataException;
import io.autocircuit.tensor.JsonFiles;
import io.autocircuit.tensor.NativeThreads;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.global.torch.ScalarType;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code discover}: the main job. */
@Command(
    name = "discover",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Scores the edges of a model on prompt pairs, evaluates circuits of growing size, and writes"
          + " scores.safetensors, edges.json, measurements.json and report.html.",
      "Without --model and --dataset it runs the embedded induction model."
    })
final class DiscoverCommand implements Callable<Integer> {
  private static final int SHOWN_EDGES = 10;
  private static final int SHOWN_ROWS = 20;
  private static final long SMALL_PRODUCT = 32_000_000;

  /** Positions that are looked at. */
  enum Slice {
    LAST,
    NOT_FIRST,
    ALL
  }

  /** Which patch type. */
  enum Patching {
    TREE,
    EDGE
  }

  /** Number type of the computation. */
  enum Precision {
    FLOAT32,
    FLOAT64
  }

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @ArgGroup(validate = false, heading = "%nWhat is run:%n")
  private final Input input = new Input();

  @ArgGroup(validate = false, heading = "%nHow edges are scored:%n")
  private final Scoring scoring = new Scoring();

  @ArgGroup(validate = false, heading = "%nHow circuits are judged:%n")
  private final Judging judging = new Judging();

  @ArgGroup(validate = false, heading = "%nOutput:%n")
  private final Output output = new Output();

  /** Model and prompts. */
  static final class Input {
    @Option(
        names = "--model",
        paramLabel = "DIR",
        description =
            "Model directory: config.json and model.safetensors (Hugging Face gpt2, gpt_neox, llama;"
                + " or HookedTransformer). Default: the embedded model.")
    Path model;

    @Option(
        names = "--random-weights",
        paramLabel = "SHAPE",
        description = "A random model of that shape instead, such as gpt2-small.")
    String randomWeights;

    @Option(
        names = "--dataset",
        paramLabel = "FILE",
        description =
            "Prompt pairs (JSON: prompts with clean, corrupt, answers, wrong_answers). Default: the"
                + " embedded prompts; with --random-weights random ones.")
    Path dataset;

    @Option(
        names = "--random-prompts",
        paramLabel = "NxT",
        defaultValue = "32x16",
        description =
            "Number and length of the random prompts of --random-weights (default: ${DEFAULT-VALUE}).")
    String randomPrompts;

    @Option(
        names = "--train",
        paramLabel = "N",
        description = "Prompts that score the edges, drawn by --seed. Default: all.")
    Integer train;

    @Option(
        names = "--test",
        paramLabel = "N",
        description = "Further prompts that judge circuits. Default: the same as for scoring.")
    Integer test;

    @Option(
        names = "--no-shuffle",
        description = "Take the --train and --test prompts in the order of the file.")
    boolean noShuffle;

    @Option(
        names = "--seed",
        paramLabel = "N",
        defaultValue = "42",
        description = "Seed of all that is random (default: ${DEFAULT-VALUE}).")
    long seed;

    @Option(
        names = "--batch-size",
        paramLabel = "N",
        defaultValue = "32",
        description =
            "Prompts evaluated together; only batch means depend on it (default: ${DEFAULT-VALUE}).")
    int batchSize;

    @Option(
        names = "--pad",
        description =
            "Pad prompts of different length on the left, instead of batching them by length.")
    boolean pad;

    @Option(
        names = "--bos",
        paramLabel = "POLICY",
        defaultValue = "tokenizer",
        description =
            "First token of text prompts: ${COMPLETION-CANDIDATES}; never two (default:"
                + " ${DEFAULT-VALUE}).")
    BosPolicy bos;

    @Option(
        names = "--processing",
        split = ",",
        paramLabel = "STEP",
        description =
            "Weight processing: all, none, or some of fold_ln, center_writing_weights,"
                + " center_unembed, fold_value_biases. Default: all for Hugging Face models, none"
                + " for HookedTransformer directories, which are processed already.")
    List<String> processing;

    @Option(
        names = "--precision",
        defaultValue = "float32",
        description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    Precision precision;

    @Option(
        names = "--threads",
        paramLabel = "N",
        description =
            "Native threads. Default: all cores, or one where the model is so small that threads"
                + " would only wait for each other.")
    Integer threads;
  }

  /** The algorithm and its settings. */
  static final class Scoring {
    @Option(
        names = "--algorithm",
        paramLabel = "NAME",
        defaultValue = "eap",
        description =
            "eap, ig, exact, acdc, sp, random or ground-truth; see 'list algorithms' (default:"
                + " ${DEFAULT-VALUE}).")
    String algorithm;

    @Option(
        names = "--separate-qkv",
        paramLabel = "BOOL",
        arity = "0..1",
        fallbackValue = "true",
        defaultValue = "true",
        description =
            "Separate inputs for queries, keys and values, or one per head (default:"
                + " ${DEFAULT-VALUE}).")
    boolean separateQkv;

    @Option(
        names = "--token-positions",
        description = "One edge for each token position; all prompts must have one length.")
    boolean tokenPositions;

    @Option(
        names = "--ablation",
        paramLabel = "KIND",
        description =
            "What ablated sources are replaced by; see 'list ablations'. Default: resample, and for"
                + " learning tree masks with sp tokenwise_mean_corrupt.")
    String ablation;

    @Option(
        names = "--grad-function",
        defaultValue = "logit",
        description = "eap, ig, exact: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    LogitFunction gradFunction;

    @Option(
        names = "--answer-function",
        defaultValue = "avg_diff",
        description = "eap, ig, exact: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    MaskGradient.AnswerFunction answerFunction;

    @Option(
        names = "--mask-value",
        paramLabel = "X",
        defaultValue = "0",
        description = "eap: the masks where the gradient is taken (default: ${DEFAULT-VALUE}).")
    double maskValue;

    @Option(
        names = "--samples",
        paramLabel = "N",
        defaultValue = "5",
        description =
            "ig: gradients are averaged over N + 1 mask values 0, 1/N, …, 1 (default:"
                + " ${DEFAULT-VALUE}).")
    int samples;

    @Option(
        names = "--sum",
        description =
            "eap, ig: AutoCircuit's sums over batches and samples instead of means, for comparison.")
    boolean sum;

    @Option(
        names = "--tau",
        split = ",",
        paramLabel = "X",
        defaultValue = "0.001",
        description = "acdc: one or more thresholds (default: ${DEFAULT-VALUE}).")
    double[] tau;

    @Option(
        names = "--target",
        paramLabel = "NAME",
        defaultValue = "kl_div",
        description =
            "acdc: kl_div or mse; sp: kl_div, mse, answer, wrong_answer or logit_diff_percent"
                + " (default: ${DEFAULT-VALUE}).")
    String target;

    @Option(
        names = "--epochs",
        paramLabel = "N",
        defaultValue = "20",
        description = "sp: passes over the prompts (default: ${DEFAULT-VALUE}).")
    int epochs;

    @Option(
        names = "--learning-rate",
        paramLabel = "X",
        defaultValue = "0.1",
        description = "sp: Adam's step (default: ${DEFAULT-VALUE}).")
    double learningRate;

    @Option(
        names = "--lambda",
        paramLabel = "X",
        defaultValue = "10",
        description = "sp: weight of the size penalty (default: ${DEFAULT-VALUE}).")
    double lambda;

    @Option(
        names = "--mask-fn",
        defaultValue = "hard_concrete",
        description = "sp: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    MaskFunction maskFunction;

    @Option(
        names = "--circuit-size",
        paramLabel = "K",
        defaultValue = "0",
        description = "sp: wanted number of edges; 0 for none (default: ${DEFAULT-VALUE}).")
    int circuitSize;

    @Option(
        names = "--dropout",
        paramLabel = "P",
        defaultValue = "0",
        description = "sp: probability that a mask value is dropped (default: ${DEFAULT-VALUE}).")
    double dropout;

    @Option(
        names = "--official",
        paramLabel = "FILE",
        description =
            "A known circuit: JSON list of edge names or of {\"name\",\"seq_idx\"} objects. Adds a"
                + " ROC curve; ground-truth scores it.")
    Path official;
  }

  /** Circuits and metrics. */
  static final class Judging {
    @Option(
        names = "--patch-type",
        defaultValue = "tree",
        description =
            "tree: ablate all but the circuit in clean runs; edge: patch the circuit into corrupt"
                + " runs (default: ${DEFAULT-VALUE}).")
    Patching patchType;

    @Option(
        names = "--reverse-clean-corrupt",
        description = "Let clean and corrupt prompts change places in the circuit runs.")
    boolean reverse;

    @Option(
        names = "--edges",
        split = ",",
        paramLabel = "SIZES",
        description =
            "Circuit sizes: numbers, shares such as 0.1, 'all' among them for the full graph; or"
                + " alone: all (every size), log, groups, auto. Default: auto.")
    List<String> edges;

    @Option(
        names = "--ties",
        description = "Circuits include all edges that tie with their last (AutoCircuit's rule).")
    boolean ties;

    @Option(
        names = "--metrics",
        split = ",",
        paramLabel = "NAME",
        description = "Metrics; see 'list metrics'. Default: all that apply.")
    List<String> metrics;

    @Option(
        names = "--slice",
        defaultValue = "last",
        description =
            "Positions whose logits are looked at: ${COMPLETION-CANDIDATES} (default:"
                + " ${DEFAULT-VALUE}).")
    Slice slice;
  }

  /** Where results go. */
  static final class Output {
    @Option(
        names = "--out",
        paramLabel = "DIR",
        defaultValue = "circuit",
        description = "Where results are written (default: ${DEFAULT-VALUE}).")
    Path out;

    @Option(names = "--verbose", description = "Print stack traces and what was chosen.")
    boolean verbose;
  }

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    check();
    Path directory = writable(output.out);
    ScalarType type = input.precision == Precision.FLOAT32 ? ScalarType.Float : ScalarType.Double;
    try (Transformer model = model(type)) {
      TokenizedDataset data = data(model);
      KernelsProvider.Choice kernels = KernelsProvider.choose();
      if (output.verbose) {
        out.println("kernels: " + kernels.kernels().name() + " (" + kernels.reason() + ")");
      }
      int positions = scoring.tokenPositions ? data.lengths().get(0) : 0;
      PatchableModel patchable =
          PatchableModel.of(model, scoring.separateQkv, positions, slice(), kernels.kernels());
      TokenizedDataset train = data;
      TokenizedDataset test = data;
      if (input.train != null || input.test != null) {
        int n = input.train != null ? input.train : data.size() - input.test;
        TokenizedDataset.Split split =
            data.select(n, input.test == null ? 0 : input.test, !input.noShuffle, input.seed);
        train = split.train();
        test = input.test == null ? train : split.test();
      }
      List<PromptBatch> trainBatches = batches(train);
      List<PromptBatch> testBatches = input.test == null ? trainBatches : batches(test);
      Circuit official = scoring.official == null ? null : official(patchable.graph());
      PruneAlgorithm algorithm = algorithm(official);
      Discovery discovery =
          new Discovery(
              patchable,
              trainBatches,
              testBatches,
              algorithm,
              new CircuitRuns(patchType(), circuitAblation(), judging.reverse),
              edgeCounts(patchable.graph().edgeCount()),
              judging.ties,
              metrics(),
              official);
      int threads = threads(model.config(), trainBatches);
      Discovery.Result result;
      try (NativeThreads used = NativeThreads.use(threads);
          Bars bars = Bars.onTerminal()) {
        PruneScores scores = algorithm.score(patchable, trainBatches, bars);
        result = discovery.judge(scaled(scores, trainBatches), bars);
      }
      write(directory, model, data, result, threads);
      print(out, result, directory);
    }
    return 0;
  }

  private void check() {
    if (input.model != null && input.randomWeights != null) {
      throw new IllegalArgumentException("give --model or --random-weights, not both");
    }
    if (input.model != null && input.dataset == null) {
      throw new IllegalArgumentException(
          "--model needs --dataset FILE: prompt pairs for this model (the embedded prompts belong"
              + " to the embedded model)");
    }
    if (input.batchSize < 1) {
      throw new IllegalArgumentException("--batch-size=" + input.batchSize + " must be at least 1");
    }
    if (input.train != null && input.train < 1 || input.test != null && input.test < 1) {
      throw new IllegalArgumentException("--train and --test must be at least 1");
    }
    if (!Algorithms.DESCRIPTIONS.containsKey(scoring.algorithm)) {
      throw new UnknownNameException(
          "algorithm", scoring.algorithm, Algorithms.DESCRIPTIONS.keySet());
    }
    if (scoring.algorithm.equals("ground-truth") && scoring.official == null) {
      throw new IllegalArgumentException("--algorithm ground-truth needs --official FILE");
    }
    circuitAblation();
    metrics();
    edgeCounts(Integer.MAX_VALUE);
    if (scoring.official == null) {
      algorithm(null);
    }
  }

  /** Fails early, before anything long is computed. */
  private static Path writable(Path directory) {
    try {
      Files.createDirectories(directory);
      Files.delete(Files.createTempFile(directory, ".autocircuit", null));
    } catch (IOException e) {
      throw new DataException(
          "--out=" + directory + " cannot be written: " + e + "; choose a directory that can", e);
    }
    return directory;
  }

  private Transformer model(ScalarType type) {
    WeightProcessing processing = processing();
    if (input.randomWeights != null) {
      return RandomModels.of(RandomModels.shape(input.randomWeights), input.seed, type);
    }
    return input.model == null
        ? EmbeddedTask.model(processing, type)
        : ModelLoader.load(input.model, processing, type);
  }

  private WeightProcessing processing() {
    if (input.processing == null) {
      return null;
    }
    List<String> known =
        List.of(
            "fold_ln",
            "center_writing_weights",
            "center_unembed",
            "fold_value_biases",
            "all",
            "none");
    for (String step : input.processing) {
      if (!known.contains(step)) {
        throw new UnknownNameException("processing step", step, known);
      }
    }
    if (input.processing.contains("all")) {
      return WeightProcessing.DEFAULT;
    }
    return new WeightProcessing(
        input.processing.contains("fold_ln"),
        input.processing.contains("center_writing_weights"),
        input.processing.contains("center_unembed"),
        input.processing.contains("fold_value_biases"));
  }

  private TokenizedDataset data(Transformer model) {
    TransformerConfig c = model.config();
    TokenizedDataset data;
    if (input.dataset == null && input.randomWeights != null) {
      data = randomPrompts(c);
    } else {
      PromptDataset prompts =
          input.dataset == null ? EmbeddedTask.prompts() : PromptDataset.read(input.dataset);
      boolean tokenizer =
          input.model != null && Files.isRegularFile(input.model.resolve("tokenizer.json"));
      try (Tokenizer t = tokenizer ? HuggingFaceTokenizer.load(input.model, input.bos) : null) {
        data = prompts.tokenize(t);
      }
    }
    data.requireFits(c.vocabulary(), c.outputs(), c.contextLength());
    data.requireDifference();
    if (scoring.tokenPositions) {
      data.requireEqualLengths();
    }
    if (!input.pad) {
      data.requirePairedLengths();
    }
    return data;
  }

  private TokenizedDataset randomPrompts(TransformerConfig c) {
    String[] size = input.randomPrompts.split("x", -1);
    int n;
    int t;
    try {
      n = Integer.parseInt(size[0]);
      t = Integer.parseInt(size[1]);
    } catch (RuntimeException e) {
      throw new IllegalArgumentException(
          "--random-prompts=" + input.randomPrompts + " is not NxT, such as 32x16", e);
    }
    if (n < 1 || t < 2 || t > c.contextLength()) {
      throw new IllegalArgumentException(
          "--random-prompts="
              + input.randomPrompts
              + ": at least one prompt of 2.."
              + c.contextLength()
              + " tokens");
    }
    SplittableRandom random = new SplittableRandom(input.seed);
    List<TokenizedPair> pairs = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      int[] clean = random.ints(t, 0, c.vocabulary()).toArray();
      int[] corrupt = random.ints(t, 0, c.vocabulary()).toArray();
      int answer = random.nextInt(c.outputs());
      int wrong = (answer + 1 + random.nextInt(c.outputs() - 1)) % c.outputs();
      pairs.add(
          new TokenizedPair(i, clean, corrupt, new int[][] {{answer}}, new int[][] {{wrong}}));
    }
    return new TokenizedDataset("random prompts", pairs, List.of(), new java.util.TreeMap<>());
  }

  private List<PromptBatch> batches(TokenizedDataset data) {
    return input.pad
        ? Batches.padded(data, input.batchSize, 0)
        : Batches.byLength(data, input.batchSize);
  }

  private OutputSlice slice() {
    return switch (judging.slice) {
      case LAST -> OutputSlice.LAST_SEQ;
      case NOT_FIRST -> OutputSlice.NOT_FIRST_SEQ;
      case ALL -> OutputSlice.ALL;
    };
  }

  private PatchType patchType() {
    return judging.patchType == Patching.TREE ? PatchType.TREE_PATCH : PatchType.EDGE_PATCH;
  }

  private Ablation circuitAblation() {
    if (scoring.ablation == null) {
      return Ablation.RESAMPLE;
    }
    for (Ablation a : Ablation.values()) {
      if (a.name().equalsIgnoreCase(scoring.ablation)) {
        return a;
      }
    }
    throw new UnknownNameException(
        "ablation",
        scoring.ablation,
        Arrays.stream(Ablation.values()).map(a -> lower(a.name())).toList());
  }

  private List<Metric> metrics() {
    return judging.metrics == null
        ? List.of(Metric.values())
        : judging.metrics.stream().map(Metric::of).toList();
  }

  private EdgeCounts edgeCounts(int edges) {
    if (judging.edges == null) {
      return EdgeCounts.AUTO;
    }
    if (judging.edges.size() == 1) {
      switch (judging.edges.get(0)) {
        case "all" -> {
          return EdgeCounts.of(EdgeCounts.Mode.ALL);
        }
        case "log" -> {
          return EdgeCounts.of(EdgeCounts.Mode.LOGARITHMIC);
        }
        case "groups" -> {
          return EdgeCounts.of(EdgeCounts.Mode.GROUPS);
        }
        case "auto" -> {
          return EdgeCounts.AUTO;
        }
        default -> {
          // a single size
        }
      }
    }
    List<EdgeCounts.Value> values = new ArrayList<>();
    for (String text : judging.edges) {
      if (text.equals("all")) {
        values.add(new EdgeCounts.Value(1, true));
        continue;
      }
      try {
        boolean share = text.contains(".");
        double number = Double.parseDouble(text);
        if (number < 0 || share && number > 1 || !share && number > edges) {
          throw new IllegalArgumentException(
              "--edges: size="
                  + text
                  + (share ? " is not a share in 0..1" : " is outside 0.." + edges));
        }
        values.add(new EdgeCounts.Value(number, share));
      } catch (NumberFormatException e) {
        throw new IllegalArgumentException(
            "--edges: \"" + text + "\" is neither a number nor all, log, groups or auto", e);
      }
    }
    return new EdgeCounts(EdgeCounts.Mode.LIST, values, null, null);
  }

  private PruneAlgorithm algorithm(Circuit official) {
    Ablation ablation = circuitAblation();
    MaskGradient gradient =
        new MaskGradient(
            scoring.gradFunction,
            scoring.answerFunction,
            scoring.maskValue,
            scoring.algorithm.equals("ig") ? scoring.samples : 0,
            ablation,
            MaskGradient.PatchSource.CORRUPT);
    return switch (scoring.algorithm) {
      case "eap" -> gradient;
      case "ig" -> {
        if (scoring.samples < 1) {
          throw new IllegalArgumentException(
              "--samples=" + scoring.samples + " must be at least 1");
        }
        yield gradient;
      }
      case "exact" -> new ExactPatching(gradient);
      case "acdc" ->
          new Acdc(
              Arrays.stream(scoring.tau).boxed().toList(),
              named(Acdc.Target.values(), scoring.target, "acdc target"),
              ablation);
      case "sp" ->
          new SubnetworkProbing(
              scoring.learningRate,
              scoring.epochs,
              scoring.lambda,
              scoring.maskFunction,
              patchType(),
              scoring.ablation == null ? null : ablation,
              named(SubnetworkProbing.Target.values(), scoring.target, "sp target"),
              scoring.circuitSize,
              scoring.dropout,
              null,
              1,
              input.seed);
      case "random" -> new RandomScores(input.seed);
      case "ground-truth" -> official == null ? null : new GroundTruth(official);
      default ->
          throw new UnknownNameException(
              "algorithm", scoring.algorithm, Algorithms.DESCRIPTIONS.keySet());
    };
  }

  private static <E extends Enum<E>> E named(E[] values, String name, String kind) {
    for (E e : values) {
      if (e.name().equalsIgnoreCase(name)) {
        return e;
      }
    }
    throw new UnknownNameException(
        kind, name, Arrays.stream(values).map(e -> lower(e.name())).toList());
  }

  private Circuit official(ComputationGraph graph) {
    JsonNode json = JsonFiles.read(scoring.official);
    if (!json.isArray() || json.isEmpty()) {
      throw new DataException(
          scoring.official + ": an official circuit is a JSON list of edge names, not empty");
    }
    List<Edge> edges = new ArrayList<>();
    try {
      for (JsonNode e : json) {
        String name = e.isTextual() ? e.asText() : e.path("name").asText();
        if (e.hasNonNull("seq_idx")) {
          edges.add(graph.edge(name, e.get("seq_idx").asInt()));
        } else {
          edges.addAll(graph.edges(name));
        }
      }
    } catch (IllegalArgumentException e) {
      throw new DataException(scoring.official + ": " + e.getMessage(), e);
    }
    return Circuit.of(graph, edges);
  }

  /** AutoCircuit's sums, where asked for: over batches of means over prompts, and over samples. */
  private PruneScores scaled(PruneScores scores, List<PromptBatch> batches) {
    boolean gradient = scoring.algorithm.equals("eap") || scoring.algorithm.equals("ig");
    if (!scoring.sum || !gradient) {
      return scores;
    }
    float factor = batches.size() * (scoring.algorithm.equals("ig") ? scoring.samples + 1f : 1f);
    float[] values = scores.values().clone();
    for (int i = 0; i < values.length; i++) {
      values[i] *= factor;
    }
    return new PruneScores(scores.graph(), values);
  }

  private int threads(TransformerConfig c, List<PromptBatch> batches) {
    if (input.threads != null) {
      return input.threads;
    }
    long rows =
        batches.stream()
            .mapToLong(b -> (long) b.clean().batchSize() * b.clean().length())
            .max()
            .orElse(0);
    long width = Math.max(3L * c.heads() * c.dHead(), c.dMlp());
    return rows * c.dModel() * width < SMALL_PRODUCT
        ? 1
        : Runtime.getRuntime().availableProcessors();
  }

  private void write(
      Path directory,
      Transformer model,
      TokenizedDataset data,
      Discovery.Result result,
      int threads)
      throws IOException {
    Map<String, String> summary = new LinkedHashMap<>();
    summary.put("Model", model.config().name());
    summary.put("Dataset", datasetName(data));
    Map<String, String> settings = new LinkedHashMap<>();
    for (CommandLine.Model.OptionSpec o : spec.options()) {
      if (!o.usageHelp() && !o.versionHelp() && !o.longestName().equals("--verbose")) {
        Object value = o.getValue();
        if (value != null) {
          settings.put(o.longestName().substring(2), text(value));
        }
      }
    }
    settings.put("threads", String.valueOf(threads));
    settings.put("kernels", result.discovery().model().kernels().name());
    ResultFiles.writeScores(
        directory.resolve("scores.safetensors"),
        result.scores(),
        Map.of("algorithm", result.discovery().algorithm().key(), "model", model.config().name()));
    ResultFiles.writeEdges(directory.resolve("edges.json"), result.scores());
    ResultFiles.writeMeasurements(directory.resolve("measurements.json"), result);
    HtmlReport.write(
        directory.resolve("report.html"),
        DiscoveryReport.of("Circuit of " + model.config().name(), result, summary, settings));
  }

  private String datasetName(TokenizedDataset data) {
    return input.dataset == null ? data.source() : String.valueOf(input.dataset.getFileName());
  }

  private static String text(Object value) {
    if (value instanceof Path p) {
      return String.valueOf(p.getFileName());
    }
    if (value instanceof double[] d) {
      return Arrays.toString(d);
    }
    if (value instanceof Enum<?> e) {
      return lower(e.name());
    }
    return String.valueOf(value);
  }

  private void print(PrintWriter out, Discovery.Result result, Path directory) {
    PruneScores scores = result.scores();
    out.printf(
        Locale.ROOT,
        "%s on %d prompts: %,d edges%n%n",
        result.discovery().algorithm().title(),
        result.discovery().prompts(),
        scores.graph().edgeCount());
    out.println("top edges");
    for (PruneScores.Scored s : scores.best(SHOWN_EDGES)) {
      out.printf(Locale.ROOT, "  %-28s %10.4f%n", s.edge(), s.score());
    }
    if (scoring.algorithm.equals("acdc")) {
      for (double t : Arrays.stream(scoring.tau).sorted().toArray()) {
        int kept = 0;
        for (float v : scores.values()) {
          kept += v > (float) t ? 1 : 0;
        }
        out.printf(Locale.ROOT, "  kept at τ = %s: %,d edges%n", t, kept);
      }
    }
    List<Measurement> shown =
        result.measurements().stream()
            .filter(
                m ->
                    switch (m.metric()) {
                      case KL_DIV,
                          LOGIT_DIFF,
                          LOGIT_DIFF_PERCENT,
                          ANSWER_PROB,
                          CORRECT_ANSWER_PERCENT ->
                          true;
                      default -> judging.metrics != null;
                    })
            .toList();
    if (!shown.isEmpty()) {
      out.println();
      out.printf("%8s", "edges");
      shown.forEach(m -> out.printf("  %" + width(m) + "s", m.metric().key()));
      out.println();
      List<Measurement.Point> points = shown.get(0).points();
      for (int i : rows(points.size())) {
        out.printf(Locale.ROOT, "%8d", points.get(i).edges());
        for (Measurement m : shown) {
          out.printf(Locale.ROOT, "  %" + width(m) + ".5g", m.points().get(i).value());
        }
        out.println();
      }
      if (points.size() > SHOWN_ROWS) {
        out.println("  (all " + points.size() + " sizes are in measurements.json)");
      }
    }
    if (!result.roc().isEmpty()) {
      out.printf(
          Locale.ROOT,
          "%narea under the ROC curve: %.4f%n",
          io.autocircuit.metric.Roc.area(result.roc()));
    }
    out.println();
    result.notices().forEach(n -> out.println("note: " + n));
    out.println("report: " + directory.resolve("report.html"));
  }

  /** All rows of a short curve, or the first ten and then ever sparser ones, with the last. */
  private static int[] rows(int count) {
    if (count <= SHOWN_ROWS) {
      return java.util.stream.IntStream.range(0, count).toArray();
    }
    List<Integer> shown = new ArrayList<>();
    for (double i = 0; i < count - 1; i = i < SHOWN_ROWS / 2 ? i + 1 : Math.ceil(i * 1.4)) {
      shown.add((int) i);
    }
    shown.add(count - 1);
    return shown.stream().mapToInt(Integer::intValue).toArray();
  }

  private static int width(Measurement m) {
    return Math.max(10, m.metric().key().length());
  }

  private static String lower(String name) {
    return name.toLowerCase(Locale.ROOT);
  }
}
