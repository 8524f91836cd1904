package io.autocircuit.kernels;

import java.util.Arrays;
import java.util.List;

/**
 * The structures in which kernels get their arguments, field by field: those of calls in
 * native/include/calls.h, which all kernels share, and those of launches in cuda/common.cuh, a call
 * and how it is cut. Every field has 8 bytes, so that a structure is a {@code long[]}; {@link
 * Writer} is the one place that fills it.
 */
final class CallLayout {
  /** What the 8 bytes of a field are. */
  enum Kind {
    /** A two's complement number. */
    INTEGER,
    /** An IEEE binary64. */
    REAL,
    /** Where a tensor's first element lies; 0 for no tensor. */
    ADDRESS
  }

  /**
   * One field.
   *
   * @param name as in C, with that of the structure it is part of: {@code patch.resid}
   * @param kind what it holds
   */
  record Field(String name, Kind kind) {}

  static final CallLayout PATCH_FORWARD =
      new CallLayout("PatchForwardCall<void>")
          .integers("type", "B", "T", "K", "S", "D")
          .tensor("resid", "resid_b", "resid_t")
          .tensor("delta", "delta_s", "delta_b", "delta_t")
          .tensor("mask", "mask_b", "mask_t", "mask_k")
          .integers("normalization")
          .real("epsilon")
          .tensor("out")
          .tensor("rstd");

  static final CallLayout PATCH_BACKWARD =
      new CallLayout("PatchBackwardCall<void>")
          .integers("type", "B", "T", "K", "S", "D")
          .tensor("grad")
          .tensor("normalized", "normalized_k", "normalized_b", "normalized_t")
          .tensor("rstd", "rstd_k", "rstd_b", "rstd_t")
          .tensor("delta", "delta_s", "delta_b", "delta_t")
          .tensor("mask", "mask_b", "mask_t", "mask_k")
          .integers("normalization")
          .tensor("mask_grad")
          .integers("per_prompt", "per_position")
          .tensor("resid_grad", "resid_b", "resid_t")
          .tensor("delta_grad", "grad_s", "grad_b", "grad_t");

  /** Lists behind it: inputs, columns. */
  static final CallLayout PATCH_PROJECT =
      new CallLayout("PatchProjectCall<void>")
          .part("patch.", PATCH_FORWARD)
          .tensor("affine_weight")
          .tensor("affine_bias")
          .tensor("carry")
          .integers("P", "W")
          .tensor("weight", "weight_type", "weight_d")
          .tensor("bias")
          .tensor("out", "out_b", "out_t");

  /** A list behind it: inputs. */
  static final CallLayout PATCH_PROJECT_BACKWARD =
      new CallLayout("PatchProjectBackwardCall<void>")
          .part("back.", PATCH_BACKWARD)
          .tensor("grad_out")
          .integers("P", "W")
          .tensor("weight", "weight_type", "weight_d")
          .tensor("scale")
          .tensor("carry", "carry_b", "carry_t");

  /** A list behind it: heads. */
  static final CallLayout HEAD_OUTPUTS =
      new CallLayout("HeadOutputsCall<void>")
          .integers("type", "B", "T", "N", "W", "D")
          .tensor("z", "z_b", "z_t")
          .tensor("weight", "weight_type")
          .tensor("ablation", "ablation_h", "ablation_b", "ablation_t")
          .tensor("delta", "delta_h", "delta_b", "delta_t")
          .tensor("stream");

  static final CallLayout ATTENTION =
      new CallLayout("AttentionCall<void>")
          .integers("type", "B", "T", "H", "W")
          .tensor("qkv")
          .real("scale")
          .tensor("mask", "mask_b")
          .integers("R")
          .tensor("cosines")
          .tensor("sines", "rotation_b")
          .integers("adjacent")
          .tensor("z")
          .tensor("grad_z")
          .tensor("grad_qkv");

  static final CallLayout ATTENTION_LAUNCH =
      new CallLayout("AttentionLaunch").part("", ATTENTION).tensor("scratch");

  static final CallLayout MATRIX_PRODUCT =
      new CallLayout("MatrixProductCall<void>")
          .integers("type", "M", "N", "K")
          .tensor("x", "x_m")
          .tensor("w", "w_type", "w_row")
          .integers("transposed")
          .tensor("start", "start_m")
          .tensor("out", "out_m");

  static final CallLayout ACTIVATION =
      new CallLayout("ActivationCall<void>")
          .integers("type", "kind", "n")
          .tensor("x")
          .tensor("grad")
          .tensor("out");

  static final CallLayout PATCH_FORWARD_LAUNCH =
      new CallLayout("ForwardLaunch")
          .part("", PATCH_FORWARD)
          .rows()
          .integers("tiles_per_group", "chunk");

  static final CallLayout PATCH_BACKWARD_LAUNCH =
      new CallLayout("BackwardLaunch")
          .part("", PATCH_BACKWARD)
          .rows()
          .integers("tiles_per_group", "chunk", "first");

  static final CallLayout MASK_GRADIENT_LAUNCH =
      new CallLayout("MaskGradientLaunch")
          .part("", PATCH_BACKWARD)
          .rows()
          .tensor("partial")
          .integers("chunk_rows", "chunks_per_group");

  private final String structure;
  private Field[] fields = {};

  private CallLayout(String structure) {
    this.structure = structure;
  }

  private CallLayout add(String name, Kind kind) {
    fields = Arrays.copyOf(fields, fields.length + 1);
    fields[fields.length - 1] = new Field(name, kind);
    return this;
  }

  private CallLayout integers(String... names) {
    for (String name : names) {
      add(name, Kind.INTEGER);
    }
    return this;
  }

  private CallLayout real(String name) {
    return add(name, Kind.REAL);
  }

  private CallLayout tensor(String name, String... strides) {
    return add(name, Kind.ADDRESS).integers(strides);
  }

  private CallLayout part(String prefix, CallLayout part) {
    for (Field field : part.fields) {
      add(prefix + field.name, field.kind);
    }
    return this;
  }

  private CallLayout rows() {
    return integers("rows.groups", "rows.group_rows", "rows.group_step", "rows.row_step");
  }

  /** All calls and launches. */
  static List<CallLayout> all() {
    return List.of(
        PATCH_FORWARD,
        PATCH_BACKWARD,
        PATCH_PROJECT,
        PATCH_PROJECT_BACKWARD,
        HEAD_OUTPUTS,
        ATTENTION,
        MATRIX_PRODUCT,
        ACTIVATION,
        PATCH_FORWARD_LAUNCH,
        PATCH_BACKWARD_LAUNCH,
        MASK_GRADIENT_LAUNCH,
        ATTENTION_LAUNCH);
  }

  /** The structure's name in C, in the namespace {@code autocircuit}. */
  String structure() {
    return structure;
  }

  /** The fields, in order. */
  List<Field> fields() {
    return List.of(fields);
  }

  /**
   * The place of a field.
   *
   * @throws IllegalArgumentException if there is no such field
   */
  int index(String name) {
    for (int i = 0; i < fields.length; i++) {
      if (fields[i].name.equals(name)) {
        return i;
      }
    }
    throw new IllegalArgumentException(
        "field=" + name + " is not in " + structure + "; it has " + fields());
  }

  /** The number of {@code Normalization} in native/include/calls.h. */
  static long code(Normalization norm) {
    return switch (norm.kind()) {
      case NONE -> 0;
      case LAYER_NORM -> 1;
      case RMS_NORM -> 2;
    };
  }

  /** Begins a call. */
  Writer writer() {
    return new Writer(this);
  }

  /** Writes the fields of a call, in order; a value of another kind than the field's is refused. */
  static final class Writer {
    private final CallLayout layout;
    private final Field[] fields;
    private final long[] words;
    private int at;

    private Writer(CallLayout layout) {
      this.layout = layout;
      this.fields = layout.fields;
      this.words = new long[fields.length];
    }

    private Writer put(Kind kind, long word) {
      if (at == words.length || fields[at].kind != kind) {
        throw new IllegalStateException(
            "field="
                + (at == words.length ? "none" : fields[at])
                + " of "
                + layout.structure
                + " is no "
                + kind
                + "; write the fields in the order of CallLayout");
      }
      words[at++] = word;
      return this;
    }

    /** Whole numbers. */
    Writer integers(long... values) {
      for (long value : values) {
        put(Kind.INTEGER, value);
      }
      return this;
    }

    /** A truth value, as 0 or 1. */
    Writer flag(boolean value) {
      return put(Kind.INTEGER, value ? 1 : 0);
    }

    /** A number. */
    Writer real(double value) {
      return put(Kind.REAL, Double.doubleToRawLongBits(value));
    }

    /** An address; 0 for none. */
    Writer address(long address) {
      return put(Kind.ADDRESS, address);
    }

    /** A tensor with the strides of its first axes; none of them for a tensor in one piece. */
    Writer tensor(TensorView view, int axes) {
      put(Kind.ADDRESS, view.address());
      for (int axis = 0; axis < axes; axis++) {
        put(Kind.INTEGER, view.stride(axis));
      }
      return this;
    }

    /**
     * The call.
     *
     * @param lists what follows it
     * @throws IllegalStateException if a field was not written
     */
    long[] words(int[]... lists) {
      if (at != words.length) {
        throw new IllegalStateException(
            "field=" + fields[at] + " of " + layout.structure + " is not written");
      }
      if (lists.length == 0) {
        return words;
      }
      int size = words.length;
      for (int[] list : lists) {
        size += list.length;
      }
      long[] all = Arrays.copyOf(words, size);
      int next = words.length;
      for (int[] list : lists) {
        for (int number : list) {
          all[next++] = number;
        }
      }
      return all;
    }
  }
}
