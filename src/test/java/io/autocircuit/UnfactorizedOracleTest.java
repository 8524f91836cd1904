package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.LibtorchKernels;
import io.autocircuit.kernels.Tolerance;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.PromptContext;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Runs along unfactorized graphs against their definition, written out here with the model's
 * functions alone, on tiny random models in float64.
 */
@Tag("slow")
class UnfactorizedOracleTest {
  private static final Tolerance EXACT = new Tolerance(1e-11, 1e-11);

  /** Zeros cancel badly: what is left of a stream of zeros is divided by the root of ε. */
  private static final Tolerance ZEROS = new Tolerance(1e-8, 1e-8);

  private static final int LENGTH = 4;
  private static final int PROMPTS = 2;

  /** Depends on every logit, smoothly. */
  private static final LossFunction LOSS =
      (logits, batch, reference) ->
          Divergence.kl(logits, reference)
              .add(
                  Answers.difference(
                      LogitFunction.PROB.apply(logits), batch.answers(), batch.wrongAnswers()));

  static Stream<Architecture> architectures() {
    return Exhaustive.sample(
        RandomModels.architectures().filter(a -> a.config().wiring() != Wiring.PARALLEL).toList(),
        2)
        .stream();
  }

  /** Those whose heads can be computed one by one. */
  static Stream<Architecture> uncoupled() {
    return architectures().filter(a -> !a.config().features().couplesHeads());
  }

  private static List<Kernels> kernels() {
    return List.of(KernelsProvider.choose().kernels(), new LibtorchKernels());
  }

  private static Transformer model(Architecture a) {
    return RandomModels.model(a, ScalarType.Double, 1 + a.toString().length());
  }

  private static PatchableModel patchable(
      Transformer t, int positions, OutputSlice slice, Kernels kernels) {
    return new PatchableModel(t, t.config().unfactorizedGraph(positions), slice, kernels);
  }

  /** Every slice, with and without positions, with all kernels. */
  private static List<PatchableModel> all(Transformer t) {
    List<PatchableModel> all = new ArrayList<>();
    for (Kernels kernels : kernels()) {
      for (int positions : new int[] {0, LENGTH}) {
        for (OutputSlice slice : OutputSlice.values()) {
          if (!Exhaustive.on() && kernels instanceof LibtorchKernels && slice != OutputSlice.ALL) {
            continue;
          }
          all.add(patchable(t, positions, slice, kernels));
        }
      }
    }
    return all;
  }

  private static String name(Architecture a, PatchableModel model) {
    return a
        + ", "
        + model.kernels().name()
        + ", positions="
        + model.graph().positions()
        + ", "
        + model.slice();
  }

  private static float[] random(int length, Random random, double share) {
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = random.nextDouble() < share ? random.nextFloat() : 0;
    }
    return values;
  }

  /** All zero, all one, uniform, random, sparse, and one mask for each prompt. */
  private static List<PatchMask> masks(ComputationGraph graph, Random random) {
    int n = graph.edgeCount();
    return List.of(
        PatchMask.uniform(graph, 0),
        PatchMask.uniform(graph, 1),
        PatchMask.uniform(graph, 0.3),
        PatchMask.of(graph, random(n, random, 0.7)),
        PatchMask.of(graph, random(n, random, 0.15)),
        new PatchMask(graph, random(PROMPTS * n, random, 0.7), PROMPTS));
  }

  /** The definition: a sum is {@code stream + Σ m_s (p_s − c_s)}, and what follows reads it. */
  private static Tensor oracle(PatchableModel model, TokenBatch tokens, Tensor p, PatchMask mask) {
    Transformer t = model.model();
    ComputationGraph graph = model.graph();
    PromptContext context = t.context(tokens);
    int n = context.rows();
    int d = t.config().dModel();
    int heads = t.config().heads();
    int dHead = t.config().dHead();
    List<Tensor> outputs = new ArrayList<>();
    Tensor stream = t.embed(tokens);
    outputs.add(stream);
    for (Stage stage : graph.stages()) {
      switch (stage.kind()) {
        case ATTENTION -> {
          Tensor qkv = Tensors.empty(ScalarType.Double, n, 3L * heads * dHead);
          t.projectQkv(stage, t.read(stage, stream).view(n, d), qkv, 0, 3 * heads);
          Tensor parts = qkv.view(PROMPTS, LENGTH, 3, heads, dHead);
          Tensor z =
              t.attentionStep(stage)
                  .mix(
                      parts.select(2, 0),
                      parts.select(2, 1),
                      parts.select(2, 2),
                      IntStream.range(0, heads).toArray(),
                      context);
          for (int h = 0; h < heads; h++) {
            Tensor out = torch.matmul(z.select(2, h), t.headOutput(stage, h));
            outputs.add(out);
            stream = stream.add(out);
          }
          stream = stream.add(t.attentionOutputBias(stage));
        }
        case MLP -> {
          Tensor out = Tensors.empty(ScalarType.Double, n, d);
          t.mlp(stage, t.read(stage, stream).view(n, d), out);
          outputs.add(out.view(PROMPTS, LENGTH, d));
          stream = stream.add(out.view(PROMPTS, LENGTH, d));
        }
        case RESIDUAL, END -> {
          stream = patched(graph, stage.reads().get(0), stream, outputs, p, mask);
          outputs.add(stream);
        }
        case EMBEDDING -> assertEquals(0, stage.index());
      }
    }
    return t.unembed(t.read(graph.end(), model.slice().apply(stream)));
  }

  private static Tensor patched(
      ComputationGraph graph,
      DestModule m,
      Tensor stream,
      List<Tensor> outputs,
      Tensor p,
      PatchMask mask) {
    Tensor sum = stream;
    for (int s = m.firstSource(); s < m.firstSource() + m.sources(); s++) {
      double[] values = new double[PROMPTS * LENGTH];
      for (int i = 0; i < values.length; i++) {
        int instance = mask.instances() == 0 ? 0 : i / LENGTH;
        int position = graph.positions() == 0 ? 0 : i % LENGTH;
        values[i] = mask.values()[instance * graph.edgeCount() + graph.index(m, 0, s, position)];
      }
      Tensor by = Tensors.of(ScalarType.Double, floats(values), PROMPTS, LENGTH, 1);
      sum = sum.add(p.select(0, s).sub(outputs.get(s)).mul(by));
    }
    return sum;
  }

  private static float[] floats(double[] values) {
    float[] floats = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }

  @ParameterizedTest
  @MethodSource("uncoupled")
  void runsAreTheDefinition(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 5);
    Random random = new Random(6);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      for (PatchableModel model : all(transformer)) {
        try (TensorScope inner = new TensorScope()) {
          Tensor p = SourceOutputs.of(model, batch.corrupt());
          try (Evaluation run = Evaluation.of(model, batch.clean(), p)) {
            for (PatchMask mask : masks(model.graph(), random)) {
              EXACT.check(name(a, model), oracle(model, batch.clean(), p, mask), run.logits(mask));
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void gradientsEqualFiniteDifferences(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 7);
    Random random = new Random(8);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      for (PatchableModel model : all(transformer)) {
        try (TensorScope inner = new TensorScope()) {
          Tensor p = SourceOutputs.of(model, batch.corrupt());
          Tensor clean = model.logits(batch.clean());
          for (Tensor values : List.of(p, p.mul(new org.bytedeco.pytorch.Scalar(0.5)))) {
            try (Evaluation run = Evaluation.of(model, batch.clean(), values)) {
              for (PatchMask mask : masks(model.graph(), random)) {
                checkGradient(name(a, model), run, mask, batch, clean, random);
              }
            }
          }
        }
      }
    }
  }

  private static void checkGradient(
      String name, Evaluation run, PatchMask mask, PromptBatch batch, Tensor clean, Random random) {
    Evaluation.Gradient gradient = run.gradient(mask, LOSS, batch, clean);
    int n = mask.values().length;
    assertEquals(n, gradient.maskGradient().length);
    double largest = 0;
    for (float g : gradient.maskGradient()) {
      largest = Math.max(largest, Math.abs(g));
    }
    for (int probe = 0; probe < 3; probe++) {
      float[] direction = new float[n];
      if (probe < 1) {
        for (int i = 0; i < n; i++) {
          direction[i] = (float) (random.nextGaussian() / Math.sqrt(n));
        }
      } else {
        direction[random.nextInt(n)] = 1;
      }
      float step = 0x1p-20f;
      float[] up = mask.values().clone();
      float[] down = mask.values().clone();
      double expected = 0;
      for (int i = 0; i < n; i++) {
        up[i] += step * direction[i];
        down[i] -= step * direction[i];
        expected += gradient.maskGradient()[i] * ((double) up[i] - down[i]);
      }
      double measured = loss(run, up, mask, batch, clean) - loss(run, down, mask, batch, clean);
      assertEquals(
          measured, expected, 2 * step * (1e-6 + 1e-6 * largest), name + ", probe " + probe);
    }
  }

  private static double loss(
      Evaluation run, float[] values, PatchMask like, PromptBatch batch, Tensor reference) {
    try (TensorScope scope = new TensorScope()) {
      Tensor logits = run.logits(new PatchMask(like.graph(), values, like.instances()));
      return Arrays.stream(Tensors.doubles(LOSS.perPrompt(logits, batch, reference))).sum();
    }
  }

  /** Each sum is then the corrupt run's, so that only the first of its Δ is not zero. */
  @ParameterizedTest
  @MethodSource("architectures")
  void nothingPassesSumsThatAreAblated(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 9);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      for (PatchableModel model : all(transformer)) {
        try (Evaluation run =
            Evaluation.of(model, batch.clean(), SourceOutputs.of(model, batch.corrupt()))) {
          float[] g =
              run.gradient(
                      PatchMask.uniform(model.graph(), 1), LOSS, batch, model.logits(batch.clean()))
                  .maskGradient();
          for (float v : g) {
            assertEquals(0, v, 1e-12, name(a, model));
          }
          EXACT.check(
              name(a, model),
              model.logits(batch.corrupt()),
              run.logits(Circuit.empty(model.graph()), PatchType.TREE_PATCH));
        }
      }
    }
  }

  /** One after another and several at once, from what the last left behind and from nothing. */
  @ParameterizedTest
  @MethodSource("architectures")
  void circuitsAreTheirMasks(Architecture a) {
    PromptBatch whole = RandomModels.batch(PROMPTS, LENGTH, 11);
    PromptBatch alike = sharingAPrefix(whole);
    Random random = new Random(12);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      for (PatchableModel model : all(transformer)) {
        for (PromptBatch batch : List.of(whole, alike)) {
          for (Ablation ablation : List.of(Ablation.RESAMPLE, Ablation.ZERO)) {
            try (TensorScope inner = new TensorScope();
                AblationValues values = AblationValues.prepare(model, ablation, List.of(batch));
                Evaluation run = Evaluation.of(model, batch.clean(), values, batch.corrupt());
                Evaluation plain =
                    Evaluation.of(model, batch.clean(), values.of(batch.corrupt()))) {
              String name = name(a, model) + ", " + ablation + ", prefix=" + run.sharedPrefix();
              Tolerance tolerance = ablation == Ablation.ZERO ? ZEROS : EXACT;
              check(name, run, plain, model.graph(), random, tolerance);
            }
          }
        }
      }
    }
  }

  /** The corrupt prompts begin with the clean ones' first two tokens. */
  private static PromptBatch sharingAPrefix(PromptBatch batch) {
    int[] ids = batch.corrupt().ids().clone();
    for (int i = 0; i < ids.length; i++) {
      ids[i] = i % LENGTH < 2 ? batch.clean().ids()[i] : ids[i];
    }
    TokenBatch corrupt = new TokenBatch(ids, PROMPTS, LENGTH, batch.corrupt().padding());
    return new PromptBatch(
        batch.clean(), corrupt, batch.answers(), batch.wrongAnswers(), batch.rows());
  }

  private static void check(
      String name,
      Evaluation run,
      Evaluation plain,
      ComputationGraph graph,
      Random random,
      Tolerance tolerance) {
    BitSet set = new BitSet();
    List<Circuit> last = new ArrayList<>();
    for (int step = 0; step < 24; step++) {
      switch (step % 4) {
        case 0 -> {
          set.clear();
          double share = random.nextDouble() * 1.2;
          for (int e = 0; e < graph.edgeCount(); e++) {
            set.set(e, random.nextDouble() < share);
          }
        }
        case 1 -> set.flip(random.nextInt(graph.edgeCount()));
        case 2 -> set.set(random.nextInt(graph.edgeCount()));
        default -> set.clear(random.nextInt(graph.edgeCount()));
      }
      Circuit circuit = Circuit.of(graph, set);
      last.add(circuit);
      PatchType type = random.nextInt(4) == 0 ? PatchType.EDGE_PATCH : PatchType.TREE_PATCH;
      if (step == 17) {
        run.forget();
      }
      Tensor want = plain.logits(circuit.mask(type));
      Tensor mine = run.logits(circuit, type);
      tolerance.check(name + ", step " + step + " " + type, want, mine);
      double share = run.liveShare(circuit, type);
      assertTrue(share >= 0 && share < 1.5, name + " share " + share);
      if (step == 9) {
        Tensor several = run.logits(last, PatchType.TREE_PATCH);
        tolerance.check(
            name + " several",
            torch.stack(
                new TensorVector(
                    last.stream()
                        .map(c -> plain.logits(c.mask(PatchType.TREE_PATCH)))
                        .toArray(Tensor[]::new)),
                0),
            several);
      }
    }
    // nothing of a circuit is left out where heads are coupled
    double empty = run.liveShare(Circuit.empty(graph), PatchType.TREE_PATCH);
    boolean coupled = run.liveShare(Circuit.full(graph), PatchType.TREE_PATCH) == empty;
    assertTrue(empty == 0 || coupled && name.contains("over all heads"), name + " " + empty);
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void liveEdgesAreThoseThatMatter(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 13);
    Random random = new Random(14);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      PatchableModel model =
          patchable(transformer, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      ComputationGraph graph = model.graph();
      try (AblationValues values =
              AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch));
          Evaluation run = Evaluation.of(model, batch.clean(), values, batch.corrupt())) {
        CircuitRuns runs = CircuitRuns.of(PatchType.TREE_PATCH, Ablation.RESAMPLE);
        int dead = 0;
        for (int step = 0; step < 20; step++) {
          BitSet set = new BitSet();
          for (int e = 0; e < graph.edgeCount(); e++) {
            set.set(e, random.nextBoolean());
          }
          Circuit circuit = Circuit.of(graph, set);
          Circuit live = runs.live(circuit);
          dead += circuit.size() - live.size();
          EXACT.check(
              a.toString(),
              run.logits(circuit, PatchType.TREE_PATCH),
              run.logits(live, PatchType.TREE_PATCH));
        }
        assertTrue(dead > 0, "some edges lead to what nobody reads");
      }
    }
  }

  @ParameterizedTest
  @MethodSource("uncoupled")
  void restartsEqualFullRunsInAnyOrder(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 15);
    Random random = new Random(16);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      for (PatchableModel model : all(transformer)) {
        ComputationGraph graph = model.graph();
        Tensor p = SourceOutputs.of(model, batch.corrupt());
        try (Evaluation run = Evaluation.of(model, batch.clean(), p)) {
          for (int step = 0; step < 12; step++) {
            int from = random.nextInt(graph.blocks() + 1);
            float[] values = random(graph.edgeCount(), random, step % 2 * 0.6 + 0.05);
            for (int i = 0; i < values.length; i++) {
              if (graph.edge(i).destination().block() < from) {
                values[i] = 0;
              }
            }
            PatchMask mask = PatchMask.of(graph, values);
            if (step % 5 == 3) {
              run.gradient(PatchMask.uniform(graph, 0.5), LOSS, batch, model.logits(batch.clean()));
            }
            try (TensorScope inner = new TensorScope()) {
              EXACT.check(
                  name(a, model) + ", step " + step + " from block " + from,
                  oracle(model, batch.clean(), p, mask),
                  run.logitsFrom(mask, from));
            }
          }
        }
      }
    }
  }

  /** What a head writes, replaced for every reader: the same in both forms. */
  @ParameterizedTest
  @MethodSource("architectures")
  void oneSourceAblatedEverywhereIsTheSameInBothForms(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 17);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      Kernels kernels = KernelsProvider.choose().kernels();
      PatchableModel nodes = patchable(transformer, 0, OutputSlice.ALL, kernels);
      PatchableModel edges = PatchableModel.of(transformer, true, 0, OutputSlice.ALL, kernels);
      try (Evaluation one =
              Evaluation.of(nodes, batch.clean(), SourceOutputs.of(nodes, batch.corrupt()));
          Evaluation other =
              Evaluation.of(edges, batch.clean(), SourceOutputs.of(edges, batch.corrupt()))) {
        for (String name : List.of("A0.0", "A1.0")) {
          EXACT.check(
              a + " " + name,
              other.logits(from(edges.graph(), name)),
              one.logits(from(nodes.graph(), name)));
        }
      }
    }
  }

  private static PatchMask from(ComputationGraph graph, String source) {
    float[] values = new float[graph.edgeCount()];
    for (int e = 0; e < values.length; e++) {
      values[e] = graph.edge(e).source().name().equals(source) ? 1 : 0;
    }
    return PatchMask.of(graph, values);
  }
}
