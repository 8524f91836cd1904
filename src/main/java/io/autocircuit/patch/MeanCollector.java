package io.autocircuit.patch;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.Arrays;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Means of every source's outputs over prompts, aligned at the end: position by position, or over
 * all positions. Prompts that come together are summed in the model's type, and such sums in
 * float64. Pad positions do not count.
 */
public final class MeanCollector implements Ablation.Collector {
  private final PatchableModel model;
  private final boolean byPosition;

  /** {@code [S,longest,D]}, float64. */
  private final Tensor sums;

  /** The number of prompts that have a token there. */
  private final double[] counts;

  /**
   * Begins with none, in the current scope.
   *
   * @param model the model that is ablated
   * @param longest the largest number of positions of a prompt
   * @param byPosition whether each position has a mean of its own
   */
  public MeanCollector(PatchableModel model, int longest, boolean byPosition) {
    this.model = model;
    this.byPosition = byPosition;
    int d = model.model().config().dModel();
    sums = model.model().placement().exact().zeros(model.sourceRows().count(), longest, d);
    counts = new double[longest];
  }

  @Override
  public void add(Tensor outputs, TokenBatch prompts) {
    int t = prompts.length();
    int longest = counts.length;
    boolean padded = Arrays.stream(prompts.padding()).anyMatch(p -> p > 0);
    Placement place = model.model().placement();
    Tensor here = sums.narrow(1, (long) longest - t, t);
    if (!padded) {
      here.add_(place.besideExact(outputs.sum(new long[] {1}, false, null)));
    } else {
      Tensor present = present(prompts, model);
      // source by source: a copy of all would double the memory
      for (int s = 0; s < outputs.size(0); s++) {
        try (TensorScope inner = new TensorScope()) {
          Tensor sum = outputs.select(0, s).mul(present).sum(new long[] {0}, false, null);
          here.select(0, s).add_(place.besideExact(sum));
        }
      }
    }
    for (int pad : prompts.padding()) {
      for (int i = pad; i < t; i++) {
        counts[longest - t + i]++;
      }
    }
  }

  /** 1 where a token is, 0 where a pad is: {@code [b,T,1]}. */
  private static Tensor present(TokenBatch tokens, PatchableModel model) {
    int t = tokens.length();
    float[] p = new float[tokens.batchSize() * t];
    for (int b = 0; b < tokens.batchSize(); b++) {
      Arrays.fill(p, b * t + tokens.padding()[b], (b + 1) * t, 1f);
    }
    return model.model().placement().tensor(p, tokens.batchSize(), t, 1);
  }

  /**
   * {@inheritDoc}
   *
   * <p>0 where no prompt has a token.
   */
  @Override
  public Tensor values() {
    return model.model().placement().rounded(byPosition ? positions() : overall());
  }

  private Tensor positions() {
    Tensor counted = Placement.of(sums).zeros(1, counts.length, 1);
    for (int t = 0; t < counts.length; t++) {
      counted.narrow(1, t, 1).fill_(new Scalar(Math.max(1, counts[t])));
    }
    return sums.div(counted);
  }

  private Tensor overall() {
    return sums.sum(new long[] {1}, true, null)
        .div(new Scalar(Math.max(1, Arrays.stream(counts).sum())));
  }
}
