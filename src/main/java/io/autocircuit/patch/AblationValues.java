package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The values that ablated sources are replaced by, for one kind of ablation.
 *
 * <p>Means over a dataset are taken once, when this is made; the others follow from each batch. Pad
 * positions never enter a mean. Prompts of different length are aligned at their end, as left
 * padding aligns them. Means are taken over micro-batches within the model's memory budget, whose
 * sums are added in float64.
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
    try (TensorScope scope = new TensorScope()) {
      Sums sums = new Sums(model, longest);
      for (PromptBatch batch : dataset) {
        if (ablation != Ablation.TOKENWISE_MEAN_CORRUPT) {
          sums.add(model, ablation, batch.clean());
        }
        if (ablation != Ablation.TOKENWISE_MEAN_CLEAN) {
          sums.add(model, ablation, batch.corrupt());
        }
      }
      Tensor mean = sums.byPosition().to(model.model().type()).contiguous();
      mean.retainReference();
      return new AblationValues(model, ablation, mean);
    }
  }

  /** Sums of every source's outputs over prompts, aligned at the end. */
  private static final class Sums {
    /** {@code [S,longest,D]}, float64. */
    private final Tensor values;

    /** The number of prompts that have a token there. */
    private final double[] counts;

    /** In the current scope. */
    Sums(PatchableModel model, int longest) {
      int d = model.model().config().dModel();
      values =
          model
              .model()
              .placement()
              .of(torch.ScalarType.Double)
              .zeros(model.graph().sources().size(), longest, d);
      counts = new double[longest];
    }

    /**
     * Adds prompts, as many at a time as the memory budget permits. Those run together are summed
     * in the model's type, and such sums in float64.
     */
    void add(PatchableModel model, Ablation ablation, TokenBatch tokens) {
      PromptBatch whole = new PromptBatch(tokens, tokens, none(tokens), none(tokens), rows(tokens));
      for (MicroBatch m :
          model.microBatches(MemoryEstimate.Work.SOURCES, ablation, List.of(whole)).get(0)) {
        add(model, m.prompts().clean());
      }
    }

    private void add(PatchableModel model, TokenBatch tokens) {
      int t = tokens.length();
      int longest = counts.length;
      boolean padded = Arrays.stream(tokens.padding()).anyMatch(p -> p > 0);
      try (TensorScope scope = new TensorScope()) {
        Tensor outputs = SourceOutputs.of(model, tokens);
        Tensor present = padded ? present(tokens, model) : null;
        Tensor here = values.narrow(1, (long) longest - t, t);
        if (!padded) {
          here.add_(outputs.sum(new long[] {1}, false, null));
        } else {
          // source by source: a copy of all would double the memory
          for (int s = 0; s < outputs.size(0); s++) {
            try (TensorScope inner = new TensorScope()) {
              here.select(0, s)
                  .add_(outputs.select(0, s).mul(present).sum(new long[] {0}, false, null));
            }
          }
        }
      }
      for (int pad : tokens.padding()) {
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

    /** Means position by position, {@code [S,longest,D]}; 0 where no prompt has a token. */
    Tensor byPosition() {
      Tensor counted = Placement.of(values).zeros(1, counts.length, 1);
      for (int t = 0; t < counts.length; t++) {
        counted.narrow(1, t, 1).fill_(new Scalar(Math.max(1, counts[t])));
      }
      return values.div(counted);
    }

    /** Means over all positions, {@code [S,1,D]}. */
    Tensor overall() {
      return values
          .sum(new long[] {1}, true, null)
          .div(new Scalar(Math.max(1, Arrays.stream(counts).sum())));
    }

    private static int[][][] none(TokenBatch tokens) {
      return new int[tokens.batchSize()][0][];
    }

    private static int[] rows(TokenBatch tokens) {
      return new int[tokens.batchSize()];
    }
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
                model
                    .model()
                    .placement()
                    .zeros(model.graph().sources().size(), 1, 1, model.model().config().dModel());
            case BATCH_TOKENWISE_MEAN -> {
              Sums sums = new Sums(model, source.length());
              sums.add(model, ablation, source);
              yield sums.byPosition().to(model.model().type()).unsqueeze(1);
            }
            case BATCH_ALL_TOK_MEAN -> {
              Sums sums = new Sums(model, source.length());
              sums.add(model, ablation, source);
              yield sums.overall().to(model.model().type()).unsqueeze(1);
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
