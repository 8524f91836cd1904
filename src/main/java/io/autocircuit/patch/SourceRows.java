package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.graph.Stage;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.Placement;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Where the outputs of sources lie in a tensor {@code [rows,B,T,D]}, which recording runs give and
 * ablation values have.
 *
 * <p>Without autoencoders there is a row for each source, in their order. A latent writes {@code
 * f_k decode[k]}, so that its activation f_k, one number, says what D would. The sources that are
 * not latents come first, in their order; then, block by block, the latents' activations, D of them
 * to a row: latent j of a block is at {@code [first + j / D, b, t, j % D]}, and what is left of the
 * last row is 0. Whatever is done to outputs element by element, or as a mean over prompts and
 * positions, is done to activations alike.
 */
public final class SourceRows {
  private final int width;

  /** By source; −1 for latents. */
  private final int[] rowOf;

  /** How many of the sources below each are no latents. */
  private final int[] denseBelow;

  private final int dense;

  /** The first row of a block's latents. */
  private final int[] firstOf;

  /** The first source of a block's latents, and their number. */
  private final int[] firstLatent;

  private final int[] latents;

  private final int count;

  private SourceRows(ComputationGraph graph, int width) {
    this.width = width;
    rowOf = new int[graph.sources().size()];
    denseBelow = new int[rowOf.length + 1];
    firstOf = new int[graph.blocks()];
    firstLatent = new int[firstOf.length];
    latents = new int[firstOf.length];
    int row = 0;
    for (Stage stage : graph.stages()) {
      int some = latents(stage);
      if (some > 0) {
        firstLatent[stage.block()] = stage.firstWritten();
        latents[stage.block()] = some;
      }
      for (int s = 0; s < stage.written(); s++) {
        rowOf[stage.firstWritten() + s] = s < some ? -1 : row++;
        denseBelow[stage.firstWritten() + s + 1] = row;
      }
    }
    dense = row;
    for (int b = 0; b < firstOf.length; b++) {
      firstOf[b] = row;
      row += (latents[b] + width - 1) / width;
    }
    count = row;
  }

  /**
   * Of a graph.
   *
   * @param graph any
   * @param width D of its model
   * @return where its sources' outputs lie
   */
  public static SourceRows of(ComputationGraph graph, int width) {
    return new SourceRows(graph, width);
  }

  /** The number of latents among what a stage writes: they come first. */
  static int latents(Stage stage) {
    if (stage.kind() != Stage.Kind.LATENTS) {
      return 0;
    }
    SrcNode last = stage.writes().nodes().get(stage.written() - 1);
    boolean error = !last.module().equals(stage.writes().name());
    return stage.written() - (error ? 1 : 0);
  }

  /**
   * The number of rows.
   *
   * @return the number of sources, for a graph without latents
   */
  public int count() {
    return count;
  }

  /**
   * The number of rows that are sources: all but those of latents.
   *
   * @return at most {@link #count}
   */
  public int dense() {
    return dense;
  }

  /**
   * The row of a source.
   *
   * @param source its index; not of a latent
   * @return −1 for latents
   */
  public int row(int source) {
    return rowOf[source];
  }

  /** The indices of the sources below one that are no latents. */
  int[] denseSources(int end) {
    return IntStream.range(0, end).filter(s -> rowOf[s] >= 0).toArray();
  }

  /** How many of the sources below one are no latents. */
  int denseBelow(int end) {
    return denseBelow[end];
  }

  /**
   * The activations of a block's latents.
   *
   * @param values {@code [rows,B,T,D]}
   * @param block one with an autoencoder
   * @return {@code [B,T,K]}, in the current scope
   */
  public Tensor activations(Tensor values, int block) {
    long k = latents[block];
    long rows = (k + width - 1) / width;
    Tensor some = values.narrow(0, firstOf[block], rows).permute(1, 2, 0, 3);
    return some.reshape(values.size(1), values.size(2), rows * width).narrow(2, 0, k);
  }

  /**
   * Writes the activations of a block's latents where they belong.
   *
   * @param activations {@code [B·P,K]}
   * @param values written: {@code [rows,B,T,D]}, at the last P positions
   */
  void write(Tensor activations, int block, Tensor values) {
    long k = activations.size(1);
    long rows = (k + width - 1) / width;
    long b = values.size(1);
    long p = activations.size(0) / b;
    Tensor padded = activations;
    if (rows * width > k) {
      Tensor rest = Placement.of(activations).zeros(activations.size(0), rows * width - k);
      padded = torch.cat(new TensorVector(activations, rest), 1);
    }
    values
        .narrow(0, firstOf[block], rows)
        .narrow(2, values.size(2) - p, p)
        .copy_(padded.view(b, p, rows, width).permute(2, 0, 1, 3));
  }

  /**
   * What one source writes into the stream.
   *
   * @param values outputs or ablation values, {@code [rows,B,T,D]}
   * @param source a source of the graph
   * @param model whose autoencoders decode its latents
   * @return {@code [B,T,D]}, in the current scope
   */
  public Tensor written(Tensor values, SrcNode source, Transformer model) {
    if (rowOf[source.index()] >= 0) {
      return values.select(0, rowOf[source.index()]);
    }
    int block = source.block();
    int latent = source.index() - firstLatent[block];
    Tensor row = values.select(0, firstOf[block] + latent / width);
    Tensor f = row.narrow(2, latent % width, 1); // [B,T,1]
    return f.mul(model.autoencoders().block(block).decode().select(0, latent));
  }

  @Override
  public String toString() {
    return "SourceRows[" + count + ", sources=" + Arrays.toString(rowOf) + "]";
  }
}
