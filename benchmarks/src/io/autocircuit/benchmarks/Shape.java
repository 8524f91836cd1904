package io.autocircuit.benchmarks;

/** Sizes of one block's patch operation. */
public enum Shape {
  /** A block of a small model: 12 destinations, 9 sources, 4 × 12 tokens, 64 channels. */
  SMALL(12, 9, 4, 12, 64),
  /** For the gate of the ordinary tests: 24, 73, 8 × 16, 256; a few milliseconds. */
  MEDIUM(24, 73, 8, 16, 256),
  /** Block 11 of GPT-2 small: 36 destinations, 144 sources, 32 × 16 tokens, 768 channels. */
  GPT2_BLOCK_11(36, 144, 32, 16, 768);

  final int destinations;
  final int sources;
  final int prompts;
  final int positions;
  final int channels;

  Shape(int destinations, int sources, int prompts, int positions, int channels) {
    this.destinations = destinations;
    this.sources = sources;
    this.prompts = prompts;
    this.positions = positions;
    this.channels = channels;
  }
}
