package io.autocircuit.model;

import io.autocircuit.model.StoredWeights.Recipe;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * The weights of one block of a checkpoint in Hugging Face's layout.
 *
 * @param r the checkpoint
 * @param index the block
 * @param from what its tensors' names begin with
 * @param to what its weights' names begin with
 */
record BlockReader(FamilyReader r, int index, String from, String to) {
  private static final String[] PARTS = {"Q", "K", "V"};

  private Sizes s() {
    return r.sizes;
  }

  /** Which of the four matrices have biases. */
  record Biases(boolean qkv, boolean output) {
    static final Biases NONE = new Biases(false, false);
  }

  /** The normalisations of what attention and MLP read. */
  void norms(String ln1, String ln2) {
    r.norm(to + "ln1", from + ln1);
    r.norm(to + "ln2", from + ln2);
  }

  /** The scales of normalisations of what attention and MLP write. */
  void outputNorms(String attention, String mlp) {
    r.norm(to + "ln1_post", from + attention);
    r.norm(to + "ln2_post", from + mlp);
  }

  /** Scales of queries and keys that are normalised over all heads. */
  void queryKeyNormAcrossHeads(String queries, String keys) {
    for (int i = 0; i < 2; i++) {
      int heads = heads(i);
      Recipe all =
          r.w.take(from + (i == 0 ? queries : keys) + ".weight", (long) heads * s().dHead());
      r.w.put(
          to + (i == 0 ? "attn.q_norm.w" : "attn.k_norm.w"),
          all.then(t -> t.reshape(heads, s().dHead())));
    }
  }

  /** Heads of queries, or of keys and values. */
  private int heads(int part) {
    return part == 0 ? s().heads() : s().groups();
  }

  /** Queries, keys, values and output in matrices of their own, {@code [out, in]}. */
  void attention(String module, String output, Biases biased) {
    for (int i = 0; i < PARTS.length; i++) {
      String tensor = from + module + "qkv".charAt(i) + "_proj";
      int heads = heads(i);
      long width = (long) heads * s().dHead();
      r.w.put(
          to + "attn.W_" + PARTS[i],
          r.w
              .take(tensor + ".weight", width, s().d())
              .then(t -> t.reshape(heads, s().dHead(), s().d()).permute(0, 2, 1)));
      if (biased.qkv()) {
        r.w.put(
            to + "attn.b_" + PARTS[i],
            r.w.take(tensor + ".bias", width).then(t -> t.reshape(heads, s().dHead())));
      }
    }
    output(module + output, biased.output());
  }

  /** The output matrix {@code [D, H·dHead]}. */
  void output(String module, boolean biased) {
    r.w.projection(to + "attn", from + module, false, r.residualScale);
    long width = (long) s().heads() * s().dHead();
    r.w.put(
        to + "attn.W_O",
        FamilyReader.scaled(r.transposed(from + module, s().d(), width), r.residualScale)
            .then(t -> t.reshape(s().heads(), s().dHead(), s().d())));
    r.w.put(
        to + "attn.b_O",
        FamilyReader.scaled(r.bias(from + module, s().d(), biased), r.residualScale));
  }

  /** How the rows of a joint matrix of queries, keys and values lie. */
  interface Rows {
    /**
     * The rows of a part.
     *
     * @param joint {@code [rows, …]}
     * @param part 0 for queries, 1 for keys, 2 for values
     * @return {@code [heads, dHead, …]}
     */
    Tensor of(Tensor joint, int part);
  }

  /** All queries, then all keys, then all values. */
  Rows partsInTurn() {
    return (t, part) -> {
      long queries = (long) s().heads() * s().dHead();
      long keys = (long) s().groups() * s().dHead();
      long first = part == 0 ? 0 : queries + (part - 1) * keys;
      return t.narrow(0, first, part == 0 ? queries : keys)
          .unflatten(0, new long[] {heads(part), s().dHead()});
    };
  }

  /** Of each group in turn its queries, its key and its value. */
  Rows groupsInTurn() {
    return (t, part) -> {
      int share = s().heads() / s().groups();
      Tensor groups = t.unflatten(0, new long[] {s().groups(), share + 2L, s().dHead()});
      return part == 0
          ? groups.narrow(1, 0, share).flatten(0, 1)
          : groups.select(1, share + part - 1L);
    };
  }

  /** Queries, keys and values in one matrix {@code [out, in]}. */
  void jointAttention(String module, Rows rows, boolean biased) {
    long width = (s().heads() + 2L * s().groups()) * s().dHead();
    Recipe joint = r.w.take(from + module + ".weight", width, s().d());
    for (int i = 0; i < PARTS.length; i++) {
      int part = i;
      r.w.put(to + "attn.W_" + PARTS[i], joint.then(t -> rows.of(t, part).permute(0, 2, 1)));
      if (biased) {
        r.w.put(
            to + "attn.b_" + PARTS[i],
            r.w.take(from + module + ".bias", width).then(t -> rows.of(t, part)));
      }
    }
  }

  /** An MLP of two matrices {@code [out, in]}. */
  void mlp(String module, String in, String out, boolean biased) {
    r.w.put(to + "mlp.W_in", r.transposed(from + module + in, s().mlp(), s().d()));
    outputOfMlp(module + out, biased);
    if (biased) {
      r.w.put(to + "mlp.b_in", r.w.take(from + module + in + ".bias", s().mlp()));
    }
  }

  private void outputOfMlp(String module, boolean biased) {
    r.w.projection(to + "mlp", from + module, false, r.residualScale);
    r.w.put(
        to + "mlp.W_out",
        FamilyReader.scaled(r.transposed(from + module, s().d(), s().mlp()), r.residualScale));
    if (biased) {
      r.w.put(
          to + "mlp.b_out",
          FamilyReader.scaled(r.w.take(from + module + ".bias", s().d()), r.residualScale));
    }
  }

  /** Llama's MLP: {@code gate_proj}, {@code up_proj} and {@code down_proj}. */
  void gatedMlp(boolean biased) {
    mlp("mlp.", "up_proj", "down_proj", biased);
    r.w.put(to + "mlp.W_gate", r.transposed(from + "mlp.gate_proj", s().mlp(), s().d()));
    if (biased) {
      r.w.put(to + "mlp.b_gate", r.w.take(from + "mlp.gate_proj.bias", s().mlp()));
    }
  }

  /** A gated MLP whose first matrix has the rows of the gate, then the others. */
  void jointGatedMlp(String in, String out) {
    Recipe joint = r.w.take(from + in + ".weight", 2L * s().mlp(), s().d());
    r.w.put(to + "mlp.W_gate", joint.then(t -> t.narrow(0, 0, s().mlp()).t()));
    r.w.put(to + "mlp.W_in", joint.then(t -> t.narrow(0, s().mlp(), s().mlp()).t()));
    outputOfMlp(out, false);
  }

  /** Scales of queries and keys in a tensor for each head. */
  void queryKeyNormOfHeads(String queries, String keys) {
    for (int i = 0; i < 2; i++) {
      List<Recipe> each = new ArrayList<>();
      for (int h = 0; h < heads(i); h++) {
        each.add(r.w.take(from + (i == 0 ? queries : keys) + h + ".weight", s().dHead()));
      }
      r.w.put(
          to + (i == 0 ? "attn.q_norm.w" : "attn.k_norm.w"),
          read ->
              torch.stack(
                  new TensorVector(each.stream().map(e -> e.make(read)).toArray(Tensor[]::new)),
                  0));
    }
  }

  /** Scales of queries and keys, of the shape that they have for all heads, or for each. */
  void queryKeyNorm(String queries, String keys, boolean each, boolean shifted) {
    for (int i = 0; i < 2; i++) {
      String module = from + (i == 0 ? queries : keys);
      String weight = to + (i == 0 ? "attn.q_norm" : "attn.k_norm");
      long[] shape = each ? new long[] {heads(i), s().dHead()} : new long[] {s().dHead()};
      Recipe scale = r.w.take(module + ".weight", shape);
      double offset = r.normOffset;
      r.w.put(weight + ".w", offset == 0 ? scale : scale.then(t -> t.add(new Scalar(offset))));
      if (shifted) {
        r.w.put(weight + ".b", r.w.take(module + ".bias", shape));
      }
    }
  }
}
