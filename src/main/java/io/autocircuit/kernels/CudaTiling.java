package io.autocircuit.kernels;

import java.util.List;

/**
 * How CUDA kernels cut a call: the arithmetic that {@link PatchForwardPlan}, {@link
 * PatchBackwardPlan} and {@link MaskGradientPlan} share.
 *
 * <p>The tiling itself is that of patch_forward and patch_backward.
 *
 * @param destinations of a tile
 * @param rows of a tile
 * @param stages slots of the ring
 * @param threads the most threads a block of this layout has
 * @param blocks at once on a multiprocessor
 * @param chunk sources whose mask stands in shared memory
 * @param sharedBytes dynamic shared memory of a block
 * @param tilesPerGroup tiles that the rows of a group make
 * @param tiles of all groups
 */
record CudaTiling(
    int destinations,
    int rows,
    int stages,
    int threads,
    int blocks,
    int chunk,
    int sharedBytes,
    long tilesPerGroup,
    long tiles) {
  /** The most blocks of a grid along y and z. */
  static final int MAX_GRID_YZ = 65535;

  /** Sums of a thread (destinations × channels) that fit into registers beside all else. */
  private static final int SUMS = 144;

  private static final int MAX_WARPS = 12;
  private static final int MAX_CHANNELS = 32;
  private static final int REGISTERS = 65536;

  /**
   * The sizes of a call.
   *
   * @param type of all tensors
   * @param prompts B, 1 or more
   * @param positions T, 1 or more
   * @param destinations K, 1 or more
   * @param sources S, 0 or more
   * @param channels D, 1 or more
   */
  record Shape(
      ElementType type, int prompts, int positions, int destinations, int sources, int channels) {
    /**
     * Checks the sizes.
     *
     * @throws IllegalArgumentException if one is out of range, or there are 2^30 rows (b,t) or more
     */
    Shape {
      if (prompts < 1
          || positions < 1
          || destinations < 1
          || sources < 0
          || channels < 1
          || (long) prompts * positions >= 1 << 30
          || channels > 1 << 24
          || destinations > 1 << 20
          || sources > 1 << 20) {
        throw TensorView.invalid(
            "prompts="
                + prompts
                + " positions="
                + positions
                + " destinations="
                + destinations
                + " sources="
                + sources
                + " channels="
                + channels,
            "use sizes of 1 or more (sources: 0 or more) and fewer than 2^30 rows");
      }
    }

    static Shape of(PatchForwardArguments a) {
      return of(a.type(), a.prompts(), a.positions(), a.destinations(), a.sources(), a.channels());
    }

    static Shape of(PatchBackwardArguments a) {
      return of(a.type(), a.prompts(), a.positions(), a.destinations(), a.sources(), a.channels());
    }

    private static Shape of(ElementType type, long b, long t, long k, long s, long d) {
      return new Shape(
          type,
          Math.toIntExact(b),
          Math.toIntExact(t),
          Math.toIntExact(k),
          Math.toIntExact(s),
          Math.toIntExact(d));
    }

    /** B·T. */
    long rows() {
      return (long) prompts * positions;
    }
  }

  /**
   * How the threads of a row share out its channels: access p of thread x is at channel (p·32·warps
   * + x)·vector. Depends on D, the element type and the alignment alone, since it decides in which
   * order the normalisation adds.
   *
   * @param vector channels of an access
   * @param pieces accesses of a thread
   * @param warps of a row
   */
  record Layout(int vector, int pieces, int warps) {
    /** Null if the row is too long for the registers of a block. */
    static Layout of(Shape shape, int alignment) {
      int channels = shape.channels();
      int vector = 1;
      while (vector < 4 && alignment % (2 * vector) == 0 && 2 * vector * 32 <= channels) {
        vector *= 2;
      }
      int lanes = channels / vector;
      int pieces = Math.max(Math.min(4 / vector, ceil(lanes, 32)), ceil(lanes, 32 * MAX_WARPS));
      if (pieces * vector > MAX_CHANNELS) {
        return null;
      }
      return new Layout(vector, pieces, ceil(lanes, 32 * pieces));
    }

    int channels() {
      return vector * pieces;
    }
  }

  /**
   * Rows (b,t) that share one mask, or are summed into one entry; see {@code Rows} in common.cuh.
   *
   * @param count of groups
   * @param rows of a group
   * @param groupStep from the first row of a group to that of the next
   * @param rowStep from a row of a group to the next
   */
  record Groups(long count, long rows, long groupStep, long rowStep) {
    static Groups of(Shape shape, boolean perPrompt, boolean perPosition) {
      long b = shape.prompts();
      long t = shape.positions();
      if (perPrompt && perPosition) {
        return new Groups(b * t, 1, 1, 1);
      }
      if (perPrompt) {
        return new Groups(b, t, t, 1);
      }
      return perPosition ? new Groups(t, b, 1, t) : new Groups(1, b * t, 0, 1);
    }

    /** The groups of rows that share one mask. */
    static Groups of(Shape shape, TensorView mask) {
      return of(
          shape,
          mask.stride(0) != 0 && shape.prompts() > 1,
          mask.stride(1) != 0 && shape.positions() > 1);
    }

    CallLayout.Writer write(CallLayout.Writer to) {
      return to.integers(count, rows, groupStep, rowStep);
    }
  }

  /** Null if the shared memory does not hold the least. */
  static CudaTiling of(
      CudaLaunch.Device device, Shape shape, Layout layout, Groups groups, boolean gradients) {
    int warps = layout.warps;
    int channels = layout.channels();
    int tilesOfDestinations = ceil(shape.destinations(), Math.max(1, SUMS / channels));
    if (tilesOfDestinations > MAX_GRID_YZ) {
      return null;
    }
    int destinations = ceil(shape.destinations(), tilesOfDestinations);
    int width = roundUp(destinations, 4);
    int mostRows = Math.max(1, 6 / warps);
    int threads = 32 * warps * mostRows;
    int sums = destinations * channels;
    int others = sums < 128 ? 40 : 20; // a full block has to live with few
    int registers = Math.min(255, Math.max(64, roundUp(sums + channels + others, 8)));
    int blocks = Math.max(1, Math.min(4, REGISTERS / (threads * registers)));
    int slot = threads * channels * shape.type().bytes();
    int stages = slot <= 6 << 10 ? 8 : slot <= 16 << 10 ? 4 : 2;
    int rows = (int) Math.min(mostRows, groups.rows);
    int slots = gradients ? stages : stages + 1;
    int entries = gradients ? 2 * destinations : destinations;
    int fixed = 16 + slots * slot + 8 * (threads / 32) * roundUp(entries, 4) + 4 * (width + 4);
    int available =
        Math.min(
            device.sharedBytesPerBlock(), device.sharedBytesPerMultiprocessor() / blocks - 1024);
    int chunk = shape.sources();
    if (fixed + maskBytes(chunk, width) > available) {
      chunk = (available - fixed - 16) / (128 * (width + 4) + 4) * 32;
      if (chunk <= 0) {
        return null;
      }
    }
    long tilesPerGroup = ceil(groups.rows, rows);
    return new CudaTiling(
        destinations,
        rows,
        stages,
        threads,
        blocks,
        chunk,
        (int) (fixed + maskBytes(chunk, width)),
        tilesPerGroup,
        groups.count * tilesPerGroup);
  }

  private static long maskBytes(int chunk, int width) {
    return 4L * chunk * (width + 4) + roundUp(4 * ceil(chunk, 32), 16);
  }

  /** The compiler's options for a layout and this tiling. */
  List<String> options(Shape shape, Layout layout) {
    return List.of(
        typeOption(shape),
        option("VECTOR", layout.vector),
        option("PIECES", layout.pieces),
        option("DESTINATIONS", destinations),
        option("STAGES", stages),
        option("CHUNKED", chunk < shape.sources() ? 1 : 0),
        option("THREADS", threads),
        option("BLOCKS", blocks));
  }

  /** The option that says how numbers are stored. */
  static String typeOption(Shape shape) {
    return typeOption(shape.type());
  }

  /** The option that says how numbers are stored. */
  static String typeOption(ElementType type) {
    return option("BFLOAT16", type == ElementType.BFLOAT16 ? 1 : 0);
  }

  /** An option of the compiler. */
  static String option(String name, int value) {
    return "-DAUTOCIRCUIT_" + name + "=" + value;
  }

  /** The most elements, up to 16 bytes, that can be moved at once in all of these tensors. */
  static int alignment(Shape shape, TensorView... tensors) {
    int bytes = shape.type().bytes();
    long bits = Math.multiplyExact((long) shape.channels(), bytes) | 16;
    for (TensorView tensor : tensors) {
      if (tensor.present()) {
        bits |= tensor.address();
        for (int axis = 0; axis < tensor.strides().length - 1; axis++) {
          bits |= tensor.stride(axis) * bytes;
        }
      }
    }
    long aligned = Long.lowestOneBit(bits);
    if (aligned < bytes) {
      throw TensorView.invalid("address alignment=" + aligned, "align tensors to their elements");
    }
    return (int) (aligned / bytes);
  }

  /** Operations that normalising so many elements, or its gradient, takes. */
  static long norms(Normalization norm, long elements) {
    return norm.kind() == Normalization.Kind.NONE ? 0 : 8 * elements;
  }

  /** Refuses a tensor that is needed and not there. */
  static void required(String name, TensorView tensor) {
    if (!tensor.present()) {
      throw TensorView.invalid(name + "=none", "it is needed with these arguments");
    }
  }

  static int ceil(int n, int by) {
    return (n + by - 1) / by;
  }

  static long ceil(long n, long by) {
    return (n + by - 1) / by;
  }

  private static int roundUp(int n, int to) {
    return ceil(n, to) * to;
  }
}
