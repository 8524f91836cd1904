package io.autocircuit.kernels;

import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The fused operations in few of libtorch's, for devices, where the products are the library's and
 * a launch costs more than a small product. {@link Compositions} defines them. Nothing is copied
 * from the host, and nothing waits for the device.
 */
final class BatchedProducts {
  private BatchedProducts() {}

  /**
   * Parts that one operation projects.
   *
   * @param from the first, an index into the parts that are computed
   * @param count how many
   * @param shared whether all read one input; else each reads the one after its neighbour's
   */
  record Run(int from, int count, boolean shared) {}

  /** Cuts the parts into as long runs as their inputs and columns allow. */
  static List<Run> runs(int[] inputs, int[] columns) {
    List<Run> runs = new ArrayList<>();
    for (int from = 0; from < inputs.length; ) {
      int shared = length(inputs, columns, from, 0);
      int ascending = length(inputs, columns, from, 1);
      int count = Math.max(shared, ascending);
      runs.add(new Run(from, count, shared >= ascending));
      from += count;
    }
    return List.copyOf(runs);
  }

  /**
   * How many parts from {@code from} on have neighbouring columns and inputs {@code step} apart.
   */
  private static int length(int[] inputs, int[] columns, int from, int step) {
    int to = from + 1;
    while (to < inputs.length
        && inputs[to] == inputs[to - 1] + step
        && columns[to] == columns[to - 1] + 1) {
      to++;
    }
    return to - from;
  }

  /** Neighbouring numbers, each one more than the last, as runs. */
  private static List<Run> neighbours(int[] ascending) {
    return runs(ascending, ascending);
  }

  static void patchProject(Kernels kernels, Kernels.PatchProject a) {
    try (TensorScope scope = new TensorScope()) {
      long[] shape = a.resid().shape();
      long b = shape[0];
      long t = shape[1];
      long d = shape[2];
      boolean patched = a.delta() != null;
      Tensor y = torch.empty(new long[] {a.count(), b, t, d}, a.resid().options(), null);
      Tensor mask = patched ? a.mask().narrow(2, 0, a.count()) : null;
      kernels.patchForward(new Kernels.PatchForward(a.resid(), a.delta(), mask, a.norm(), y, null));
      if (a.carry() != null) {
        carry(kernels, a);
      }
      Tensor weight = Products.widened(a.weight(), a.resid());
      Tensor bias = a.bias();
      // scale and shift go where there is less to write: into the weights, or into the inputs
      boolean intoWeights = y.numel() > weight.numel();
      if (a.scale() != null && a.shift() != null && !intoWeights) {
        torch.addcmul_out(y, a.shift(), y, a.scale());
      } else if (a.scale() != null && !intoWeights) {
        y.mul_(a.scale());
      } else if (a.shift() != null && !intoWeights) {
        y.add_(a.shift());
      } else {
        if (a.shift() != null) {
          bias = torch.addmv(bias, weight.t(), a.shift());
        }
        if (a.scale() != null) {
          weight = weight.mul(a.scale().unsqueeze(1));
        }
      }
      project(a, y.view(a.count(), b * t, d), weight, bias);
    }
  }

  /** A stream of zeros takes no memory: one row of them, for all rows. */
  private static void carry(Kernels kernels, Kernels.PatchProject a) {
    if (a.delta() == null) {
      a.carry().zero_();
      return;
    }
    kernels.patchForward(
        new Kernels.PatchForward(
            torch.zeros_like(a.resid().narrow(0, 0, 1).narrow(1, 0, 1)).expand(a.resid().shape()),
            a.delta(),
            a.mask().narrow(2, a.count(), 1),
            Normalization.NONE,
            a.carry().unsqueeze(0),
            null));
  }

  private static void project(Kernels.PatchProject a, Tensor rows, Tensor weight, Tensor bias) {
    long w = a.width();
    long n = rows.size(1);
    long b = a.out().size(0);
    long t = a.out().size(1);
    boolean flat = b == 1 || t == 1 || a.out().stride(0) == t * a.out().stride(1);
    Tensor out = flat ? a.out().flatten(0, 1) : torch.empty_like(a.out()).view(n, a.out().size(2));
    for (Run run : runs(a.inputs(), a.columns())) {
      int input = a.inputs()[run.from()];
      long column = a.columns()[run.from()] * w;
      long wide = run.count() * w;
      Tensor to = out.narrow(1, column, wide);
      Tensor offset = bias.narrow(0, column, wide);
      Tensor by = weight.narrow(1, column, wide);
      if (run.shared()) {
        torch.addmm_out(to, offset, rows.select(0, input), by);
      } else {
        torch.baddbmm_out(
            to.unflatten(1, new long[] {run.count(), w}).transpose(0, 1),
            offset.view(run.count(), 1, w),
            rows.narrow(0, input, run.count()),
            by.unflatten(1, new long[] {run.count(), w}).transpose(0, 1));
      }
      if (!flat) {
        a.out().narrow(2, column, wide).copy_(to.reshape(b, t, wide));
      }
    }
  }

  static void headOutputs(Kernels.HeadOutputs a) {
    try (TensorScope scope = new TensorScope()) {
      long w = a.width();
      long b = a.z().size(0);
      long t = a.z().size(1);
      long d = a.weight().size(1);
      Tensor all = Products.widened(a.weight(), a.z());
      Tensor z = a.z().reshape(b * t, a.z().size(2)); // a view wherever the rows are evenly spaced
      for (Run run : neighbours(a.heads())) {
        int head = a.heads()[run.from()];
        long count = run.count();
        Tensor rows = z.narrow(1, run.from() * w, count * w);
        Tensor weight = all.narrow(0, head * w, count * w);
        Tensor some = rows.unflatten(1, new long[] {count, w}).transpose(0, 1);
        Tensor by = weight.view(count, w, d);
        Tensor delta = a.delta().narrow(0, head, count);
        Tensor ablation = a.ablation() == null ? null : a.ablation().narrow(0, head, count);
        if (b == 1 || t == 1 || delta.stride(1) == t * delta.stride(2)) {
          Tensor to = delta.flatten(1, 2);
          if (ablation == null) {
            torch.bmm_out(to, some, by);
          } else {
            torch.baddbmm_out(
                to, ablation.flatten(1, 2), some, by, new Scalar(1.0), new Scalar(-1.0));
          }
        } else {
          Tensor c = torch.bmm(some, by).view(count, b, t, d);
          if (ablation == null) {
            delta.copy_(c);
          } else {
            torch.sub_out(delta, ablation, c);
          }
        }
        if (a.stream() != null) {
          // one product more is cheaper than a pass over all heads' outputs
          a.stream().view(b * t, d).addmm_(rows, weight);
        }
      }
    }
  }

  static void patchProjectBackward(Kernels kernels, Kernels.PatchProjectBackward a) {
    try (TensorScope scope = new TensorScope()) {
      long[] shape = a.gradOut().shape();
      long rows = shape[0] * shape[1];
      long d = a.weight().size(0);
      long w = a.width();
      int parts = a.inputs().length;
      // [parts, B·T, W] and [parts, W, D], as views
      Tensor gradOut =
          a.gradOut().view(rows, shape[2]).unflatten(1, new long[] {parts, w}).transpose(0, 1);
      Tensor g = torch.empty(new long[] {a.count(), rows, d}, a.gradOut().options(), null);
      Tensor weight = Products.widened(a.weight(), a.gradOut());
      boolean intoWeights = a.scale() != null && g.numel() > weight.numel();
      if (intoWeights) {
        weight = weight.mul(a.scale().unsqueeze(1));
      }
      Tensor by = weight.t().unflatten(0, new long[] {parts, w});
      boolean[] begun = new boolean[a.count()];
      for (int from = 0; from < parts; ) {
        // parts of neighbouring inputs that are all new, or all begun
        int input = a.inputs()[from];
        boolean add = begun[input];
        int to = from;
        while (to < parts && a.inputs()[to] == input + to - from && begun[a.inputs()[to]] == add) {
          begun[a.inputs()[to]] = true;
          to++;
        }
        long count = (long) to - from;
        Tensor out = g.narrow(0, input, count);
        Tensor some = gradOut.narrow(0, from, count);
        if (add) {
          torch.baddbmm_out(out, out, some, by.narrow(0, from, count));
        } else {
          torch.bmm_out(out, some, by.narrow(0, from, count));
        }
        from = to;
      }
      if (a.scale() != null && !intoWeights) {
        g.mul_(a.scale());
      }
      Compositions.patchBackward(kernels, a, g.view(a.count(), shape[0], shape[1], d));
    }
  }
}
