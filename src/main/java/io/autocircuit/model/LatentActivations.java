package io.autocircuit.model;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/**
 * How active the latents of a model's autoencoders are on some prompts: for each the sum of its
 * activations over all prompts and positions, pad positions left out.
 *
 * <p>Most latents of a large autoencoder are never active on the prompts of one task; a graph
 * without them has the same outputs there, and far fewer edges.
 *
 * @param totals by block, then as the block's {@link Autoencoder#latents} are; null where a block
 *     has no autoencoder
 * @param latents the numbers of the latents that totals are of; null where those are
 */
public record LatentActivations(List<double[]> totals, List<int[]> latents) {

  /**
   * Runs the plain model.
   *
   * @param model with autoencoders, which take the places of its MLPs in these runs unless they
   *     have the error term
   * @param prompts any batches of prompts
   * @return sums in float64
   */
  public static LatentActivations of(Transformer model, List<TokenBatch> prompts) {
    Autoencoders all = model.autoencoders();
    List<double[]> totals = new ArrayList<>();
    List<int[]> latents = new ArrayList<>();
    for (int b = 0; b < all.size(); b++) {
      boolean none = all.block(b) == null;
      totals.add(none ? null : new double[all.block(b).size()]);
      latents.add(none ? null : all.block(b).latents());
    }
    for (TokenBatch tokens : prompts) {
      try (TensorScope scope = new TensorScope()) {
        Tensor present = present(tokens, model.placement());
        PlainRun run =
            new PlainRun(
                model,
                model.stages(),
                new PlainRun.Listener() {
                  @Override
                  public void latents(int block, Autoencoder.Encoded encoded) {
                    Tensor f = encoded.activations();
                    Tensor counted = present == null ? f : f.mul(present);
                    double[] sums = Tensors.doubles(counted.sum(new long[] {0}, false, null));
                    double[] total = totals.get(block);
                    Arrays.setAll(total, k -> total[k] + sums[k]);
                  }
                });
        run.logits(tokens, OutputSlice.LAST_SEQ);
      }
    }
    return new LatentActivations(totals, latents);
  }

  /** 1 where a token is, 0 where a pad is: {@code [B·T,1]}; null without pads. */
  private static Tensor present(TokenBatch tokens, Placement place) {
    if (Arrays.stream(tokens.padding()).allMatch(p -> p == 0)) {
      return null;
    }
    int t = tokens.length();
    float[] p = new float[tokens.batchSize() * t];
    for (int b = 0; b < tokens.batchSize(); b++) {
      Arrays.fill(p, b * t + tokens.padding()[b], (b + 1) * t, 1f);
    }
    return place.tensor(p, p.length, 1);
  }

  /**
   * The latents that are active at all, each block's own.
   *
   * @param most how many of a block are kept at most, those of the largest sums; 0 for all
   * @return for each block numbers of latents, the largest sum first, of equal sums the smaller
   *     number; at least one, which writes nothing if none is active. Null where a block has no
   *     autoencoder
   */
  public List<int[]> largest(int most) {
    List<int[]> kept = new ArrayList<>();
    for (int b = 0; b < totals.size(); b++) {
      double[] total = totals.get(b);
      int[] numbers = latents.get(b);
      if (total == null) {
        kept.add(null);
        continue;
      }
      int active = (int) Arrays.stream(total).filter(v -> v > 0).count();
      int count = Math.max(1, most > 0 ? Math.min(most, active) : active);
      kept.add(
          IntStream.range(0, total.length)
              .boxed()
              .sorted(Comparator.comparingDouble((Integer k) -> -total[k]))
              .limit(count)
              .mapToInt(k -> numbers[k])
              .toArray());
    }
    return kept;
  }
}
