package io.autocircuit.graph;

/**
 * A node that writes into the residual stream; in an unfactorized graph also a sum of it.
 *
 * @param name {@code Resid Start}, {@code A{block}.{head}} or {@code MLP {block}}; in an
 *     unfactorized graph also {@code Resid Mid {block}} and {@code Resid Post {block}}; of an
 *     autoencoder {@code MLP {block} Latent {latent}} and {@code MLP {block} Error}
 * @param module the TransformerLens hook whose output it is
 * @param layer its depth; an edge exists only to destinations of a strictly greater layer
 * @param index its index on the source axis of masks and activations
 * @param block the block it belongs to; −1 for the embedding
 * @param head the head, or −1
 */
public record SrcNode(String name, String module, int layer, int index, int block, int head) {
  @Override
  public String toString() {
    return name;
  }
}
