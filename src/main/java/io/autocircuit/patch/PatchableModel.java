package io.autocircuit.patch;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.graph.LatentSources;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.model.Affine;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import java.util.List;
import java.util.Objects;
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
 * @param shared what its runs compute alike; {@link #sharing}
 * @param constants what {@link Ablation#OPTIMAL} ablates to; null where nobody has said
 */
public record PatchableModel(
    Transformer model,
    ComputationGraph graph,
    OutputSlice slice,
    Kernels kernels,
    MemoryBudget memory,
    int workers,
    SharedOutputs shared,
    LearnedConstants constants) {

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
   * @param shared of this model alone
   * @param constants of this model and these sources; may be null
   * @throws IllegalArgumentException if graph and model do not fit, or there is no worker
   */
  public PatchableModel {
    if (workers < 1) {
      throw new IllegalArgumentException("workers=" + workers + " must be at least 1");
    }
    TransformerConfig c = model.config();
    LatentSources latents = model.autoencoders() == null ? null : model.autoencoders().sources();
    if (!Objects.equals(graph.latents(), latents)) {
      throw new IllegalArgumentException(
          graph
              + " does not fit the model "
              + c.name()
              + (latents == null
                  ? " without autoencoders"
                  : ", whose autoencoders have latents=" + latents.total())
              + "; take the graph that the model gives");
    }
    if (graph.blocks() != c.blocks()
        || graph.heads() != c.heads()
        || graph.keyValueHeads() != c.heads() && graph.keyValueHeads() != c.keyValueHeads()
        || graph.wiring() != c.wiring()) {
      throw new IllegalArgumentException(
          graph
              + " does not fit the model "
              + c.name()
              + " of blocks="
              + c.blocks()
              + ", heads="
              + c.heads()
              + (c.grouped() ? ", keyValueHeads=" + c.keyValueHeads() : "")
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
    this(model, graph, slice, kernels, MemoryBudget.UNLIMITED, 1, SharedOutputs.NONE, null);
  }

  /**
   * The same model under another memory budget. Results do not depend on it but for the rounding of
   * micro-batches.
   *
   * @param budget for all runs, beside the model's weights; batches are cut to fit into it
   * @return a new view of the same weights
   */
  public PatchableModel withMemory(MemoryBudget budget) {
    return new PatchableModel(model, graph, slice, kernels, budget, workers, shared, constants);
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
    return new PatchableModel(model, graph, slice, kernels, memory, count, shared, constants);
  }

  /**
   * The same model with one edge for each of some named spans of the prompts, which must know them
   * ({@link io.autocircuit.data.Spans#on}).
   *
   * @param names of the spans, in order
   * @return a new view of the same weights
   * @throws IllegalArgumentException if there is none, or a name is there twice
   */
  public PatchableModel withSpans(List<String> names) {
    return new PatchableModel(
        model, graph.withSpans(names), slice, kernels, memory, workers, shared, constants);
  }

  /**
   * The same model, whose runs share what they compute alike.
   *
   * @param outputs of this model alone; the caller closes them, after all runs
   * @return a new view of the same weights
   */
  public PatchableModel sharing(SharedOutputs outputs) {
    return new PatchableModel(model, graph, slice, kernels, memory, workers, outputs, constants);
  }

  /**
   * The same model, with what {@link Ablation#OPTIMAL} ablates its sources to.
   *
   * @param learned of this model and these sources; null for none
   * @return a new view of the same weights
   */
  public PatchableModel withConstants(LearnedConstants learned) {
    return new PatchableModel(model, graph, slice, kernels, memory, workers, shared, learned);
  }

  /**
   * The model with its factorized graph, in which every query head has inputs of its own, also for
   * keys and values that it shares ({@link KeyValues#PER_QUERY}), unlimited memory and one worker.
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
    return new PatchableModel(
        model, model.graph(separateQkv, KeyValues.PER_QUERY, positions), slice, kernels);
  }

  /**
   * The unpatched model's sliced logits.
   *
   * @param tokens B prompts
   * @return {@code [B,P,V]}, in the current scope
   * @throws IllegalArgumentException if a token id or the length does not fit the model
   */
  public Tensor logits(TokenBatch tokens) {
    return shared.get(slice, List.of(tokens), () -> model.logits(tokens, slice));
  }

  /**
   * Whether an evaluation that ends with its first run may write Δ over its ablation values: they
   * are of its own prompts, and nobody else has them (an ablation of another jar may keep its own).
   */
  boolean replacesValues(Ablation ablation) {
    return graph.latents() == null && ablation == Ablation.RESAMPLE && shared.none();
  }

  /**
   * Whether circuits are run as masks, one by one and with every node: where there are latents, or
   * heads depend on each other's inputs.
   */
  boolean runsCircuitsAsMasks() {
    return graph.latents() != null || model.config().features().couplesHeads();
  }

  /**
   * Where the outputs of its sources lie in tensors of outputs and of ablation values.
   *
   * @return a row for each source; with autoencoders, latents share rows
   */
  public SourceRows sourceRows() {
    return SourceRows.of(graph, model.config().dModel());
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
