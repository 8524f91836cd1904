package io.autocircuit.experiment;

import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.GraphNodes;
import io.autocircuit.graph.Stage;
import io.autocircuit.model.ConstantOutputs;
import io.autocircuit.model.ConstantOutputs.Place;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * A circuit of nodes as a model of its own: the heads and MLPs outside it write what they are
 * ablated to. Patching does the same: every edge that leaves an ablated node carries that value,
 * and every edge between nodes of the circuit, or from the start of the stream, the node's output.
 *
 * @param circuit its edges
 * @param kept its nodes
 * @param constant the other nodes
 * @param files the names of the files written
 */
public record CircuitModel(
    Circuit circuit,
    List<GraphNodes.Node> kept,
    List<GraphNodes.Node> constant,
    List<String> files) {

  /**
   * Refuses runs whose circuits no model directory can hold; nothing is read for that.
   *
   * @param run the run
   * @throws DataException naming the setting, and why
   */
  public static void requireFit(RunSpec run) {
    RunSpec.Graph graph = run.graph();
    String why =
        graph.level() != Level.NODE
            ? "level=edge: an edge between two parts is no part of a model's files; discover with"
                + " --level node"
            : graph.form() != ComputationGraph.Form.FACTORIZED
                ? "graph="
                    + graph.form().key()
                    + ": its nodes read the stream as it is, ablated or not; discover with --graph"
                    + " factorized"
                : graph.tokenPositions() || graph.spans()
                    ? "token positions: a model's weights are the same at all of them; discover"
                        + " without --token-positions and --spans"
                    : graph.autoencoders().isPresent()
                        ? "autoencoders: a model's files do not have their latents; discover"
                            + " without --autoencoders"
                        : run.model().directory().isEmpty()
                            ? "its model is in no directory; discover with --model DIR"
                            : null;
    if (why != null) {
      throw new DataException("the circuits of this run cannot be written as models: " + why);
    }
  }

  /**
   * Writes the circuit of some of the best nodes.
   *
   * @param run a run of nodes
   * @param scores what its circuits are chosen by
   * @param nodes how many nodes the circuit has, from 0 to all
   * @param out the new model directory
   * @return what was written
   * @throws DataException if the run's circuits cannot be written so, or a file cannot be read or
   *     written
   * @throws IllegalArgumentException if there are not so many nodes, or the ablation writes no
   *     constant
   */
  public static CircuitModel write(Run run, PruneScores scores, int nodes, Path out) {
    requireFit(run.spec());
    Discovery d = run.discovery();
    if (d.runs().patchType() != PatchType.TREE_PATCH) {
      throw new DataException(
          "the circuits of this run cannot be written as models: patch type=edge ablates the circuit"
              + " itself; discover with --patch-type tree");
    }
    Circuit circuit = Circuits.of(d, scores).one(nodes);
    GraphNodes all = scores.graph().nodes();
    BitSet in = new BitSet(all.size());
    circuit.edgeSet().stream().map(all.groups()::group).filter(n -> n >= 0).forEach(in::set);
    if (!all.edges(in).equals(circuit.edgeSet())) {
      throw new DataException(
          "the circuit of nodes="
              + nodes
              + " is not all edges between them and the stream; discover with --level node");
    }
    Map<Place, float[]> constants = run.with(() -> constants(d, scores.graph(), in));
    List<String> files =
        new ConstantOutputs(constants)
            .write(
                run.spec().model().directory().orElseThrow(),
                run.spec().processing().orElse(null),
                out);
    return new CircuitModel(
        circuit,
        all.all().stream().filter(n -> in.get(n.index())).toList(),
        all.all().stream().filter(n -> !in.get(n.index())).toList(),
        files);
  }

  private static Map<Place, float[]> constants(Discovery d, ComputationGraph graph, BitSet in) {
    GraphNodes nodes = graph.nodes();
    Map<Integer, Place> places = new LinkedHashMap<>();
    for (Stage stage : graph.stages()) {
      if (stage.kind() == Stage.Kind.ATTENTION || stage.kind() == Stage.Kind.MLP) {
        for (int i = 0; i < stage.written(); i++) {
          places.put(
              stage.firstWritten() + i,
              new Place(stage.block(), stage.kind() == Stage.Kind.MLP ? -1 : i));
        }
      }
    }
    Map<Place, float[]> constants = new LinkedHashMap<>();
    try (AblationValues values = AblationValues.prepare(d.model(), d.runs().ablation(), d.test());
        TensorScope scope = new TensorScope()) {
      Tensor all = values.everywhere().cpu();
      for (GraphNodes.Node node : nodes.all()) {
        if (!in.get(node.index())) {
          int source = node.source().index();
          constants.put(
              places.get(source), Tensors.floats(all.select(0, source).to(ScalarType.Float)));
        }
      }
    }
    return constants;
  }
}
