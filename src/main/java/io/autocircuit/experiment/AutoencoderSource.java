package io.autocircuit.experiment;

import io.autocircuit.data.Batches;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.files.DataException;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.model.Autoencoders;
import io.autocircuit.model.LatentActivations;
import io.autocircuit.model.Transformer;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * The autoencoders whose latents are sources in the place of a model's MLPs.
 *
 * <p>Of each block those latents are taken that the clean prompts activate: the others would add
 * edges that change nothing in clean runs.
 *
 * @param directory where they lie; no part of a run's hash
 * @param sha256 of all their files; empty where they have not been read yet
 * @param maxLatents how many latents of a block are taken at most: those of the largest sum of
 *     activations on the clean prompts; 0 for all that are active
 * @param errorTerm whether what an autoencoder does not reconstruct is a source of its own, so that
 *     the plain model is as without autoencoders
 */
public record AutoencoderSource(
    Path directory, Optional<String> sha256, int maxLatents, boolean errorTerm) {
  /** The field of a graph's JSON. */
  static final String FIELD = "autoencoders";

  static final String MAX_LATENTS = "max_latents";
  static final String ERROR_TERM = "error_term";

  /** Prompts run together to see which latents are active. */
  private static final int BATCH_SIZE = 32;

  /**
   * Checks the number.
   *
   * @param directory where they lie; no part of a run's hash
   * @param sha256 of all their files; empty where they have not been read yet
   * @param maxLatents 0 or more
   * @param errorTerm whether what an autoencoder does not reconstruct is a source of its own
   * @throws IllegalArgumentException if the number is negative
   */
  public AutoencoderSource {
    Objects.requireNonNull(directory, "directory");
    Objects.requireNonNull(sha256, "sha256");
    if (maxLatents < 0) {
      throw new IllegalArgumentException(
          "maxLatents=" + maxLatents + " is negative; give 0 for all that are active, or more");
    }
  }

  /**
   * Autoencoders that have not been read yet.
   *
   * @param directory where they lie
   * @param maxLatents how many latents of a block are taken at most; 0 for all that are active
   * @param errorTerm whether what an autoencoder does not reconstruct is a source of its own
   * @return the source
   */
  public static AutoencoderSource at(Path directory, int maxLatents, boolean errorTerm) {
    return new AutoencoderSource(directory, Optional.empty(), maxLatents, errorTerm);
  }

  /** A graph with the hashes of its files as they are now. */
  static RunSpec.Graph pinned(RunSpec.Graph graph) {
    return graph.autoencoders().isEmpty() ? graph : of(graph, graph.autoencoders().get().pinned());
  }

  static RunSpec.Graph of(RunSpec.Graph graph, AutoencoderSource autoencoders) {
    return new RunSpec.Graph(
        graph.separateQkv(),
        graph.keyValues(),
        graph.tokenPositions(),
        graph.spans(),
        graph.form(),
        graph.level(),
        Optional.of(autoencoders));
  }

  /**
   * A graph whose autoencoders lie elsewhere now.
   *
   * @param graph with autoencoders
   * @param directory where their files are
   * @return the same graph, of the same files
   */
  public static RunSpec.Graph moved(RunSpec.Graph graph, Path directory) {
    AutoencoderSource a = graph.autoencoders().orElseThrow();
    return of(graph, new AutoencoderSource(directory, a.sha256(), a.maxLatents(), a.errorTerm()));
  }

  /** What tells it from others of an experiment. */
  String text() {
    return directory.getFileName()
        + (maxLatents > 0 ? ", at most " + maxLatents : "")
        + (errorTerm ? ", with the error term" : "");
  }

  /** With the hash of its files as they are now. */
  AutoencoderSource pinned() {
    List<String> files = Autoencoders.files(directory);
    if (files.isEmpty()) {
      throw new DataException(
          "autoencoders="
              + directory
              + " holds no safetensors files; give a directory with the autoencoder of each block");
    }
    return new AutoencoderSource(
        directory, Optional.of(Fingerprint.of(directory, files)), maxLatents, errorTerm);
  }

  /** The model of a graph: with its autoencoders, if it has some. */
  static Transformer attached(
      RunSpec.Graph graph, Transformer model, TokenizedDataset prompts, boolean padded) {
    return graph.autoencoders().map(a -> a.attach(model, prompts, padded)).orElse(model);
  }

  /**
   * Gives a model its autoencoders, and keeps the latents that its prompts activate.
   *
   * @param model without autoencoders
   * @param prompts whose clean prompts decide
   * @return takes the model's place: it is to be closed, {@code model} not
   * @throws DataException if the files cannot be read, or do not fit the model
   */
  public Transformer attach(Transformer model, TokenizedDataset prompts) {
    return attach(model, prompts, false);
  }

  /**
   * As {@link #attach(Transformer, TokenizedDataset)}, for prompts that may be padded.
   *
   * @param model without autoencoders
   * @param prompts whose clean prompts decide
   * @param padded whether prompts of different length are padded, instead of batched by length
   * @return takes the model's place: it is to be closed, {@code model} not
   * @throws DataException if the files cannot be read, or do not fit the model
   */
  public Transformer attach(Transformer model, TokenizedDataset prompts, boolean padded) {
    Autoencoders read = Autoencoders.read(directory, model.config(), errorTerm, model.placement());
    try {
      Transformer all = model.withAutoencoders(read);
      List<PromptBatch> batches =
          padded ? Batches.padded(prompts, BATCH_SIZE, 0) : Batches.byLength(prompts, BATCH_SIZE);
      LatentActivations active =
          LatentActivations.of(all, batches.stream().map(PromptBatch::clean).toList());
      return all.keepingLatents(active.largest(maxLatents));
    } catch (RuntimeException e) {
      read.close();
      throw e;
    }
  }
}
