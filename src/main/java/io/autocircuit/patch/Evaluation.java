package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Patched runs of one model on one batch with one set of ablation values, one after another. This
 * is activation patching along edges (Heimersheim and Nanda 2024, "How to use and interpret
 * activation patching", arXiv:2404.15255; along paths Goldowsky-Dill et al. 2023, "Localizing model
 * behavior with path patching", arXiv:2304.05969): destination d reads {@code stream + Σ_s m_sd
 * (p_s − c_s)}, where c_s is what source s writes in this very run, p_s its ablation value and m_sd
 * the mask of the edge. In an unfactorized graph destinations are sums of the stream, and whatever
 * follows reads what they read.
 *
 * <p>Holds the working memory that the runs share; not for use by several threads at once (make one
 * for each). Shapes: B prompts, T positions, P of them in the output slice, V outputs, S sources, D
 * the width of the stream.
 *
 * <p>Memory: Δ of every source, {@code S·B·T·D} numbers, and the inputs of one block's
 * destinations, up to {@code 3H·B·T·D}; gradients keep each block's inputs, queries, keys, values
 * and MLP activations besides.
 */
public final class Evaluation implements AutoCloseable {
  private final RunInputs in;
  private final ComputationGraph graph;
  private final MaskedRun masked;
  private final Restarts restarts;
  private final GradientRuns gradients;
  private CircuitRunner engine;

  /**
   * Losses and mask gradients of a batch.
   *
   * @param losses one per prompt
   * @param maskGradient ∂(sum of the losses)/∂mask by canonical edge index; {@code [instances ×
   *     edges]} for masks with instances
   */
  public record Gradient(double[] losses, float[] maskGradient) {}

  private Evaluation(
      PatchableModel patchable,
      TokenBatch input,
      Tensor ablations,
      boolean constantsAreAblations,
      int prefix,
      boolean once) {
    in = new RunInputs(patchable, input, ablations, constantsAreAblations, prefix, once);
    graph = patchable.graph();
    masked = MaskedRun.of(in);
    restarts = new Restarts(in, masked);
    gradients = new GradientRuns(in, masked, restarts);
  }

  /**
   * Starts evaluating patched runs on one batch.
   *
   * @param model the model and its graph; may be shared
   * @param input the prompts that are run
   * @param ablations what ablated sources are replaced by, {@code [S, 1 or B, 1 or T, D]}; see
   *     {@link AblationValues}. The evaluation keeps a reference of its own
   * @return an evaluation, which the caller closes
   * @throws IllegalArgumentException if prompts or shapes do not fit model and graph
   */
  public static Evaluation of(PatchableModel model, TokenBatch input, Tensor ablations) {
    return new Evaluation(model, input, ablations, false, 0, false);
  }

  /**
   * Starts evaluating patched runs on one batch. Where values are resampled from pairs that are
   * padded alike, runs of circuits leave out what is the same in both prompts' runs: nodes that
   * keep no edge, and in causal models the positions before the first different token.
   *
   * @param model the model and its graph; may be shared
   * @param input the prompts that are run
   * @param values what ablated sources are replaced by; may be closed before the evaluation is
   * @param from the prompts whose activations are patched in, as {@link AblationValues#of} takes
   *     them
   * @return an evaluation, which the caller closes
   * @throws IllegalArgumentException if prompts or shapes do not fit model and graph
   */
  public static Evaluation of(
      PatchableModel model, TokenBatch input, AblationValues values, TokenBatch from) {
    try (TensorScope scope = new TensorScope()) {
      return of(model, input, values.of(input, from), values.ablation(), from, false);
    }
  }

  /**
   * Starts evaluating patched runs on one batch.
   *
   * @param ablations {@code [S, 1 or B, 1 or T, D]}, of that kind
   * @param from the prompts that they were taken from
   * @param once whether Δ may be written over them, so that one dense run or gradient is all that
   *     can be asked for
   */
  static Evaluation of(
      PatchableModel model,
      TokenBatch input,
      Tensor ablations,
      Ablation kind,
      TokenBatch from,
      boolean once) {
    // A node with all inputs resampled repeats the run that its ablation value comes from.
    boolean constantsAreAblations =
        kind.valuesAreOutputs() && Arrays.equals(input.padding(), from.padding());
    int prefix = constantsAreAblations ? RunInputs.sharedPrefix(model, input, from) : 0;
    return new Evaluation(model, input, ablations, constantsAreAblations, prefix, once);
  }

  /**
   * How many leading positions are the same in the run and in what is patched in, because every
   * pair of prompts begins with the same tokens and the model is causal. Masks there change nothing
   * but rounding.
   *
   * @return 0 unless values are resampled from pairs that are padded alike; at most the positions
   *     whose logits are not looked at
   */
  public int sharedPrefix() {
    return in.prefix;
  }

  /**
   * Whether an edge's mask changes nothing but rounding, because it is that of positions which are
   * the same in the run and in what is patched in ({@link #sharedPrefix}), or of none.
   *
   * @param edge canonical index of an edge of the graph
   * @return false where one edge stands for all positions
   */
  public boolean changesNothing(int edge) {
    int copies = graph.positionCopies();
    return copies > 1 && in.places.endsBefore(edge % copies, in.prefix);
  }

  /**
   * Runs the model with that mask.
   *
   * @param mask one for all prompts, or one for each prompt of the batch
   * @return the sliced logits, {@code [B,P,V]}, in the current scope
   * @throws IllegalArgumentException if it is for another graph or another number of prompts
   */
  public Tensor logits(PatchMask mask) {
    return logitsFrom(mask, 0);
  }

  /**
   * Runs a circuit. Only what it contains is computed, and of that only what differs from the
   * circuit run before. ({@link PatchType#EDGE_PATCH} ablates the circuit's edges: it runs the
   * circuit's complement.)
   *
   * @param circuit of this model's graph
   * @param type whether its edges are ablated or all others; the prompts that are run must fit it
   *     ({@link CircuitRuns#direction})
   * @return the sliced logits, {@code [B,P,V]}, in the current scope
   * @throws IllegalArgumentException if the circuit is for another graph
   */
  public Tensor logits(Circuit circuit, PatchType type) {
    try (TensorScope scope = new TensorScope()) {
      return scope.keep(logits(List.of(circuit), type).select(0, 0));
    }
  }

  /**
   * Runs several circuits at once: as {@link #logits(Circuit, PatchType)} gives them one after
   * another, but for rounding. Takes the memory of an evaluation for each ({@link
   * MemoryEstimate#of(PatchableModel, MemoryEstimate.Work, Ablation, int, int)}).
   *
   * @param circuits one or more, of this model's graph
   * @param type whether their edges are ablated or all others
   * @return the sliced logits, {@code [circuits,B,P,V]}, in the current scope
   * @throws IllegalArgumentException if there is none, or one is for another graph
   */
  public Tensor logits(List<Circuit> circuits, PatchType type) {
    if (circuits.isEmpty()) {
      throw new IllegalArgumentException("circuits=[]; give one or more");
    }
    for (Circuit c : circuits) {
      if (!c.graph().equals(graph)) {
        throw new IllegalArgumentException("the circuit is for another graph: " + c.graph());
      }
    }
    if (in.patchable.runsCircuitsAsMasks()) {
      return masked(circuits, type);
    }
    try (TensorScope scope = new TensorScope()) {
      prepareCircuits(circuits.size());
      return scope.keep(engine.logits(circuits.stream().map(c -> notAblated(c, type)).toList()));
    }
  }

  /** One circuit after another as masks, each from the first block that it ablates edges into. */
  private Tensor masked(List<Circuit> circuits, PatchType type) {
    requireValues();
    try (TensorScope scope = new TensorScope()) {
      TensorVector each = new TensorVector();
      for (Circuit c : circuits) {
        PatchMask mask = c.mask(type);
        each.push_back(logitsFrom(mask, mask.firstBlock()));
      }
      return scope.keep(torch.stack(each, 0));
    }
  }

  /** The working memory of so many circuits at once, made when first needed. */
  void prepareCircuits(int count) {
    if (engine != null && engine.capacity() >= count) {
      return;
    }
    if (engine != null) {
      engine.close();
      engine = null; // closed once, also if there is no memory for what follows
    }
    requireValues();
    engine = CircuitRunner.of(in, count);
  }

  /** The edges that carry what is computed; all others carry ablation values. */
  private static Circuit notAblated(Circuit circuit, PatchType type) {
    if (type == PatchType.TREE_PATCH) {
      return circuit;
    }
    BitSet rest = circuit.edgeSet();
    rest.flip(0, circuit.graph().edgeCount());
    return Circuit.of(circuit.graph(), rest);
  }

  /**
   * Forgets the circuit run before, so that the next one is computed from nothing; results do not
   * change, only the time they take.
   */
  public void forget() {
    if (engine != null) {
      engine.forget();
    }
  }

  /**
   * The operations that a circuit needs, over those of the plain forward: multiplications and
   * additions of its live nodes at the positions at which they are read, and of its live edges. Of
   * all nodes and edges where a circuit is run as a mask: with autoencoders (whose own products are
   * not counted), and where heads depend on each other's inputs.
   *
   * @param circuit of this model's graph
   * @param type whether its edges are ablated or all others
   * @return 0 where nothing is left to compute; may exceed 1 for nearly full circuits, as edges are
   *     work too
   */
  public double liveShare(Circuit circuit, PatchType type) {
    boolean last = in.patchable.slice() == OutputSlice.LAST_SEQ;
    Circuit run =
        in.patchable.runsCircuitsAsMasks() ? Circuit.full(graph) : notAblated(circuit, type);
    return CircuitPlan.of(run, in.constantsAreAblations, last)
        .share(
            in.model().config(),
            in.batch(),
            in.length(),
            in.prefix,
            in.length() - in.firstSliced());
  }

  /**
   * Runs from a block on, taking what comes before from the unpatched run. Exact when the mask is
   * zero on every edge into an earlier block, which is not checked.
   *
   * @param mask one for all prompts, or one for each prompt of the batch
   * @param firstBlock the first block to compute, from 0; the number of blocks computes the end
   *     alone
   * @return the sliced logits, {@code [B,P,V]}, in the current scope
   * @throws IllegalArgumentException if the mask is for another graph or another number of prompts
   */
  public Tensor logitsFrom(PatchMask mask, int firstBlock) {
    check(mask, firstBlock);
    try (TensorScope scope = new TensorScope()) {
      Tensor stream = restarts.before(Sums.restart(graph, firstBlock));
      return scope.keep(
          masked.logits(mask, firstBlock, stream, null, null, in.model().unembedding()));
    }
  }

  private void requireValues() {
    if (in.once) {
      throw new IllegalStateException(
          "the evaluation was opened for one gradient, which writes over its ablation values; open"
              + " another");
    }
  }

  private void check(PatchMask mask, int firstBlock) {
    check(mask);
    if (firstBlock < 0 || firstBlock > graph.blocks()) {
      throw new IllegalArgumentException(
          "firstBlock=" + firstBlock + " is not one of 0.." + graph.blocks() + ", the end");
    }
  }

  private void check(PatchMask mask) {
    if (!mask.graph().equals(graph)) {
      throw new IllegalArgumentException("the mask is for another graph: " + mask.graph());
    }
    if (mask.instances() != 0 && mask.instances() != in.batch()) {
      throw new IllegalArgumentException(
          "mask instances=" + mask.instances() + " but the batch has prompts=" + in.batch());
    }
  }

  /**
   * The gradient of a loss with respect to every mask value. At mask 0, with resampled ablation
   * values, that is edge attribution patching (Syed et al. 2023, arXiv:2310.10348): {@code
   * ⟨∂L/∂x_d, p_s − c_s⟩} for each edge, the product over D and the prompts and positions that
   * share its mask value.
   *
   * @param mask where the gradient is taken; one for all prompts, or one for each
   * @param loss the loss of each prompt
   * @param prompts passed to the loss
   * @param reference passed to the loss, {@code [B,P,V]} or null; stays the caller's
   * @return losses and gradients, as plain numbers
   * @throws IllegalArgumentException if the mask is for another graph or another number of prompts
   */
  public Gradient gradient(
      PatchMask mask, LossFunction loss, PromptBatch prompts, Tensor reference) {
    return gradient(mask, loss, prompts, reference, BackwardRules.TRUE_GRADIENT);
  }

  /**
   * What comes out when the gradient of a loss is taken by given rules.
   *
   * @param mask where the gradient is taken; one for all prompts, or one for each
   * @param loss the loss of each prompt
   * @param prompts passed to the loss
   * @param reference passed to the loss, {@code [B,P,V]} or null; stays the caller's
   * @param rules how it goes back through the model's functions
   * @return losses, and what takes the place of their gradients, as plain numbers
   * @throws IllegalArgumentException if the mask is for another graph or another number of prompts
   */
  public Gradient gradient(
      PatchMask mask,
      LossFunction loss,
      PromptBatch prompts,
      Tensor reference,
      BackwardRules rules) {
    return gradient(mask, new GradientOf(loss, prompts, reference, rules, null));
  }

  /**
   * What comes out when a gradient is taken.
   *
   * @param mask where it is taken; one for all prompts, or one for each
   * @param of what is differentiated, and how
   * @return losses, and gradients or what takes their place, as plain numbers
   * @throws IllegalArgumentException if the mask is for another graph or another number of prompts
   */
  public Gradient gradient(PatchMask mask, GradientOf of) {
    try (TensorScope scope = new TensorScope()) {
      return unread(mask, of).read();
    }
  }

  /**
   * As {@link #gradient(PatchMask, GradientOf)}, of the edges into a block and those behind it.
   * Takes what comes before from the unpatched run.
   *
   * @param mask zero on every edge into an earlier block, which is not checked; one for all
   *     prompts, or one for each
   * @param firstBlock the first block that is run and gone back through, from 0; the number of
   *     blocks for the end alone
   * @param of what is differentiated, and how
   * @return losses and gradients; those of edges into earlier blocks are 0
   * @throws IllegalArgumentException if the mask is for another graph or another number of prompts,
   *     or there is no such block
   */
  public Gradient gradientFrom(PatchMask mask, int firstBlock, GradientOf of) {
    check(mask, firstBlock);
    try (TensorScope scope = new TensorScope()) {
      return gradients
          .unread(mask, restarts.before(Sums.restart(graph, firstBlock)), firstBlock, of)
          .read();
    }
  }

  /**
   * The gradient of a loss at inputs between the prompts' own and their ablation: nothing is
   * patched but the start of the stream, which is {@code c + share · (p − c)}. As in EAP-IG (Hanna
   * et al. 2024, "Have faith in faithfulness", arXiv:2403.17806) an edge gets {@code ⟨∂L/∂x_d, p_s
   * − c_s⟩}, the gradient at that input and Δ of the unpatched run at the prompts' own.
   *
   * @param share 0 for the prompts as they are, 1 for the start of the stream that ablation gives
   * @param each whether every prompt has gradients of its own
   * @param of what is differentiated, and how
   * @return losses at that input, and what stands for gradients: {@code [edges]}, or {@code [B ×
   *     edges]} of each prompt
   */
  public Gradient inputGradient(double share, boolean each, GradientOf of) {
    requireValues();
    return gradients.atInput(share, each, of);
  }

  /**
   * The gradient of a loss where the outputs of one stage are between those of the unpatched run
   * and their ablation, {@code c + share · (p − c)}, and nothing is patched. As in EAP-IG over
   * activations (Hanna et al. 2024, arXiv:2403.17806) an edge out of that stage gets {@code
   * ⟨∂L/∂x_d, p_s − c_s⟩}. The moved outputs are constants: nothing goes back through them.
   *
   * @param site the stage whose outputs are moved
   * @param share 0 for the unpatched run, 1 for ablated outputs
   * @param whole whether edges of all sources are wanted, or those out of that stage alone
   * @param each whether every prompt has gradients of its own
   * @param of what is differentiated, and how
   * @return losses, and what stands for gradients, of the edges that are wanted
   * @throws IllegalArgumentException in unfactorized graphs, and those with autoencoders
   */
  public Gradient siteGradient(
      Stage site, double share, boolean whole, boolean each, GradientOf of) {
    requireValues();
    return gradients.atSite(site, share, whole, each, of);
  }

  /**
   * Conductances of edges (Dhamdhere et al. 2018, "How important is a neuron?", arXiv:1805.12233)
   * while the start of the stream goes from its ablation to the prompts' own: {@code Σ_j
   * ⟨∂L/∂x_d(j), c_s(j) − c_s(j + 1)⟩}, with c_s(j) what source s writes, and the gradient, where
   * j/steps of the way is gone.
   *
   * @param steps how many gradients are taken, at j = 0 … steps − 1
   * @param each whether every prompt has conductances of its own
   * @param of what is differentiated, and how
   * @param pass called after each gradient
   * @return {@code [edges]}, or {@code [B × edges]} of each prompt
   * @throws IllegalArgumentException in unfactorized graphs, and those with autoencoders
   */
  public double[] conductance(int steps, boolean each, GradientOf of, Runnable pass) {
    requireValues();
    return gradients.conductance(steps, each, of, pass);
  }

  /**
   * Gradients of each prompt where nothing is ablated, as AtP* takes them (Kramár et al. 2024,
   * arXiv:2403.00745): with what each block adds to the stream held constant in turn (GradDrop),
   * and with {@code ⟨∂L/∂pattern, pattern' − pattern⟩} for edges into queries and keys, where
   * pattern' is that of queries, or keys, whose input is changed by the edge's Δ (the QK fix).
   *
   * @param drop whether each block is left out in turn, or none
   * @param patterns whether patterns are recomputed; in factorized graphs with separate inputs
   * @param of what is differentiated
   * @param terms receives as many gradients as there are blocks, or one
   * @throws IllegalArgumentException in graphs with autoencoders
   */
  public void terms(boolean drop, boolean patterns, GradientOf of, GradientTerms terms) {
    requireValues();
    gradients.terms(drop, patterns, of, terms);
  }

  /**
   * What {@link #gradient} computes, still where it was computed: nothing waits for the device
   * before it is read.
   */
  record Unread(Tensor losses, MaskGradients gradients) {
    Gradient read() {
      return new Gradient(Tensors.doubles(losses), gradients.read());
    }
  }

  /** As {@link #gradient}; in the current scope. */
  Unread unread(PatchMask mask, GradientOf of) {
    check(mask);
    return gradients.unread(mask, restarts.before(0), 0, of);
  }

  /** Frees the working memory; logits that were handed out stay. */
  @Override
  public void close() {
    if (engine != null) {
      engine.close();
    }
    restarts.close();
    masked.close();
    in.close();
  }
}
