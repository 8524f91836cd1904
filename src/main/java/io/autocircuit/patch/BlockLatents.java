package io.autocircuit.patch;

import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.Autoencoder;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The latents of one block in a run. The difference of latent k is of rank one, {@code Δ_k = (p_k −
 * f_k) decode[k]}, so only the numbers {@code δ_k = p_k − f_k} are kept, and only of latents that
 * are active somewhere, in the run or in what is patched in. The others have Δ = 0, and no gradient
 * passes through them.
 */
final class BlockLatents {
  /** Of all latents, the share of active ones from which on choosing them is not worth a copy. */
  private static final double MOST = 0.75;

  /** The stage that writes them. */
  final Stage stage;

  /** Which of the stage's latents are kept, ascending; null for all. */
  final int[] active;

  /** The number of all latents. */
  final int total;

  /** δ, {@code [B,T − first,A]}. */
  final Tensor delta;

  /** What each writes, {@code [A,D]}. */
  final Tensor decode;

  /** The first position that they were computed at. */
  final int first;

  /** {@code Σ_k Δ_k}, {@code [B,T − first,D]}; null until it is asked for. */
  private Tensor whole;

  private BlockLatents(
      Stage stage, int[] active, int total, Tensor delta, Tensor decode, int first) {
    this.stage = stage;
    this.active = active;
    this.total = total;
    this.delta = delta;
    this.decode = decode;
    this.first = first;
    delta.retainReference();
    decode.retainReference();
  }

  /**
   * Of a run.
   *
   * @param ablations p, {@code [B,T − first,K]}
   * @param current f, {@code [B·(T − first),K]}
   */
  static BlockLatents of(
      Stage stage, Autoencoder autoencoder, Tensor ablations, Tensor current, int first) {
    try (TensorScope scope = new TensorScope()) {
      Tensor f = current.view(ablations.shape());
      int k = autoencoder.size();
      Tensor most = torch.maximum(ablations.abs(), f.abs()).view(-1, k).amax(new long[] {0}, false);
      float[] largest = Tensors.floats(most);
      int[] some = IntStream.range(0, k).filter(i -> largest[i] != 0).toArray();
      boolean all = some.length == 0 || some.length > MOST * k;
      Tensor delta = ablations.sub(f);
      return new BlockLatents(
          stage,
          all ? null : some,
          k,
          all ? delta : Placement.slices(delta, 2, some).contiguous(),
          all ? autoencoder.decode() : Placement.slices(autoencoder.decode(), 0, some).contiguous(),
          first);
    }
  }

  /** The number of latents that are kept. */
  int size() {
    return (int) decode.size(0);
  }

  /** δ from a position on, {@code [B·positions,A]}. */
  Tensor delta(int from, int positions) {
    return delta.narrow(1, (long) from - first, positions).reshape(-1, size());
  }

  /** Of numbers for all latents, those of the kept ones; along the last axis. */
  Tensor some(Tensor all) {
    return active == null ? all : Placement.slices(all, (int) all.dim() - 1, active);
  }

  /** Numbers for all latents, 0 where they are not kept; along the last axis. */
  Tensor all(Tensor some) {
    if (active == null) {
      return some;
    }
    long[] shape = some.shape();
    shape[shape.length - 1] = total;
    Placement place = Placement.of(some);
    long[] index = IntStream.of(active).asLongStream().toArray();
    return place
        .zeros(shape)
        .index_copy_(shape.length - 1, place.indices(index, index.length), some);
  }

  /** {@code Σ_k Δ_k} from a position on, {@code [B·positions,D]}. */
  private Tensor whole(int from, int positions) {
    if (whole == null) {
      try (TensorScope scope = new TensorScope()) {
        Tensor sum = Products.mm(delta.view(-1, size()), decode);
        whole = sum.view(delta.size(0), delta.size(1), decode.size(1));
        whole.retainReference();
      }
    }
    return whole.narrow(1, (long) from - first, positions).reshape(-1, decode.size(1));
  }

  /**
   * Adds what one destination reads of the latents, {@code Σ_k m_k Δ_k}.
   *
   * @param to {@code [B·positions,D]}
   * @param mask m of all latents, {@code [1 or B, 1 or positions, K]}
   * @param values the same on the processor, where it is one row, {@code [K]}; else null
   * @param uniform the one value that all of m have; NaN if they differ
   */
  void add(Tensor to, Tensor mask, float[] values, double uniform, int from, int positions) {
    if (uniform == 0) {
      return;
    }
    if (!Double.isNaN(uniform)) {
      to.add_(whole(from, positions), new Scalar(uniform));
      return;
    }
    int[] kept = active == null ? IntStream.range(0, total).toArray() : active;
    if (values != null) {
      // the fewer of those with m ≠ 0, and of those with m ≠ 1, taken from the whole
      int[] not0 = IntStream.range(0, kept.length).filter(i -> values[kept[i]] != 0).toArray();
      int[] not1 = IntStream.range(0, kept.length).filter(i -> values[kept[i]] != 1).toArray();
      boolean rest = not1.length < not0.length;
      int[] few = rest ? not1 : not0;
      if (rest) {
        to.add_(whole(from, positions));
      }
      if (few.length == 0) {
        return;
      }
      if (2 * few.length <= kept.length) {
        float[] m = new float[few.length];
        for (int i = 0; i < m.length; i++) {
          m[i] = values[kept[few[i]]] - (rest ? 1 : 0);
        }
        Tensor d = Placement.slices(delta(from, positions), 1, few);
        Tensor scaled = d.mul(Placement.of(to).tensor(m, m.length));
        Products.addmmOut(to, to, scaled, Placement.slices(decode, 0, few).contiguous());
        return;
      }
      if (rest) {
        to.sub_(whole(from, positions));
      }
    }
    Tensor d = delta.narrow(1, (long) from - first, positions).mul(some(mask));
    Products.addmmOut(to, to, d.reshape(-1, size()), decode);
  }

  void close() {
    delta.releaseReference();
    decode.releaseReference();
    if (whole != null) {
      whole.releaseReference();
    }
  }
}
