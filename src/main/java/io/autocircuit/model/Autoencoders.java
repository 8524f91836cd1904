package io.autocircuit.model;

import io.autocircuit.graph.LatentSources;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * The autoencoders of a model's MLPs, and whether what they do not reconstruct stays in the model
 * as its own part. Immutable; owns its tensors until {@link #close}.
 */
public final class Autoencoders implements AutoCloseable {
  private final Placement place;

  /** By block; null where there is none. */
  private final List<Autoencoder> blocks;

  private final boolean errorTerm;
  private final List<String> notices;
  private final List<Tensor> owned = new ArrayList<>();

  private Autoencoders(
      List<Autoencoder> blocks, boolean errorTerm, Placement place, List<String> notices) {
    this.place = place;
    this.errorTerm = errorTerm;
    this.notices = List.copyOf(notices);
    List<Autoencoder> mine = new ArrayList<>();
    try {
      for (Autoencoder a : blocks) {
        try (TensorScope scope = new TensorScope()) {
          mine.add(a == null ? null : copy(a));
        }
      }
    } catch (RuntimeException | Error e) {
      owned.forEach(Tensor::releaseReference);
      throw e;
    }
    this.blocks = Collections.unmodifiableList(mine);
  }

  private Autoencoder copy(Autoencoder a) {
    return new Autoencoder(
        own(a.encode()),
        own(a.encodeBias()),
        own(a.threshold()),
        a.chosen(),
        own(a.inputBias()),
        own(a.decode()),
        own(a.outputBias()),
        a.scaling(),
        a.latents());
  }

  private Tensor own(Tensor t) {
    if (t == null) {
      return null;
    }
    Tensor mine = place.empty(t.shape());
    mine.copy_(t);
    mine.retainReference();
    owned.add(mine);
    return mine;
  }

  /**
   * Autoencoders of given weights.
   *
   * @param blocks by block; null where a block has none. Their tensors are copied
   * @param errorTerm whether what they do not reconstruct stays, as a source of its own
   * @param place where their weights shall be: where the model's are
   * @return autoencoders, which the caller closes, or a model that is given them
   */
  public static Autoencoders of(List<Autoencoder> blocks, boolean errorTerm, Placement place) {
    return new Autoencoders(blocks, errorTerm, place, List.of());
  }

  /**
   * Reads a directory that holds an autoencoder for each block, or for some; see {@code
   * docs/autoencoders.md} for names and layouts.
   *
   * @param directory holds a directory or a file for each block
   * @param config of the model
   * @param errorTerm whether what they do not reconstruct stays, as a source of its own
   * @param place where their weights shall be: where the model's are
   * @return autoencoders, which the caller closes, or a model that is given them
   * @throws io.autocircuit.files.DataException if a file is missing, damaged or of another layout,
   *     or does not fit the model
   */
  public static Autoencoders read(
      Path directory, TransformerConfig config, boolean errorTerm, Placement place) {
    try (TensorScope scope = new TensorScope()) {
      AutoencoderReader reader = new AutoencoderReader(directory, config);
      List<Autoencoder> read = reader.read();
      return new Autoencoders(read, errorTerm, place, reader.notices());
    }
  }

  /**
   * The files of a directory that {@link #read} would look at.
   *
   * @param directory holds a directory or a file for each block
   * @return weights and settings, as paths from the directory, sorted
   * @throws io.autocircuit.files.DataException if it is no directory
   */
  public static List<String> files(Path directory) {
    return AutoencoderFiles.files(directory);
  }

  /**
   * The autoencoder of a block.
   *
   * @param block 0 to the number of blocks − 1
   * @return null if it has none
   */
  public Autoencoder block(int block) {
    return blocks.get(block);
  }

  /**
   * Number of blocks, with an autoencoder or without.
   *
   * @return at least 1
   */
  public int size() {
    return blocks.size();
  }

  /**
   * Whether what they do not reconstruct stays, as a source of its own.
   *
   * @return false if it is left out of the model
   */
  public boolean errorTerm() {
    return errorTerm;
  }

  /**
   * What their user should know about how they were read.
   *
   * @return a sentence each
   */
  public List<String> notices() {
    return notices;
  }

  /**
   * The sources of a graph with them.
   *
   * @return their latents, by block
   */
  public LatentSources sources() {
    List<int[]> latents = new ArrayList<>();
    blocks.forEach(a -> latents.add(a == null ? null : a.latents()));
    return LatentSources.of(latents, errorTerm);
  }

  /**
   * Copies in another place.
   *
   * @param other type and device
   * @return new autoencoders; these are kept
   */
  Autoencoders in(Placement other) {
    return new Autoencoders(blocks, errorTerm, other, notices);
  }

  /**
   * Copies of some latents; the others write nothing.
   *
   * @param kept for each block the numbers of latents, in any order; null for all
   * @return new autoencoders, which the caller closes; these stay as they are
   * @throws IllegalArgumentException if one is none of the block's latents
   */
  public Autoencoders keeping(List<int[]> kept) {
    List<Autoencoder> fewer = new ArrayList<>();
    try (TensorScope scope = new TensorScope()) {
      for (int b = 0; b < blocks.size(); b++) {
        Autoencoder a = blocks.get(b);
        int[] some = a == null ? null : kept.get(b);
        fewer.add(some == null ? a : a.keeping(Arrays.stream(some).distinct().sorted().toArray()));
      }
      return new Autoencoders(fewer, errorTerm, place, notices);
    }
  }

  /**
   * The memory that their weights take.
   *
   * @return bytes of native memory
   */
  public long bytes() {
    return owned.stream().mapToLong(t -> t.numel() * t.element_size()).sum();
  }

  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
  }
}
