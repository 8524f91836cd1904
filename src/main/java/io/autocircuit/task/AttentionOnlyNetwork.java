package io.autocircuit.task;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * The differentiable twin of an attention-only transformer: plain libtorch operations that autograd
 * can follow, on parameters named and shaped as TransformerLens does.
 *
 * <p>All parameters live in one flat tensor, so the optimizer is a handful of operations on it; the
 * network reads {@linkplain #views views} of it. Normalisation is LayerNorm without parameters.
 *
 * @param layers blocks L
 * @param heads heads per block H
 * @param dModel width of the residual stream D
 * @param dHead width of a head
 * @param vocab tokens V
 * @param context positions T the model knows
 */
record AttentionOnlyNetwork(int layers, int heads, int dModel, int dHead, int vocab, int context) {
  static final double EPS = 1e-5;

  /** Logits at the queries, {@code [N,V]}, and the attention patterns of each block. */
  record Output(Tensor logits, List<Tensor> patterns) {}

  /** Every parameter's name and shape, in the order they have in the flat tensor. */
  Map<String, long[]> shapes() {
    Map<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put("embed.W_E", new long[] {vocab, dModel});
    shapes.put("pos_embed.W_pos", new long[] {context, dModel});
    for (int l = 0; l < layers; l++) {
      String attn = "blocks." + l + ".attn.";
      for (String projection : List.of("Q", "K", "V")) {
        shapes.put(attn + "W_" + projection, new long[] {heads, dModel, dHead});
        shapes.put(attn + "b_" + projection, new long[] {heads, dHead});
      }
      shapes.put(attn + "W_O", new long[] {heads, dHead, dModel});
      shapes.put(attn + "b_O", new long[] {dModel});
    }
    shapes.put("unembed.W_U", new long[] {dModel, vocab});
    shapes.put("unembed.b_U", new long[] {vocab});
    return shapes;
  }

  static int size(long[] shape) {
    long size = 1;
    for (long extent : shape) {
      size *= extent;
    }
    return Math.toIntExact(size);
  }

  /** Number of parameters. */
  int size() {
    return shapes().values().stream().mapToInt(AttentionOnlyNetwork::size).sum();
  }

  /**
   * Initial parameters: biases zero, weights uniform with standard deviation {@code 1/√D} (what a
   * head writes: {@code 1/√(L·H·dHead)}).
   *
   * @param tokenScale multiplies the token embedding
   * @param positionScale multiplies the position embedding
   */
  float[] initial(RandomGenerator random, double tokenScale, double positionScale) {
    float[] flat = new float[size()];
    int offset = 0;
    for (Map.Entry<String, long[]> entry : shapes().entrySet()) {
      int size = size(entry.getValue());
      String name = entry.getKey();
      if (name.contains("W_")) {
        double fanIn = name.endsWith("W_O") ? (double) layers * heads * dHead : dModel;
        double scale =
            name.endsWith("W_E") ? tokenScale : name.endsWith("W_pos") ? positionScale : 1;
        // A uniform distribution on ±b has standard deviation b/√3.
        double bound = scale * Math.sqrt(3 / fanIn);
        for (int i = offset; i < offset + size; i++) {
          flat[i] = (float) ((2 * random.nextDouble() - 1) * bound);
        }
      }
      offset += size;
    }
    return flat;
  }

  /** Names every parameter's part of {@code flat}; the views share its memory. */
  Map<String, Tensor> views(Tensor flat) {
    Map<String, Tensor> views = new LinkedHashMap<>();
    long offset = 0;
    for (Map.Entry<String, long[]> entry : shapes().entrySet()) {
      long size = size(entry.getValue());
      views.put(entry.getKey(), flat.narrow(0, offset, size).view(entry.getValue()));
      offset += size;
    }
    return views;
  }

  /**
   * Runs the network on {@code ids} {@code [B,T]} and reads the logits at the flat indices {@code
   * queries} {@code [N]}.
   */
  Output forward(Map<String, Tensor> weights, Tensor ids, Tensor queries) {
    long batch = ids.size(0);
    long length = ids.size(1);
    Tensor future =
        torch.full(new long[] {length, length}, new Scalar(Float.NEGATIVE_INFINITY)).triu(1);
    Tensor resid =
        torch
            .embedding(weights.get("embed.W_E"), ids)
            .add(weights.get("pos_embed.W_pos").narrow(0, 0, length));
    List<Tensor> patterns = new ArrayList<>();
    for (int l = 0; l < layers; l++) {
      String attn = "blocks." + l + ".attn.";
      Tensor input = normalized(resid).view(batch * length, dModel);
      Tensor q = project(input, weights, attn, "Q", batch, length);
      Tensor k = project(input, weights, attn, "K", batch, length);
      Tensor v = project(input, weights, attn, "V", batch, length);
      Tensor scores = q.matmul(k.transpose(-2, -1)).mul(new Scalar(1 / Math.sqrt(dHead)));
      Tensor pattern = scores.add(future).softmax(-1);
      patterns.add(pattern);
      Tensor z = pattern.matmul(v).transpose(1, 2).reshape(batch * length, (long) heads * dHead);
      Tensor out = z.matmul(weights.get(attn + "W_O").view((long) heads * dHead, dModel));
      resid = resid.add(out.add(weights.get(attn + "b_O")).view(batch, length, dModel));
    }
    Tensor read = normalized(resid).view(batch * length, dModel).index_select(0, queries);
    Tensor logits = read.matmul(weights.get("unembed.W_U")).add(weights.get("unembed.b_U"));
    return new Output(logits, patterns);
  }

  private Tensor normalized(Tensor resid) {
    return torch.layer_norm(
        resid, new long[] {dModel}, new TensorOptional(), new TensorOptional(), EPS, false);
  }

  private Tensor project(
      Tensor input,
      Map<String, Tensor> weights,
      String attn,
      String which,
      long batch,
      long length) {
    Tensor weight =
        weights.get(attn + "W_" + which).permute(1, 0, 2).reshape(dModel, (long) heads * dHead);
    Tensor bias = weights.get(attn + "b_" + which).view((long) heads * dHead);
    return input.matmul(weight).add(bias).view(batch, length, heads, dHead).transpose(1, 2);
  }
}
