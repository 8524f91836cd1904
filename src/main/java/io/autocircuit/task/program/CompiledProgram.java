package io.autocircuit.task.program;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.task.program.Plan.Copy;
import io.autocircuit.task.program.Plan.Head;
import io.autocircuit.task.program.Plan.Match;
import io.autocircuit.task.program.Plan.Row;
import io.autocircuit.task.program.Plan.Unit;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * A program as a transformer: its weights, the meaning of every direction of its stream, and the
 * edges that it uses.
 */
public final class CompiledProgram {
  private final Program program;
  private final Plan plan;
  private final double[] outputs;
  private final int[] letters;
  private final int[] indices;

  CompiledProgram(Program program, Plan plan, double[] outputs, int[] letters, int[] indices) {
    this.program = program;
    this.plan = plan;
    this.outputs = outputs;
    this.letters = letters;
    this.indices = indices;
  }

  /**
   * Compiles a program.
   *
   * @param program any
   * @return its model
   * @throws IllegalArgumentException if two operations have one name, or one can have too many
   *     values
   */
  public static CompiledProgram of(Program program) {
    return Compiler.compile(program);
  }

  /**
   * What was compiled.
   *
   * @return the program
   */
  public Program program() {
    return program;
  }

  /**
   * What each coordinate of the residual stream means.
   *
   * @return by index; as many as the stream is wide
   */
  public List<Direction> directions() {
    return List.copyOf(plan.directions);
  }

  /**
   * Whether the model says a number, instead of a logit for each category.
   *
   * @return true if there is one output
   */
  public boolean numerical() {
    return program.output().numerical();
  }

  /**
   * The category of each output.
   *
   * @return ascending; every number that a numerical output can be
   */
  public double[] outputs() {
    return outputs.clone();
  }

  /**
   * The output that stands for a category.
   *
   * @param value one that {@link Program#run} returned
   * @return an index of the logits
   * @throws IllegalArgumentException if the program has no such output
   */
  public int output(double value) {
    int index = Arrays.binarySearch(outputs, value + 0.0);
    if (index < 0 || numerical()) {
      throw new IllegalArgumentException(
          "value=" + value + " is no category of the output " + Arrays.toString(outputs));
    }
    return index;
  }

  /**
   * The shape of the model.
   *
   * @return bidirectional, without normalisation, learned positions, scores divided by 1
   */
  public TransformerConfig config() {
    return new TransformerConfig(
        program.name(),
        plan.blocks.size(),
        Math.max(1, plan.heads()),
        plan.directions.size(),
        Math.max(1, plan.headWidth()),
        Math.max(1, plan.hiddenUnits()),
        program.vocabulary().size(),
        plan.outputs.size(),
        program.length() + 1,
        TransformerConfig.Activation.RELU,
        false,
        Normalization.NONE,
        Normalization.NONE,
        false,
        false,
        new TransformerConfig.Learned(),
        1);
  }

  /**
   * The edges that the program uses, in a graph of its model.
   *
   * @param graph of the model's shape
   * @param varying whether to leave out what does not depend on the letters, but on their number
   *     alone: resampling from a prompt of the same length does not change that
   * @return existing edges, each once. With positions: at every letter, and at BOS where it is BOS
   *     itself that is read
   * @throws IllegalArgumentException if the graph is of another shape
   */
  public List<Edge> edges(ComputationGraph graph, boolean varying) {
    TransformerConfig c = config();
    if (!graph.equals(c.graph(graph.separateQkv(), graph.positions()))
        || (graph.positions() != 0 && graph.positions() != c.contextLength())) {
      throw new IllegalArgumentException(
          graph
              + " is not of the shape of program="
              + program.name()
              + ": blocks="
              + c.blocks()
              + ", heads="
              + c.heads()
              + ", positions=0 or "
              + c.contextLength());
    }
    Set<Edge> edges = new LinkedHashSet<>();
    for (Plan.Use use : plan.uses()) {
      if (use.varies() || !varying) {
        String to = use.destination();
        boolean joint = !graph.separateQkv() && to.matches("A.*\\.[QKV]");
        String name = use.source() + "->" + (joint ? to.substring(0, to.length() - 2) : to);
        for (Edge e : graph.edges(name)) {
          if (graph.positions() == 0
              || (e.position() == 0 ? use.atBos() && !varying : use.atLetters())) {
            edges.add(e);
          }
        }
      }
    }
    return List.copyOf(edges);
  }

  /**
   * Makes the model.
   *
   * @param type float32 or float64
   * @return on the processor; the caller closes it
   */
  public Transformer transformer(ScalarType type) {
    try (TensorScope scope = new TensorScope()) {
      return new Transformer(config(), weights(new Placement(type, Device.CPU)), type);
    }
  }

  private Map<String, Tensor> weights(Placement place) {
    TransformerConfig c = config();
    Map<String, Tensor> all = new LinkedHashMap<>();
    Matrix embedding = new Matrix(c.vocabulary(), c.dModel());
    embedding.set(program.vocabulary().indexOf(Program.BOS), axis(Plan.BOS), 1);
    int[] ids = program.letters();
    for (int i = 0; i < ids.length; i++) {
      embedding.set(ids[i], axis(Plan.ONE), 1);
      if (letters.length > 0) {
        embedding.set(ids[i], letters[i], 1);
      }
    }
    Matrix positions = new Matrix(c.contextLength(), c.dModel());
    for (int i = 0; i < indices.length; i++) {
      positions.set(i + 1, indices[i], 1);
    }
    all.put("embed.W_E", embedding.tensor(place));
    all.put("pos_embed.W_pos", positions.tensor(place));
    for (int b = 0; b < c.blocks(); b++) {
      attention(c, b, place, all);
      Matrix in = new Matrix(c.dModel(), c.dMlp());
      Matrix out = new Matrix(c.dMlp(), c.dModel());
      List<Unit> units = plan.blocks.get(b).units();
      for (int u = 0; u < units.size(); u++) {
        int unit = u;
        units.get(u).in().forEach((d, w) -> in.set(d, unit, w));
        units.get(u).out().forEach((d, w) -> out.set(unit, d, w));
      }
      all.put("blocks." + b + ".mlp.W_in", in.tensor(place));
      all.put("blocks." + b + ".mlp.W_out", out.tensor(place));
    }
    Matrix end = new Matrix(c.dModel(), c.outputs());
    for (int o = 0; o < plan.outputs.size(); o++) {
      end.set(plan.outputs.get(o), o, 1);
    }
    all.put("unembed.W_U", end.tensor(place));
    return all;
  }

  private int axis(String name) {
    for (int d = 0; d < plan.directions.size(); d++) {
      if (plan.directions.get(d).name().equals(name)) {
        return d;
      }
    }
    throw new IllegalStateException("no direction " + name);
  }

  private void attention(TransformerConfig c, int block, Placement place, Map<String, Tensor> all) {
    int heads = c.heads();
    Matrix q = new Matrix(heads * c.dModel(), c.dHead());
    Matrix bias = new Matrix(heads, c.dHead());
    Matrix k = new Matrix(heads * c.dModel(), c.dHead());
    Matrix v = new Matrix(heads * c.dModel(), c.dHead());
    Matrix o = new Matrix(heads * c.dHead(), c.dModel());
    List<Head> plans = plan.blocks.get(block).heads();
    for (int h = 0; h < plans.size(); h++) {
      int first = h * c.dModel();
      List<Match> matches = plans.get(h).matches();
      for (int i = 0; i < matches.size(); i++) {
        fill(q, first, i, matches.get(i).query());
        fill(k, first, i, matches.get(i).key());
        bias.set(h, i, matches.get(i).bias());
      }
      List<Copy> copies = plans.get(h).copies();
      for (int i = 0; i < copies.size(); i++) {
        v.set(first + copies.get(i).in(), i, 1);
        o.set(h * c.dHead() + i, copies.get(i).out(), 1);
      }
    }
    String name = "blocks." + block + ".attn.";
    all.put(name + "W_Q", q.tensor(place, heads, c.dModel(), c.dHead()));
    all.put(name + "b_Q", bias.tensor(place));
    all.put(name + "W_K", k.tensor(place, heads, c.dModel(), c.dHead()));
    all.put(name + "W_V", v.tensor(place, heads, c.dModel(), c.dHead()));
    all.put(name + "W_O", o.tensor(place, heads, c.dHead(), c.dModel()));
  }

  private static void fill(Matrix into, int first, int column, Row row) {
    row.forEach((d, w) -> into.set(first + d, column, w));
  }

  /** A dense matrix that is filled number by number. */
  private static final class Matrix {
    private final int rows;
    private final int columns;
    private final double[] numbers;

    Matrix(int rows, int columns) {
      this.rows = rows;
      this.columns = columns;
      this.numbers = new double[rows * columns];
    }

    void set(int row, int column, double number) {
      numbers[row * columns + column] = number;
    }

    Tensor tensor(Placement place) {
      return tensor(place, rows, columns);
    }

    Tensor tensor(Placement place, long... shape) {
      return place.tensor(numbers, shape);
    }
  }
}
