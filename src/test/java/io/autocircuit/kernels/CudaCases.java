package io.autocircuit.kernels;

import io.autocircuit.kernels.CudaLaunch.Device;
import io.autocircuit.kernels.CudaLaunch.Plan;
import io.autocircuit.kernels.CudaTiling.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Calls of the CUDA kernels at awkward sizes, for {@code cuda/test/run_cases.cpp}. */
final class CudaCases {
  private CudaCases() {}

  /** An H100's limits, but few multiprocessors, so that blocks take several tiles. */
  static final Device DEVICE = new Device(2, 232_448, 233_472);

  /** With so little shared memory that the mask has to be read in chunks. */
  static final Device SMALL = new Device(3, 101_376, 102_400);

  // The ids of run_cases.cpp.
  private static final int RESID = 1;
  private static final int DELTA = 2;
  private static final int MASK = 3;
  private static final int OUT = 4;
  private static final int RSTD = 5;
  private static final int GRAD = 6;
  private static final int NORMALIZED = 7;
  private static final int MASK_GRAD = 8;
  private static final int RESID_GRAD = 9;
  private static final int DELTA_GRAD = 10;
  private static final int SCRATCH = 11;
  private static final int QKV = 12;
  private static final int Z = 13;
  private static final int GRAD_Z = 14;
  private static final int GRAD_QKV = 15;
  private static final int COSINES = 16;
  private static final int SINES = 17;

  /** The mask's axes that are not broadcast. */
  enum Axes {
    NONE,
    PROMPTS,
    POSITIONS,
    BOTH;

    boolean prompts() {
      return this == PROMPTS || this == BOTH;
    }

    boolean positions() {
      return this == POSITIONS || this == BOTH;
    }
  }

  /** What the mask holds; the order is that of run_cases.cpp. */
  enum Fill {
    DENSE,
    SPARSE,
    WHOLE_ROWS,
    ZERO
  }

  /** How tensors lie in memory. */
  enum Layout {
    CONTIGUOUS,
    /** Rows and planes with gaps, all of them multiples of 16 bytes. */
    GAPS,
    /** With gaps and addresses of an odd number of elements. */
    ODD,
    /** {@code [S,T,B,D]} and {@code [T,B,D]}, seen as {@code [S,B,T,D]} and {@code [B,T,D]}. */
    TRANSPOSED
  }

  /** One call. */
  record Case(
      String kind,
      Device device,
      Shape shape,
      Normalization norm,
      Layout layout,
      Axes axes,
      Fill fill,
      boolean extras,
      int seed,
      Plan plan,
      String tensors) {
    @Override
    public String toString() {
      return kind
          + " "
          + shape
          + " "
          + norm.kind()
          + " "
          + layout
          + " "
          + axes
          + " "
          + fill
          + " extras="
          + extras;
    }
  }

  /** Collects the tensors of a case. */
  private static final class Tensors {
    private final StringBuilder text = new StringBuilder();
    private final Layout layout;
    private final Shape shape;
    private int count;

    Tensors(Layout layout, Shape shape) {
      this.layout = layout;
      this.shape = shape;
    }

    TensorView put(int id, long elements, long offset, long... strides) {
      count++;
      text.append(' ').append(id).append(' ').append(elements + offset).append(' ').append(offset);
      for (int axis = 0; axis < 3; axis++) {
        text.append(' ').append(axis < strides.length ? strides[axis] : 0);
      }
      return view(address(id, offset), strides);
    }

    /** A tensor of these strides, and 1 for its last axis. */
    private static TensorView view(long address, long... strides) {
      long[] all = Arrays.copyOf(strides, strides.length + 1);
      all[strides.length] = 1;
      return new TensorView("tensor", address, new long[0], all);
    }

    long address(int id, long offset) {
      return ((long) id << 40) + offset * shape.type().bytes();
    }

    private long offset() {
      return layout == Layout.ODD ? 3 : 0;
    }

    private long gap() {
      return layout == Layout.ODD ? 1 : layout == Layout.GAPS ? 8 : 0;
    }

    /** A written tensor in one piece. */
    TensorView whole(int id, long elements) {
      return put(id, elements, offset());
    }

    /** {@code [B,T,D]}. */
    TensorView stream(int id) {
      long b = shape.prompts();
      long t = shape.positions();
      long row = shape.channels() + gap();
      return layout == Layout.TRANSPOSED
          ? put(id, t * b * row, offset(), row, b * row)
          : put(id, b * (t * row + gap()), offset(), t * row + gap(), row);
    }

    /** {@code [planes,B,T,D]}. */
    TensorView planes(int id, long planes) {
      long b = shape.prompts();
      long t = shape.positions();
      long row = shape.channels() + gap();
      long plane = b * (t * row + gap()) + 2 * gap();
      return layout == Layout.TRANSPOSED
          ? put(id, planes * t * b * row, offset(), t * b * row, row, b * row)
          : put(id, planes * plane, offset(), plane, t * row + gap(), row);
    }

    TensorView mask(int id, Axes axes, long gap) {
      long row = shape.sources() + gap;
      long k = shape.destinations();
      long t = axes.positions() ? shape.positions() : 1;
      long b = axes.prompts() ? shape.prompts() : 1;
      return put(
          id,
          b * t * k * row,
          0,
          axes.prompts() ? t * k * row : 0,
          axes.positions() ? k * row : 0,
          row);
    }
  }

  static Case forward(
      Device device,
      Shape shape,
      Normalization norm,
      Layout layout,
      Axes axes,
      Fill fill,
      boolean rstd,
      int seed) {
    Tensors tensors = new Tensors(layout, shape);
    long rows = (long) shape.prompts() * shape.positions() * shape.destinations();
    boolean reads = shape.sources() > 0;
    TensorView resid = tensors.stream(RESID);
    TensorView delta = reads ? tensors.planes(DELTA, shape.sources()) : TensorView.NONE;
    TensorView mask = reads ? tensors.mask(MASK, axes, tensors.gap()) : TensorView.NONE;
    TensorView out = tensors.whole(OUT, rows * shape.channels());
    TensorView rstdAt = tensors.whole(RSTD, rows); // run_cases.cpp needs it for its bound
    Plan plan =
        PatchForwardPlan.of(
            device, CudaLaunchTest.forward(shape, resid, delta, mask, norm, out, rstdAt));
    return new Case(
        "forward",
        device,
        shape,
        norm,
        layout,
        axes,
        fill,
        rstd,
        seed,
        plan,
        " 0 0 " + tensors.count + tensors.text);
  }

  /**
   * A gradient.
   *
   * @param wanted bits: 1 the mask's, 2 the stream's, 4 that of delta
   * @param summed the axes of the mask's gradient that are kept
   */
  static Case backward(
      Device device,
      Shape shape,
      Normalization norm,
      Layout layout,
      Axes axes,
      Axes summed,
      Fill fill,
      int wanted,
      boolean shared,
      int seed) {
    Tensors tensors = new Tensors(layout, shape);
    long k = shape.destinations();
    long b = shape.prompts();
    long t = shape.positions();
    long s = shape.sources();
    boolean normalizes = norm.kind() != Normalization.Kind.NONE;
    TensorView grad = tensors.whole(GRAD, k * b * t * shape.channels());
    TensorView normalized = TensorView.NONE;
    TensorView rstd = TensorView.NONE;
    if (normalizes && shared) { // one input for all destinations
      TensorView n = tensors.stream(NORMALIZED);
      tensors.text.setLength(tensors.text.lastIndexOf(" " + NORMALIZED + " "));
      tensors.count--;
      long offset = tensors.offset();
      normalized =
          tensors.put(
              NORMALIZED,
              b * (t * (shape.channels() + tensors.gap()) + tensors.gap()),
              offset,
              0,
              n.stride(0),
              n.stride(1));
      rstd = tensors.put(RSTD, b * t, offset, 0, t, 1);
    } else if (normalizes) {
      normalized = tensors.planes(NORMALIZED, k);
      rstd = tensors.put(RSTD, k * b * t, tensors.offset(), b * t, t, 1);
    }
    boolean masks = (wanted & 1) != 0 && s > 0;
    boolean deltas = (wanted & 4) != 0 && s > 0;
    TensorView delta = masks ? tensors.planes(DELTA, s) : TensorView.NONE;
    TensorView mask = deltas ? tensors.mask(MASK, axes, tensors.gap()) : TensorView.NONE;
    TensorView maskGrad = TensorView.NONE;
    if (masks) {
      maskGrad =
          tensors.whole(
              MASK_GRAD, (summed.prompts() ? b : 1) * (summed.positions() ? t : 1) * k * s);
    }
    TensorView residGrad = (wanted & 2) != 0 ? tensors.stream(RESID_GRAD) : TensorView.NONE;
    TensorView deltaGrad = deltas ? tensors.planes(DELTA_GRAD, s) : TensorView.NONE;
    Plan plan =
        PatchBackwardPlan.of(
            device,
            new PatchBackwardArguments(
                shape.type(),
                b,
                t,
                k,
                s,
                shape.channels(),
                grad,
                normalized,
                rstd,
                delta,
                mask,
                norm,
                maskGrad,
                summed.prompts(),
                summed.positions(),
                residGrad,
                deltaGrad));
    return new Case(
        "backward",
        device,
        shape,
        norm,
        layout,
        axes,
        fill,
        shared,
        seed,
        plan,
        " "
            + (summed.prompts() ? 1 : 0)
            + " "
            + (summed.positions() ? 1 : 0)
            + " "
            + tensors.count
            + tensors.text);
  }

  /** Which keys a query sees; the order is that of cases.h. */
  enum AttentionMask {
    NONE,
    CAUSAL,
    PADDED,
    SCATTERED
  }

  /**
   * Attention, or its gradient.
   *
   * @param shape destinations are heads, sources the rotated channels, channels those of a head
   * @param adjacent whether adjacent channels are turned together
   * @param own whether each prompt has a mask and angles of its own
   */
  static Case attention(
      Device device,
      Shape shape,
      boolean adjacent,
      AttentionMask mask,
      boolean own,
      boolean backward,
      int seed) {
    Tensors tensors = new Tensors(Layout.CONTIGUOUS, shape);
    long t = shape.positions();
    long b = shape.prompts();
    long mixed = shape.rows() * shape.destinations() * shape.channels();
    long rotated = shape.sources();
    double scale = 1 / Math.sqrt(shape.channels());
    TensorView qkv = tensors.put(QKV, 3 * mixed, 0);
    TensorView seen =
        mask == AttentionMask.NONE
            ? TensorView.NONE
            : tensors.put(MASK, (own ? b : 1) * t * t, 0, own ? t * t : 0);
    boolean turns = rotated > 0;
    long angles = (own ? b : 1) * t * rotated;
    long prompt = own ? t * rotated : 0;
    TensorView cosines = turns ? tensors.put(COSINES, angles, 0, prompt) : TensorView.NONE;
    TensorView sines = turns ? tensors.put(SINES, angles, 0, prompt) : TensorView.NONE;
    TensorView z = backward ? TensorView.NONE : tensors.put(Z, mixed, 0);
    TensorView gradZ = backward ? tensors.put(GRAD_Z, mixed, 0) : TensorView.NONE;
    TensorView gradQkv = backward ? tensors.put(GRAD_QKV, 3 * mixed, 0) : TensorView.NONE;
    Plan plan =
        AttentionPlan.of(
            device,
            new AttentionArguments(
                shape.type(),
                b,
                t,
                new Kernels.AttentionPattern(
                    shape.destinations(),
                    shape.channels(),
                    scale,
                    null,
                    new Kernels.Rotation(null, null, adjacent)),
                qkv,
                seen,
                rotated,
                cosines,
                sines,
                z,
                gradZ,
                gradQkv));
    return new Case(
        backward ? "attention_backward" : "attention",
        device,
        shape,
        new Normalization(
            adjacent ? Normalization.Kind.RMS_NORM : Normalization.Kind.LAYER_NORM, scale),
        Layout.CONTIGUOUS,
        own ? Axes.PROMPTS : Axes.NONE,
        Fill.values()[mask.ordinal()],
        own,
        seed,
        plan,
        " 0 0 " + tensors.count + tensors.text);
  }

  /** Attention at awkward sizes; few widths, since each is a list of options. */
  static List<Case> attention() {
    List<Case> cases = new ArrayList<>();
    for (boolean half : new boolean[] {false, true}) {
      // B, T, H, R, W
      int[][] sizes = {
        {1, 1, 1, 0, 7},
        {2, 33, 1, 0, 7},
        {1, 70, 2, 0, 64},
        {2, 40, 1, 8, 20},
        {2, 65, 1, 16, 64},
        {1, 5, 3, 20, 20},
        {2, 7, 1, 6, 300}
      };
      for (int[] size : sizes) {
        if (half && size[4] == 20) {
          continue;
        }
        for (boolean backward : new boolean[] {false, true}) {
          int i = cases.size();
          cases.add(
              attention(
                  DEVICE,
                  shape(half, size[0], size[1], size[2], size[3], size[4]),
                  i % 4 == 2,
                  AttentionMask.values()[(i / 2 + (backward ? 1 : 0)) % 4],
                  i % 3 == 0,
                  backward,
                  i));
        }
      }
    }
    return cases;
  }

  /** The line run_cases.cpp reads; kernels are called by the variants' names. */
  static String line(Case c, java.util.function.Function<CudaLaunch, String> name) {
    Shape s = c.shape();
    StringBuilder line = new StringBuilder();
    line.append(c.kind())
        .append(s.type() == ElementType.BFLOAT16 ? " 1 " : " 0 ")
        .append(s.prompts())
        .append(' ')
        .append(s.positions())
        .append(' ')
        .append(s.destinations())
        .append(' ')
        .append(s.sources())
        .append(' ')
        .append(s.channels())
        .append(' ')
        .append(c.norm().kind().ordinal())
        .append(' ')
        .append(c.norm().epsilon())
        .append(' ')
        .append(c.fill().ordinal())
        .append(' ')
        .append(c.seed())
        .append(c.tensors())
        .append(' ')
        .append(c.plan().scratchBytes())
        .append(' ')
        .append(c.plan().launches().size());
    for (CudaLaunch launch : c.plan().launches()) {
      line.append(' ')
          .append(name.apply(launch))
          .append(' ')
          .append(launch.gridX())
          .append(' ')
          .append(launch.gridY())
          .append(' ')
          .append(launch.gridZ())
          .append(' ')
          .append(launch.blockX())
          .append(' ')
          .append(launch.blockY())
          .append(' ')
          .append(launch.sharedBytes())
          .append(' ')
          .append(launch.fields().size());
      for (long field : launch.parameters((long) SCRATCH << 40)) {
        line.append(' ').append(field);
      }
    }
    return line.toString();
  }

  private static Shape shape(boolean half, int b, int t, int k, int s, int d) {
    return new Shape(half ? ElementType.BFLOAT16 : ElementType.FLOAT32, b, t, k, s, d);
  }

  /** Awkward sizes; the rest is drawn, each value often. Few lists of options, many cases. */
  static List<Case> all() {
    Random random = new Random(5);
    List<Case> cases = new ArrayList<>();
    // {K, D}: each is one list of options per type
    int[][] sizes = {{1, 33}, {5, 64}, {37, 31}, {36, 132}, {3, 770}, {2, 1}};
    int[] sources = {1, 0, 33, 150, 31, 1, 32, 100};
    int[][] rows = {{1, 1}, {1, 7}, {3, 5}, {2, 16}, {5, 3}};
    for (boolean half : new boolean[] {false, true}) {
      for (int[] size : sizes) {
        if (half && (size[1] == 33 || size[1] == 1)) {
          continue; // an odd number of channels is 31 too
        }
        for (int i = 0; i < (half ? 5 : 8); i++) {
          boolean large = size[1] > 500 || size[0] * size[1] > 4000;
          int s = sources[i % sources.length];
          int[] bt = rows[random.nextInt(large ? 3 : rows.length)];
          Shape shape = shape(half, bt[0], bt[1], size[0], s, size[1]);
          // odd addresses in one size only: each alignment is a list of options
          Layout layout = Layout.values()[random.nextInt(4)];
          if (size[1] != 64) {
            layout = layout == Layout.ODD ? Layout.GAPS : layout;
          }
          cases.add(
              forward(
                  DEVICE,
                  shape,
                  norm(random),
                  layout,
                  Axes.values()[random.nextInt(4)],
                  Fill.values()[i % 4],
                  true,
                  cases.size()));
          cases.add(
              backward(
                  DEVICE,
                  // S decides about the options: few
                  shape(half, bt[0], bt[1], size[0], i % 2 == 0 ? 33 : s % 50, size[1]),
                  norm(random),
                  layout,
                  Axes.values()[random.nextInt(4)],
                  Axes.values()[random.nextInt(4)],
                  Fill.values()[i % 4],
                  i == 0 ? 7 : 1 + random.nextInt(7),
                  random.nextInt(4) == 0,
                  cases.size()));
        }
      }
    }
    return cases;
  }

  /** Sizes of models, long rows, little shared memory: single cases. */
  static List<Case> single() {
    List<Case> cases = new ArrayList<>();
    Normalization layerNorm = new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);
    Normalization rmsNorm = new Normalization(Normalization.Kind.RMS_NORM, 1e-6);
    for (boolean half : new boolean[] {false, true}) {
      // GPT-2 small, block 11
      Shape gpt2 = shape(half, 1, 3, 36, 144, 768);
      cases.add(
          forward(
              DEVICE,
              gpt2,
              layerNorm,
              Layout.CONTIGUOUS,
              Axes.NONE,
              Fill.DENSE,
              true,
              cases.size()));
      cases.add(
          backward(
              DEVICE,
              gpt2,
              layerNorm,
              Layout.CONTIGUOUS,
              Axes.NONE,
              Axes.NONE,
              Fill.DENSE,
              7,
              false,
              cases.size()));
      // the mask in chunks
      Shape chunked = shape(half, 2, 3, 36, 230, 128);
      for (Fill fill : Fill.values()) {
        cases.add(
            forward(SMALL, chunked, rmsNorm, Layout.GAPS, Axes.PROMPTS, fill, true, cases.size()));
        cases.add(
            backward(
                SMALL,
                chunked,
                rmsNorm,
                Layout.GAPS,
                Axes.PROMPTS,
                Axes.NONE,
                fill,
                6,
                false,
                cases.size()));
      }
      // several tiles of destinations
      Shape wide = shape(half, 1, 4, 75, 10, 128);
      cases.add(
          forward(
              DEVICE,
              wide,
              layerNorm,
              Layout.CONTIGUOUS,
              Axes.NONE,
              Fill.SPARSE,
              true,
              cases.size()));
      cases.add(
          backward(
              DEVICE,
              wide,
              layerNorm,
              Layout.CONTIGUOUS,
              Axes.NONE,
              Axes.PROMPTS,
              Fill.SPARSE,
              7,
              true,
              cases.size()));
      // many rows: several chunks in a group
      Shape many = shape(half, 3, 211, 4, 17, 16);
      cases.add(
          backward(
              DEVICE,
              many,
              rmsNorm,
              Layout.CONTIGUOUS,
              Axes.NONE,
              Axes.NONE,
              Fill.DENSE,
              7,
              false,
              cases.size()));
      // rows no fused kernel takes: the naive twins
      Shape endless = shape(half, 1, 2, 2, 3, 13_001);
      cases.add(
          forward(
              DEVICE, endless, layerNorm, Layout.GAPS, Axes.NONE, Fill.SPARSE, true, cases.size()));
      cases.add(
          backward(
              DEVICE,
              endless,
              layerNorm,
              Layout.GAPS,
              Axes.NONE,
              Axes.NONE,
              Fill.SPARSE,
              6,
              false,
              cases.size()));
    }
    return cases;
  }

  private static Normalization norm(Random random) {
    return KernelCase.norms().get(random.nextInt(3));
  }
}
