package io.autocircuit.kernels;

import org.bytedeco.pytorch.Tensor;

/**
 * The patch operation and its gradient. Implementations give the same numbers up to rounding;
 * {@link ReferenceKernels} defines them. All tensors of one call have one dtype (float32 or
 * float64; {@link CudaKernels} take bfloat16 too) and live on one device; their last axis is
 * contiguous. Weights may also be bfloat16 or float16, of which the same numbers in the call's
 * dtype are computed with.
 */
public interface Kernels {

  /**
   * A short name for reports, such as {@code cpu-avx512}.
   *
   * @return the name
   */
  String name();

  /**
   * Computes every destination's (normalised) input of one block:
   *
   * <pre>out[k,b,t,:] = norm(resid[b,t,:] + Σ_s mask[b',t',k,s] · delta[s,b,t,:])</pre>
   *
   * @param args inputs and outputs
   * @throws IllegalArgumentException if shapes, dtypes or strides do not fit
   */
  void patchForward(PatchForward args);

  /**
   * The gradient of {@link #patchForward}; see {@link PatchBackward} for what is written where.
   *
   * @param args inputs and outputs
   */
  void patchBackward(PatchBackward args);

  /**
   * Softmax attention between the positions of each prompt. This default is its definition, in
   * libtorch operations.
   *
   * @param args inputs and outputs
   * @throws IllegalArgumentException if shapes, dtypes or strides do not fit
   */
  default void attention(Attention args) {
    LibtorchAttention.forward(args);
  }

  /**
   * The gradient of {@link #attention}; the pattern is computed again. This default is its
   * definition, in libtorch operations.
   *
   * @param args inputs and outputs
   * @throws IllegalArgumentException if shapes, dtypes or strides do not fit
   */
  default void attentionBackward(AttentionBackward args) {
    LibtorchAttention.backward(args);
  }

  /**
   * Arguments of {@link #patchForward}.
   *
   * @param resid the unpatched input of the block, {@code [B,T,D]}
   * @param delta Δ = ablation − current output of each source, {@code [S,B,T,D]}; any strides but
   *     the last; null when no source is patched
   * @param mask {@code [Bm,Tm,K,S]} with Bm in {1,B} and Tm in {1,T} (axes of length 1 broadcast);
   *     1 = ablated; null when {@code delta} is
   * @param norm the normalisation
   * @param out written: {@code [K,B,T,D]}, contiguous
   * @param rstd written unless null: the reciprocal root of each row, {@code [K,B,T]}, contiguous
   *     (1 for {@link Normalization.Kind#NONE})
   */
  record PatchForward(
      Tensor resid, Tensor delta, Tensor mask, Normalization norm, Tensor out, Tensor rstd) {}

  /**
   * Arguments of {@link #patchBackward}. With x'[k] the patched input before normalisation:
   *
   * <ul>
   *   <li>{@code gradOut} becomes ∂L/∂x' in place;
   *   <li>{@code maskGrad[b',t',k,s] = Σ ⟨∂L/∂x'[k,b,t,:], delta[s,b,t,:]⟩}, summed over the axes
   *       in which it has length 1 (overwritten);
   *   <li>{@code residGrad += Σ_k ∂L/∂x'[k]};
   *   <li>{@code deltaGrad[s] += Σ_k mask[b',t',k,s] · ∂L/∂x'[k]}.
   * </ul>
   *
   * <p>The order of every summation is fixed: the same call gives the same bits at any thread
   * count.
   *
   * @param gradOut ∂L/∂out, {@code [K,B,T,D]}, contiguous; overwritten with ∂L/∂x'
   * @param normalized the {@code out} of the forward call, {@code [K,B,T,D]}; null is allowed
   *     without normalisation; its first axis may be expanded (stride 0) when all destinations
   *     shared one input
   * @param rstd the {@code rstd} of the forward call, {@code [K,B,T]}, first axis may be expanded
   * @param delta as in the forward call, or null
   * @param mask as in the forward call; may be null if {@code deltaGrad} is
   * @param norm the normalisation
   * @param maskGrad written: {@code [B or 1, T or 1, K, S]}, contiguous; null if not wanted
   * @param residGrad accumulated: {@code [B,T,D]}; null if not wanted
   * @param deltaGrad accumulated: {@code [S,B,T,D]}; null if not wanted (all masks zero)
   */
  record PatchBackward(
      Tensor gradOut,
      Tensor normalized,
      Tensor rstd,
      Tensor delta,
      Tensor mask,
      Normalization norm,
      Tensor maskGrad,
      Tensor residGrad,
      Tensor deltaGrad) {}

  /**
   * {@link #patchForward}, scale and shift, and the projection of the inputs in one operation. This
   * default is its definition: the three one after another.
   *
   * @param args inputs and outputs
   * @throws IllegalArgumentException if shapes, dtypes or strides do not fit
   */
  default void patchProject(PatchProject args) {
    Compositions.patchProject(this, args);
  }

  /**
   * The gradient of {@link #patchProject} with respect to mask, stream and Δ: the gradients of the
   * inputs from those of their projections, and {@link #patchBackward}, in one operation. This
   * default is its definition: one after the other.
   *
   * @param args inputs and outputs
   * @throws IllegalArgumentException if shapes, dtypes or strides do not fit
   */
  default void patchProjectBackward(PatchProjectBackward args) {
    Compositions.patchProjectBackward(this, args);
  }

  /**
   * What some heads write into the stream, as the differences Δ that later blocks read. This
   * default is its definition, in libtorch operations.
   *
   * @param args inputs and outputs
   * @throws IllegalArgumentException if shapes, dtypes or strides do not fit
   */
  default void headOutputs(HeadOutputs args) {
    Compositions.headOutputs(args);
  }

  /**
   * Arguments of {@link #patchProject}. With y[k] the normalised, scaled and shifted inputs, each
   * part p projects one of them to its own columns:
   *
   * <pre>out[b,t, columns[p]·W + e] = bias[columns[p]·W + e]
   *                              + Σ_d y[inputs[p],b,t,d] · weight[d, columns[p]·W + e]</pre>
   *
   * @param resid as in {@link PatchForward}
   * @param delta as in {@link PatchForward}
   * @param mask as in {@link PatchForward}; with a carry it has one row more than there are inputs
   * @param count number of inputs K
   * @param norm the normalisation
   * @param scale {@code [D]}, multiplies the normalised inputs; or null
   * @param shift {@code [D]}, is added then; or null
   * @param weight {@code [D, parts·W]}
   * @param bias {@code [parts·W]}, contiguous
   * @param width W, columns of a part
   * @param inputs the input of each part that is computed, below K
   * @param columns the place of each part that is computed, in units of W columns
   * @param out {@code [B,T, parts·W]}; only the columns of the parts named are written
   * @param carry written unless null: {@code [B,T,D]}, contiguous, the last mask row's Σ_s mask·Δ_s
   *     alone, for a later destination that reads these sources too
   */
  record PatchProject(
      Tensor resid,
      Tensor delta,
      Tensor mask,
      int count,
      Normalization norm,
      Tensor scale,
      Tensor shift,
      Tensor weight,
      Tensor bias,
      int width,
      int[] inputs,
      int[] columns,
      Tensor out,
      Tensor carry) {}

  /**
   * Arguments of {@link #patchProjectBackward}. The gradient of an input, before scale and shift,
   * is
   *
   * <pre>
   * g[k,b,t,d] = Σ_{p: inputs[p] = k} Σ_e gradOut[b,t, p·W + e] · weight[d, p·W + e] · scale[d]
   * </pre>
   *
   * <p>and from there on all is as {@link PatchBackward} says. The carry is the gradient of a later
   * destination's patched input x' (behind its normalisation), which read these sources too. It has
   * the last row of {@code mask} and {@code maskGrad}, counts in {@code maskGrad} and {@code
   * deltaGrad} as a destination does, and not in {@code residGrad}.
   *
   * @param gradOut ∂L/∂ the projections, {@code [B,T, parts·W]}, contiguous
   * @param count number of inputs K
   * @param weight {@code [D, parts·W]}
   * @param scale {@code [D]}; null: 1
   * @param width W, columns of a part
   * @param inputs the input of each part; each below K, and each of them at least once
   * @param normalized as in {@link PatchBackward}
   * @param rstd as in {@link PatchBackward}
   * @param delta as in {@link PatchBackward}
   * @param mask as in {@link PatchBackward}; K + 1 rows with a carry
   * @param norm the normalisation
   * @param carry {@code [B,T,D]}; null if there is none
   * @param maskGrad as in {@link PatchBackward}; K + 1 rows with a carry
   * @param residGrad as in {@link PatchBackward}
   * @param deltaGrad as in {@link PatchBackward}
   */
  record PatchProjectBackward(
      Tensor gradOut,
      int count,
      Tensor weight,
      Tensor scale,
      int width,
      int[] inputs,
      Tensor normalized,
      Tensor rstd,
      Tensor delta,
      Tensor mask,
      Normalization norm,
      Tensor carry,
      Tensor maskGrad,
      Tensor residGrad,
      Tensor deltaGrad) {}

  /**
   * Arguments of {@link #headOutputs}. With c[i] = z[:,:, i·W … (i+1)·W] · weight[h·W … (h+1)·W]
   * for h = heads[i]:
   *
   * <ul>
   *   <li>{@code delta[h] = ablation[h] − c[i]}, or c[i] without ablations;
   *   <li>{@code stream += Σ_i c[i]}.
   * </ul>
   *
   * @param z mixed values of the heads named, next to each other: {@code [B,T, heads.length·W]}
   * @param weight {@code [H·W, D]}, contiguous
   * @param width W, columns of a head
   * @param heads which heads, ascending
   * @param ablation {@code [H,B,T,D]}, any strides but the last; or null
   * @param delta written for the heads named: {@code [H,B,T,D]}
   * @param stream accumulated: {@code [B,T,D]}, contiguous; null if not wanted
   */
  record HeadOutputs(
      Tensor z,
      Tensor weight,
      int width,
      int[] heads,
      Tensor ablation,
      Tensor delta,
      Tensor stream) {}

  /**
   * How positions attend to each other.
   *
   * @param heads H
   * @param width W, channels of a head
   * @param scale what the scores are multiplied by
   * @param mask added to the scores: {@code [B or 1, 1 or H, T, T]}, contiguous, −∞ where a key is
   *     not seen (each query sees one at least); null: every key is seen
   * @param rotation of queries and keys; null if they are not rotated
   * @param cap scaled scores s become {@code cap · tanh(s / cap)} before the mask is added; 0: they
   *     stay
   */
  record AttentionPattern(
      int heads, int width, double scale, Tensor mask, Rotation rotation, double cap) {

    /**
     * Without a cap.
     *
     * @param heads H
     * @param width W
     * @param scale multiplies the scores
     * @param mask added to the scores; or null
     * @param rotation of queries and keys; or null
     */
    public AttentionPattern(int heads, int width, double scale, Tensor mask, Rotation rotation) {
      this(heads, width, scale, mask, rotation, 0);
    }

    /**
     * Whether fused kernels know it: no cap, and one mask for all heads. Everything else is
     * computed in libtorch's operations.
     *
     * @return whether it is so
     */
    public boolean isFused() {
      return cap == 0 && (mask == null || mask.size(1) == 1);
    }
  }

  /**
   * The rotation of the first R channels of queries and keys by their position.
   *
   * @param cosines {@code [B or 1, 1, T, R]}, contiguous
   * @param sines {@code [B or 1, 1, T, R]}, contiguous
   * @param adjacentPairs whether channels 2i and 2i + 1 are turned together, not i and i + R/2
   */
  record Rotation(Tensor cosines, Tensor sines, boolean adjacentPairs) {}

  /**
   * Arguments of {@link #attention}.
   *
   * @param qkv queries, keys and values before their rotation, {@code [B·T, 3·H·W]}, contiguous
   * @param prompts B
   * @param pattern how positions attend
   * @param z written: the mixed values of every head, {@code [B·T, H·W]}, contiguous
   */
  record Attention(Tensor qkv, int prompts, AttentionPattern pattern, Tensor z) {}

  /**
   * Arguments of {@link #attentionBackward}.
   *
   * @param qkv as in {@link Attention}
   * @param prompts B
   * @param pattern as in {@link Attention}
   * @param gradZ ∂L/∂z, {@code [B·T, H·W]}, contiguous
   * @param gradQkv written: ∂L/∂qkv, {@code [B·T, 3·H·W]}, contiguous
   */
  record AttentionBackward(
      Tensor qkv, int prompts, AttentionPattern pattern, Tensor gradZ, Tensor gradQkv) {}
}
