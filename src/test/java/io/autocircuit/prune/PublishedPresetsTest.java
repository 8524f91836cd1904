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
import java.util.stream.Collectors;
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

  /** The rows of its registry: key, short name, our algorithm, its settings there. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Official Circuit|GT|ground-truth|-",
        "Act Mag|Act Mag|activation-magnitude|-",
        "Random|Random|random|-",
        "Edge Attribution Patching|EAP|eap|LOGIT AVG_DIFF m=0.0",
        "ACDC|ACDC|acdc|KL_DIV 1.0E-6 1.0E-5 1.0E-4 0.001",
        "MSE ACDC|ACDC (MSE)|acdc|MSE 1.0E-10 1.0E-9 1.0E-8 1.0E-7 1.0E-6 1.0E-5 1.0E-4 0.001 0.01 0.1",
        "Integrated Edge Gradients (Logit Grad)|IEG (Answer Logit)|ig|LOGIT AVG_VAL N=50",
        "Integrated Edge Gradients (Logit Diff)|IEG|ig|LOGIT AVG_DIFF N=1000",
        "Edge Answer Prob Gradient At Clean|EAP (Prob)|eap|PROB AVG_VAL m=0.0",
        "Edge Answer Logit Exp Gradient At Clean|EAP (Answer Logit)|eap|LOGIT_EXP AVG_VAL m=0.0",
        "Edge Answer Log Prob Gradient At Clean|EAP (Answer Logprob)|eap|LOGPROB AVG_VAL m=0.0",
        "Edge Answer Log Prob Diff Gradient At Clean|EAP (Logprob Diff)|eap|LOGPROB AVG_DIFF m=0.0",
        "Edge Answer Logit Diff Gradient At Clean|EAP|eap|LOGIT AVG_DIFF m=0.0",
        "Edge Answer Logit MSE Gradient At Clean|EAP (MSE)|eap|LOGIT MSE m=0.0",
        "Subnetwork Edge Probing|SEP|sp|EDGE_PATCH KL_DIV lr=0.1 epochs=200 λ=0.5",
        "Circuit Probing|CP|cp|EDGE_PATCH KL_DIV lr=0.1 epochs=2000 λ=0.1 sizes=7 1000",
        "Subnetwork Tree Probing|STP|sp|TREE_PATCH KL_DIV lr=0.1 epochs=2000 λ=0.5",
        "Tree Probing|TP|cp|TREE_PATCH KL_DIV lr=0.1 epochs=200 λ=0.1 sizes=7 100 1000 10000",
        "MSE Subnetwork Tree Probing|STP (MSE)|sp|TREE_PATCH MSE lr=0.1 epochs=200 λ=0.5",
        "MSE Tree Probing|TP (MSE)|cp|TREE_PATCH MSE lr=0.1 epochs=200 λ=0.1 sizes=7",
        "Opposite Tree Probing|OTP|cp|TREE_PATCH WRONG_ANSWER lr=0.1 epochs=100 λ=0.1 sizes=7 1000 10000"
      })
  void areCalledAndSetAsThere(String key, String shortName, String algorithm, String settings) {
    assertEquals(algorithm, algorithm(key).key());
    assertEquals(settings, settings(algorithm(key)));
    assertEquals(algorithm(key), algorithm(shortName));
    assertEquals(algorithm(key), algorithm(shortName.toLowerCase(java.util.Locale.ROOT)));
    List<String> names = ALL.preset(key).names();
    assertEquals(key, names.get(0));
    assertEquals(shortName, names.get(names.size() - 1));
  }

  private static String settings(PruneAlgorithm algorithm) {
    if (algorithm instanceof MaskGradient g) {
      return g.logitFunction()
          + " "
          + g.answerFunction()
          + (g.samples() > 0 ? " N=" + g.samples() : " m=" + g.maskValue());
    }
    if (algorithm instanceof Acdc acdc) {
      return acdc.target() + " " + words(acdc.thresholds());
    }
    if (algorithm instanceof CircuitProbing cp) {
      return settings(cp.each()) + " sizes=" + words(cp.sizes());
    }
    if (algorithm instanceof SubnetworkProbing sp) {
      assertEquals(MaskFunction.HARD_CONCRETE, sp.maskFunction());
      return sp.patchType()
          + " "
          + sp.target()
          + " lr="
          + sp.learningRate()
          + " epochs="
          + sp.epochs()
          + " λ="
          + sp.lambda();
    }
    return "-";
  }

  private static String words(List<?> numbers) {
    return numbers.stream().map(String::valueOf).collect(Collectors.joining(" "));
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
