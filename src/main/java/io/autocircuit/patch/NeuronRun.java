package io.autocircuit.patch;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.model.AttentionStep;
import io.autocircuit.model.PromptContext;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.BitSet;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/**
 * Runs circuits of neurons. Of a source u that outputs c and is ablated to p, the stream holds
 * {@code c′ = n·c + (1 − n)·p}, n its neurons; a destination reads c′ along an edge of the circuit
 * and p along any other. So an edge that is not in the circuit is ablated in all neurons, also of
 * sources of which all are in. The plain way: every input of every head is made anew, all
 * differences are held, and a batch is run as a whole.
 */
public final class NeuronRun {
  private final PatchableModel patchable;
  private final Transformer model;
  private final ComputationGraph graph;
  private final BitSet edges;
  private final PromptContext context;
  private final Placement place;
  private final long b;
  private final long t;
  private final long d;

  /** What is kept of each source, {@code [S,1,1,D]}: 1 in, 0 out. */
  private final Tensor kept;

  private final Tensor ablations;

  /** p − c′ of each source, {@code [S,B,T,D]}. */
  private final Tensor differences;

  private Tensor stream;

  private NeuronRun(
      PatchableModel patchable, TokenBatch prompts, Tensor ablations, NeuronCircuit circuit) {
    this.patchable = patchable;
    this.model = patchable.model();
    this.graph = patchable.graph();
    this.edges = circuit.circuit().edgeSet();
    this.context = model.context(prompts);
    this.place = model.placement();
    this.b = prompts.batchSize();
    this.t = prompts.length();
    this.d = model.config().dModel();
    this.ablations = ablations;
    int sources = graph.sources().size();
    float[] in = new float[sources * (int) d];
    for (int i = 0; i < in.length; i++) {
      in[i] = circuit.neurons().get(circuit.width() == 1 ? i / (int) d : i) ? 1 : 0;
    }
    this.kept = place.tensor(in, sources, 1, 1, d);
    this.differences = place.zeros(sources, b, t, d);
  }

  /**
   * The logits of a circuit whose complement is ablated.
   *
   * @param patchable a model without autoencoders, through a factorized graph without positions
   * @param prompts the prompts that are run
   * @param ablations what sources are replaced by, {@code [S, 1 or B, 1 or T, D]}: {@link
   *     AblationValues#of}
   * @param circuit of the model's graph; its width is D or 1
   * @return sliced logits, {@code [B,P,V]}, in the current scope
   * @throws IllegalArgumentException if the graph is another, or one that it cannot run
   */
  public static Tensor logits(
      PatchableModel patchable, TokenBatch prompts, Tensor ablations, NeuronCircuit circuit) {
    ComputationGraph graph = patchable.graph();
    int d = patchable.model().config().dModel();
    if (!graph.factorized() || graph.positions() > 0 || patchable.model().autoencoders() != null) {
      throw new IllegalArgumentException(
          "circuits of neurons are run on factorized graphs without positions, spans and"
              + " autoencoders; this is a "
              + graph);
    }
    if (!graph.equals(circuit.circuit().graph()) || circuit.width() != 1 && circuit.width() != d) {
      throw new IllegalArgumentException(
          "circuit with neurons of each source="
              + circuit.width()
              + " is of another graph or width than the model with d_model="
              + d);
    }
    try (TensorScope scope = new TensorScope()) {
      NeuronRun run = new NeuronRun(patchable, prompts, ablations, circuit);
      run.write(0, patchable.model().embed(prompts));
      for (int block = 0; block < graph.blocks(); block++) {
        Tensor start = run.stream;
        boolean again = false;
        for (Stage stage : graph.stages(block)) {
          run.stage(stage, again ? start : run.stream);
          again = stage.streamReadAgain();
        }
      }
      int first = patchable.slice().first(prompts.length());
      Tensor end = run.input(graph.end(), 0, run.stream);
      return scope.keep(run.model.unembed(end.narrow(1, first, prompts.length() - first)));
    }
  }

  /** A source's output goes into the stream, as far as its neurons are in. */
  private void write(int source, Tensor output) {
    Tensor p = ablations.select(0, source);
    Tensor mine = p.add(output.sub(p).mul(kept.select(0, source)));
    differences.select(0, source).copy_(p.sub(mine));
    stream = stream == null ? mine : stream.add(mine);
  }

  /** What a row reads, normalised, {@code [B,T,D]}. */
  private Tensor input(Stage stage, int row, Tensor read) {
    DestModule module = stage.module(row);
    try (TensorScope scope = new TensorScope()) {
      Tensor x = read.clone();
      for (int s = stage.firstSource(); s < stage.firstSource() + stage.sources(); s++) {
        if (!edges.get(graph.index(module, stage.node(row), s, 0))) {
          x.add_(differences.select(0, s));
        }
      }
      return scope.keep(
          model.affine(stage).apply(Transformer.normalize(model.normalization(stage), x)));
    }
  }

  private void stage(Stage stage, Tensor read) {
    if (stage.kind() == Stage.Kind.MLP) {
      Tensor out = place.empty(b * t, d);
      model.mlp(stage, input(stage, 0, read).reshape(b * t, d), out);
      write(stage.firstWritten(), out.view(b, t, d));
      return;
    }
    int heads = stage.written();
    long width = (long) heads * model.config().dHead();
    Tensor qkv = place.empty(b * t, 3 * width);
    Tensor z = place.empty(b * t, width);
    for (int part = 0; part < stage.parts(); part++) {
      Tensor x = input(stage, stage.row(part), read).reshape(b * t, d);
      model.projectQkv(stage, x, qkv, part, 1);
    }
    AttentionStep step = model.attentionStep(stage);
    patchable
        .kernels()
        .attention(new Kernels.Attention(step.prepare(qkv), (int) b, step.pattern(context), z));
    step.scale(z);
    Tensor written = place.empty(heads, b, t, d);
    patchable
        .kernels()
        .headOutputs(
            new Kernels.HeadOutputs(
                z.view(b, t, width),
                model.attentionOutput(stage),
                model.config().dHead(),
                IntStream.range(0, heads).toArray(),
                null,
                written,
                place.zeros(b, t, d)));
    for (int h = 0; h < heads; h++) {
      write(stage.firstWritten() + h, written.select(0, h));
    }
    stream = stream.add(model.attentionOutputBias(stage));
  }
}
