package io.autocircuit.patch;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ForeignNames;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.graph.Stage;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.LibtorchAttention;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.Affine;
import io.autocircuit.model.AttentionPatterns;
import io.autocircuit.model.AttentionStep;
import io.autocircuit.model.Features;
import io.autocircuit.model.PromptContext;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The scores of all heads on one prompt, taken apart: an unpatched run's sources, the stream that
 * each block's attention reads, and where heads look. What a source brings into a query or key is
 * its output, centred where the normalisation centres, times the scales of that run, through the
 * head's weights, and rotated as its position is; in float64 whatever the model computes in.
 *
 * <p>The idea is that of attributing attention scores through frozen normalisations, as circuit
 * tracing does ("On the Biology of a Large Language Model" and its methods, Anthropic 2025): with
 * the scales frozen, a score is bilinear in what was written at the two positions.
 */
public final class AttentionScores implements AutoCloseable {
  /** The row of what the stream has that no source writes: biases of attention, and of decoders. */
  public static final String STREAM_BIASES = "biases in the stream";

  private static final long[] LAST = {-1};

  private final PatchableModel patchable;
  private final int length;
  private final List<Tensor> owned = new ArrayList<>();

  /** {@code [rows,1,T,D]}. */
  private final Tensor written;

  /** {@code [blocks,T,D]}. */
  private final Tensor inputs;

  /** {@code [blocks,T,3·H·dHead]}. */
  private final Tensor prepared;

  /** Learned positions, {@code [T,D]}; null without. */
  private final Tensor positions;

  private final PromptContext context;

  private AttentionScores(PatchableModel patchable, TokenBatch tokens) {
    this.patchable = patchable;
    length = tokens.length();
    Transformer model = patchable.model();
    try (TensorScope scope = new TensorScope()) {
      Tensor outputs = SourceOutputs.of(patchable, tokens);
      AttentionPatterns.Recorded recorded = AttentionPatterns.recorded(model, tokens);
      Tensor learned = model.positions(tokens);
      written = own(outputs);
      inputs = own(recorded.inputs());
      prepared = own(recorded.prepared());
      positions = learned == null ? null : own(learned.reshape(length, -1));
      context = model.context(tokens).map(1, this::own);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private Tensor own(Tensor t) {
    t.retainReference();
    owned.add(t);
    return t;
  }

  /**
   * Runs a prompt.
   *
   * @param model any; of an unfactorized graph the sources of the factorized one are taken
   * @param tokens one prompt
   * @return holds native memory until it is closed
   * @throws IllegalArgumentException if there are more prompts, or one does not fit the model
   */
  public static AttentionScores of(PatchableModel model, TokenBatch tokens) {
    if (tokens.batchSize() != 1) {
      throw new IllegalArgumentException(
          "prompts=" + tokens.batchSize() + " but scores are of one; give a batch of one prompt");
    }
    return new AttentionScores(
        model.graph().factorized()
            ? model
            : PatchableModel.of(model.model(), true, 0, model.slice(), model.kernels()),
        tokens);
  }

  /**
   * The head of a name.
   *
   * @param name such as {@code A1.0}, or as other programs have it, {@code a1.h0}
   * @return a source of the model's graph
   * @throws io.autocircuit.graph.UnknownNameException if there is no such head
   */
  public SrcNode head(String name) {
    Map<String, SrcNode> heads = new LinkedHashMap<>();
    for (SrcNode s : patchable.graph().sources()) {
      if (s.head() >= 0) {
        heads.put(s.name(), s);
      }
    }
    SrcNode head = heads.get(ForeignNames.source(name).orElse(name));
    if (head == null) {
      throw new UnknownNameException("head", name, heads.keySet());
    }
    return head;
  }

  /**
   * Where a query looks.
   *
   * @param block of the head
   * @param head in its block
   * @param query a position
   * @return the share of each key, {@code [T]}, of sum 1
   * @throws IllegalArgumentException if there is no such head or position
   */
  public double[] attention(int block, int head, int query) {
    require(block, head);
    requirePosition("query", query);
    try (TensorScope scope = new TensorScope()) {
      Kernels.AttentionPattern how = patchable.model().attentionStep(stage(block)).pattern(context);
      return Tensors.doubles(AttentionPatterns.row(prepared.select(0, block), how, head, query));
    }
  }

  /**
   * Takes the score of the key that a query attends to most apart.
   *
   * @param block of the head
   * @param head in its block
   * @param query a position
   * @return plain values; of equal shares the first key
   * @throws IllegalArgumentException if there is no such head or position
   */
  public AttentionScore ofMost(int block, int head, int query) {
    double[] row = attention(block, head, query);
    int most = 0;
    for (int k = 1; k < row.length; k++) {
      most = row[k] > row[most] ? k : most;
    }
    return of(block, head, query, most);
  }

  /**
   * Takes a score apart.
   *
   * @param block of the head
   * @param head in its block
   * @param query the position that looks
   * @param key the position that is looked at
   * @return plain values
   * @throws IllegalArgumentException if there is no such head or position, or the query does not
   *     see the key
   */
  public AttentionScore of(int block, int head, int query, int key) {
    require(block, head);
    requirePosition("query", query);
    requirePosition("key", key);
    Stage stage = stage(block);
    AttentionStep step = patchable.model().attentionStep(stage);
    try (TensorScope scope = new TensorScope()) {
      Kernels.AttentionPattern pattern = step.pattern(context);
      double distance = distance(pattern.mask(), head, query, key);
      AttentionScore.Place place = new AttentionScore.Place(block, head, query, key);
      if (distance == Double.NEGATIVE_INFINITY) {
        throw new IllegalArgumentException(
            "query="
                + query
                + " does not see key="
                + key
                + " in "
                + place.name()
                + ": "
                + (key > query ? "it comes later" : "it is outside the window, or a pad")
                + "; choose a key that the query sees");
      }
      AttentionScore.Side queries = side(stage, head, 0, query, pattern);
      AttentionScore.Side keys = side(stage, head, 1, key, pattern);
      double product = 0;
      double[] q = queries.sum();
      double[] k = keys.sum();
      for (int i = 0; i < q.length; i++) {
        product += pattern.scale() * q[i] * k[i];
      }
      double attention = attention(block, head, query)[key];
      return new AttentionScore(
          place,
          new AttentionScore.Value(product, pattern.cap(), distance, attention),
          pattern.scale(),
          queries,
          keys);
    }
  }

  private Stage stage(int block) {
    return patchable.graph().stages(block).stream()
        .filter(s -> s.kind() == Stage.Kind.ATTENTION)
        .findFirst()
        .orElseThrow();
  }

  private void require(int block, int head) {
    int blocks = patchable.model().config().blocks();
    int heads = patchable.model().config().heads();
    if (block < 0 || block >= blocks || head < 0 || head >= heads) {
      throw new IllegalArgumentException(
          "head=A"
              + block
              + "."
              + head
              + " is none of the model's: give A0.0 to A"
              + (blocks - 1)
              + "."
              + (heads - 1));
    }
  }

  private void requirePosition(String name, int position) {
    if (position < 0 || position >= length) {
      throw new IllegalArgumentException(
          name + "=" + position + " is outside the prompt; give 0 to " + (length - 1));
    }
  }

  /** What is added to a score: 0 where nothing is. */
  private static double distance(Tensor mask, int head, int query, int key) {
    if (mask == null) {
      return 0;
    }
    Tensor own = mask.select(0, 0).select(0, mask.size(1) == 1 ? 0 : head);
    return Tensors.doubles(own.select(0, query).select(0, key))[0];
  }

  /** What is in the stream at a position: a row for each name, {@code [N,D]} in float64. */
  private record Rows(List<String> names, Tensor values) {}

  private static Tensor wide(Tensor t) {
    return t.cpu().to(ScalarType.Double);
  }

  private Rows rows(Stage stage, int position) {
    SourceRows where = patchable.sourceRows();
    List<String> names = new ArrayList<>();
    TensorVector parts = new TensorVector();
    int end = stage.firstWritten();
    Tensor dense =
        wide(written.narrow(0, 0, where.denseBelow(end)).select(1, 0).select(1, position));
    List<SrcNode> sources = patchable.graph().sources();
    String start = sources.get(0).name();
    if (positions == null) {
      names.add(start);
      parts.push_back(dense.narrow(0, 0, 1));
    } else {
      Tensor learned = wide(positions.narrow(0, position, 1));
      names.add(start + " token");
      parts.push_back(dense.narrow(0, 0, 1).sub(learned));
      names.add(start + " position");
      parts.push_back(learned);
    }
    int[] indices = where.denseSources(end);
    for (int i = 1; i < indices.length; i++) {
      names.add(sources.get(indices[i]).name());
    }
    parts.push_back(dense.narrow(0, 1, dense.size(0) - 1));
    latents(stage, position, where, names, parts);
    Tensor sum = torch.cat(parts, 0);
    if (hasBiases(stage)) {
      Tensor read = wide(inputs.select(0, stage.block()).narrow(0, position, 1));
      names.add(STREAM_BIASES);
      sum = torch.cat(new TensorVector(sum, read.sub(sum.sum(new long[] {0}, true, null))), 0);
    }
    return new Rows(names, sum);
  }

  /** Adds the active latents of earlier blocks. */
  private void latents(
      Stage stage, int position, SourceRows where, List<String> names, TensorVector parts) {
    for (Stage earlier : patchable.graph().stages().subList(0, stage.index())) {
      int count = SourceRows.latents(earlier);
      if (count == 0) {
        continue;
      }
      Tensor f = where.activations(written, earlier.block()).select(0, 0).select(0, position);
      Tensor decode = patchable.model().autoencoders().block(earlier.block()).decode();
      double[] activations = Tensors.doubles(f);
      for (int j = 0; j < count; j++) {
        if (activations[j] != 0) {
          names.add(earlier.writes().nodes().get(j).name());
          parts.push_back(wide(decode.narrow(0, j, 1)).mul(new Scalar(activations[j])));
        }
      }
    }
  }

  /** Whether something is in the stream that no source writes. */
  private boolean hasBiases(Stage stage) {
    Transformer model = patchable.model();
    if (stage.block() > 0 && model.autoencoders() != null) {
      return true;
    }
    for (int b = 0; b < stage.block(); b++) {
      try (TensorScope scope = new TensorScope()) {
        if (model.attentionOutputBias(stage(b)).count_nonzero().item_long() > 0) {
          return true;
        }
      }
    }
    return false;
  }

  /**
   * What the rows of a position bring into a head's query or key.
   *
   * @param part 0 for queries, 1 for keys
   */
  private AttentionScore.Side side(
      Stage stage, int head, int part, int position, Kernels.AttentionPattern pattern) {
    Rows rows = rows(stage, position);
    Tensor p = projected(stage, head, part, rows.values());
    Kernels.Rotation rotation = pattern.rotation();
    if (rotation != null) {
      Kernels.Rotation own =
          new Kernels.Rotation(
              wide(rotation.cosines().narrow(2, position, 1)),
              wide(rotation.sines().narrow(2, position, 1)),
              rotation.adjacentPairs());
      p = LibtorchAttention.rotate(p.view(1, 1, p.size(0), p.size(1)), own, false);
    }
    double[] flat = Tensors.doubles(p);
    int width = pattern.width();
    double[][] vectors = new double[flat.length / width][width];
    for (int i = 0; i < flat.length; i++) {
      vectors[i / width][i % width] = flat[i];
    }
    List<String> names = new ArrayList<>(rows.names());
    names.add("bias of A" + stage.block() + "." + head + (part == 0 ? ".Q" : ".K"));
    return new AttentionScore.Side(names, vectors);
  }

  /**
   * Through normalisation, projection, clipping and the normalisation of queries and keys, with all
   * scales as the sum of the rows has them; a last row is what none of them brings.
   *
   * @param x {@code [N,D]}
   * @return {@code [N+1,dHead]}
   */
  private Tensor projected(Stage stage, int head, int part, Tensor x) {
    Transformer model = patchable.model();
    Features features = model.config().features();
    int heads = model.config().heads();
    int width = model.config().dHead();
    AttentionStep.HeadNorm norm = model.attentionStep(stage).norm();
    boolean all = norm != null && features.acrossHeads();
    long first = ((long) part * heads + (all ? 0 : head)) * width;
    long columns = all ? (long) heads * width : width;
    Tensor weight = wide(model.qkvWeight(stage).narrow(1, first, columns));
    Tensor bias = wide(model.qkvBias(stage).narrow(0, first, columns)).unsqueeze(0);
    Affine affine = model.affine(stage);
    Tensor y = scaled(model.normalization(stage), x);
    if (affine.weight() != null) {
      y = y.mul(wide(affine.weight()));
    }
    if (affine.bias() != null) {
      bias = bias.add(torch.mm(wide(affine.bias()).unsqueeze(0), weight));
    }
    Tensor p = torch.cat(new TensorVector(torch.mm(y, weight), bias), 0);
    if (features.clip() > 0) {
      p = p.mul(clipping(p, features.clip()));
    }
    if (norm != null) {
      Affine own = part == 0 ? norm.queries() : norm.keys();
      p = scaled(features.queryKeyNormalization(), p);
      if (own.weight() != null) {
        p = p.mul(row(own.weight(), all, head));
      }
      if (own.bias() != null) {
        p.narrow(0, p.size(0) - 1, 1).add_(row(own.bias(), all, head));
      }
    }
    return all ? p.narrow(1, (long) head * width, width).contiguous() : p;
  }

  /** Of {@code [1 or H,dHead]} what belongs to the columns that are projected. */
  private static Tensor row(Tensor affine, boolean all, int head) {
    Tensor wide = wide(affine);
    if (all) {
      return wide.reshape(1, -1);
    }
    return wide.narrow(0, wide.size(0) == 1 ? 0 : head, 1);
  }

  /** Rows, centred where that is so, times the scale that their sum is normalised by. */
  private static Tensor scaled(Normalization norm, Tensor x) {
    if (norm.kind() == Normalization.Kind.NONE) {
      return x;
    }
    Tensor centred =
        norm.kind() == Normalization.Kind.LAYER_NORM ? x.sub(x.mean(LAST, true, null)) : x;
    Tensor sum = centred.sum(new long[] {0}, true, null);
    Tensor squares = sum.mul(sum).mean(LAST, true, null);
    return centred.mul(squares.add_(new Scalar(norm.epsilon())).rsqrt_());
  }

  /** What clipping multiplies each number of the rows' sum by, {@code [1,columns]}. */
  private static Tensor clipping(Tensor rows, double most) {
    Tensor size = rows.sum(new long[] {0}, true, null).abs();
    Scalar bound = new Scalar(most);
    return size.clamp_min(bound).reciprocal_().mul_(bound);
  }

  /** Frees its native memory. */
  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
  }
}
