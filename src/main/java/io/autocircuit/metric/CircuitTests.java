package io.autocircuit.metric;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Hypothesis tests of a circuit (Shi et al. 2024, "Hypothesis testing the circuit hypothesis in
 * LLMs", arXiv:2410.13032), and random circuits as controls. All of it comes from one evaluation of
 * each circuit that is needed: the circuit, its complement, the circuit without each of its edges,
 * inflated circuits with and without a random edge, and the controls.
 *
 * @param circuit what was tested
 * @param metric the score s
 * @param prompts how many prompts there were
 * @param score the mean of s over prompts: of the circuit
 * @param model likewise of the full model
 * @param complement likewise of the model without the circuit
 * @param equivalence is the circuit as often better as worse than the model
 * @param independence are the scores of the model and of the complement independent
 * @param minimality is every edge needed
 * @param controls random circuits: of the same size, then of matched capacity
 */
public record CircuitTests(
    Circuit circuit,
    Metric metric,
    int prompts,
    double score,
    double model,
    double complement,
    Equivalence equivalence,
    Independence independence,
    Minimality minimality,
    List<Control> controls) {

  /**
   * How the tests are made.
   *
   * @param epsilon of {@link Equivalence}
   * @param permutations of {@link Independence}
   * @param quantile of {@link Minimality}
   * @param draws how many inflated circuits, and how many of each control, at least 1
   * @param level the chance of a false rejection that is accepted, between 0 and 1
   * @param seed of all draws
   */
  public record Settings(
      double epsilon, int permutations, double quantile, int draws, double level, long seed) {
    /** The paper's, of the seed 0. */
    public static final Settings USUAL = new Settings(0.1, 1000, 0.9, 100, 0.05, 0);

    /**
     * Checks the numbers.
     *
     * @param epsilon of {@link Equivalence}
     * @param permutations of {@link Independence}
     * @param quantile of {@link Minimality}
     * @param draws how many inflated circuits, and how many of each control
     * @param level the chance of a false rejection that is accepted
     * @param seed of all draws
     * @throws IllegalArgumentException if one is out of range
     */
    public Settings {
      if (!(epsilon >= 0 && epsilon < 0.5)
          || !(quantile > 0 && quantile < 1)
          || !(level > 0 && level < 1)
          || permutations < 1
          || draws < 1) {
        throw new IllegalArgumentException(
            "epsilon="
                + epsilon
                + ", quantile="
                + quantile
                + ", level="
                + level
                + ", permutations="
                + permutations
                + ", draws="
                + draws
                + " out of range; give 0 to below 0.5, two between 0 and 1, and two from 1");
      }
    }
  }

  /** Of these the full model's own score says nothing: it is what they compare with. */
  private static final Set<Metric> COMPARING =
      Set.of(Metric.KL_DIV, Metric.JS_DIV, Metric.CORRUPT_KL_DIV, Metric.EXACT_MATCH_PERCENT);

  /** How random circuits resemble the one that is tested. */
  public enum Matching {
    /** As many edges. */
    SIZE("same_size"),
    /** As many edges of each kind; see {@link RandomCircuits#matched}. */
    CAPACITY("capacity");

    private final String test;

    Matching(String test) {
      this.test = test;
    }

    /**
     * What the test by such circuits is called.
     *
     * @return in files and options
     */
    public String test() {
      return test;
    }
  }

  /**
   * Random circuits beside the one that is tested. What a circuit is judged by is its distance from
   * the model: the mean over prompts of |s(circuit) − s(model)|.
   *
   * @param matching how they resemble it
   * @param own the distance of the circuit that is tested
   * @param distances of each of them
   * @param shared the mean share of their edges that are the circuit's too
   * @param asNear how many are as near to the model as the circuit, or nearer
   * @param pValue (1 + asNear) / (1 + draws): of the hypothesis that the circuit is one of them
   * @param unlike of how many {@link Equivalence} is rejected
   */
  public record Control(
      Matching matching,
      double own,
      List<Double> distances,
      double shared,
      int asNear,
      double pValue,
      int unlike) {
    /**
     * Keeps an unmodifiable copy.
     *
     * @param matching how they resemble it
     * @param own the distance of the circuit that is tested
     * @param distances of each of them
     * @param shared the mean share of their edges that are the circuit's too
     * @param asNear how many are as near to the model as the circuit, or nearer
     * @param pValue of the hypothesis that the circuit is one of them
     * @param unlike of how many {@link Equivalence} is rejected
     */
    public Control {
      distances = List.copyOf(distances);
    }

    /**
     * How many there were.
     *
     * @return at least 1
     */
    public int draws() {
      return distances.size();
    }

    /**
     * The mean of their distances.
     *
     * @return 0 or more
     */
    public double distance() {
      return distances.stream().mapToDouble(d -> d).sum() / distances.size();
    }
  }

  /**
   * Keeps an unmodifiable copy.
   *
   * @param circuit what was tested
   * @param metric the score s
   * @param prompts how many prompts there were
   * @param score of the circuit
   * @param model of the full model
   * @param complement of the model without the circuit
   * @param equivalence is the circuit as often better as worse than the model
   * @param independence are the scores of the model and of the complement independent
   * @param minimality is every edge needed
   * @param controls random circuits
   */
  public CircuitTests {
    controls = List.copyOf(controls);
  }

  /**
   * Tests a circuit.
   *
   * @param in the model that the circuit is of
   * @param runs how circuits are evaluated
   * @param batches the prompts, at least two
   * @param circuit at least one edge of a factorized graph, and not all
   * @param metric the score; it must apply to the prompts
   * @param settings how the tests are made
   * @param progress told about the work done
   * @return what came out
   * @throws IllegalArgumentException if the circuit is empty or full, the graph is unfactorized,
   *     the metric does not apply, or there are fewer than two prompts
   */
  public static CircuitTests of(
      PatchableModel in,
      CircuitRuns runs,
      List<PromptBatch> batches,
      Circuit circuit,
      Metric metric,
      Settings settings,
      Progress progress) {
    refusal(circuit, batches)
        .ifPresent(
            why -> {
              throw new IllegalArgumentException(why);
            });
    RandomCircuits random = new RandomCircuits(circuit, settings.seed());
    List<Circuit> all = new ArrayList<>();
    all.add(circuit);
    all.add(Circuit.full(circuit.graph()));
    all.add(Completeness.without(Circuit.full(circuit.graph()), circuit));
    int first = all.size();
    List<Edge> edges = circuit.edges();
    for (Edge e : edges) {
      BitSet left = circuit.edgeSet();
      left.clear(e.index());
      all.add(Circuit.of(circuit.graph(), left));
    }
    int inflated = all.size();
    for (int i = 0; i < settings.draws(); i++) {
      RandomCircuits.Inflated one = random.inflated();
      all.add(one.circuit());
      all.add(one.without());
    }
    int sameSize = add(all, settings.draws(), random::sameSize);
    int matched = add(all, settings.draws(), random::matched);
    double[][] s = scores(in, runs, batches, all, metric, progress);
    double[] effects =
        IntStream.range(0, edges.size()).mapToDouble(e -> effect(s[0], s[first + e])).toArray();
    double[] others =
        IntStream.range(0, settings.draws())
            .mapToDouble(i -> effect(s[inflated + 2 * i], s[inflated + 2 * i + 1]))
            .toArray();
    return new CircuitTests(
        circuit,
        metric,
        s[0].length,
        mean(s[0]),
        mean(s[1]),
        mean(s[2]),
        Equivalence.of(s[0], s[1], settings.epsilon()),
        Independence.of(s[1], s[2], settings.permutations(), settings.seed()),
        Minimality.of(edges, effects, others, settings.quantile()),
        List.of(
            control(Matching.SIZE, sameSize, all, s, settings),
            control(Matching.CAPACITY, matched, all, s, settings)));
  }

  /**
   * The score where nobody names one.
   *
   * @param batches the prompts
   * @return the logit difference, or the answer's log probability where prompts have no wrong
   *     answers, or the squared error where answers are numbers; empty where none applies
   */
  public static Optional<Metric> usualScore(List<PromptBatch> batches) {
    return Stream.of(Metric.LOGIT_DIFF, Metric.ANSWER_LOGPROB, Metric.ANSWER_MSE)
        .filter(m -> m.inapplicable(batches).isEmpty())
        .findFirst();
  }

  /**
   * Why a metric is no score by which circuits can be tested, if it is none.
   *
   * @param metric of any kind
   * @return the end of a sentence that names it
   */
  public static Optional<String> refusal(Metric metric) {
    return COMPARING.contains(metric)
        ? Optional.of(
            "compares with the model, which has no score of its own by it; give one of answers,"
                + " such as logit_diff")
        : Optional.empty();
  }

  /**
   * Why a circuit cannot be tested, if it cannot.
   *
   * @param circuit to be tested
   * @param batches the prompts
   * @return a sentence; empty if it can
   */
  public static Optional<String> refusal(Circuit circuit, List<PromptBatch> batches) {
    ComputationGraph graph = circuit.graph();
    int prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    if (prompts < 2) {
      return Optional.of("prompts=" + prompts + " to judge on are too few; give two or more");
    }
    if (!graph.factorized()) {
      return Optional.of(
          "graph=unfactorized cannot be tested: what reads its stream has no edge, so no path is"
              + " random; give a run of --graph factorized");
    }
    if (circuit.size() == 0 || circuit.size() == graph.edgeCount()) {
      return Optional.of(
          "circuit edges="
              + circuit.size()
              + " of "
              + graph.edgeCount()
              + " leave nothing to compare with; give a circuit that has some edges, not all");
    }
    return Optional.empty();
  }

  /** Adds random circuits; returns the place of the first. */
  private static int add(List<Circuit> all, int draws, Supplier<Circuit> random) {
    int first = all.size();
    for (int i = 0; i < draws; i++) {
      all.add(random.get());
    }
    return first;
  }

  private static double[][] scores(
      PatchableModel in,
      CircuitRuns runs,
      List<PromptBatch> batches,
      List<Circuit> circuits,
      Metric metric,
      Progress progress) {
    return Measurements.of(in, runs, batches, circuits, List.of(metric), progress)
        .get(0)
        .points()
        .stream()
        .map(p -> p.prompts().stream().mapToDouble(v -> v).toArray())
        .toArray(double[][]::new);
  }

  private static Control control(
      Matching matching, int first, List<Circuit> all, double[][] s, Settings settings) {
    double nearest = distance(s[0], s[1]);
    List<Double> distances = new ArrayList<>();
    double shared = 0;
    int asNear = 0;
    int unlike = 0;
    for (int i = first; i < first + settings.draws(); i++) {
      double distance = distance(s[i], s[1]);
      BitSet both = all.get(i).edgeSet();
      both.and(all.get(0).edgeSet());
      distances.add(distance);
      shared += (double) both.cardinality() / all.get(0).size();
      asNear += distance > nearest ? 0 : 1; // NaN is no evidence
      unlike += Equivalence.of(s[i], s[1], settings.epsilon()).pValue() < settings.level() ? 1 : 0;
    }
    int n = settings.draws();
    return new Control(
        matching, nearest, distances, shared / n, asNear, (1.0 + asNear) / (1.0 + n), unlike);
  }

  private static double effect(double[] with, double[] without) {
    return IntStream.range(0, with.length)
        .mapToDouble(i -> (with[i] - without[i]) * (with[i] - without[i]))
        .average()
        .orElse(0);
  }

  private static double distance(double[] circuit, double[] model) {
    return IntStream.range(0, model.length)
        .mapToDouble(i -> Math.abs(circuit[i] - model[i]))
        .average()
        .orElse(0);
  }

  private static double mean(double[] values) {
    return Arrays.stream(values).average().orElse(Double.NaN);
  }
}
