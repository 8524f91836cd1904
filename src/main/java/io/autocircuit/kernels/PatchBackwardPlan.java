package io.autocircuit.kernels;

import io.autocircuit.kernels.CudaLaunch.Device;
import io.autocircuit.kernels.CudaLaunch.Plan;
import io.autocircuit.kernels.CudaTiling.Groups;
import io.autocircuit.kernels.CudaTiling.Layout;
import io.autocircuit.kernels.CudaTiling.Shape;
import java.util.ArrayList;
import java.util.List;

/**
 * Plans the CUDA launches of {@code patch_backward}: the gradients into the stream and into Δ here,
 * that of the mask in {@link MaskGradientPlan}.
 */
final class PatchBackwardPlan {
  private PatchBackwardPlan() {}

  /**
   * Plans the gradients of {@link Kernels.PatchBackward}.
   *
   * @throws IllegalArgumentException if a tensor is missing or not aligned to its elements, or a
   *     size is out of range
   */
  static Plan of(Device device, PatchBackwardArguments call) {
    Shape shape = Shape.of(call);
    CudaTiling.required("gradOut", call.gradOut());
    boolean normalizes = call.norm().kind() != Normalization.Kind.NONE;
    if (normalizes) {
      CudaTiling.required("normalized", call.normalized());
      CudaTiling.required("rstd", call.rstd());
    }
    boolean deltas = call.deltaGrad().present() && shape.sources() > 0;
    if (deltas) {
      CudaTiling.required("mask", call.mask());
    }
    boolean masks = call.maskGrad().present() && shape.sources() > 0;
    if (masks) {
      CudaTiling.required("delta", call.delta());
    }
    boolean resids = call.residGrad().present();
    List<CudaLaunch> launches = new ArrayList<>();
    if (normalizes || deltas || resids) {
      gradients(device, deltas ? call : call.withoutSources(), launches);
    }
    long scratch = masks ? MaskGradientPlan.add(device, call, launches) : 0;
    long row = shape.rows() * shape.channels();
    long k = shape.destinations();
    long s = shape.sources();
    long elements = normalizes ? 3 * k * row : k * row;
    long operations = CudaTiling.norms(call.norm(), k * row);
    if (resids) {
      elements += 2 * row;
      operations += k * row;
    }
    if (deltas) {
      elements += 2 * s * row;
      operations += 2 * k * s * row;
    }
    if (masks) {
      elements += s * row;
      operations += 2 * k * s * row;
    }
    return new Plan(launches, scratch, elements * shape.type().bytes(), operations);
  }

  /** The gradients of the inputs, of the stream, and of Δ if there are sources. */
  private static void gradients(
      Device device, PatchBackwardArguments call, List<CudaLaunch> launches) {
    Shape shape = Shape.of(call);
    boolean normalizes = call.norm().kind() != Normalization.Kind.NONE;
    int alignment =
        CudaTiling.alignment(
            shape,
            call.gradOut(),
            normalizes ? call.normalized() : TensorView.NONE,
            call.residGrad(),
            call.deltaGrad());
    Layout layout = Layout.of(shape, alignment);
    Groups groups = Groups.of(shape, call.mask());
    CudaTiling tiling = layout == null ? null : CudaTiling.of(device, shape, layout, groups, true);
    if (tiling == null) {
      naive(call, shape, fields(call, groups, 0, 0, 0), normalizes, launches);
      return;
    }
    for (int first = 0; first < shape.destinations(); first += tiling.destinations()) {
      launches.add(
          new CudaLaunch(
              "patch_backward",
              tiling.options(shape, layout),
              "patch_backward",
              (int) Math.min(tiling.tiles(), (long) device.multiprocessors() * tiling.blocks()),
              1,
              1,
              32 * layout.warps(),
              tiling.rows(),
              tiling.sharedBytes(),
              CudaLaunch.boxed(fields(call, groups, tiling.tilesPerGroup(), tiling.chunk(), first)),
              -1));
    }
  }

  private static void naive(
      PatchBackwardArguments call,
      Shape shape,
      long[] fields,
      boolean normalizes,
      List<CudaLaunch> launches) {
    String source = "patch_backward_naive";
    long rows = shape.rows();
    if (normalizes) {
      launches.add(
          CudaLaunch.naive(source, source + "_norm", shape, rows * shape.destinations(), fields));
    }
    if (call.residGrad().present()) {
      launches.add(CudaLaunch.naive(source, source + "_resid", shape, rows, fields));
    }
    if (shape.sources() > 0) {
      launches.add(
          CudaLaunch.naive(source, source + "_delta", shape, rows * shape.sources(), fields));
    }
  }

  private static long[] fields(
      PatchBackwardArguments call, Groups groups, long tilesPerGroup, long chunk, long first) {
    return groups
        .write(call.write(CallLayout.PATCH_BACKWARD_LAUNCH.writer()))
        .integers(tilesPerGroup, chunk, first)
        .words();
  }
}
