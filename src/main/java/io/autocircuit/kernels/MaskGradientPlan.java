package io.autocircuit.kernels;

import io.autocircuit.kernels.CudaLaunch.Device;
import io.autocircuit.kernels.CudaTiling.Groups;
import io.autocircuit.kernels.CudaTiling.Shape;
import java.util.List;

/**
 * Plans the launches of patch_backward_mask.cu: products of chunks of rows, then their sums.
 *
 * @param lanesK lanes of a warp along the destinations
 * @param tileK destinations of a lane
 * @param tilesK tiles along the destinations
 * @param tileS sources of a lane
 * @param tilesS tiles along the sources
 * @param stages of the shared memory
 * @param sharedBytes dynamic shared memory of a block
 */
record MaskGradientPlan(
    int lanesK, int tileK, int tilesK, int tileS, int tilesS, int stages, int sharedBytes) {
  // Of patch_backward_mask.cu.
  private static final int PRODUCT_THREADS = 192;
  private static final int PRODUCT_WIDE = 48;
  private static final int PRODUCT_CHUNKS = 264;
  private static final int[] PRODUCT_TILES = {1, 2, 3, 5, 7, 9};

  private static final int PARTIAL = CallLayout.MASK_GRADIENT_LAUNCH.index("partial");

  private static MaskGradientPlan of(Device device, Shape shape) {
    int lanesK = shape.destinations() < 4 ? 1 : 4;
    int tilesK = CudaTiling.ceil(shape.destinations(), 36);
    int tileK = CudaTiling.ceil(CudaTiling.ceil(shape.destinations(), tilesK), lanesK);
    int lanesS = 2 * 32 / lanesK;
    int limit = lanesK == 1 ? 3 : 9;
    int tilesS = CudaTiling.ceil(shape.sources(), lanesS * limit);
    int tileS = limit;
    for (int candidate : PRODUCT_TILES) {
      if (candidate <= limit && (long) candidate * lanesS * tilesS >= shape.sources()) {
        tileS = candidate;
        break;
      }
    }
    int rowsOfStage = lanesK * tileK + lanesS * tileS;
    int stageBytes = rowsOfStage * (PRODUCT_WIDE * shape.type().bytes() + 16);
    int stages = 2 * (3 * stageBytes + 1024) <= device.sharedBytesPerMultiprocessor() ? 3 : 2;
    if (stages * stageBytes > device.sharedBytesPerBlock()) {
      stages = 2;
    }
    int sharedBytes = Math.max(stages * stageBytes, 2 * 64 * tileK * tileS * 4);
    return new MaskGradientPlan(lanesK, tileK, tilesK, tileS, tilesS, stages, sharedBytes);
  }

  /**
   * Adds the launches of a call that has a gradient of the mask.
   *
   * @return the scratch bytes they need
   */
  static long add(Device device, PatchBackwardArguments call, List<CudaLaunch> launches) {
    Shape shape = Shape.of(call);
    Groups groups = Groups.of(shape, call.perPrompt(), call.perPosition());
    MaskGradientPlan plan = of(device, shape);
    long chunkRows = CudaTiling.ceil(shape.rows(), PRODUCT_CHUNKS);
    chunkRows = Math.min(chunkRows, groups.rows());
    long chunks = CudaTiling.ceil(groups.rows(), chunkRows);
    if (plan.tilesS > CudaTiling.MAX_GRID_YZ
        || plan.tilesK > CudaTiling.MAX_GRID_YZ
        || plan.sharedBytes > device.sharedBytesPerBlock()
        || groups.count() * chunks > Integer.MAX_VALUE) {
      throw TensorView.invalid(
          "destinations=" + shape.destinations() + " sources=" + shape.sources(),
          "cut the call into parts");
    }
    List<Long> fields =
        CudaLaunch.boxed(
            groups
                .write(call.write(CallLayout.MASK_GRADIENT_LAUNCH.writer()))
                .address(0)
                .integers(chunkRows, chunks)
                .words());
    List<String> options = plan.options(call, shape);
    launches.add(
        new CudaLaunch(
            "patch_backward_mask",
            options,
            "patch_backward_products",
            (int) (groups.count() * chunks),
            plan.tilesS,
            plan.tilesK,
            PRODUCT_THREADS,
            1,
            plan.sharedBytes,
            fields,
            PARTIAL));
    if (chunks == 1) {
      return 0;
    }
    long entries = groups.count() * shape.destinations() * shape.sources();
    launches.add(
        new CudaLaunch(
            "patch_backward_mask",
            options,
            "patch_backward_sums",
            Math.toIntExact(CudaTiling.ceil(entries, 64)),
            1,
            1,
            64,
            1,
            0,
            fields,
            PARTIAL));
    return 4 * entries * chunks;
  }

  private List<String> options(PatchBackwardArguments call, Shape shape) {
    int bytes = shape.type().bytes();
    int alignment = CudaTiling.alignment(shape, call.gradOut(), call.delta());
    return List.of(
        CudaTiling.typeOption(shape),
        CudaTiling.option("VECTOR", alignment * bytes % 16 == 0 ? 16 / bytes : 1),
        CudaTiling.option("STAGES", stages),
        CudaTiling.option("LANES_K", lanesK),
        CudaTiling.option("TILE_K", tileK),
        CudaTiling.option("TILE_S", tileS),
        CudaTiling.option("BLOCKS", 2));
  }
}
