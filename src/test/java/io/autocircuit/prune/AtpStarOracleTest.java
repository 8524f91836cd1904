package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Exhaustive;
import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.LibtorchAttention;
import io.autocircuit.kernels.LibtorchKernels;
import io.autocircuit.model.Features;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.GradientOf;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The terms of AtP* against their definition, in float64 on tiny models. A pattern' is that of a
 * run in which the edge is ablated, and {@code ⟨∂L/∂pattern, pattern' − pattern⟩} the slope of the
 * loss while attention goes from one to the other. What a block adds to the stream is held constant
 * by edges out of it that carry what it writes in the clean run, whatever it reads.
 */
@Tag("slow")
class AtpStarOracleTest {
  private static final int PROMPTS = 2;
  private static final int LENGTH = 4;
  private static final float STEP = 0x1p-16f;

  /** Attention that can be looked at, and in one block replaced by another pattern. */
  private static final class Patterns implements Kernels {
    private final Kernels other = new LibtorchKernels();
    private int block;
    private int replaced = -1;
    private Tensor target;
    private double share;

    /** The block whose pattern is kept; −1 for none. */
    private int seen = -1;

    @Override
    public String name() {
      return other.name();
    }

    @Override
    public void patchForward(PatchForward args) {
      other.patchForward(args);
    }

    @Override
    public void patchBackward(PatchBackward args) {
      other.patchBackward(args);
    }

    @Override
    public void attention(Attention a) {
      int b = block++;
      Kernels.AttentionPattern p = a.pattern();
      long t = a.qkv().size(0) / a.prompts();
      Tensor split = a.qkv().view(a.prompts(), t, 3, p.heads(), p.width());
      Tensor q = LibtorchAttention.rotate(split.select(2, 0).transpose(1, 2), p.rotation(), false);
      Tensor k = LibtorchAttention.rotate(split.select(2, 1).transpose(1, 2), p.rotation(), false);
      Tensor scores = torch.matmul(q, k.transpose(2, 3)).mul(new Scalar(p.scale()));
      if (p.cap() > 0) {
        scores = scores.div(new Scalar(p.cap())).tanh().mul(new Scalar(p.cap()));
      }
      Tensor weights = (p.mask() == null ? scores : scores.add(p.mask())).exp();
      Tensor pattern = weights.div(weights.sum(new long[] {-1}, true, null));
      if (b == seen) {
        target = pattern;
        target.retainReference();
      }
      if (b == replaced) {
        pattern = pattern.add(target.sub(pattern).mul(new Scalar(share)));
      }
      Tensor z = torch.matmul(pattern, split.select(2, 2).transpose(1, 2)).transpose(1, 2);
      a.z().view(z.size(0), z.size(1), z.size(2), z.size(3)).copy_(z);
    }
  }

  /** One case: a model, its graph and an evaluation for each block that is held constant. */
  private record Case(
      PatchableModel model, Patterns kernels, PromptBatch batch, TreeMap<Integer, Evaluation> runs)
      implements AutoCloseable {
    static Case of(Transformer transformer, ComputationGraph graph) {
      Patterns kernels = new Patterns();
      PatchableModel model = new PatchableModel(transformer, graph, OutputSlice.LAST_SEQ, kernels);
      PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 3);
      TreeMap<Integer, Evaluation> runs = new TreeMap<>();
      Tensor clean = SourceOutputs.of(model, batch.clean());
      Tensor corrupt = SourceOutputs.of(model, batch.corrupt());
      for (int b = -1; b < graph.blocks(); b++) {
        Tensor values = corrupt.clone();
        for (int s = 0; s < graph.sources().size(); s++) {
          if (written(graph, s, b)) {
            values.select(0, s).copy_(clean.select(0, s));
          }
        }
        runs.put(b, Evaluation.of(model, batch.clean(), values));
      }
      return new Case(model, kernels, batch, runs);
    }

    /** Whether a head or the MLP of a block writes a source. */
    static boolean written(ComputationGraph graph, int source, int block) {
      return block >= 0
          && graph.stages(block).stream()
              .filter(s -> s.kind() == Stage.Kind.ATTENTION || s.kind() == Stage.Kind.MLP)
              .anyMatch(s -> source >= s.firstWritten() && source < s.firstWritten() + s.written());
    }

    double[] losses(int constant, int edge, float value) {
      ComputationGraph graph = model.graph();
      float[] mask = new float[graph.edgeCount()];
      for (int e = 0; e < mask.length; e++) {
        mask[e] = written(graph, graph.edge(e).source().index(), constant) ? 1 : 0;
      }
      if (edge >= 0) {
        mask[edge] = value;
      }
      kernels.block = 0;
      try (TensorScope scope = new TensorScope()) {
        Tensor logits = runs.get(constant).logits(PatchMask.of(graph, mask));
        return Tensors.doubles(MaskGradient.eap().loss().perPrompt(logits, batch, null));
      }
    }

    /** The slope along an edge's mask. */
    double[] linear(int constant, int edge) {
      return slope(losses(constant, edge, STEP), losses(constant, edge, -STEP));
    }

    /** The slope on the way to the pattern with an edge ablated. */
    double[] recomputed(int constant, int edge) {
      int block = model.graph().edge(edge).destination().block();
      float[] mask = new float[model.graph().edgeCount()];
      mask[edge] = 1;
      try (TensorScope scope = new TensorScope()) {
        kernels.seen = block;
        kernels.block = 0;
        runs.get(-1).logits(PatchMask.of(model.graph(), mask));
        kernels.seen = -1;
        kernels.replaced = block;
        kernels.share = STEP;
        double[] up = losses(constant, -1, 0);
        kernels.share = -STEP;
        return slope(up, losses(constant, -1, 0));
      } finally {
        kernels.replaced = -1;
        kernels.target.releaseReference();
      }
    }

    private static double[] slope(double[] up, double[] down) {
      return IntStream.range(0, up.length)
          .mapToDouble(i -> (up[i] - down[i]) / (2 * STEP))
          .toArray();
    }

    @Override
    public void close() {
      runs.values().forEach(Evaluation::close);
    }
  }

  /** With three blocks. */
  private static Transformer model(Architecture a) {
    TransformerConfig c = a.config();
    Features f = c.features();
    List<Features.AttentionKind> kinds = new ArrayList<>(f.attention());
    if (!kinds.isEmpty()) {
      kinds.add(kinds.get(0));
    }
    Features three =
        new Features(
                kinds,
                f.queryKeyNormalization(),
                f.acrossHeads(),
                f.clip(),
                f.scoreCap(),
                f.logitCap(),
                f.outputNormalization())
            .withKeyValueHeads(a.groups() == c.heads() ? 0 : a.groups());
    TransformerConfig deep =
        new TransformerConfig(
            c.name(),
            3,
            c.heads(),
            c.dModel(),
            c.dHead(),
            c.dMlp(),
            c.vocabulary(),
            c.outputs(),
            c.contextLength(),
            c.activation(),
            c.gatedMlp(),
            c.normalization(),
            c.finalNormalization(),
            c.causal(),
            c.parallel(),
            c.positions(),
            c.attentionScale(),
            three);
    return RandomModels.model(
        new Architecture(deep, a.groups(), a.scaled(), a.biased()), ScalarType.Double, 5);
  }

  static Stream<Architecture> architectures() {
    return RandomModels.sample(3);
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void termsAreWhatTheyAreDefinedAs(Architecture a) {
    try (Transformer transformer = model(a)) {
      List<Integer> graphs = a.groups() % 2 == 0 ? List.of(0, LENGTH) : List.of(LENGTH, 0);
      for (int positions : Exhaustive.sample(graphs, 2)) {
        for (boolean patterns : new boolean[] {true, false}) {
          ComputationGraph graph = transformer.graph(true, KeyValues.GROUPED, positions);
          try (TensorScope scope = new TensorScope();
              Case c = Case.of(transformer, graph)) {
            check(a + ", positions=" + positions, c, patterns);
          }
        }
      }
    }
  }

  static Stream<Architecture> sequential() {
    return Exhaustive.sample(
        RandomModels.architectures().filter(a -> !a.config().parallel()).toList(), 4)
        .stream();
  }

  @ParameterizedTest
  @MethodSource("sequential")
  void nodesOfTheUnfactorizedGraph(Architecture a) {
    try (Transformer transformer = model(a);
        TensorScope scope = new TensorScope();
        Case c = Case.of(transformer, transformer.config().unfactorizedGraph(0))) {
      check(a + ", unfactorized", c, false);
    }
  }

  private static void check(String name, Case c, boolean patterns) {
    ComputationGraph graph = c.model().graph();
    List<float[]> terms = new ArrayList<>();
    GradientOf of = new GradientOf(MaskGradient.eap().loss(), c.batch(), null);
    c.runs().get(-1).terms(false, patterns, of, (dropped, g) -> terms.add(g));
    c.runs()
        .get(-1)
        .terms(
            true,
            patterns,
            of,
            (dropped, g) -> {
              assertEquals(terms.size() - 1, dropped);
              terms.add(g);
            });
    assertEquals(graph.blocks() + 1, terms.size());
    double largest = 0;
    for (float g : terms.get(0)) {
      largest = Math.max(largest, Math.abs(g));
    }
    int checked = 0;
    for (int e : some(graph, patterns)) {
      Edge edge = graph.edge(e);
      Input input = edge.destination().input();
      boolean recomputed = patterns && (input == Input.Q || input == Input.K);
      for (int b = -1; b < graph.blocks(); b++) {
        boolean own = Case.written(graph, edge.source().index(), b);
        double[] expected = new double[PROMPTS];
        if (b >= 0 && (graph.factorized() ? edge.destination().block() == b : own)) {
          checked++;
        } else if (recomputed) {
          expected = c.recomputed(b, e);
        } else if (own) {
          continue; // its mask holds it constant
        } else {
          expected = c.linear(b, e);
        }
        for (int i = 0; i < PROMPTS; i++) {
          float g = terms.get(b + 1)[i * graph.edgeCount() + e];
          assertEquals(expected[i], g, 2e-6 * largest, name + ", " + edge + ", without " + b);
        }
      }
    }
    assertTrue(checked > 0, name);
  }

  /** Some edges of each kind of destination. */
  private static List<Integer> some(ComputationGraph graph, boolean patterns) {
    Random random = new Random(7);
    TreeMap<String, List<Integer>> kinds = new TreeMap<>();
    for (int e = 0; e < graph.edgeCount(); e++) {
      Input input = graph.edge(e).destination().input();
      if (!patterns || input == Input.Q || input == Input.K) {
        kinds.computeIfAbsent(input.name(), k -> new ArrayList<>()).add(e);
      }
    }
    List<Integer> some = new ArrayList<>();
    int each = Exhaustive.on() ? 8 : 2;
    for (List<Integer> of : kinds.values()) {
      random.ints(each, 0, of.size()).forEach(i -> some.add(of.get(i)));
    }
    return some;
  }
}
