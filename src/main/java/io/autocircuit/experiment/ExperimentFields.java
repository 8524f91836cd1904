package io.autocircuit.experiment;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.metric.CircuitTests;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.model.WeightType;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.PatchType;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * The fields of an experiment file: its reader, its schema and its page go by these tables. Fields
 * without a default are left to the task, or to what {@code discover} does.
 */
final class ExperimentFields {
  static final String TASKS = "tasks";
  static final String ALGORITHMS = "algorithms";
  static final String GRAPH = "graph";
  static final String COMPLETENESS = "completeness";
  static final String CIRCUIT_TESTS = "circuit_tests";
  static final String EDGES = "edges";
  static final String COLUMNS = "columns";
  static final String MODEL = "model";
  static final String AVOID = "avoid";
  static final String AVOID_EDGES = "avoid_edges";

  static final String TASKS_MEANING =
      "what circuits are looked for in: keys of the catalogue's tasks, or names with values; at least"
          + " one";
  static final String ALGORITHMS_MEANING =
      "what scores the edges: keys of algorithms and presets, or names with values; at least one";

  static final String GRAPH_MEANING = "how models are seen as graphs; lists span a grid";
  static final String COMPLETENESS_MEANING =
      "asks for the completeness of circuits: how they behave under learned knockouts";

  static final String CIRCUIT_TESTS_MEANING =
      "asks for hypothesis tests of circuits: equivalence, independence, minimality, and random"
          + " circuits";

  /** The fields of the whole file that have plain values. */
  static final List<Setting> EXPERIMENT =
      List.of(
          Setting.optional("title", new SettingType.Text(), "the experiment's name in reports"),
          Setting.optional(
              "ablations",
              several(new SettingType.Key("ablations")),
              "what ablated sources are replaced by, when circuits are judged and, where an"
                  + " algorithm does not say score_ablation itself, when edges are scored; without"
                  + " it resample, and each algorithm's own when edges are scored"),
          Setting.optional(
              "patch_types",
              several(choice(PatchType.TREE_PATCH.key(), PatchType.EDGE_PATCH.key())),
              "tree ablates all but the circuit in clean runs, edge patches the circuit into"
                  + " corrupt runs; without it tree"),
          Setting.optional(
              EDGES,
              several(new SettingType.Text()),
              "circuit sizes: numbers of edges, shares such as 0.1, and all; or one word of auto,"
                  + " all, log, groups, mib, auto+mib; without it auto"),
          Setting.optional(
              "metrics",
              several(new SettingType.Key("metrics")),
              "what is measured; without it all that apply"),
          Setting.of(
              "seeds",
              several(new SettingType.Whole(Long.MIN_VALUE, Long.MAX_VALUE)),
              List.of(RunSpec.SEED),
              "seeds of all that is random"),
          Setting.of(
              "random_baseline",
              new SettingType.Flag(),
              true,
              "whether the algorithm random is added where it is not listed"));

  /** How every task is run, or one that says it itself. */
  static final List<Setting> RUN =
      List.of(
          Setting.optional(
              "slice",
              choice(Arrays.stream(OutputSlice.values()).map(OutputSlice::key)),
              "positions whose logits are looked at; without it what the task says, else last"),
          Setting.optional(
              "train",
              count(0),
              "prompts that score the edges, drawn by the seed; without it what the task says,"
                  + " else all"),
          Setting.optional(
              "test",
              count(0),
              "further prompts that judge circuits; without it what the task says, else those that"
                  + " score"),
          Setting.optional(
              "shuffle",
              new SettingType.Flag(),
              "whether train and test prompts are drawn by the seed; without it yes"),
          Setting.optional(
              "batch_size",
              count(1),
              "prompts evaluated together; without it " + RunPrompts.BATCH_SIZE),
          Setting.optional(
              "pad",
              new SettingType.Flag(),
              "whether prompts of different length are padded, instead of batched by length;"
                  + " without it no"),
          Setting.optional(
              "bos",
              constants(BosPolicy.values()),
              "the first token of text prompts, as discover --bos; without it auto"),
          Setting.optional(
              "multi_token_answers",
              constants(MultiTokenAnswers.values()),
              "what becomes of answers of several tokens; without it refuse"),
          Setting.optional(
              "processing",
              several(
                  choice(
                      Stream.concat(
                          Stream.of("all", "none"), WeightProcessing.DEFAULT.steps().stream()))),
              "weight processing, as discover --processing; without it what the model's files need"),
          Setting.optional(
              "precision",
              constants(Precision.values()),
              "the type of the model's numbers; without it float32"),
          Setting.optional(
              "weights",
              constants(WeightType.values()),
              "how the model's matrices are stored, as discover --weights; without it float32"),
          Setting.optional(
              "reverse_clean_corrupt",
              new SettingType.Flag(),
              "whether clean and corrupt prompts change places in the circuit runs; without it no"),
          Setting.optional(
              "ties",
              new SettingType.Flag(),
              "whether circuits include all edges that tie with their last; without it no"),
          Setting.optional(
              "select",
              constants(CircuitSelection.Rule.values()),
              "how circuits are chosen by scores, as discover --select; without it top"),
          Setting.optional(
              "signed",
              new SettingType.Flag(),
              "whether circuits are chosen by scores, rather than |scores|; without it no"),
          Setting.optional(
              "prune",
              new SettingType.Flag(),
              "whether edges on no way through the model are taken out of circuits; without it no"),
          Setting.optional(
              "thresholds",
              several(
                  new SettingType.Real(
                      Double.NEGATIVE_INFINITY, false, Double.POSITIVE_INFINITY, false)),
              "the least scores of circuits, for select threshold"),
          Setting.optional(
              "per_prompt",
              count(1),
              "of how many edges the circuit of each prompt is, as discover --per-prompt, for"
                  + " algorithms that score prompts one by one, and for edges, not level node;"
                  + " without it prompts are not scored one by one"));

  /** The graph; a list spans a grid. */
  static final List<Setting> GRAPHS =
      List.of(
          Setting.optional(
              "separate_qkv",
              new SettingType.Flag(),
              "separate inputs for queries, keys and values; without it what the task says, else"
                  + " yes"),
          Setting.optional(
              GraphJson.KV,
              choice(Arrays.stream(KeyValues.values()).map(KeyValues::key)),
              "how many inputs keys and values have in a model whose heads share them, as discover"
                  + " --kv; without it grouped"),
          Setting.optional(
              "token_positions",
              new SettingType.Flag(),
              "one edge for each token position; without it what the task says, else no"),
          Setting.optional(
              "spans",
              new SettingType.Flag(),
              "one edge for each named span of the prompts, in place of token positions; without it"
                  + " no"),
          Setting.optional(
              "form",
              constants(Form.values()),
              "what the edges are, as discover --graph; without it factorized"),
          Setting.optional(
              "level",
              constants(Level.values()),
              "what is scored and what circuits are made of, as discover --level; without it"
                  + " edge"),
          Setting.optional(
              AutoencoderSource.FIELD,
              new SettingType.File(),
              "a directory of sparse autoencoders, whose latents are sources in the place of MLPs,"
                  + " as discover --autoencoders; without it none"),
          Setting.optional(
              AutoencoderSource.MAX_LATENTS,
              new SettingType.Whole(1, Integer.MAX_VALUE),
              "at most so many latents of each block, the most active; without it all that are"
                  + " active"),
          Setting.optional(
              AutoencoderSource.ERROR_TERM,
              new SettingType.Flag(),
              "whether what an autoencoder does not reconstruct is a source too; without it no"));

  /** A task, beside the settings of the catalogue's one, {@link #RUN} and the graph. */
  static final List<Setting> TASK =
      List.of(
          Setting.optional("task", new SettingType.Key("tasks"), "a task of the catalogue"),
          Setting.optional(
              "name",
              new SettingType.Text(),
              "what reports call it; without it the task's key, else the name of the prompt file"),
          Setting.optional(
              "model",
              new SettingType.File(),
              "a model directory, or a name on the Hugging Face hub, in place of the task's own"),
          Setting.optional(
              "dataset",
              new SettingType.File(),
              "a prompt file, in place of the task's own prompts"),
          Setting.optional(
              COLUMNS,
              new SettingType.Text(),
              "what the prompt file calls its columns, as discover --columns"),
          Setting.optional(
              "official",
              new SettingType.File(),
              "a known circuit's file, in place of the task's own circuit"),
          Setting.optional(
              "circuit",
              new SettingType.Text(),
              "the key of one of the task's known circuits, or none; without it the first"));

  /** Which algorithm, beside the settings of the catalogue's one, of which lists span a grid. */
  private static final List<Setting> CHOICE =
      List.of(
          Setting.optional(
              "algorithm", new SettingType.Key("algorithms"), "an algorithm of the catalogue"),
          Setting.optional(
              "preset",
              new SettingType.Key("presets"),
              "published settings of an algorithm, in place of its key; settings beside it go"
                  + " before"));

  /** What an algorithm avoids, for those that can avoid edges. */
  static final List<Setting> AVOIDING =
      List.of(
          Setting.optional(
              AVOID,
              new SettingType.Text(),
              "edges that the algorithm (cp, sp) keeps out of its circuits: a file, as of official,"
                  + " or the word official for the known circuit"),
          Setting.optional(
              AVOID_EDGES,
              count(1),
              "how many entries of the file avoid are read, from its beginning; without it all"));

  /** All fields of an algorithm beside its settings. */
  static final List<Setting> ALGORITHM = Stream.concat(CHOICE.stream(), AVOIDING.stream()).toList();

  /** Completeness. */
  static final List<Setting> COMPLETENESS_FIELDS =
      List.of(
          Setting.optional(
              "sizes",
              several(count(1)),
              "the sizes of the circuits whose completeness is measured; without it that of the"
                  + " task's known circuit"),
          Setting.whole("epochs", 1, 20, "passes over the prompts in which knockouts are learned"),
          Setting.number("learning_rate", Setting.above(0), 0.1, "Adam's step"),
          Setting.number("lambda", Setting.from(0), 1, "weight of the penalty of knockouts"),
          Setting.choice(
              "mask_fn",
              "hard_concrete",
              "what makes a mask of a learned number",
              "sigmoid",
              "hard_concrete"),
          Setting.choice(
              "target",
              "kl_div",
              "in what circuit and model are to differ",
              "kl_div",
              "logit_diff"));

  /** Hypothesis tests, whose defaults are those of the command {@code test}. */
  static final List<Setting> CIRCUIT_TEST_FIELDS =
      List.of(
          Setting.optional(
              "sizes",
              several(count(1)),
              "the sizes of the circuits that are tested; without it that of the task's known"
                  + " circuit"),
          Setting.optional(
              "metric",
              new SettingType.Key("metrics"),
              "the score of a prompt; without it logit_diff, or answer_logprob where prompts have"
                  + " no wrong answers, or answer_mse where answers are numbers"),
          Setting.of(
              "epsilon",
              new SettingType.Real(0, true, 0.5, false),
              CircuitTests.Settings.USUAL.epsilon(),
              "how far from one half the chance to score above the model may be"),
          Setting.of(
              "quantile",
              new SettingType.Real(0, false, 1, false),
              CircuitTests.Settings.USUAL.quantile(),
              "the chance to have a larger effect than a random edge that an edge needs"),
          Setting.whole(
              "draws",
              1,
              CircuitTests.Settings.USUAL.draws(),
              "how many inflated circuits, and how many random ones of each kind"),
          Setting.whole(
              "permutations",
              1,
              CircuitTests.Settings.USUAL.permutations(),
              "of the test of independence"),
          Setting.of(
              "level",
              new SettingType.Real(0, false, 1, false),
              CircuitTests.Settings.USUAL.level(),
              "a hypothesis is rejected whose p is below it"),
          Setting.of(
              "seed",
              new SettingType.Whole(Long.MIN_VALUE, Long.MAX_VALUE),
              CircuitTests.Settings.USUAL.seed(),
              "of all draws"));

  private ExperimentFields() {}

  /** The names of settings. */
  static List<String> names(List<Setting> table) {
    return table.stream().map(Setting::name).toList();
  }

  /** The names of the fields of a file. */
  static List<String> experimentNames() {
    return Stream.of(
            names(EXPERIMENT),
            List.of(TASKS, ALGORITHMS, GRAPH, COMPLETENESS, CIRCUIT_TESTS),
            names(RUN))
        .flatMap(List::stream)
        .toList();
  }

  /** The names of the fields of a task that has these settings. */
  static List<String> taskNames(List<Setting> own) {
    return Stream.of(names(TASK), names(own), names(RUN), List.of(GRAPH))
        .flatMap(List::stream)
        .distinct()
        .toList();
  }

  /** The names of the fields of an algorithm that has these settings. */
  static List<String> algorithmNames(List<Setting> own) {
    return Stream.concat(names(ALGORITHM).stream(), names(own).stream()).toList();
  }

  private static SettingType several(SettingType element) {
    return new SettingType.Several(element);
  }

  private static SettingType count(int least) {
    return new SettingType.Whole(least, Integer.MAX_VALUE);
  }

  private static SettingType choice(String... words) {
    return choice(Arrays.stream(words));
  }

  private static SettingType choice(Stream<String> words) {
    return new SettingType.Choice(words.map(w -> new SettingType.Choice.Option(w, "")).toList());
  }

  private static SettingType constants(Enum<?>[] values) {
    return choice(Arrays.stream(values).map(v -> v.name().toLowerCase(Locale.ROOT)));
  }
}
