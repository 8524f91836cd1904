package io.autocircuit.data;

/**
 * Token ids of several prompts, padded on the left to one length.
 *
 * @param ids row-major {@code [batchSize × length]}
 * @param batchSize number of prompts B
 * @param length number of positions T, padding included
 * @param padding leading pad positions of each prompt, {@code [B]}; all zero when nothing is padded
 */
public record TokenBatch(int[] ids, int batchSize, int length, int[] padding) {}
