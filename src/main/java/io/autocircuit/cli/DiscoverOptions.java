package io.autocircuit.cli;

import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.experiment.Level;
import io.autocircuit.experiment.Precision;
import io.autocircuit.experiment.RunJudging;
import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.WeightType;
import io.autocircuit.patch.PatchType;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/** The options of {@code discover}, in groups as its help shows them. */
final class DiscoverOptions {
  /** Where the tasks' settings stand among the groups: behind what is run. */
  static final int TASKS = 2;

  /** Where the algorithms' settings stand: behind how edges are scored. */
  static final int ALGORITHMS = 4;

  private DiscoverOptions() {}

  /** Model and prompts. */
  static final class Input {
    @Option(
        names = "--run",
        paramLabel = "FILE",
        description =
            "Repeat a run: the run.json that lies beside its results. Beside it only --out,"
                + " --activations, --verbose, how to compute (--device, --threads, --memory), and new"
                + " places of its files (--model, --dataset, --official, --scores, --avoid,"
                + " --autoencoders, --constants).")
    Path run;

    @Option(
        names = "--task",
        paramLabel = "KEY",
        completionCandidates = EntryOptions.Tasks.class,
        description =
            "A model and prompts that need no prompt file: ${COMPLETION-CANDIDATES}; see 'list"
                + " tasks', which says what model each needs. A task has usual values of"
                + " --separate-qkv, --token-positions, --slice, --train and --test. Default:"
                + " induction; with --random-weights random.")
    String task;

    @Option(
        names = "--model",
        paramLabel = "MODEL",
        description =
            "Model directory: config.json and model.safetensors (Hugging Face, of the families of"
                + " docs/models.md; or HookedTransformer). Or a name on the Hugging Face hub, perhaps with"
                + " @REVISION: read from its cache, else downloaded; see 'models --help'. Default:"
                + " the embedded model.")
    Path model;

    @Option(
        names = "--model-dir",
        paramLabel = "DIRS",
        description =
            "Folders below which the models of tasks are, each in a directory of its own; parted as"
                + " those of PATH, searched before those of the environment variable"
                + " AUTOCIRCUIT_MODELS.")
    String modelDir;

    @Option(
        names = "--random-weights",
        paramLabel = "SHAPE",
        description =
            "A random model of a known shape instead, such as gpt2-small; see 'list models'.")
    String randomWeights;

    @Option(
        names = "--dataset",
        paramLabel = "FILE",
        description =
            "Prompt pairs: JSON (prompts with clean, corrupt, answers, wrong_answers), JSON lines or"
                + " CSV. Default: the embedded prompts; with --random-weights random ones.")
    Path dataset;

    @Option(
        names = "--columns",
        paramLabel = "NAME=COLUMN,…",
        description =
            "Which columns of --dataset hold what: clean=, corrupt=, answers=, wrong_answers=; split="
                + " of a folder; or a preset: mib-ioi, mib-mcqa, mib-arc-easy, mib-arc-challenge.")
    String columns;

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
            "Prompts evaluated together; only sp and the batch-mean ablations depend on it"
                + " (default: ${DEFAULT-VALUE}).")
    int batchSize;

    @Option(
        names = "--pad",
        description =
            "Pad prompts of different length on the left, instead of batching them by length.")
    boolean pad;

    @Option(
        names = "--bos",
        paramLabel = "POLICY",
        defaultValue = "auto",
        description =
            "First token of text prompts: auto (the model's BOS where it has one, as TransformerLens"
                + " does it), tokenizer (as the model's tokenizer does it), always or never; never two"
                + " (default: ${DEFAULT-VALUE}).")
    BosPolicy bos;

    @Option(
        names = "--multi-token-answers",
        paramLabel = "HOW",
        defaultValue = "refuse",
        description =
            "Answers of several tokens: refuse, or first_differing (the first token at which answers"
                + " and wrong answers differ; what they share goes behind the prompts) (default:"
                + " ${DEFAULT-VALUE}).")
    MultiTokenAnswers multiTokenAnswers;

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
        paramLabel = "TYPE",
        defaultValue = "float32",
        description = "Numbers are float32 or float64 (default: ${DEFAULT-VALUE}).")
    Precision precision;

    @Option(
        names = "--weights",
        paramLabel = "TYPE",
        defaultValue = "float32",
        description =
            "How the model's matrices are stored: float32, or rounded to bfloat16 or float16, which"
                + " take half the memory; they are computed with in the precision (default:"
                + " ${DEFAULT-VALUE}).")
    WeightType weights;

    @Option(
        names = "--threads",
        paramLabel = "N",
        description =
            "Native threads. Default: all cores, or one where the model is so small that threads"
                + " would only wait for each other.")
    Integer threads;

    @Option(
        names = "--memory",
        paramLabel = "SIZE",
        description =
            "Native memory that runs may take beside the model's weights, such as 512m or 2g;"
                + " batches that need more are run in parts, which changes no result. Default: half"
                + " of what the machine has available.")
    String memory;
  }

  /** The algorithm and its settings. */
  static final class Scoring {
    @Option(
        names = "--algorithm",
        paramLabel = "NAME",
        defaultValue = "eap",
        completionCandidates = EntryOptions.Algorithms.class,
        description =
            "What scores the edges: ${COMPLETION-CANDIDATES}, or preset:NAME; see 'list algorithms';"
                + " several, parted by commas, are an experiment (default: ${DEFAULT-VALUE}).")
    String algorithm;

    @Option(
        names = "--preset",
        paramLabel = "KEY",
        completionCandidates = EntryOptions.Presets.class,
        description =
            "Published settings of an algorithm, in place of --algorithm, by key or another name;"
                + " options that are given go before. See 'list algorithms'.")
    String preset;

    @Option(
        names = "--scores",
        paramLabel = "FILE",
        description =
            "Judge saved scores (a scores.safetensors of this model and graph) instead of scoring"
                + " the edges anew.")
    Path scores;

    @Option(
        names = "--graph",
        paramLabel = "FORM",
        defaultValue = "factorized",
        description =
            "factorized: an edge from every source to every later input; unfactorized: the residual"
                + " stream is kept, and edges lead from sources to its next sum, so that patching"
                + " one patches a node with all that it does; not for models whose attention and MLP"
                + " are parallel (default: ${DEFAULT-VALUE}).")
    Form graph;

    @Option(
        names = "--level",
        paramLabel = "LEVEL",
        defaultValue = "edge",
        description =
            "What is scored and what circuits are made of: edge, or node: heads and MLPs, of which"
                + " --edges then counts (default: ${DEFAULT-VALUE}).")
    Level level;

    @Option(
        names = "--per-prompt",
        paramLabel = "K",
        arity = "0..1",
        fallbackValue = "" + RunJudging.EDGES_OF_PROMPT,
        description =
            "Score the edges for each prompt too, from the same passes, and say how stable the K"
                + " edges with the largest mean scores are across prompts (K without a number: "
                + RunJudging.EDGES_OF_PROMPT
                + "). Writes prompt_scores.safetensors, prompts.json and stability.csv.")
    Integer perPrompt;

    @Option(
        names = "--separate-qkv",
        paramLabel = "BOOL",
        arity = "0..1",
        fallbackValue = "true",
        defaultValue = "true",
        description =
            "Separate inputs for queries, keys and values, or one per head; of a factorized graph"
                + " (default: ${DEFAULT-VALUE}, or what is usual for --task).")
    boolean separateQkv;

    @Option(
        names = "--kv",
        paramLabel = "HOW",
        defaultValue = "grouped",
        description =
            "Key and value inputs of a model whose heads share keys and values: grouped, one for each"
                + " group (A3.1.K is that of group 1); per-query, one for each query head, as"
                + " TransformerLens ungroups them (default: ${DEFAULT-VALUE}).")
    KeyValues keyValues;

    @Option(
        names = "--token-positions",
        paramLabel = "BOOL",
        arity = "0..1",
        fallbackValue = "true",
        description =
            "One edge for each token position; all prompts must have one length (default: false, or"
                + " what is usual for --task).")
    boolean tokenPositions;

    @Option(
        names = "--spans",
        description =
            "One edge for each named span of the prompts, in place of one for each position: the"
                + " prompts' own spans, or word_idxs, or seq_labels of the prompt file, and the rest."
                + " Prompts may differ in length.")
    boolean spans;

    @Option(
        names = "--autoencoders",
        paramLabel = "DIR",
        description =
            "Sparse autoencoders of MLP outputs, one in a directory for each block (blocks.0, …):"
                + " those latents that the clean prompts activate are sources in the place of the"
                + " MLPs.")
    Path autoencoders;

    @Option(
        names = "--max-latents",
        paramLabel = "N",
        description =
            "At most so many latents of each block: the most active. Default: all that are active.")
    Integer maxLatents;

    @Option(
        names = "--error-term",
        description =
            "What an autoencoder does not reconstruct is a source too, so that the model is as it"
                + " was. Default: it is left out of the model.")
    boolean errorTerm;

    @Option(
        names = "--ablation",
        paramLabel = "KIND",
        description =
            "What ablated sources are replaced by when circuits are judged and, unless"
                + " --score-ablation says otherwise, when edges are scored; see 'list ablations';"
                + " several, parted by commas, are an experiment."
                + " Default: resample.")
    String ablation;

    @Option(
        names = "--constants",
        paramLabel = "FILE",
        description =
            "What optimal ablation ablates to: constants.safetensors of another run of this model."
                + " Default: it is learned on the prompts that score.")
    Path constants;

    @Option(
        names = "--official",
        paramLabel = "FILE",
        description =
            "A known circuit: JSON list of edge names or of {\"name\",\"seq_idx\"} objects, a graph"
                + " of EAP-IG, or edge pruning's node pairs. Adds a ROC curve; ground-truth scores"
                + " it.")
    Path official;

    @Option(
        names = "--circuit",
        paramLabel = "KEY",
        description =
            "A circuit that the task knows instead, or none; see 'list tasks'. Default: its first.")
    String circuit;

    @Option(
        names = "--avoid",
        paramLabel = "FILE",
        description =
            "Edges that cp and sp keep out of the circuit: a file as for --official, such as the"
                + " edges.json of a result directory, or the word official for the known circuit.")
    String avoid;

    @Option(
        names = "--avoid-edges",
        paramLabel = "N",
        description = "How many entries of --avoid are read, from its beginning. Default: all.")
    Integer avoidEdges;

    /** The same options for one algorithm and ablation of several. */
    Scoring of(String oneAlgorithm, String oneAblation) {
      Scoring one = new Scoring();
      one.algorithm = oneAlgorithm;
      one.ablation = oneAblation;
      one.preset = preset;
      one.scores = scores;
      one.graph = graph;
      one.level = level;
      one.perPrompt = perPrompt;
      one.separateQkv = separateQkv;
      one.keyValues = keyValues;
      one.tokenPositions = tokenPositions;
      one.spans = spans;
      one.autoencoders = autoencoders;
      one.maxLatents = maxLatents;
      one.errorTerm = errorTerm;
      one.constants = constants;
      one.official = official;
      one.circuit = circuit;
      one.avoid = avoid;
      one.avoidEdges = avoidEdges;
      return one;
    }
  }

  /** Circuits and metrics. */
  static final class Judging extends SelectionOptions {
    @Option(
        names = "--patch-type",
        paramLabel = "TYPE",
        defaultValue = "tree",
        description =
            "tree: ablate all but the circuit in clean runs; edge: patch the circuit into corrupt"
                + " runs (default: ${DEFAULT-VALUE}).")
    PatchType patchType;

    @Option(
        names = "--reverse-clean-corrupt",
        description = "Let clean and corrupt prompts change places in the circuit runs.")
    boolean reverse;

    @Option(
        names = "--edges",
        split = ",",
        paramLabel = "SIZES",
        description =
            "Circuit sizes: numbers of edges (with --level node, of nodes), shares of all such as"
                + " 0.1, and 'all' among them for the full graph. Or one word: all (every size), log (1, 2, …, 9, 10, 20, …),"
                + " groups (where the score changes), mib (the benchmark's ten shares, 0.1 %% to all), auto (groups if there are few, else all up to"
                + " 200 edges, else log), auto+mib (both). Default: auto.")
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
        paramLabel = "NAME",
        defaultValue = "last",
        description =
            "Positions whose logits are looked at: last, not_first or all (default:"
                + " ${DEFAULT-VALUE}, or what is usual for --task).")
    OutputSlice slice;
  }
}
