package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.objective.Divergence;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.Evaluations.Direction;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToIntFunction;
import org.bytedeco.pytorch.InferenceMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Automatic circuit discovery (Conmy et al. 2023, "Towards automated circuit discovery for
 * mechanistic interpretability", arXiv:2304.14997).
 *
 * <p>Edges are tested one after another in the canonical order, from the end of the model
 * backwards. With f the distance between the clean outputs and those with all removed edges
 * ablated, an edge is removed when ablating it too raises f by less than τ (signed). The score of
 * an edge is the smallest τ at which it was removed, +∞ if it never was. All prompts given are
 * used, as means.
 *
 * <p>Edges of equal score are ranked by when they went: of those removed at the same τ the last one
 * first, so that the k best edges are a circuit that the algorithm went through; of those never
 * removed the one first whose removal would have raised f most ({@link PruneScores#tieBreaks}).
 *
 * <p>Several τ share one pass: thresholds that have made the same decisions so far have the same
 * mask and share every run until a decision parts them.
 *
 * <p>An edge of which the circuit's end does not read the destination changes nothing: f stays as
 * it is, and the edge is removed without a run.
 *
 * <p>Where that is faster, several edges are tried in one run, on the guess that each is removed:
 * kept∖{e₁}, kept∖{e₁,e₂}, … ({@link Evaluations#circuitsAtOnce}). They are decided in order; at
 * the first that is not removed the rest is thrown away and the next run tries one edge, the run
 * after a success twice as many. The decisions are those of one edge after another:
 *
 * <ul>
 *   <li>Every circuit that a decision looks at is the one that trying one edge after another would
 *       look at: those thrown away were built on a wrong guess, all others on decisions made.
 *   <li>Circuits run together differ from a circuit run alone by rounding: in each logit by at most
 *       δ = 64 ε · (largest logit), the bound of docs/architecture.md (4096 ε under zero ablation),
 *       which a test holds too. Then f differs by at most β = δ·√(2f) + δ²/2 + 8 ε · (largest logit
 *       + ln V) for KL(p ‖ q): its gradient is q − p, with ‖q − p‖₁ ≤ √(2 KL) by Pinsker, its
 *       curvature at most 1, means keep both (Jensen), and the last term is for the logarithms; and
 *       by at most 2δ·√f + δ² + 8 ε · f for the mean squared error.
 *   <li>A rise farther from every τ than the β of both its distances is on the same side of each. A
 *       nearer one is computed again, from both its circuits run alone and from nothing. Where β is
 *       not small against τ, so that this would happen often, edges are tried one by one.
 * </ul>
 *
 * <p>What remains is what one edge after another has too: the rounding of a circuit run alone
 * depends on what was run before it and is used again. So a rise that is within that of τ may be
 * decided otherwise, as it may be in other micro-batches.
 *
 * @param thresholds the τ, each positive
 * @param target the distance f
 * @param ablation what removed edges are replaced by; batch kinds take the corrupt prompts
 */
public record Acdc(List<Double> thresholds, Target target, Ablation ablation)
    implements PruneAlgorithm {

  /** The distance between clean and patched outputs. */
  public enum Target {
    /** {@link #MSE} where the answers are numbers, else {@link #KL_DIV}. */
    AUTO,
    /** KL(clean ‖ patched). */
    KL_DIV,
    /** Mean squared error of the logits. */
    MSE
  }

  /**
   * Checks the thresholds.
   *
   * @param thresholds the τ, each positive
   * @param target the distance f
   * @param ablation what removed edges are replaced by
   * @throws IllegalArgumentException if there is no threshold, or one is not positive and finite
   */
  public Acdc {
    thresholds = List.copyOf(thresholds);
    if (thresholds.isEmpty() || thresholds.stream().anyMatch(t -> !(t > 0) || t.isInfinite())) {
      throw new IllegalArgumentException(
          "thresholds=" + thresholds + ": give one or more positive numbers");
    }
  }

  /**
   * ACDC with KL divergence and corrupt resampling.
   *
   * @param thresholds the τ, each positive
   * @return the algorithm
   */
  public static Acdc kl(double... thresholds) {
    return new Acdc(Arrays.stream(thresholds).boxed().toList(), Target.KL_DIV, Ablation.RESAMPLE);
  }

  @Override
  public String key() {
    return "acdc";
  }

  @Override
  public String title() {
    return target == Target.MSE ? "ACDC (MSE)" : "ACDC";
  }

  /** How large the bounds may be against τ for several edges to be tried at once. */
  private static final double SMALL = 0.25;

  /**
   * The distance of a circuit.
   *
   * @param distance f
   * @param bound by how much f may differ from that of the circuit run alone; 0 where it was
   */
  private record Distance(double distance, double bound) {}

  /**
   * Thresholds that have made the same decisions so far.
   *
   * @param kept edges that are not removed
   * @param previous the distance of their circuit
   * @param ahead the distances without the next tied edges, if each of them is removed; null for
   *     edges that nobody reads
   * @param tries how many edges the next run tries; 0 for one, and so on to the end
   */
  private record Alike(
      List<Double> thresholds,
      BitSet kept,
      Distance previous,
      List<Optional<Distance>> ahead,
      int tries) {

    boolean near(double rise, double margin) {
      return thresholds.stream().anyMatch(t -> Math.abs(rise - t) <= margin);
    }
  }

  @Override
  public Settings settings() {
    return Settings.of(
        AcdcProvider.SETTINGS,
        Map.of(
            "tau", thresholds, "target", target, PruneAlgorithmProvider.SCORE_ABLATION, ablation));
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(ablation);
  }

  @Override
  public List<Found> found(float[] scores, String what) {
    return thresholds.stream()
        .distinct()
        .sorted()
        .map(
            tau -> {
              int kept = 0;
              for (float v : scores) {
                kept += v > tau.floatValue() ? 1 : 0;
              }
              return new Found("kept at τ = " + tau, kept);
            })
        .toList();
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return score(model, batches, progress, Evaluations::circuitsAtOnce);
  }

  /** With the number of edges that are tried in one run at most. */
  PruneScores score(
      PatchableModel model,
      List<PromptBatch> batches,
      Progress progress,
      ToIntFunction<Evaluations> most) {
    return score(model, batches, EdgeGroups.each(model.graph()), progress, most).ofEdges();
  }

  /**
   * {@inheritDoc}
   *
   * <p>The edges of a group are removed together, groups in their order.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    return score(model, batches, groups, progress, Evaluations::circuitsAtOnce);
  }

  private GroupScores score(
      PatchableModel model,
      List<PromptBatch> batches,
      EdgeGroups tied,
      Progress progress,
      ToIntFunction<Evaluations> most) {
    if (target == Target.AUTO) {
      boolean numbers = batches.stream().allMatch(b -> b.numbers() != null);
      return new Acdc(thresholds, numbers ? Target.MSE : Target.KL_DIV, ablation)
          .score(model, batches, tied, progress, most);
    }
    int edges = tied.size();
    float[] scores = new float[edges];
    Arrays.fill(scores, Float.POSITIVE_INFINITY);
    float[] rises = new float[edges];
    Arrays.fill(rises, Float.NEGATIVE_INFINITY);
    try (AblationValues values = AblationValues.prepare(model, ablation, batches);
        Evaluations running =
            Evaluations.kept(model, batches, values, Direction.CORRUPT_INTO_CLEAN, Work.CIRCUITS)) {
      Trials trials = new Trials(model, batches, tied, running);
      int atOnce = most.applyAsInt(running);
      BitSet all = new BitSet();
      all.set(0, model.graph().edgeCount());
      List<Alike> groups =
          List.of(
              new Alike(
                  thresholds.stream().distinct().sorted().toList(),
                  all,
                  new Distance(0, 0),
                  List.of(),
                  atOnce == 1 ? 0 : 1));
      for (int e = 0; e < edges; e++) {
        List<Alike> next = new ArrayList<>();
        for (Alike g : groups) {
          scores[e] = Math.min(scores[e], decide(trials, g, e, atOnce, next, rises));
        }
        groups = next;
        progress.update("edges decided", e + 1L, edges);
      }
    }
    for (int e = 0; e < edges; e++) {
      if (scores[e] < Float.POSITIVE_INFINITY) {
        rises[e] = e; // tested in this order: what went last is needed longest
      }
    }
    return new GroupScores(tied, scores, rises);
  }

  /**
   * Decides on an edge, or on tied ones.
   *
   * @param rises gets the rise of the distance, where a threshold keeps the edge
   * @return the smallest τ at which it is removed, or +∞
   */
  private float decide(Trials trials, Alike g, int e, int most, List<Alike> next, float[] rises) {
    boolean alone = g.tries() == 0;
    List<Optional<Distance>> ahead =
        g.ahead().isEmpty() ? trials.ahead(g.kept(), e, g.tries()) : g.ahead();
    Optional<Distance> tried = ahead.get(0);
    ahead = ahead.subList(1, ahead.size());
    Distance previous = g.previous();
    Distance without = tried.orElse(previous);
    double rise = tried.isEmpty() ? 0 : without.distance() - previous.distance();
    double margin = without.bound() + previous.bound();
    boolean again = tried.isPresent() && margin > 0 && g.near(rise, margin);
    if (again) {
      previous = trials.alone(g.kept());
    }
    trials.tied.edges(e).forEach(g.kept()::clear);
    if (again) {
      without = trials.alone(g.kept());
      rise = without.distance() - previous.distance();
    }
    double sure = rise;
    List<Double> removed = g.thresholds().stream().filter(t -> sure < t).toList();
    List<Double> kept = g.thresholds().stream().filter(t -> !(sure < t)).toList();
    if (!kept.isEmpty()) {
      rises[e] = Math.max(rises[e], Double.isNaN(sure) ? Float.POSITIVE_INFINITY : (float) sure);
      BitSet with = removed.isEmpty() ? g.kept() : (BitSet) g.kept().clone();
      trials.tied.edges(e).forEach(with::set);
      next.add(new Alike(kept, with, previous, List.of(), alone ? 0 : 1));
    }
    if (removed.isEmpty()) {
      return Float.POSITIVE_INFINITY;
    }
    if (!alone && margin > SMALL * removed.get(0)) {
      next.add(new Alike(removed, g.kept(), trials.alone(g.kept()), List.of(), 0));
    } else {
      int tries = ahead.isEmpty() ? Math.min(most, 2 * g.tries()) : g.tries();
      next.add(new Alike(removed, g.kept(), without, ahead, tries));
    }
    return removed.get(0).floatValue();
  }

  /** Runs circuits on all prompts. */
  private final class Trials {
    private final ComputationGraph graph;
    private final EdgeGroups tied;
    private final Evaluations running;
    private final int prompts;
    private final double epsilon;
    private final double outputs;
    private final boolean coupled;

    Trials(PatchableModel model, List<PromptBatch> batches, EdgeGroups tied, Evaluations running) {
      this.graph = model.graph();
      this.tied = tied;
      this.running = running;
      prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
      epsilon = model.model().type() == ScalarType.Double ? Math.ulp(1.0) : Math.ulp(1f);
      outputs = model.model().config().outputs();
      coupled = model.model().config().features().couplesHeads();
    }

    /** Of a circuit by itself and from nothing. */
    Distance alone(BitSet kept) {
      running.forEach(part -> part.run().forget());
      return distances(List.of(Circuit.of(graph, kept)), true).get(0);
    }

    /**
     * Tries the tied edges from the {@code first} group on.
     *
     * @param tries how many circuits; 0 for one that is only ever run alone
     * @return the distances without the first of them, without the first two, …; nothing for an
     *     edge that changes nothing
     */
    List<Optional<Distance>> ahead(BitSet kept, int first, int tries) {
      BitSet rest = (BitSet) kept.clone();
      List<Circuit> circuits = new ArrayList<>();
      List<Boolean> changes = new ArrayList<>();
      DestNode reader = null;
      boolean read = false;
      for (int e = first; e < tied.size() && circuits.size() < Math.max(1, tries); e++) {
        tied.edges(e).forEach(rest::clear);
        DestNode to = graph.edge(tied.first(e)).destination();
        boolean one = tied.edges(e).limit(2).count() == 1;
        if (!one || !to.equals(reader)) {
          reader = one ? to : null;
          read = CircuitRuns.reads(Circuit.of(graph, rest), tied.edges(e), coupled);
        }
        changes.add(read);
        if (read) {
          circuits.add(Circuit.of(graph, rest));
        }
      }
      Iterator<Distance> distances =
          (circuits.isEmpty() ? List.<Distance>of() : distances(circuits, tries == 0)).iterator();
      return changes.stream()
          .map(c -> c ? Optional.of(distances.next()) : Optional.<Distance>empty())
          .toList();
    }

    private List<Distance> distances(List<Circuit> circuits, boolean alone) {
      int count = circuits.size();
      double[] sum = new double[count];
      double[] largest = {1e-3};
      running.compute(
          part -> {
            // made outside: other runs may share it and take gradients beside it
            Tensor clean = part.clean();
            // no gradient follows: without libtorch's account of views a trial is shorter;
            // what the evaluation keeps for its next trial is seen by trials alone
            try (InferenceMode mode = new InferenceMode()) {
              Tensor logits = part.run().logits(circuits, PatchType.TREE_PATCH);
              double[] each =
                  Tensors.doubles(
                      target == Target.KL_DIV
                          ? Divergence.kl(logits, clean)
                          : Divergence.mse(logits, clean));
              double most = alone ? 0 : Tensors.doubles(logits.abs().max())[0];
              return new Distances(each, most);
            }
          },
          (part, result) -> {
            int size = part.size();
            for (int i = 0; i < result.each().length; i++) {
              sum[i / size] += result.each()[i];
            }
            largest[0] = Math.max(largest[0], result.largest());
          });
      return Arrays.stream(sum)
          .mapToObj(s -> new Distance(s / prompts, alone ? 0 : bound(s / prompts, largest[0])))
          .toList();
    }

    /** β of the class's comment. */
    private double bound(double f, double largest) {
      // what other jars ablate to may cancel as badly as zeros do
      boolean mild =
          !(ablation instanceof Ablation.Constant) && Ablation.standard().contains(ablation);
      double delta = (mild ? 64 : 4096) * epsilon * largest;
      double root = Math.sqrt(Math.max(0, f));
      return target == Target.KL_DIV
          ? delta * Math.sqrt(2) * root
              + delta * delta / 2
              + 8 * epsilon * (largest + Math.log(outputs))
          : 2 * delta * root + delta * delta + 8 * epsilon * f;
    }
  }

  /**
   * What a micro-batch gives.
   *
   * @param each the distances of its prompts, circuit by circuit
   * @param largest the largest logit by its size
   */
  @SuppressWarnings("ArrayRecordComponent")
  private record Distances(double[] each, double largest) {}
}
