package io.autocircuit.patch;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Entry;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.UnknownNameException;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * What an ablated source is replaced by; a_s(i,t) is its activation at prompt i, position t. An
 * ablation is of one of three kinds, by what its values are made from: {@link Constant}, {@link
 * Paired} or {@link Collected}.
 *
 * <p>Tensors of values and outputs have a row for each source, by its index; with autoencoders as
 * {@link SourceRows} says, where a latent is one number. S is the number of rows.
 *
 * <p>An ablation of one's own may be given to circuit runs and algorithms as it is. If its class
 * has a public constructor without arguments and is named in {@code
 * META-INF/services/io.autocircuit.patch.Ablation} of a jar on the class path, it is in the
 * catalogue too: {@code --ablation} knows it, and it is listed.
 */
// no deadlock: nothing but this interface makes the classes of its constants
@SuppressWarnings("ClassInitializationDeadlock")
public sealed interface Ablation extends Entry {
  /** a_s(i,t) of the other (clean or corrupt) prompt. */
  Ablation RESAMPLE = new StandardAblations.Resample();

  /** 0. */
  Ablation ZERO = new StandardAblations.Zero();

  /** The mean over the prompts of the batch, position by position. */
  Ablation BATCH_TOKENWISE_MEAN =
      new StandardAblations.Mean(
          "batch_tokenwise_mean",
          "Batch mean, by position",
          "mean over the batch's prompts, position by position");

  /** The mean over prompts and positions of the batch. */
  Ablation BATCH_ALL_TOK_MEAN =
      new StandardAblations.Mean(
          "batch_all_tok_mean",
          "Batch mean, over positions",
          "mean over the batch's prompts and positions");

  /** The mean over the clean prompts of the dataset, position by position. */
  Ablation TOKENWISE_MEAN_CLEAN =
      new StandardAblations.Mean(
          "tokenwise_mean_clean",
          "Mean of clean, by position",
          "mean over the dataset's clean prompts, position by position");

  /** The mean over the corrupt prompts of the dataset, position by position. */
  Ablation TOKENWISE_MEAN_CORRUPT =
      new StandardAblations.Mean(
          "tokenwise_mean_corrupt",
          "Mean of corrupt, by position",
          "mean over the dataset's corrupt prompts, position by position");

  /** The mean over the clean and corrupt prompts of the dataset, position by position. */
  Ablation TOKENWISE_MEAN_CLEAN_AND_CORRUPT =
      new StandardAblations.Mean(
          "tokenwise_mean_clean_and_corrupt",
          "Mean of both, by position",
          "mean over the dataset's clean and corrupt prompts, position by position");

  /** 0, but learned positions stay: EAP-IG's zero. */
  Ablation TOKEN_ZERO = new StandardAblations.TokenZero();

  /**
   * The mean over the clean prompts of the dataset and their positions, but learned positions stay:
   * EAP-IG's mean, as it is meant.
   */
  Ablation TOKEN_MEAN = new StandardAblations.TokenMean();

  /**
   * Constants that are learned beforehand: of all constants those with which the ablated model is
   * nearest to the full one (Li and Janson 2024, "Optimal ablation for interpretability",
   * arXiv:2409.09951). They come from {@link PatchableModel#constants}; ADR 34 says how they are
   * learned.
   */
  Ablation OPTIMAL = new StandardAblations.Optimal();

  /** Values that depend on no prompt. */
  non-sealed interface Constant extends Ablation {
    /**
     * The values.
     *
     * @param model the model that is ablated
     * @return {@code [S,1,1,D]} by source index, beside the model, in the current scope
     */
    Tensor values(PatchableModel model);
  }

  /** Values for each prompt from what the sources output on the other prompt of its pair. */
  non-sealed interface Paired extends Ablation {
    /**
     * The values.
     *
     * @param model the model that is ablated
     * @param outputs what every source outputs on the other prompts, {@code [S,B,T,D]}
     * @param prompts those prompts
     * @return {@code [S,B,T,D]} by source index, in the current scope
     */
    Tensor values(PatchableModel model, Tensor outputs, TokenBatch prompts);
  }

  /** Values that all prompts share, from what the sources output on many prompts: means, say. */
  non-sealed interface Collected extends Ablation {
    /** Which prompts the values are collected from. */
    enum From {
      /** Those that are patched from, of the batch that is run. */
      BATCH,
      /** The clean prompts of the dataset. */
      CLEAN,
      /** The corrupt prompts of the dataset. */
      CORRUPT,
      /** Both, the clean prompts of each batch first. */
      CLEAN_AND_CORRUPT
    }

    /**
     * Which prompts the values are collected from.
     *
     * @return those of the batch, or of the dataset
     */
    From from();

    /**
     * Begins to collect.
     *
     * @param model the model that is ablated
     * @param longest the largest number of positions of a prompt; shorter ones are aligned at their
     *     end
     * @return what is given every prompt's outputs; its tensors are in the current scope
     */
    Collector collector(PatchableModel model, int longest);
  }

  /** Collects values from prompts, which come some at a time as the memory budget permits. */
  interface Collector {
    /**
     * Takes the outputs of some prompts.
     *
     * @param outputs {@code [S,b,T,D]}; freed after the call
     * @param prompts those prompts; pad positions should not count
     */
    void add(Tensor outputs, TokenBatch prompts);

    /**
     * The values, once all prompts were added.
     *
     * @return {@code [S, 1 or longest, D]} in the model's type, in the current scope
     */
    Tensor values();
  }

  /**
   * The library's own ablations whose values follow from model and prompts alone: all but {@link
   * #OPTIMAL}, whose values are learned first.
   *
   * @return in the order of a listing
   */
  static List<Ablation> standard() {
    return List.of(
        RESAMPLE,
        ZERO,
        BATCH_TOKENWISE_MEAN,
        BATCH_ALL_TOK_MEAN,
        TOKENWISE_MEAN_CLEAN,
        TOKENWISE_MEAN_CORRUPT,
        TOKENWISE_MEAN_CLEAN_AND_CORRUPT,
        TOKEN_ZERO,
        TOKEN_MEAN);
  }

  /**
   * All ablations that there are: the library's, then those that other jars register.
   *
   * @return a new catalogue
   */
  static Catalogue<Ablation> catalogue() {
    List<Ablation> own = new ArrayList<>(standard());
    own.add(OPTIMAL);
    return Catalogue.load("ablation", Ablation.class, own);
  }

  /**
   * The entries of the {@link #catalogue}.
   *
   * @return in order
   */
  static List<Ablation> all() {
    return catalogue().entries();
  }

  /**
   * The ablation of that key in the {@link #catalogue}.
   *
   * @param key in any case, such as {@code resample}
   * @return the ablation
   * @throws UnknownNameException if there is none
   */
  static Ablation of(String key) {
    return catalogue().get(key);
  }

  /**
   * Whether the values are collected over a whole dataset.
   *
   * @return true for {@link Collected} values that are not of the batch
   */
  default boolean overDataset() {
    return this instanceof Collected c && c.from() != Collected.From.BATCH;
  }

  /**
   * Whether the start of the stream is ablated without the learned positions: its values are of
   * token embeddings alone, and each prompt's positions are added to them. Only of {@link Constant}
   * and of {@link #overDataset dataset} values: others are those of particular prompts.
   *
   * @return false unless overridden
   */
  default boolean keepsPositions() {
    return false;
  }

  /**
   * Whether the values are a run's outputs, unchanged: then a node all of whose inputs are ablated
   * repeats that run, and outputs its own ablation value.
   *
   * @return false for all but {@link #RESAMPLE}
   */
  default boolean valuesAreOutputs() {
    return false;
  }
}
