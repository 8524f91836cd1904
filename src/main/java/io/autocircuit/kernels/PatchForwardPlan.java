package io.autocircuit.kernels;

import io.autocircuit.kernels.CudaLaunch.Device;
import io.autocircuit.kernels.CudaLaunch.Plan;
import io.autocircuit.kernels.CudaTiling.Groups;
import io.autocircuit.kernels.CudaTiling.Layout;
import io.autocircuit.kernels.CudaTiling.Shape;
import java.util.List;

/** Plans the CUDA launches of {@code patch_forward}. */
final class PatchForwardPlan {
  private PatchForwardPlan() {}

  /**
   * Plans {@code out[k,b,t,:] = norm(resid[b,t,:] + Σ_s mask[b,t,k,s] · delta[s,b,t,:])}.
   *
   * @throws IllegalArgumentException if a tensor is missing or not aligned to its elements, or a
   *     size is out of range
   */
  static Plan of(Device device, PatchForwardArguments call) {
    Shape shape = Shape.of(call);
    boolean reads = shape.sources() > 0;
    CudaTiling.required("resid", call.resid());
    CudaTiling.required("out", call.out());
    if (reads) {
      CudaTiling.required("delta", call.delta());
      CudaTiling.required("mask", call.mask());
    }
    int alignment =
        CudaTiling.alignment(
            shape, call.out(), call.resid(), reads ? call.delta() : TensorView.NONE);
    Layout layout = Layout.of(shape, alignment);
    Groups groups = Groups.of(shape, reads ? call.mask() : TensorView.NONE);
    CudaTiling tiling = layout == null ? null : CudaTiling.of(device, shape, layout, groups, false);
    CudaLaunch launch =
        tiling == null
            ? CudaLaunch.naive(
                "patch_forward_naive",
                "patch_forward_naive",
                shape,
                shape.rows() * shape.destinations(),
                fields(call, groups, 0, 0))
            : fused(device, call, shape, layout, groups, tiling);
    long row = shape.rows() * shape.channels();
    long k = shape.destinations();
    long s = shape.sources();
    return new Plan(
        List.of(launch),
        0,
        shape.type().bytes() * row * (s + 1 + k),
        2 * k * s * row + CudaTiling.norms(call.norm(), k * row));
  }

  private static CudaLaunch fused(
      Device device,
      PatchForwardArguments call,
      Shape shape,
      Layout layout,
      Groups groups,
      CudaTiling tiling) {
    int tilesOfDestinations = CudaTiling.ceil(shape.destinations(), tiling.destinations());
    long most = (long) device.multiprocessors() * tiling.blocks() / tilesOfDestinations;
    return new CudaLaunch(
        "patch_forward",
        tiling.options(shape, layout),
        "patch_forward",
        (int) Math.min(tiling.tiles(), Math.max(1, most)),
        tilesOfDestinations,
        1,
        32 * layout.warps(),
        tiling.rows(),
        tiling.sharedBytes(),
        CudaLaunch.boxed(fields(call, groups, tiling.tilesPerGroup(), tiling.chunk())),
        -1);
  }

  private static long[] fields(
      PatchForwardArguments call, Groups groups, long tilesPerGroup, long chunk) {
    return groups
        .write(call.write(CallLayout.PATCH_FORWARD_LAUNCH.writer()))
        .integers(tilesPerGroup, chunk)
        .words();
  }
}
