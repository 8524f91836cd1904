package io.autocircuit.kernels.cuda;

/**
 * How many blocks of how many threads a launch has, along x, y and z.
 *
 * @param blocksX blocks along x
 * @param blocksY blocks along y
 * @param blocksZ blocks along z
 * @param threadsX threads of a block along x
 * @param threadsY threads of a block along y
 * @param threadsZ threads of a block along z
 */
public record Grid(
    int blocksX, int blocksY, int blocksZ, int threadsX, int threadsY, int threadsZ) {
  private static final int MOST_THREADS = 1024;
  private static final int MOST_BLOCKS_YZ = 65535;

  /**
   * A grid within CUDA's limits.
   *
   * @param blocksX blocks along x
   * @param blocksY blocks along y
   * @param blocksZ blocks along z
   * @param threadsX threads of a block along x
   * @param threadsY threads of a block along y
   * @param threadsZ threads of a block along z
   * @throws IllegalArgumentException if it is outside of them
   */
  public Grid {
    if (blocksX < 1
        || blocksY < 1
        || blocksZ < 1
        || blocksY > MOST_BLOCKS_YZ
        || blocksZ > MOST_BLOCKS_YZ
        || threadsX < 1
        || threadsY < 1
        || threadsZ < 1
        || (long) threadsX * threadsY * threadsZ > MOST_THREADS) {
      throw new IllegalArgumentException(
          String.format(
              "grid=%dx%dx%d, block=%dx%dx%d; CUDA allows 2147483647x65535x65535 blocks of 1024"
                  + " threads, each at least 1",
              blocksX, blocksY, blocksZ, threadsX, threadsY, threadsZ));
    }
  }

  /**
   * Blocks and threads along x alone.
   *
   * @param blocks their number
   * @param threads of a block
   * @return the grid
   */
  public static Grid of(int blocks, int threads) {
    return new Grid(blocks, 1, 1, threads, 1, 1);
  }
}
