package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Checked arguments of the kernels: addresses, sizes and strides. Shared by all implementations.
 */
final class Arguments {
  private static final int FLOAT = 0;
  private static final int DOUBLE = 1;

  /** Of CUDA kernels only. */
  private static final int BFLOAT16 = 2;

  private Arguments() {}

  /**
   * A tensor as the native code sees it.
   *
   * @param data the address of its first element; null for no tensor
   * @param shape its sizes; empty for no tensor
   * @param strides in elements, 0 for axes of length 1
   */
  record View(Pointer data, long[] shape, long[] strides) {
    static final View NONE = new View(null, new long[0], new long[0]);

    /** The address as a number; 0 for no tensor. */
    long address() {
      return present() ? data.address() : 0;
    }

    long stride(int axis) {
      return axis < strides.length ? strides[axis] : 0;
    }

    boolean present() {
      return data != null;
    }
  }

  /** The checked arguments of {@code patchForward}. */
  record Forward(
      int type,
      long prompts,
      long positions,
      long destinations,
      long sources,
      long channels,
      View resid,
      View delta,
      View mask,
      int normalization,
      double epsilon,
      View out,
      View rstd) {

    /** Whether the tensors are float64. */
    boolean doublePrecision() {
      return type == DOUBLE;
    }

    /** Whether the tensors are bfloat16. */
    boolean bfloat16() {
      return type == BFLOAT16;
    }

    /** For the CPU. */
    static Forward of(Kernels.PatchForward args) {
      return of(args, Device.CPU, false);
    }

    /** For CUDA kernels, which take bfloat16 too; tensors on {@code device}. */
    static Forward of(Kernels.PatchForward args, Device device) {
      return of(args, device, true);
    }

    private static Forward of(Kernels.PatchForward args, Device device, boolean bfloat16) {
      if (args.norm() == null) {
        throw invalid("norm=null", "pass Normalization.NONE for no normalisation");
      }
      ScalarType type = elementType("resid", args.resid(), bfloat16);
      View resid = view("resid", args.resid(), type, 3, device);
      long b = resid.shape[0];
      long t = resid.shape[1];
      long d = resid.shape[2];
      positive("resid", resid);
      View out = written(contiguous("out", view("out", args.out(), type, 4, device)), "out");
      long k = out.shape[0];
      positive("out", out);
      shape("out", out, k, b, t, d);
      View rstd = View.NONE;
      if (args.rstd() != null) {
        rstd = contiguous("rstd", view("rstd", args.rstd(), type, 3, device));
        shape("rstd", rstd, k, b, t);
      }
      if ((args.delta() == null) != (args.mask() == null)) {
        throw invalid(
            "delta=" + present(args.delta()) + " mask=" + present(args.mask()),
            "pass both, or null for both when no source is patched");
      }
      View delta = View.NONE;
      View mask = View.NONE;
      long s = 0;
      if (args.delta() != null) {
        delta = view("delta", args.delta(), type, 4, device);
        s = delta.shape[0];
        shape("delta", delta, s, b, t, d);
        mask = maskView(args.mask(), type, b, t, k, s, device);
      }
      return new Forward(
          nativeType(type),
          b,
          t,
          k,
          s,
          d,
          resid,
          delta,
          mask,
          code(args.norm()),
          args.norm().epsilon(),
          out,
          rstd);
    }
  }

  /** The checked arguments of {@code patchBackward}. */
  record Backward(
      int type,
      long prompts,
      long positions,
      long destinations,
      long sources,
      long channels,
      View gradOut,
      View normalized,
      View rstd,
      View delta,
      View mask,
      int normalization,
      View maskGrad,
      boolean perPrompt,
      boolean perPosition,
      View residGrad,
      View deltaGrad) {

    /** Whether the tensors are float64. */
    boolean doublePrecision() {
      return type == DOUBLE;
    }

    /** Whether the tensors are bfloat16. */
    boolean bfloat16() {
      return type == BFLOAT16;
    }

    /** For the CPU. */
    static Backward of(Kernels.PatchBackward args) {
      return of(args, Device.CPU, false);
    }

    /** For CUDA kernels, which take bfloat16 too; tensors on {@code device}. */
    static Backward of(Kernels.PatchBackward args, Device device) {
      return of(args, device, true);
    }

    private static Backward of(Kernels.PatchBackward args, Device device, boolean bfloat16) {
      if (args.norm() == null) {
        throw invalid("norm=null", "pass Normalization.NONE for no normalisation");
      }
      ScalarType type = elementType("gradOut", args.gradOut(), bfloat16);
      View grad = contiguous("gradOut", view("gradOut", args.gradOut(), type, 4, device));
      positive("gradOut", grad);
      return of(args, type, grad, grad.shape, grad.shape[0], device);
    }

    /**
     * All but the gradient.
     *
     * @param shape K, B, T, D
     * @param rows of the masks: K, or K + 1 with a carry
     */
    private static Backward of(
        Kernels.PatchBackward args,
        ScalarType type,
        View grad,
        long[] shape,
        long rows,
        Device device) {
      long k = shape[0];
      long b = shape[1];
      long t = shape[2];
      long d = shape[3];
      View normalized = View.NONE;
      View rstd = View.NONE;
      if (args.norm().kind() != Normalization.Kind.NONE) {
        normalized = view("normalized", args.normalized(), type, 4, device);
        shape("normalized", normalized, k, b, t, d);
        rstd = anyStrides("rstd", args.rstd(), type, 3, device);
        shape("rstd", rstd, k, b, t);
      }
      View delta = View.NONE;
      View mask = View.NONE;
      View maskGrad = View.NONE;
      View residGrad = View.NONE;
      View deltaGrad = View.NONE;
      long s = 0;
      boolean perPrompt = false;
      boolean perPosition = false;
      if (args.maskGrad() != null) {
        delta = view("delta", args.delta(), type, 4, device);
        s = delta.shape[0];
        shape("delta", delta, s, b, t, d);
        maskGrad = contiguous("maskGrad", view("maskGrad", args.maskGrad(), type, 4, device));
        perPrompt = kept("maskGrad", maskGrad, 0, b);
        perPosition = kept("maskGrad", maskGrad, 1, t);
        shape("maskGrad", maskGrad, maskGrad.shape[0], maskGrad.shape[1], rows, s);
      }
      if (args.deltaGrad() != null) {
        deltaGrad = written(view("deltaGrad", args.deltaGrad(), type, 4, device), "deltaGrad");
        if (args.maskGrad() == null) {
          s = deltaGrad.shape[0];
        }
        shape("deltaGrad", deltaGrad, s, b, t, d);
        mask = maskView(args.mask(), type, b, t, rows, s, device);
      }
      if (args.residGrad() != null) {
        residGrad = written(view("residGrad", args.residGrad(), type, 3, device), "residGrad");
        shape("residGrad", residGrad, b, t, d);
      }
      return new Backward(
          nativeType(type),
          b,
          t,
          k,
          s,
          d,
          grad,
          normalized,
          rstd,
          delta,
          mask,
          code(args.norm()),
          maskGrad,
          perPrompt,
          perPosition,
          residGrad,
          deltaGrad);
    }
  }

  /** The checked arguments of {@code patchProjectBackward}. */
  record ProjectBackward(
      Backward back, View gradOut, long parts, View weight, View scale, View carry) {

    static ProjectBackward of(Kernels.PatchProjectBackward args) {
      if (args.norm() == null) {
        throw invalid("norm=null", "pass Normalization.NONE for no normalisation");
      }
      ScalarType type = elementType("gradOut", args.gradOut());
      View grad = contiguous("gradOut", view("gradOut", args.gradOut(), type, 3, Device.CPU));
      positive("gradOut", grad);
      View weight = view("weight", args.weight(), type, 2, Device.CPU);
      positive("weight", weight);
      long parts = args.inputs().length;
      long k = args.count();
      if (k < 1 || args.width() < 1) {
        throw invalid("count=" + k + " width=" + args.width(), "both must be positive");
      }
      if (!Compositions.below(args.inputs(), k)
          || IntStream.of(args.inputs()).distinct().count() != k) {
        throw invalid(
            "inputs=" + Arrays.toString(args.inputs()),
            "give one of " + k + " inputs for each part, and each input at least once");
      }
      long d = weight.shape[0];
      shape("weight", weight, d, parts * args.width());
      shape("gradOut", grad, grad.shape[0], grad.shape[1], parts * args.width());
      long[] shape = {k, grad.shape[0], grad.shape[1], d};
      View carry = View.NONE;
      if (args.carry() != null) {
        carry = view("carry", args.carry(), type, 3, Device.CPU);
        shape("carry", carry, shape[1], shape[2], d);
      }
      Kernels.PatchBackward behind =
          new Kernels.PatchBackward(
              null,
              args.normalized(),
              args.rstd(),
              args.delta(),
              args.mask(),
              args.norm(),
              args.maskGrad(),
              args.residGrad(),
              args.deltaGrad());
      long rows = carry.present() ? k + 1 : k;
      return new ProjectBackward(
          Backward.of(behind, type, View.NONE, shape, rows, Device.CPU),
          grad,
          parts,
          weight,
          channelVector("scale", args.scale(), type, d),
          carry);
    }
  }

  /** The checked arguments of {@code patchProject}. */
  record Project(
      int type,
      long prompts,
      long positions,
      long destinations,
      long sources,
      long channels,
      View resid,
      View delta,
      View mask,
      int normalization,
      double epsilon,
      View scale,
      View shift,
      View carry,
      View weight,
      View bias,
      View out) {

    static Project of(Kernels.PatchProject args) {
      if (args.norm() == null) {
        throw invalid("norm=null", "pass Normalization.NONE for no normalisation");
      }
      ScalarType type = elementType("resid", args.resid());
      View resid = view("resid", args.resid(), type, 3, Device.CPU);
      positive("resid", resid);
      long b = resid.shape[0];
      long t = resid.shape[1];
      long d = resid.shape[2];
      long k = args.count();
      if (k < 1 || args.width() < 1) {
        throw invalid("count=" + k + " width=" + args.width(), "both must be positive");
      }
      View carry = View.NONE;
      if (args.carry() != null) {
        carry = contiguous("carry", view("carry", args.carry(), type, 3, Device.CPU));
        shape("carry", carry, b, t, d);
      }
      if ((args.delta() == null) != (args.mask() == null)) {
        throw invalid(
            "delta=" + present(args.delta()) + " mask=" + present(args.mask()),
            "pass both, or null for both when no source is patched");
      }
      View delta = View.NONE;
      View mask = View.NONE;
      long s = 0;
      if (args.delta() != null) {
        delta = view("delta", args.delta(), type, 4, Device.CPU);
        s = delta.shape[0];
        shape("delta", delta, s, b, t, d);
        mask = maskView(args.mask(), type, b, t, carry.present() ? k + 1 : k, s, Device.CPU);
      }
      View weight = view("weight", args.weight(), type, 2, Device.CPU);
      long columns = weight.shape[1];
      shape("weight", weight, d, columns);
      View bias = contiguous("bias", view("bias", args.bias(), type, 1, Device.CPU));
      shape("bias", bias, columns);
      View out = written(view("out", args.out(), type, 3, Device.CPU), "out");
      shape("out", out, b, t, columns);
      if (args.inputs().length != args.columns().length
          || !Compositions.below(args.inputs(), k)
          || !Compositions.below(args.columns(), columns / args.width())) {
        throw invalid(
            "inputs="
                + Arrays.toString(args.inputs())
                + " columns="
                + Arrays.toString(args.columns()),
            "give one of "
                + k
                + " inputs and one of "
                + columns / args.width()
                + " places for each part");
      }
      return new Project(
          nativeType(type),
          b,
          t,
          k,
          s,
          d,
          resid,
          delta,
          mask,
          code(args.norm()),
          args.norm().epsilon(),
          channelVector("scale", args.scale(), type, d),
          channelVector("shift", args.shift(), type, d),
          carry,
          weight,
          bias,
          out);
    }
  }

  /** The checked arguments of {@code headOutputs}. */
  record Heads(
      int type,
      long prompts,
      long positions,
      long channels,
      View z,
      View weight,
      View ablation,
      View delta,
      View stream) {

    static Heads of(Kernels.HeadOutputs args) {
      ScalarType type = elementType("z", args.z());
      View z = view("z", args.z(), type, 3, Device.CPU);
      positive("z", z);
      long b = z.shape[0];
      long t = z.shape[1];
      View weight = contiguous("weight", view("weight", args.weight(), type, 2, Device.CPU));
      long d = weight.shape[1];
      long w = args.width();
      if (w < 1 || weight.shape[0] % w != 0) {
        throw invalid("width=" + w, "it must divide the rows=" + weight.shape[0] + " of weight");
      }
      long heads = weight.shape[0] / w;
      shape("z", z, b, t, args.heads().length * w);
      if (!Compositions.below(args.heads(), heads)) {
        throw invalid("heads=" + Arrays.toString(args.heads()), "there are " + heads + " heads");
      }
      View ablation = View.NONE;
      if (args.ablation() != null) {
        ablation = view("ablation", args.ablation(), type, 4, Device.CPU);
        shape("ablation", ablation, heads, b, t, d);
      }
      View delta = written(view("delta", args.delta(), type, 4, Device.CPU), "delta");
      shape("delta", delta, heads, b, t, d);
      View stream = View.NONE;
      if (args.stream() != null) {
        stream = contiguous("stream", view("stream", args.stream(), type, 3, Device.CPU));
        shape("stream", stream, b, t, d);
      }
      return new Heads(nativeType(type), b, t, d, z, weight, ablation, delta, stream);
    }
  }

  /** The checked arguments of {@code attention} and {@code attentionBackward}. */
  record Attention(
      int type,
      long prompts,
      long length,
      View qkv,
      View mask,
      long rotated,
      View cosines,
      View sines,
      View z,
      View gradQkv) {

    static Attention of(Kernels.Attention a) {
      return of(a.qkv(), a.prompts(), a.pattern(), "z", a.z(), null);
    }

    static Attention of(Kernels.AttentionBackward a) {
      return of(a.qkv(), a.prompts(), a.pattern(), "gradZ", a.gradZ(), a.gradQkv());
    }

    private static Attention of(
        Tensor qkv,
        int prompts,
        Kernels.AttentionPattern p,
        String name,
        Tensor z,
        Tensor gradQkv) {
      ScalarType type = elementType("qkv", qkv);
      View joint = contiguous("qkv", view("qkv", qkv, type, 2, Device.CPU));
      positive("qkv", joint);
      if (prompts < 1 || p.heads() < 1 || p.width() < 1 || joint.shape[0] % prompts != 0) {
        throw invalid(
            "prompts=" + prompts + " heads=" + p.heads() + " width=" + p.width(),
            "all must be positive, and prompts divide the rows=" + joint.shape[0] + " of qkv");
      }
      long t = joint.shape[0] / prompts;
      long width = (long) p.heads() * p.width();
      shape("qkv", joint, joint.shape[0], 3 * width);
      View mixed = contiguous(name, view(name, z, type, 2, Device.CPU));
      shape(name, mixed, joint.shape[0], width);
      View grad = View.NONE;
      if (gradQkv != null) {
        grad = contiguous("gradQkv", view("gradQkv", gradQkv, type, 2, Device.CPU));
        shape("gradQkv", grad, joint.shape);
      }
      View mask = View.NONE;
      if (p.mask() != null) {
        mask = table("mask", p.mask(), type, prompts);
        shape("mask", mask, mask.shape[0], 1, t, t);
      }
      View cosines = View.NONE;
      View sines = View.NONE;
      long rotated = 0;
      if (p.rotation() != null) {
        cosines = table("cosines", p.rotation().cosines(), type, prompts);
        sines = table("sines", p.rotation().sines(), type, prompts);
        rotated = cosines.shape[3];
        shape("cosines", cosines, cosines.shape[0], 1, t, rotated);
        shape("sines", sines, cosines.shape);
        if (rotated % 2 != 0 || rotated > p.width()) {
          throw invalid(
              "cosines.shape=" + Arrays.toString(cosines.shape),
              "an even number of at most width=" + p.width() + " channels is rotated");
        }
      }
      return new Attention(
          nativeType(type), prompts, t, joint, mask, rotated, cosines, sines, mixed, grad);
    }

    private static View table(String name, Tensor tensor, ScalarType type, int prompts) {
      View view = contiguous(name, view(name, tensor, type, 4, Device.CPU));
      kept(name, view, 0, prompts);
      return view;
    }
  }

  private static View channelVector(String name, Tensor tensor, ScalarType type, long d) {
    if (tensor == null) {
      return View.NONE;
    }
    View view = view(name, tensor, type, 1, Device.CPU);
    shape(name, view, d);
    return view;
  }

  private static View maskView(
      Tensor tensor, ScalarType type, long b, long t, long k, long s, Device device) {
    View mask = view("mask", tensor, type, 4, device);
    kept("mask", mask, 0, b);
    kept("mask", mask, 1, t);
    shape("mask", mask, mask.shape[0], mask.shape[1], k, s);
    return mask;
  }

  /** Whether an axis that may have length 1 or {@code full} is kept. */
  private static boolean kept(String name, View view, int axis, long full) {
    if (view.shape[axis] != 1 && view.shape[axis] != full) {
      throw invalid(
          name + ".shape=" + Arrays.toString(view.shape),
          "axis " + axis + " must have length 1 or " + full);
    }
    return view.shape[axis] == full;
  }

  /** The number of {@code native/include/instruction_set.h}. */
  private static int code(Normalization norm) {
    return switch (norm.kind()) {
      case NONE -> 0;
      case LAYER_NORM -> 1;
      case RMS_NORM -> 2;
    };
  }

  /** The number of {@code native/include/instruction_set.h}. */
  private static int nativeType(ScalarType type) {
    return switch (type) {
      case Double -> DOUBLE;
      case BFloat16 -> BFLOAT16;
      default -> FLOAT;
    };
  }

  /**
   * The checked arguments of a product of matrices.
   *
   * @param transposed whether {@code w} is {@code [N,K]}
   */
  record Product(
      int type, long m, long n, long k, View x, View w, boolean transposed, View start, View out) {
    static Product of(Tensor out, Tensor start, Tensor x, Tensor w) {
      ScalarType type = elementType("x", x);
      View rows = view("x", x, type, 2, Device.CPU);
      View weights = anyStrides("w", w, type, 2, Device.CPU);
      long m = rows.shape[0];
      long k = rows.shape[1];
      long n = weights.shape[1];
      shape("w", weights, k, n);
      boolean transposed = n > 1 && weights.strides[1] != 1;
      if (transposed && k > 1 && weights.strides[0] != 1) {
        throw invalid(
            "w.strides=" + Arrays.toString(weights.strides),
            "one of its axes must be contiguous; call contiguous()");
      }
      View to = written(view("out", out, type, 2, Device.CPU), "out");
      shape("out", to, m, n);
      View from = View.NONE;
      if (start != null) {
        from = view("start", start, type, start.dim() == 1 ? 1 : 2, Device.CPU);
        shape("start", from, start.dim() == 1 ? new long[] {n} : new long[] {m, n});
        if (start.dim() == 1) {
          from = new View(from.data, to.shape, new long[] {0, 1});
        }
      }
      return new Product(nativeType(type), m, n, k, rows, weights, transposed, from, to);
    }
  }

  private static ScalarType elementType(String name, Tensor tensor) {
    return elementType(name, tensor, false);
  }

  private static ScalarType elementType(String name, Tensor tensor, boolean bfloat16) {
    defined(name, tensor);
    ScalarType type = tensor.scalar_type().intern();
    boolean taken =
        type == ScalarType.Float
            || type == ScalarType.Double
            || (bfloat16 && type == ScalarType.BFloat16);
    if (!taken) {
      throw invalid(
          name + ".dtype=" + type,
          "convert it to float32" + (bfloat16 ? ", bfloat16" : "") + " or float64");
    }
    return type;
  }

  private static View view(String name, Tensor tensor, ScalarType type, int axes, Device device) {
    View view = anyStrides(name, tensor, type, axes, device);
    if (view.shape[axes - 1] > 1 && view.strides[axes - 1] != 1) {
      throw invalid(
          name + ".strides=" + Arrays.toString(view.strides),
          "the last axis must be contiguous; call contiguous()");
    }
    return view;
  }

  private static View anyStrides(
      String name, Tensor tensor, ScalarType type, int axes, Device device) {
    defined(name, tensor);
    ScalarType actual = tensor.scalar_type().intern();
    if (actual != type) {
      throw invalid(
          name + ".dtype=" + actual, "all tensors of a call need one dtype, here " + type);
    }
    boolean there =
        device.isCuda()
            ? tensor.is_cuda() && tensor.device().index() == device.index()
            : tensor.is_cpu();
    if (!there) {
      throw invalid(
          name + ".device=" + tensor.device().str().getString(),
          "move it to " + (device.isCuda() ? device.toString() : "the CPU"));
    }
    if (tensor.dim() != axes) {
      throw invalid(name + ".dim=" + tensor.dim(), "it must have " + axes + " axes");
    }
    long[] shape = new long[axes];
    long[] strides = new long[axes];
    for (int axis = 0; axis < axes; axis++) {
      shape[axis] = tensor.size(axis);
      strides[axis] = shape[axis] == 1 ? 0 : tensor.stride(axis);
    }
    return new View(tensor.data_ptr(), shape, strides);
  }

  private static void defined(String name, Tensor tensor) {
    if (tensor == null || tensor.isNull() || !tensor.defined()) {
      throw invalid(name + "=null", "it is needed with these arguments");
    }
  }

  private static View contiguous(String name, View view) {
    if (Arrays.stream(view.shape).anyMatch(size -> size == 0)) {
      return view;
    }
    long expected = 1;
    for (int axis = view.shape.length - 1; axis >= 0; axis--) {
      if (view.shape[axis] > 1 && view.strides[axis] != expected) {
        throw invalid(
            name + ".strides=" + Arrays.toString(view.strides),
            "it must be contiguous, shape=" + Arrays.toString(view.shape));
      }
      expected *= view.shape[axis];
    }
    return view;
  }

  /** Refuses a tensor that is written where two of its elements share memory. */
  private static View written(View view, String name) {
    if (Arrays.stream(view.shape).anyMatch(size -> size == 0)) {
      return view;
    }
    int[] axes =
        IntStream.range(0, view.shape.length)
            .filter(axis -> view.shape[axis] > 1)
            .boxed()
            .sorted((x, y) -> Long.compare(view.strides[x], view.strides[y]))
            .mapToInt(Integer::intValue)
            .toArray();
    long reach = 1;
    for (int axis : axes) {
      if (view.strides[axis] < reach) {
        throw invalid(
            name + ".strides=" + Arrays.toString(view.strides),
            "it is written, so its elements must not overlap; allocate it in full, shape="
                + Arrays.toString(view.shape));
      }
      reach = view.strides[axis] * view.shape[axis];
    }
    return view;
  }

  private static void positive(String name, View view) {
    for (long size : view.shape) {
      if (size < 1) {
        throw invalid(
            name + ".shape=" + Arrays.toString(view.shape), "no axis may be empty; skip the call");
      }
    }
  }

  private static void shape(String name, View view, long... expected) {
    if (!Arrays.equals(view.shape, expected)) {
      throw invalid(
          name + ".shape=" + Arrays.toString(view.shape),
          "with the other arguments it must be " + Arrays.toString(expected));
    }
  }

  private static String present(Tensor tensor) {
    return tensor == null ? "null" : "given";
  }

  private static IllegalArgumentException invalid(String what, String cure) {
    return new IllegalArgumentException(what + "; " + cure);
  }
}
