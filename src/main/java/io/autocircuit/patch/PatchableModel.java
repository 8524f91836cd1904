package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.model.Affine;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * A model seen through its computation graph. Immutable and safe to share between threads; masks
 * and circuits are arguments of its runs.
 *
 * @param model the transformer; the caller closes it
 * @param graph its computation graph
 * @param slice which positions' logits are looked at
 * @param kernels the implementation of the patch operation
 * @param memory the native memory that runs of this model may take
 * @param workers how many micro-batches of a batch may be computed at the same time, each on a Java
 *     thread of its own; for models so small that native threads would only wait for each other
 */
public record PatchableModel(
    Transformer model,
    ComputationGraph graph,
    OutputSlice slice,
    Kernels kernels,
    MemoryBudget memory,
    int workers) {

  /**
   * Checks that graph and model fit.
   *
   * @param model any transformer; stays the caller's, who closes it after all that runs it
   * @param graph of as many blocks and heads as the model, wired alike; with positions, every
   *     prompt needs that length
   * @param slice of the logits of every run
   * @param kernels for the device where the model is
   * @param memory for all runs, beside the model's weights; batches are cut to fit into it
   * @param workers at least 1
   * @throws IllegalArgumentException if graph and model do not fit, or there is no worker
   */
  public PatchableModel {
    if (workers < 1) {
      throw new IllegalArgumentException("workers=" + workers + " must be at least 1");
    }
    TransformerConfig c = model.config();
    if (graph.blocks() != c.blocks()
        || graph.heads() != c.heads()
        || graph.wiring() != c.wiring()) {
      throw new IllegalArgumentException(
          graph
              + " does not fit the model "
              + c.name()
              + " of blocks="
              + c.blocks()
              + ", heads="
              + c.heads()
              + ", wiring="
              + c.wiring());
    }
  }

  /**
   * With unlimited memory: every batch is run as a whole, by one worker.
   *
   * @param model any transformer; stays the caller's, who closes it after all that runs it
   * @param graph of as many blocks and heads as the model, wired alike
   * @param slice of the logits of every run
   * @param kernels for the device where the model is
   * @throws IllegalArgumentException if graph and model do not fit
   */
  public PatchableModel(
      Transformer model, ComputationGraph graph, OutputSlice slice, Kernels kernels) {
    this(model, graph, slice, kernels, MemoryBudget.UNLIMITED, 1);
  }

  /**
   * The same model under another memory budget. Results do not depend on it but for the rounding of
   * micro-batches.
   *
   * @param budget for all runs, beside the model's weights; batches are cut to fit into it
   * @return a new view of the same weights
   */
  public PatchableModel withMemory(MemoryBudget budget) {
    return new PatchableModel(model, graph, slice, kernels, budget, workers);
  }

  /**
   * The same model with so many workers. Algorithms that visit the same batches again and again
   * then cut each into that many micro-batches and compute them at the same time; results depend on
   * their number within the rounding of micro-batches, not on which worker is faster. Use one
   * native thread with several workers.
   *
   * @param count at least 1
   * @return a new view of the same weights
   * @throws IllegalArgumentException if it is less
   */
  public PatchableModel withWorkers(int count) {
    return new PatchableModel(model, graph, slice, kernels, memory, count);
  }

  /**
   * The model with its factorized graph, unlimited memory and one worker.
   *
   * @param model any transformer; stays the caller's, who closes it after all that runs it
   * @param separateQkv whether queries, keys and values have inputs of their own
   * @param positions 0 for one mask for all positions, else the number of positions T, which every
   *     prompt then needs
   * @param slice of the logits of every run
   * @param kernels for the device where the model is
   * @return the patchable model
   * @throws IllegalArgumentException if there are too many edges
   */
  public static PatchableModel of(
      Transformer model, boolean separateQkv, int positions, OutputSlice slice, Kernels kernels) {
    ComputationGraph graph = model.config().graph(separateQkv, positions);
    return new PatchableModel(model, graph, slice, kernels);
  }

  /**
   * Cuts batches into the micro-batches that the memory budget permits: as few as possible, and
   * within a batch as equal as possible.
   *
   * @param work what each is run for
   * @param ablation what ablated sources are replaced by
   * @param batches whole batches, each of prompts of one length
   * @return for each batch, its micro-batches in order; one of all prompts where that fits
   * @throws IllegalArgumentException if one prompt alone exceeds the budget
   */
  public List<List<MicroBatch>> microBatches(
      MemoryEstimate.Work work, Ablation ablation, List<PromptBatch> batches) {
    List<List<MicroBatch>> all = new ArrayList<>();
    for (int b = 0; b < batches.size(); b++) {
      PromptBatch batch = batches.get(b);
      int prompts = batch.clean().batchSize();
      int size =
          memory.equals(MemoryBudget.UNLIMITED)
              ? prompts
              : memory.prompts(
                  MemoryEstimate.of(this, work, ablation, batch.clean().length()), prompts);
      all.add(MicroBatch.split(b, batch, size));
    }
    return List.copyOf(all);
  }

  /**
   * The unpatched model's sliced logits.
   *
   * @param tokens B prompts
   * @return {@code [B,P,V]}, in the current scope
   * @throws IllegalArgumentException if a token id or the length does not fit the model
   */
  public Tensor logits(TokenBatch tokens) {
    return model.logits(tokens, slice);
  }

  /**
   * Starts evaluating patched runs on one batch.
   *
   * @param input the prompts that are run
   * @param ablations what ablated sources are replaced by, {@code [S, 1 or B, 1 or T, D]}; see
   *     {@link AblationValues}. The evaluation keeps a reference of its own
   * @return an evaluation, which the caller closes
   * @throws IllegalArgumentException if prompts or shapes do not fit model and graph
   */
  public Evaluation evaluation(TokenBatch input, Tensor ablations) {
    return new Evaluation(this, input, ablations, false, 0);
  }

  /**
   * Starts evaluating patched runs on one batch. Where values are resampled from pairs that are
   * padded alike, runs of circuits leave out what is the same in both prompts' runs: nodes that
   * keep no edge, and in causal models the positions before the first different token.
   *
   * @param input the prompts that are run
   * @param values what ablated sources are replaced by; may be closed before the evaluation is
   * @param from the prompts whose activations are patched in, as {@link AblationValues#of} takes
   *     them
   * @return an evaluation, which the caller closes
   * @throws IllegalArgumentException if prompts or shapes do not fit model and graph
   */
  public Evaluation evaluation(TokenBatch input, AblationValues values, TokenBatch from) {
    try (TensorScope scope = new TensorScope()) {
      return evaluation(input, values.of(from), values.ablation(), from);
    }
  }

  /**
   * Starts evaluating patched runs on one batch.
   *
   * @param ablations {@code [S, 1 or B, 1 or T, D]}, of that kind
   * @param from the prompts that they were taken from
   */
  Evaluation evaluation(TokenBatch input, Tensor ablations, Ablation kind, TokenBatch from) {
    // A node with all inputs resampled repeats the run that its ablation value comes from.
    boolean constantsAreAblations =
        kind.valuesAreOutputs() && Arrays.equals(input.padding(), from.padding());
    int prefix = constantsAreAblations ? sharedPrefix(input, from) : 0;
    return new Evaluation(this, input, ablations, constantsAreAblations, prefix);
  }

  /**
   * How many leading positions have the same tokens in every pair of prompts. In a causal model
   * every source has the same output there in both runs, so that patching changes nothing. At most
   * the positions whose logits are not looked at.
   */
  private int sharedPrefix(TokenBatch a, TokenBatch b) {
    if (!model.config().causal()) {
      return 0;
    }
    int length = a.length();
    int shared = Math.min(slice.first(length), length - 1);
    for (int i = 0; i < a.batchSize(); i++) {
      int at =
          Arrays.mismatch(
              a.ids(), i * length, (i + 1) * length, b.ids(), i * length, (i + 1) * length);
      shared = at < 0 ? shared : Math.min(shared, at);
    }
    return shared;
  }

  /**
   * Queries, keys and values of a block from its patched inputs; see {@link Kernels.PatchProject}.
   *
   * @param stage of attention
   * @param inputs the input of each part of the joint query, key and value matrix that is computed
   * @param columns which parts those are
   */
  void project(
      Stage stage,
      Tensor resid,
      Tensor delta,
      Tensor mask,
      int count,
      int[] inputs,
      int[] columns,
      Tensor out,
      Tensor carry) {
    Affine affine = model.affine(stage);
    kernels.patchProject(
        new Kernels.PatchProject(
            resid,
            delta,
            mask,
            count,
            model.normalization(stage),
            affine.weight(),
            affine.bias(),
            model.qkvWeight(stage),
            model.qkvBias(stage),
            model.config().dHead(),
            inputs,
            columns,
            out,
            carry));
  }
}
