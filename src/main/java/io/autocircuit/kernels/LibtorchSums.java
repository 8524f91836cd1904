package io.autocircuit.kernels;

import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The sums over sources of the patch operation and its gradient as matrix products of libtorch's.
 * What lies in one piece is one product; else there is one for each prompt (one mask for all its
 * positions) or for each row, in batches. Δ is never copied. Tensors belong to the current scope.
 */
final class LibtorchSums {
  private LibtorchSums() {}

  /**
   * Neighbouring sources.
   *
   * @param from the first
   * @param count how many
   */
  private record Range(long from, long count) {}

  /**
   * {@code out[k,b,t,:] = resid[b,t,:] + Σ_s mask[b',t',k,s] · delta[s,b,t,:]}. In main memory,
   * sources whose mask is zero throughout are not read.
   *
   * @param out {@code [K,B,T,D]}, contiguous
   * @param resid {@code [B,T,D]}
   * @param delta {@code [S,B,T,D]}; or null
   * @param mask {@code [B or 1, T or 1, K, S]}; or null
   */
  static void mix(Tensor out, Tensor resid, Tensor delta, Tensor mask) {
    List<Range> live = delta == null ? List.of() : live(mask);
    if (live.isEmpty()) {
      out.copy_(resid.unsqueeze(0));
      return;
    }
    Tensor start = resid;
    for (Range range : live) {
      mix(out, start, narrowed(delta, 0, range), narrowed(mask, 3, range), start == null);
      start = null;
    }
  }

  private static void mix(Tensor out, Tensor resid, Tensor delta, Tensor mask, boolean add) {
    long k = out.size(0);
    long b = out.size(1);
    long t = out.size(2);
    long d = out.size(3);
    if (mask.size(1) == 1 && positionsFlat(delta)) {
      if (mask.size(0) == 1 && whole(delta)) {
        Tensor to = out.view(k, b * t * d);
        Tensor by = delta.flatten(1, 3);
        Tensor weights = mask.select(0, 0).select(0, 0);
        if (add) {
          to.addmm_(weights, by);
        } else {
          torch.addmm_out(to, resid.reshape(1, b * t * d), weights, by);
        }
      } else {
        Tensor to = out.view(k, b, t * d).transpose(0, 1);
        Tensor by = delta.flatten(2, 3).transpose(0, 1);
        Tensor weights = mask.select(1, 0).expand(b, k, mask.size(3));
        if (add) {
          to.baddbmm_(weights, by);
        } else {
          torch.baddbmm_out(to, resid.reshape(b, 1, t * d), weights, by);
        }
      }
    } else if (promptsFlat(delta)) {
      Tensor to = rows(out);
      Tensor by = rows(delta);
      Tensor weights = weights(mask, b, t);
      if (add) {
        to.baddbmm_(weights, by);
      } else {
        torch.baddbmm_out(to, resid.reshape(b * t, 1, d), weights, by);
      }
    } else {
      for (long i = 0; i < b; i++) {
        mix(
            prompt(out, 1, i),
            resid == null ? null : prompt(resid, 0, i),
            prompt(delta, 1, i),
            own(mask, i),
            add);
      }
    }
  }

  /**
   * {@code maskGrad[b',t',k,s] = Σ ⟨g[k,b,t,:], delta[s,b,t,:]⟩}, summed over the axes in which it
   * has length 1.
   *
   * @param maskGrad {@code [B or 1, T or 1, K, S]}
   * @param add whether the sums are added to what is there
   * @param g {@code [K,B,T,D]}
   * @param delta {@code [S,B,T,D]}
   */
  static void maskGradient(Tensor maskGrad, boolean add, Tensor g, Tensor delta) {
    long b = g.size(1);
    long t = g.size(2);
    long[] prompts = {0};
    Tensor sums;
    if (maskGrad.size(1) == 1 && positionsFlat(delta) && positionsFlat(g)) {
      if (maskGrad.size(0) == 1 && whole(delta) && whole(g)) {
        sums = torch.mm(g.flatten(1, 3), delta.flatten(1, 3).t()).unsqueeze(0).unsqueeze(0);
      } else {
        // [B,K,T·D] × [B,T·D,S]
        sums =
            torch
                .bmm(g.flatten(2, 3).transpose(0, 1), delta.flatten(2, 3).permute(1, 2, 0))
                .unsqueeze(1);
        if (maskGrad.size(0) == 1) {
          sums = sums.sum(prompts, true, new ScalarTypeOptional());
        }
      }
    } else if (promptsFlat(delta) && promptsFlat(g)) {
      // [B·T,K,D] × [B·T,D,S]
      sums = torch.bmm(rows(g), rows(delta).transpose(1, 2)).unflatten(0, new long[] {b, t});
      if (maskGrad.size(1) == 1) {
        sums = sums.sum(new long[] {1}, true, new ScalarTypeOptional());
      }
      if (maskGrad.size(0) == 1) {
        sums = sums.sum(prompts, true, new ScalarTypeOptional());
      }
    } else {
      boolean summed = maskGrad.size(0) == 1;
      for (long i = 0; i < b; i++) {
        maskGradient(
            own(maskGrad, i), add || (summed && i > 0), prompt(g, 1, i), prompt(delta, 1, i));
      }
      return;
    }
    if (add) {
      maskGrad.add_(sums);
    } else {
      maskGrad.copy_(sums);
    }
  }

  /**
   * {@code deltaGrad[s] += Σ_k mask[b',t',k,s] · g[k]}. In main memory, what belongs to sources
   * whose mask is zero throughout is left as it is.
   *
   * @param deltaGrad {@code [S,B,T,D]}
   * @param mask {@code [B or 1, T or 1, K, S]}
   * @param g {@code [K,B,T,D]}
   */
  static void deltaGradient(Tensor deltaGrad, Tensor mask, Tensor g) {
    for (Range range : live(mask)) {
      accumulate(narrowed(deltaGrad, 0, range), narrowed(mask, 3, range), g);
    }
  }

  private static void accumulate(Tensor deltaGrad, Tensor mask, Tensor g) {
    long b = g.size(1);
    long t = g.size(2);
    boolean positionsFlat = positionsFlat(deltaGrad) && positionsFlat(g);
    if (mask.size(1) == 1 && positionsFlat) {
      if (mask.size(0) == 1 && whole(deltaGrad) && whole(g)) {
        deltaGrad.flatten(1, 3).addmm_(mask.select(0, 0).select(0, 0).t(), g.flatten(1, 3));
      } else {
        deltaGrad
            .flatten(2, 3)
            .transpose(0, 1)
            .baddbmm_(
                mask.select(1, 0).expand(b, mask.size(2), mask.size(3)).transpose(1, 2),
                g.flatten(2, 3).transpose(0, 1));
      }
    } else if (promptsFlat(deltaGrad) && promptsFlat(g)) {
      rows(deltaGrad).baddbmm_(weights(mask, b, t).transpose(1, 2), rows(g));
    } else {
      for (long i = 0; i < b; i++) {
        accumulate(prompt(deltaGrad, 1, i), own(mask, i), prompt(g, 1, i));
      }
    }
  }

  /** Sources with a mask other than zero; on a device, where asking would wait for it, all. */
  private static List<Range> live(Tensor mask) {
    long sources = mask.size(3);
    if (mask.numel() == 0) {
      return List.of();
    }
    if (!mask.is_cpu()) {
      return List.of(new Range(0, sources));
    }
    double[] largest = Tensors.doubles(mask.abs().amax(new long[] {0, 1, 2}, false));
    List<Range> ranges = new ArrayList<>();
    for (int s = 0; s < largest.length; ) {
      int from = s;
      while (s < largest.length && largest[s] != 0) { // NaN counts
        s++;
      }
      if (s > from) {
        ranges.add(new Range(from, s - from));
      }
      s++;
    }
    return List.copyOf(ranges);
  }

  private static Tensor narrowed(Tensor x, int axis, Range range) {
    return range.count() == x.size(axis) ? x : x.narrow(axis, range.from(), range.count());
  }

  /** Whether positions and channels of {@code [N,B,T,D]} are one axis. */
  private static boolean positionsFlat(Tensor x) {
    return x.size(2) == 1 || x.stride(2) == x.size(3);
  }

  /** Whether prompts and positions of {@code [N,B,T,D]} are one axis. */
  private static boolean promptsFlat(Tensor x) {
    return x.size(1) == 1 || x.size(2) == 1 || x.stride(1) == x.size(2) * x.stride(2);
  }

  /** Whether prompts, positions and channels of {@code [N,B,T,D]} are one axis. */
  private static boolean whole(Tensor x) {
    return positionsFlat(x) && (x.size(1) == 1 || x.stride(1) == x.size(2) * x.size(3));
  }

  /** {@code [N,B,T,D]} as {@code [B·T,N,D]}, a view. */
  private static Tensor rows(Tensor x) {
    return x.permute(1, 2, 0, 3).flatten(0, 1);
  }

  /** A mask for each row, {@code [B·T,K,S]}. */
  private static Tensor weights(Tensor mask, long b, long t) {
    return mask.expand(b, t, mask.size(2), mask.size(3)).flatten(0, 1);
  }

  /** One prompt of an axis. */
  private static Tensor prompt(Tensor x, int axis, long i) {
    return x.narrow(axis, i, 1);
  }

  /** A prompt's part of what has an axis of prompts, or one for all. */
  private static Tensor own(Tensor x, long i) {
    return x.size(0) == 1 ? x : x.narrow(0, i, 1);
  }
}
