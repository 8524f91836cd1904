package io.autocircuit.graph;

import java.util.Arrays;
import java.util.List;

/**
 * Which sources take the place of MLPs: the latents of sparse autoencoders (Cunningham et al. 2023,
 * "Sparse autoencoders find highly interpretable features in language models", arXiv:2309.08600),
 * and what the autoencoders leave over. Each block has its own, as many as it has; a block without
 * an autoencoder keeps its MLP as one source.
 *
 * <p>Immutable. Equality is by latents and error term.
 */
public final class LatentSources {
  private final int[][] latents;
  private final boolean errorTerm;

  private LatentSources(int[][] latents, boolean errorTerm) {
    this.latents = latents;
    this.errorTerm = errorTerm;
  }

  /**
   * Latents by block.
   *
   * @param latents for each block the numbers of its latents, ascending, at least one and without
   *     repetition; null for a block whose MLP is one source
   * @param errorTerm whether what an autoencoder does not reconstruct is a source of its own
   * @return the sources
   * @throws IllegalArgumentException if no block has latents, or they are not ascending
   */
  public static LatentSources of(List<int[]> latents, boolean errorTerm) {
    int[][] copy = latents.stream().map(l -> l == null ? null : l.clone()).toArray(int[][]::new);
    boolean any = false;
    for (int b = 0; b < copy.length; b++) {
      int[] some = copy[b];
      any |= some != null;
      boolean fits = some == null || (some.length > 0 && some[0] >= 0);
      for (int i = 1; fits && some != null && i < some.length; i++) {
        fits = some[i] > some[i - 1];
      }
      if (!fits) {
        throw new IllegalArgumentException(
            "latents of block="
                + b
                + " are "
                + (some.length == 0 ? "none" : "not ascending")
                + "; give the numbers of one or more, in ascending order");
      }
    }
    if (!any) {
      throw new IllegalArgumentException(
          "no block of blocks=" + copy.length + " has latents; give those of one block at least");
    }
    return new LatentSources(copy, errorTerm);
  }

  /**
   * Number of blocks, those without latents counted.
   *
   * @return at least 1
   */
  public int blocks() {
    return latents.length;
  }

  /**
   * Whether latents take the place of a block's MLP.
   *
   * @param block 0 to {@code blocks() − 1}
   * @return false where the MLP is one source
   */
  public boolean replaces(int block) {
    return latents[block] != null;
  }

  /**
   * The number of a block's latents.
   *
   * @param block 0 to {@code blocks() − 1}
   * @return 0 where the MLP is one source
   */
  public int count(int block) {
    return latents[block] == null ? 0 : latents[block].length;
  }

  /**
   * A block's latents.
   *
   * @param block 0 to {@code blocks() − 1}
   * @return their numbers in their autoencoder, ascending: a copy; empty where the MLP is one
   *     source
   */
  public int[] of(int block) {
    return latents[block] == null ? new int[0] : latents[block].clone();
  }

  /**
   * Whether what an autoencoder does not reconstruct is a source of its own.
   *
   * @return false if it is left out of the model
   */
  public boolean errorTerm() {
    return errorTerm;
  }

  /**
   * The number of the latents of all blocks.
   *
   * @return at least 1
   */
  public int total() {
    return Arrays.stream(latents).mapToInt(l -> l == null ? 0 : l.length).sum();
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof LatentSources l
        && l.errorTerm == errorTerm
        && Arrays.deepEquals(l.latents, latents);
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.deepHashCode(latents) + Boolean.hashCode(errorTerm);
  }

  @Override
  public String toString() {
    return "LatentSources[latents=" + total() + ", errorTerm=" + errorTerm + "]";
  }
}
