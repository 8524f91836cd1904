package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.patch.Ablation.Collected;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;

/**
 * The values that ablated sources are replaced by, for one ablation.
 *
 * <p>What is collected over a dataset is collected once, when this is made; the rest follows from
 * each batch. Prompts of different length are aligned at their end, as left padding aligns them.
 * Outputs are collected over micro-batches within the model's memory budget.
 */
public final class AblationValues implements AutoCloseable {
  private final PatchableModel model;
  private final Ablation ablation;

  /** {@code [S, 1 or longest, D]}, aligned at the end; null unless over a dataset. */
  private final Tensor collected;

  /** The longest prompt of the dataset; 0 unless over a dataset. */
  private final int longest;

  private AblationValues(PatchableModel model, Ablation ablation, Tensor collected, int longest) {
    this.model = model;
    this.ablation = ablation;
    this.collected = collected;
    this.longest = longest;
  }

  /**
   * Prepares an ablation.
   *
   * @param model the model that is ablated
   * @param ablation what its sources are replaced by
   * @param dataset the batches over which dataset means are taken; not read otherwise
   * @return the values; the caller closes them
   * @throws IllegalArgumentException if there is nothing to average over, or values of particular
   *     prompts were to keep positions
   */
  public static AblationValues prepare(
      PatchableModel model, Ablation ablation, List<PromptBatch> dataset) {
    if (ablation.keepsPositions()
        && !(ablation instanceof Ablation.Constant)
        && !ablation.overDataset()) {
      throw new IllegalArgumentException(
          "ablation="
              + ablation.key()
              + " keeps positions, but its values are of particular prompts; only constants and"
              + " values of the dataset can");
    }
    if (!(ablation instanceof Collected over) || !ablation.overDataset()) {
      return new AblationValues(model, ablation, null, 0);
    }
    int longest = dataset.stream().mapToInt(b -> b.clean().length()).max().orElse(0);
    if (longest == 0) {
      throw new IllegalArgumentException(
          "ablation=" + ablation.key() + " needs prompts to average over; the dataset is empty");
    }
    List<TokenBatch> prompts = new ArrayList<>();
    for (PromptBatch batch : dataset) {
      if (over.from() != Collected.From.CORRUPT) {
        prompts.add(batch.clean());
      }
      if (over.from() != Collected.From.CLEAN) {
        prompts.add(batch.corrupt());
      }
    }
    try (TensorScope scope = new TensorScope()) {
      Tensor values =
          model
              .shared()
              .get(
                  List.of(ablation, model.graph()),
                  prompts,
                  () -> collected(model, over, prompts, longest));
      values.retainReference();
      return new AblationValues(model, ablation, values, longest);
    }
  }

  private static Tensor collected(
      PatchableModel model, Collected over, List<TokenBatch> prompts, int longest) {
    try (TensorScope scope = new TensorScope()) {
      Ablation.Collector collector = over.collector(model, longest);
      prompts.forEach(tokens -> collect(model, over, tokens, collector));
      return scope.keep(checked(model, over, collector, longest).contiguous());
    }
  }

  /** Gives a collector prompts, as many at a time as the memory budget permits. */
  private static void collect(
      PatchableModel model, Collected ablation, TokenBatch tokens, Ablation.Collector collector) {
    PromptBatch whole = new PromptBatch(tokens, tokens, none(tokens), none(tokens), rows(tokens));
    for (MicroBatch m :
        MicroBatch.within(model, MemoryEstimate.Work.SOURCES, ablation, List.of(whole)).get(0)) {
      try (TensorScope scope = new TensorScope()) {
        TokenBatch some = m.prompts().clean();
        Tensor outputs = SourceOutputs.of(model, some);
        Tensor positions = ablation.keepsPositions() ? model.model().positions(some) : null;
        if (positions != null) {
          outputs.select(0, 0).sub_(positions);
        }
        collector.add(outputs, some);
      }
    }
  }

  /** What was collected; an ablation of another jar may give what it should not. */
  private static Tensor checked(
      PatchableModel model, Collected ablation, Ablation.Collector collector, int longest) {
    Tensor values = collector.values();
    int s = model.sourceRows().count();
    int d = model.model().config().dModel();
    require(
        ablation,
        values,
        values.dim() == 3
            && values.size(0) == s
            && (values.size(1) == 1 || values.size(1) == longest)
            && values.size(2) == d,
        "[" + s + ", 1 or " + longest + ", " + d + "]");
    return values;
  }

  private static void require(Ablation ablation, Tensor values, boolean fits, String wanted) {
    if (!fits) {
      throw new IllegalArgumentException(
          "ablation="
              + ablation.key()
              + " gave values of shape="
              + Arrays.toString(shape(values))
              + "; it must give "
              + wanted);
    }
  }

  private static int[][][] none(TokenBatch tokens) {
    return new int[tokens.batchSize()][0][];
  }

  private static int[] rows(TokenBatch tokens) {
    return new int[tokens.batchSize()];
  }

  /**
   * The ablation.
   *
   * @return what {@link #prepare} was given
   */
  public Ablation ablation() {
    return ablation;
  }

  /**
   * The values for a batch.
   *
   * @param source the prompts whose activations are patched in (constants and what is collected
   *     over a dataset read only their number and length)
   * @return {@code [S, 1 or B, 1 or T, D]} by source index, in the current scope; with autoencoders
   *     by {@link SourceRows}
   * @throws IllegalArgumentException if the prompts are longer than those of the dataset, or the
   *     ablation gives values of another shape
   */
  public Tensor of(TokenBatch source) {
    if (ablation instanceof Ablation.Constant || collected != null) {
      try (TensorScope scope = new TensorScope()) {
        return scope.keep(values(source));
      }
    }
    return model
        .shared()
        .get(
            List.of(ablation, model.graph()),
            List.of(source),
            () -> {
              try (TensorScope scope = new TensorScope()) {
                return scope.keep(values(source));
              }
            });
  }

  /**
   * The values for a batch whose other prompts are run.
   *
   * @param input the prompts that are run, whose positions stay where {@link
   *     Ablation#keepsPositions}
   * @param source the prompts whose activations are patched in
   * @return as {@link #of(TokenBatch)}
   * @throws IllegalArgumentException as {@link #of(TokenBatch)}
   */
  public Tensor of(TokenBatch input, TokenBatch source) {
    return of(ablation.keepsPositions() ? input : source);
  }

  /**
   * The values for one gradient, which reads those of the last block where logits are looked at and
   * nowhere else.
   *
   * @param source prompts whose outputs are patched in, resampled; nobody else is given the values
   * @return {@code [S,B,T,D]} in the current scope, of the last block whatever lies there before
   *     the sliced positions
   */
  Tensor once(TokenBatch source) {
    return SourceOutputs.of(model, source, model.slice().first(source.length()));
  }

  private Tensor values(TokenBatch source) {
    Tensor values = withoutPositions(source);
    Tensor positions = ablation.keepsPositions() ? model.model().positions(source) : null;
    if (positions == null) {
      return values;
    }
    // the start of the stream is the first source
    long batch = positions.dim() == 3 ? positions.size(0) : 1;
    Tensor all =
        values.expand(values.size(0), batch, source.length(), values.size(3)).contiguous().clone();
    all.select(0, 0).add_(positions);
    return all;
  }

  private Tensor withoutPositions(TokenBatch source) {
    long s = model.sourceRows().count();
    long d = model.model().config().dModel();
    if (ablation instanceof Ablation.Paired paired) {
      Tensor values = paired.values(model, SourceOutputs.of(model, source), source);
      long[] wanted = {s, source.batchSize(), source.length(), d};
      require(ablation, values, fits(values, wanted), Arrays.toString(wanted));
      return values;
    }
    if (ablation instanceof Ablation.Constant constant) {
      Tensor values = constant.values(model);
      long[] wanted = {s, 1, 1, d};
      require(ablation, values, fits(values, wanted), Arrays.toString(wanted));
      return values;
    }
    if (collected == null) {
      Collected over = (Collected) ablation;
      Ablation.Collector collector = over.collector(model, source.length());
      collect(model, over, source, collector);
      return checked(model, over, collector, source.length()).unsqueeze(1);
    }
    if (source.length() > longest) {
      throw new IllegalArgumentException(
          "prompt length="
              + source.length()
              + " exceeds the longest of the dataset of the means, "
              + longest);
    }
    return (collected.size(1) == 1
            ? collected
            : collected.narrow(1, longest - source.length(), source.length()))
        .unsqueeze(1);
  }

  private static boolean fits(Tensor values, long[] wanted) {
    return Arrays.equals(shape(values), wanted);
  }

  private static long[] shape(Tensor values) {
    return LongStream.range(0, values.dim()).map(values::size).toArray();
  }

  @Override
  public void close() {
    if (collected != null) {
      collected.releaseReference();
    }
  }
}
