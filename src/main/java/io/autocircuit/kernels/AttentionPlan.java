package io.autocircuit.kernels;

import io.autocircuit.kernels.CudaLaunch.Device;
import io.autocircuit.kernels.CudaLaunch.Plan;
import java.util.ArrayList;
import java.util.List;

/** Plans the CUDA launches of {@code attention} and {@code attention_backward}. */
final class AttentionPlan {
  private static final int TILE = 32;
  private static final int THREADS = 128;

  /** Heads as wide as this at most fit the registers of the fused kernels. */
  private static final int WIDEST = 256;

  private static final int FLOAT = 4;

  /** Floats that the gradient keeps for a query. */
  private static final int STATISTICS = 3;

  private AttentionPlan() {}

  /**
   * Plans attention, or its gradient if that is asked for.
   *
   * @throws IllegalArgumentException if a size is out of range
   */
  static Plan of(Device device, AttentionArguments call) {
    long b = call.prompts();
    long t = call.length();
    long h = call.pattern().heads();
    long w = call.pattern().width();
    if (t >= 1 << 20 || b * h >= 1L << 31 || b * h * t >= 1L << 36 || w > 1 << 20) {
      throw TensorView.invalid(
          "prompts=" + b + " heads=" + h + " positions=" + t + " width=" + w,
          "use fewer than 2^20 positions and 2^31 heads of prompts");
    }
    boolean backward = call.gradQkv().present();
    int tiles = CudaTiling.ceil((int) t, TILE);
    boolean fused =
        w <= WIDEST
            && tiles <= CudaTiling.MAX_GRID_YZ
            && sharedBytes((int) w, backward ? 4 : 3, backward ? 2 : 1)
                <= device.sharedBytesPerBlock();
    long rows = b * h * t;
    long[] fields =
        call.write(CallLayout.ATTENTION_LAUNCH.writer()).tensor(TensorView.NONE, 0).words();
    List<CudaLaunch> launches = new ArrayList<>();
    long scratch;
    if (fused) {
      scratch = backward ? rows * STATISTICS * FLOAT : 0;
      if (backward) {
        launches.add(fused(call, "attention_backward_queries", tiles, 4, 1, fields));
        launches.add(fused(call, "attention_backward_keys", tiles, 4, 2, fields));
      } else {
        launches.add(fused(call, "attention", tiles, 3, 1, fields));
      }
    } else {
      scratch = (backward ? 2 : 1) * rows * t * FLOAT;
      launches.add(naive(call, "attention_naive_pattern", rows, fields));
      if (backward) {
        launches.add(naive(call, "attention_naive_slopes", rows, fields));
        launches.add(naive(call, "attention_naive_gradients", rows, fields));
      } else {
        launches.add(naive(call, "attention_naive_output", rows, fields));
      }
    }
    int matrices = backward ? 7 : 4; // of queries, keys, values or mixed values
    int products = backward ? 5 : 2;
    return new Plan(
        launches,
        scratch,
        (long) call.type().bytes() * matrices * rows * w,
        2L * products * rows * t * w);
  }

  /** The shared memory of attention.cu: so many tiles of rows, and so many of scores. */
  private static int sharedBytes(int width, int rows, int scores) {
    int row = CudaTiling.ceil(width, 4) * 4 + 4;
    return 16 + FLOAT * TILE * (rows * row + scores * (TILE + 4));
  }

  /** Blocks of a multiprocessor at once, as registers allow: 128, 168 or 255 of a thread. */
  private static int blocks(int width) {
    return width <= 64 ? 4 : width <= 128 ? 3 : 2;
  }

  private static CudaLaunch fused(
      AttentionArguments call, String entry, int tiles, int rows, int scores, long[] fields) {
    int width = call.pattern().width();
    return new CudaLaunch(
        "attention",
        List.of(
            CudaTiling.typeOption(call.type()),
            CudaTiling.option("WIDTH", width),
            CudaTiling.option("THREADS", THREADS),
            CudaTiling.option("BLOCKS", blocks(width))),
        entry,
        Math.toIntExact(call.prompts() * call.pattern().heads()),
        tiles,
        1,
        THREADS,
        1,
        sharedBytes(width, rows, scores),
        CudaLaunch.boxed(fields),
        CallLayout.ATTENTION_LAUNCH.index("scratch"));
  }

  private static CudaLaunch naive(AttentionArguments call, String entry, long rows, long[] fields) {
    return new CudaLaunch(
        "attention_naive",
        List.of(CudaTiling.typeOption(call.type())),
        entry,
        Math.toIntExact(CudaTiling.ceil(rows, 64L)),
        1,
        1,
        64,
        1,
        0,
        CudaLaunch.boxed(fields),
        CallLayout.ATTENTION_LAUNCH.index("scratch"));
  }
}
