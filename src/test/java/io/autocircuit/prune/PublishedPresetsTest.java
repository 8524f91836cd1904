package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PatchType;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every algorithm that AutoCircuit defines, under its key and its short name there. */
class PublishedPresetsTest {
  private static final Catalogue<PruneAlgorithmProvider> ALL = PruneAlgorithmProvider.catalogue();
  private static final ComputationGraph GRAPH =
      ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0);

  private static final PruneContext CONTEXT = context();

  private static PruneContext context() {
    BitSet edges = new BitSet();
    edges.set(0, 7);
    return new PruneContext(1, PatchType.TREE_PATCH, Optional.of(Circuit.of(GRAPH, edges)));
  }

  private static PruneAlgorithm algorithm(String name) {
    PruneAlgorithmProvider entry = ALL.ofPreset(name).orElseThrow();
    Preset preset = ALL.preset(name);
    assertTrue(preset.isCalled(name));
    return entry.create(Settings.of(entry.settings(), preset.values()), CONTEXT);
  }

  /** The rows of its registry: key, short name, our algorithm. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Official Circuit|GT|ground-truth",
        "Act Mag|Act Mag|activation-magnitude",
        "Random|Random|random",
        "Edge Attribution Patching|EAP|eap",
        "ACDC|ACDC|acdc",
        "MSE ACDC|ACDC (MSE)|acdc",
        "Integrated Edge Gradients (Logit Grad)|IEG (Answer Logit)|ig",
        "Integrated Edge Gradients (Logit Diff)|IEG|ig",
        "Edge Answer Prob Gradient At Clean|EAP (Prob)|eap",
        "Edge Answer Logit Exp Gradient At Clean|EAP (Answer Logit)|eap",
        "Edge Answer Log Prob Gradient At Clean|EAP (Answer Logprob)|eap",
        "Edge Answer Log Prob Diff Gradient At Clean|EAP (Logprob Diff)|eap",
        "Edge Answer Logit Diff Gradient At Clean|EAP|eap",
        "Edge Answer Logit MSE Gradient At Clean|EAP (MSE)|eap",
        "Subnetwork Edge Probing|SEP|sp",
        "Circuit Probing|CP|cp",
        "Subnetwork Tree Probing|STP|sp",
        "Tree Probing|TP|cp",
        "MSE Subnetwork Tree Probing|STP (MSE)|sp",
        "MSE Tree Probing|TP (MSE)|cp",
        "Opposite Tree Probing|OTP|cp"
      })
  void areCalledAsThere(String key, String shortName, String algorithm) {
    assertEquals(algorithm, algorithm(key).key());
    assertEquals(algorithm(key), algorithm(shortName));
    assertEquals(algorithm(key), algorithm(shortName.toLowerCase(java.util.Locale.ROOT)));
    List<String> names = ALL.preset(key).names();
    assertEquals(key, names.get(0));
    assertEquals(shortName, names.get(names.size() - 1));
  }

  @Test
  void probingIsLearnedForItsOwnPatchType() {
    CircuitProbing tree = (CircuitProbing) algorithm("TP");
    assertEquals(PatchType.TREE_PATCH, tree.each().patchType());
    assertEquals(List.of(7, 100, 1000, 10_000), tree.sizes());
    assertEquals(200, tree.each().epochs());
    assertEquals(0.1, tree.each().lambda());
    assertEquals(-MaskFunction.INITIAL, tree.each().init());
    CircuitProbing edge = (CircuitProbing) algorithm("CP");
    assertEquals(PatchType.EDGE_PATCH, edge.each().patchType());
    assertEquals(List.of(7, 1000), edge.sizes());
    assertEquals(2000, edge.each().epochs());
    CircuitProbing opposite = (CircuitProbing) algorithm("OTP");
    assertEquals(SubnetworkProbing.Target.WRONG_ANSWER, opposite.each().target());
    assertEquals(100, opposite.each().epochs());
    SubnetworkProbing sep = (SubnetworkProbing) algorithm("SEP");
    assertEquals(PatchType.EDGE_PATCH, sep.patchType());
    assertEquals(MaskFunction.INITIAL, sep.init());
    assertEquals(0.5, sep.lambda());
    CircuitProbing mse = (CircuitProbing) algorithm("TP (MSE)");
    assertEquals(SubnetworkProbing.Target.MSE, mse.each().target());
    assertEquals(List.of(7), mse.sizes());
  }

  /** Alone the sizes say whether a known circuit is needed. */
  @Test
  void onlyTheOfficialSizeNeedsAKnownCircuit() {
    PruneAlgorithmProvider cp = new CircuitProbingProvider();
    assertTrue(cp.needsOfficial(Settings.defaults(cp.settings())));
    assertFalse(
        cp.needsOfficial(
            Settings.of(cp.settings(), java.util.Map.of("circuit_sizes", List.of(3, 5)))));
  }
}
