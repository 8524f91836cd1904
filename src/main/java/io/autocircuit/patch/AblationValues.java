package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The values that ablated sources are replaced by, for one kind of ablation.
 *
 * <p>Means over a dataset are taken once, when this is made; the others follow from each batch. Pad
 * positions never enter a mean. Prompts of different length are aligned at their end, as left
 * padding aligns them.
 */
public final class AblationValues implements AutoCloseable {
  private final PatchableModel model;
  private final Ablation ablation;

  /** {@code [S, longest, D]}, aligned at the end; null unless over a dataset. */
  private final Tensor means;

  private AblationValues(PatchableModel model, Ablation ablation, Tensor means) {
    this.model = model;
    this.ablation = ablation;
    this.means = means;
  }

  /**
   * Prepares an ablation.
   *
   * @param dataset the batches over which dataset means are taken; not read otherwise
   */
  public static AblationValues prepare(
      PatchableModel model, Ablation ablation, List<PromptBatch> dataset) {
    if (!ablation.overDataset()) {
      return new AblationValues(model, ablation, null);
    }
    int longest = dataset.stream().mapToInt(b -> b.clean().length()).max().orElse(0);
    if (longest == 0) {
      throw new IllegalArgumentException(
          "ablation=" + ablation + " needs prompts to average over; the dataset is empty");
    }
    int d = model.model().config().dModel();
    int sources = model.graph().sources().size();
    try (TensorScope scope = new TensorScope()) {
      Tensor sums = Tensors.zeros(torch.ScalarType.Double, sources, longest, d);
      double[] counts = new double[longest];
      for (PromptBatch batch : dataset) {
        if (ablation != Ablation.TOKENWISE_MEAN_CORRUPT) {
          accumulate(model, batch.clean(), sums, counts);
        }
        if (ablation != Ablation.TOKENWISE_MEAN_CLEAN) {
          accumulate(model, batch.corrupt(), sums, counts);
        }
      }
      Tensor counted = Tensors.zeros(torch.ScalarType.Double, 1, longest, 1);
      for (int t = 0; t < longest; t++) {
        counted.narrow(1, t, 1).fill_(new org.bytedeco.pytorch.Scalar(Math.max(1, counts[t])));
      }
      Tensor mean = sums.div(counted).to(model.model().type()).contiguous();
      mean.retainReference();
      return new AblationValues(model, ablation, mean);
    }
  }

  private static void accumulate(
      PatchableModel model, TokenBatch tokens, Tensor sums, double[] counts) {
    try (TensorScope scope = new TensorScope()) {
      int t = tokens.length();
      int longest = counts.length;
      Tensor outputs = SourceOutputs.of(model, tokens);
      Tensor present = present(model, tokens);
      sums.narrow(1, longest - t, t)
          .add_(outputs.mul(present).sum(new long[] {1}, false, null).to(torch.ScalarType.Double));
      for (int pad : tokens.padding()) {
        for (int i = pad; i < t; i++) {
          counts[longest - t + i]++;
        }
      }
    }
  }

  /** 1 where a token is, 0 where a pad is: {@code [1,B,T,1]}. */
  private static Tensor present(PatchableModel model, TokenBatch tokens) {
    int t = tokens.length();
    float[] p = new float[tokens.batchSize() * t];
    for (int b = 0; b < tokens.batchSize(); b++) {
      Arrays.fill(p, b * t + tokens.padding()[b], (b + 1) * t, 1f);
    }
    return Tensors.of(model.model().type(), p, 1, tokens.batchSize(), t, 1);
  }

  /** The kind of ablation. */
  public Ablation ablation() {
    return ablation;
  }

  /**
   * The values for a batch.
   *
   * @param source the prompts whose activations are patched in (ignored by ZERO and dataset means
   *     except for their number and length)
   * @return {@code [S, 1 or B, 1 or T, D]} by source index, in the current scope
   */
  public Tensor of(TokenBatch source) {
    try (TensorScope scope = new TensorScope()) {
      return scope.keep(
          switch (ablation) {
            case RESAMPLE -> SourceOutputs.of(model, source);
            case ZERO ->
                Tensors.zeros(
                    model.model().type(),
                    model.graph().sources().size(),
                    1,
                    1,
                    model.model().config().dModel());
            case BATCH_TOKENWISE_MEAN -> {
              Tensor present = present(model, source);
              Tensor sum =
                  SourceOutputs.of(model, source).mul(present).sum(new long[] {1}, true, null);
              Tensor count = present.sum(new long[] {1}, true, null);
              yield sum.div(count.clamp_min(new org.bytedeco.pytorch.Scalar(1.0)));
            }
            case BATCH_ALL_TOK_MEAN -> {
              Tensor present = present(model, source);
              Tensor sum =
                  SourceOutputs.of(model, source).mul(present).sum(new long[] {1, 2}, true, null);
              yield sum.div(present.sum());
            }
            case TOKENWISE_MEAN_CLEAN, TOKENWISE_MEAN_CORRUPT, TOKENWISE_MEAN_CLEAN_AND_CORRUPT -> {
              long longest = means.size(1);
              if (source.length() > longest) {
                throw new IllegalArgumentException(
                    "prompt length="
                        + source.length()
                        + " exceeds the longest of the dataset of the means, "
                        + longest);
              }
              yield means.narrow(1, longest - source.length(), source.length()).unsqueeze(1);
            }
          });
    }
  }

  @Override
  public void close() {
    if (means != null) {
      means.releaseReference();
    }
  }
}
