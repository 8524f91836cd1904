package io.autocircuit.experiment;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.CanonicalJson;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Progress;
import io.autocircuit.prune.PruneAlgorithmProvider;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;

/**
 * A run as data: everything that the numbers of a discovery depend on, and where to find it. It
 * holds no tensor and opens nothing; {@link #run()} and {@link Run#open} do.
 *
 * <p>Files are named by where they lie and by the SHA-256 of what they hold. A spec that somebody
 * has just put together does not know the hashes ({@link #pinned()} and every run add them); one
 * that knows them is only run on files that still have them.
 *
 * <p>{@link #hash()} is the SHA-256 of the canonical JSON without the places of files and without
 * {@link #machine()}: it stays the same when a model directory moves and on every machine, and
 * changes with one byte of the weights.
 *
 * @param version the version of the library
 * @param model the model
 * @param processing weight processing; empty for the default of the model's layout
 * @param numbers the types of the model's numbers
 * @param prompts the prompts
 * @param graph how the model is seen as a graph
 * @param scoring what scores the edges
 * @param judging how circuits are judged
 * @param constants what {@code --ablation optimal} ablates to; empty where it is learned
 * @param official a known circuit to compare the scores with
 * @param seed of all that is random: weights and prompts of a random model, the order from which
 *     scoring and judging prompts are taken, the algorithm
 * @param machine where it was run; empty where it was not yet
 */
public record RunSpec(
    String version,
    ModelSource model,
    Optional<WeightProcessing> processing,
    NumberTypes numbers,
    RunPrompts prompts,
    Graph graph,
    Scoring scoring,
    RunJudging judging,
    Optional<StoredFile> constants,
    Optional<OfficialSource> official,
    long seed,
    Optional<Machine> machine) {

  /** The seed where nobody gives one. */
  public static final long SEED = 42;

  /** The largest file that is read, in bytes. */
  private static final long LARGEST = JsonFiles.LARGEST_CONFIG;

  /**
   * Checks that nothing is null.
   *
   * @param version the version of the library
   * @param model the model
   * @param processing weight processing; empty for the default of the model's layout
   * @param numbers the types of the model's numbers
   * @param prompts the prompts
   * @param graph how the model is seen as a graph
   * @param scoring what scores the edges
   * @param judging how circuits are judged
   * @param constants what {@code --ablation optimal} ablates to; empty where it is learned
   * @param official a known circuit to compare the scores with
   * @param seed of all that is random: weights and prompts of a random model, the order from which
   *     scoring and judging prompts are taken, the algorithm
   * @param machine where it was run; empty where it was not yet
   */
  public RunSpec {
    Objects.requireNonNull(version, "version");
    Objects.requireNonNull(model, "model");
    Objects.requireNonNull(processing, "processing");
    Objects.requireNonNull(numbers, "numbers");
    Objects.requireNonNull(prompts, "prompts");
    Objects.requireNonNull(graph, "graph");
    Objects.requireNonNull(scoring, "scoring");
    Objects.requireNonNull(judging, "judging");
    Objects.requireNonNull(constants, "constants");
    Objects.requireNonNull(official, "official");
    Objects.requireNonNull(machine, "machine");
  }

  /**
   * How the model is seen as a graph.
   *
   * @param separateQkv whether queries, keys and values have inputs of their own (only read of a
   *     factorized graph)
   * @param keyValues how many inputs keys and values have, where these are their own; {@link
   *     KeyValues#PER_QUERY} where they are not
   * @param tokenPositions whether there is one edge for each token position
   * @param spans whether there is one edge for each named span of the prompts
   * @param form what the edges are
   * @param level what is scored, and what circuits are made of
   * @param autoencoders whose latents are sources in the place of MLPs; empty without
   */
  public record Graph(
      boolean separateQkv,
      KeyValues keyValues,
      boolean tokenPositions,
      boolean spans,
      Form form,
      Level level,
      Optional<AutoencoderSource> autoencoders) {
    /** Separate inputs, those of keys and values by group; one edge for all positions. */
    public static final Graph USUAL = new Graph(true, false);

    /**
     * Where keys and values have no inputs of their own, it does not matter how many: such graphs
     * are equal.
     *
     * @param separateQkv whether queries, keys and values have inputs of their own
     * @param keyValues how many inputs keys and values have
     * @param tokenPositions whether there is one edge for each token position
     * @param spans whether there is one edge for each named span of the prompts
     * @param form what the edges are
     * @param level what is scored, and what circuits are made of
     * @param autoencoders whose latents are sources in the place of MLPs; empty without
     */
    public Graph {
      keyValues = separateQkv && form == Form.FACTORIZED ? keyValues : KeyValues.PER_QUERY;
    }

    /**
     * A factorized graph without spans and autoencoders, whose edges are scored; keys and values
     * have as many inputs as the model has heads of them.
     *
     * @param separateQkv whether queries, keys and values have inputs of their own
     * @param tokenPositions whether there is one edge for each token position
     */
    public Graph(boolean separateQkv, boolean tokenPositions) {
      this(
          separateQkv,
          KeyValues.GROUPED,
          tokenPositions,
          false,
          Form.FACTORIZED,
          Level.EDGE,
          Optional.empty());
    }
  }

  /** What scores the edges. */
  public sealed interface Scoring {}

  /**
   * An algorithm of the catalogue.
   *
   * @param key its key
   * @param settings all of its settings
   * @param avoid edges that it keeps out of its circuits; empty for none
   */
  public record Algorithm(String key, Settings settings, Optional<AvoidedEdges> avoid)
      implements Scoring {
    /**
     * An algorithm that avoids nothing.
     *
     * @param key its key
     * @param settings all of its settings
     */
    public Algorithm(String key, Settings settings) {
      this(key, settings, Optional.empty());
    }
  }

  /**
   * Scores that were saved before.
   *
   * @param file {@code scores.safetensors}
   */
  public record Saved(StoredFile file) implements Scoring {}

  /**
   * The usual run of an algorithm; see {@link Discovery#of(io.autocircuit.task.Task,
   * io.autocircuit.prune.PruneAlgorithm)}.
   *
   * @param model the model
   * @param prompts the prompts
   * @param scoring what scores the edges
   * @return the spec, by this version of the library
   */
  public static RunSpec of(ModelSource model, PromptSource prompts, Scoring scoring) {
    return new RunSpec(
        libraryVersion(),
        model,
        Optional.empty(),
        NumberTypes.USUAL,
        RunPrompts.of(prompts),
        Graph.USUAL,
        scoring,
        RunJudging.usual(),
        Optional.empty(),
        Optional.empty(),
        SEED,
        Optional.empty());
  }

  /**
   * The version of the library, as its jar names it.
   *
   * @return such as {@code 1.2.0}; {@code development} outside a jar
   */
  public static String libraryVersion() {
    String version = RunSpec.class.getPackage().getImplementationVersion();
    return version == null ? "development" : version;
  }

  /**
   * Reads {@code run.json}.
   *
   * @param file the file; relative paths in it are paths from its directory
   * @return the spec
   * @throws io.autocircuit.files.DataException if it cannot be read, has an unknown field, lacks
   *     one, or a field holds what it cannot; the message names it
   */
  public static RunSpec read(Path file) {
    Path folder = file.toAbsolutePath().normalize().getParent();
    return RunSpecJson.read(JsonFiles.read(file, LARGEST), file.toString(), folder);
  }

  /**
   * Reads a spec from text.
   *
   * @param json what {@link #json()} wrote
   * @param source what messages call it
   * @return the spec; relative paths in it are paths from the working directory
   * @throws io.autocircuit.files.DataException as {@link #read}
   */
  public static RunSpec parse(String json, String source) {
    return RunSpecJson.read(JsonFiles.parse(json, source), source, Path.of(""));
  }

  /**
   * Writes {@code run.json}: the canonical JSON, indented, with absolute paths.
   *
   * @param file where to
   * @throws io.autocircuit.files.DataException if it cannot be written
   */
  public void write(Path file) {
    AtomicFile.write(file, CanonicalJson.text(RunSpecJson.tree(this, true), true) + "\n");
  }

  /**
   * The whole spec as canonical JSON ({@link CanonicalJson}).
   *
   * @return one line
   */
  public String json() {
    return CanonicalJson.text(RunSpecJson.tree(this, true), false);
  }

  /**
   * The canonical JSON of what the numbers depend on: without the places of files, and without the
   * machine.
   *
   * @return what {@link #hash} is the SHA-256 of
   */
  public String identity() {
    return CanonicalJson.text(RunSpecJson.tree(this, false), false);
  }

  /**
   * The key of this run: equal for runs that give the same numbers, up to rounding.
   *
   * @return 64 hexadecimal digits
   * @throws IllegalStateException if a file has not been read yet, so that what it holds is not
   *     known; see {@link #pinned()}
   */
  public String hash() {
    RunChanges.requireKnown(this);
    return Fingerprint.of(identity().getBytes(StandardCharsets.UTF_8));
  }

  /**
   * The spec of its files as they are now, by this version of the library.
   *
   * @return with all hashes
   * @throws io.autocircuit.files.DataException if a file cannot be read
   */
  public RunSpec pinned() {
    return new RunSpec(
        libraryVersion(),
        model.pinned(),
        processing,
        numbers,
        prompts.pinned(model.tokenizer()),
        AutoencoderSource.pinned(graph),
        RunAlgorithms.pinned(scoring),
        judging,
        constants.map(StoredFile::pinned),
        official.map(OfficialSource::pinned),
        seed,
        machine);
  }

  /**
   * Whether edges are scored, or circuits judged, under optimal ablation.
   *
   * @return true where constants are learned, or read from {@link #constants}
   */
  public boolean ablatesToConstants() {
    return judging.runs().ablation() == Ablation.OPTIMAL
        || (scoring instanceof Algorithm a
            && Ablation.OPTIMAL
                .key()
                .equals(a.settings().values().get(PruneAlgorithmProvider.SCORE_ABLATION)));
  }

  /**
   * Runs it, silently, on the best device; see {@link Run} for more.
   *
   * @return what came out; its model is closed
   * @throws io.autocircuit.files.DataException if a file cannot be used, or does not hold what the
   *     spec says
   */
  public Discovery.Result run() {
    try (Run run = Run.open(this)) {
      return run.run(Progress.SILENT);
    }
  }

  /**
   * With another model.
   *
   * @param to the model
   * @return the spec
   */
  public RunSpec withModel(ModelSource to) {
    return of(to, processing, numbers, prompts);
  }

  /**
   * With other weight processing.
   *
   * @param steps empty for the default of the model's layout
   * @return the spec
   */
  public RunSpec withProcessing(Optional<WeightProcessing> steps) {
    return of(model, steps, numbers, prompts);
  }

  /**
   * With other numbers.
   *
   * @param to of the model's numbers
   * @return the spec
   */
  public RunSpec withNumbers(NumberTypes to) {
    return of(model, processing, to, prompts);
  }

  /**
   * With other prompts, or read otherwise.
   *
   * @param to the prompts
   * @return the spec
   */
  public RunSpec withPrompts(RunPrompts to) {
    return of(model, processing, numbers, to);
  }

  /**
   * With another graph.
   *
   * @param to how the model is seen as a graph
   * @return the spec
   */
  public RunSpec withGraph(Graph to) {
    return with(to, scoring, judging, constants, official, seed, machine);
  }

  /**
   * With other scores.
   *
   * @param to what scores the edges
   * @return the spec
   */
  public RunSpec withScoring(Scoring to) {
    return with(graph, to, judging, constants, official, seed, machine);
  }

  /**
   * Judged otherwise.
   *
   * @param to how circuits are judged
   * @return the spec
   */
  public RunSpec withJudging(RunJudging to) {
    return with(graph, scoring, to, constants, official, seed, machine);
  }

  /**
   * With constants for {@code --ablation optimal}.
   *
   * @param to their file; empty to learn them
   * @return the spec
   */
  public RunSpec withConstants(Optional<StoredFile> to) {
    return with(graph, scoring, judging, to, official, seed, machine);
  }

  /**
   * With a known circuit.
   *
   * @param to its file; empty for none
   * @return the spec
   */
  public RunSpec withOfficial(Optional<OfficialSource> to) {
    return with(graph, scoring, judging, constants, to, seed, machine);
  }

  /**
   * With another seed.
   *
   * @param other of all that is random
   * @return the spec
   */
  public RunSpec withSeed(long other) {
    return with(graph, scoring, judging, constants, official, other, machine);
  }

  /**
   * With a machine.
   *
   * @param to empty for whatever there is
   * @return the spec
   */
  public RunSpec withMachine(Optional<Machine> to) {
    return with(graph, scoring, judging, constants, official, seed, to);
  }

  /** Another model or other prompts, run likewise. */
  private RunSpec of(
      ModelSource other, Optional<WeightProcessing> steps, NumberTypes types, RunPrompts read) {
    return new RunSpec(
        version, other, steps, types, read, graph, scoring, judging, constants, official, seed,
        machine);
  }

  /** The same model and prompts, run otherwise. */
  private RunSpec with(
      Graph g,
      Scoring scores,
      RunJudging judged,
      Optional<StoredFile> ablated,
      Optional<OfficialSource> circuit,
      long draws,
      Optional<Machine> where) {
    return new RunSpec(
        version,
        model,
        processing,
        numbers,
        prompts,
        g,
        scores,
        judged,
        ablated,
        circuit,
        draws,
        where);
  }
}
