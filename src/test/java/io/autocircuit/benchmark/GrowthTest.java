package io.autocircuit.benchmark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.report.GrowthPlot;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class GrowthTest {
  private static final int LENGTH = 5;

  @TempDir Path folder;

  static Stream<Architecture> architectures() {
    return RandomModels.architectures();
  }

  /**
   * A full circuit at all positions needs what a dense mask does: the plan counts apart from it.
   */
  @ParameterizedTest
  @MethodSource("architectures")
  void operationsAreThoseOfTheFullCircuitsPlan(Architecture a) {
    PromptBatch batch = RandomModels.batch(3, LENGTH, 2);
    try (Transformer t = RandomModels.model(a, ScalarType.Float, 1);
        KernelsProvider.Choice kernels = KernelsProvider.choose()) {
      for (boolean separate : new boolean[] {true, false}) {
        PatchableModel model =
            PatchableModel.of(t, separate, 0, OutputSlice.ALL, kernels.kernels());
        OperationCount count = new OperationCount(model.graph(), a.config(), 3, LENGTH, LENGTH);
        Circuit full = Circuit.full(model.graph());
        try (AblationValues values = AblationValues.prepare(model, Ablation.ZERO, List.of(batch));
            Evaluation run = Evaluation.of(model, batch.clean(), values, batch.corrupt())) {
          double share = run.liveShare(full, PatchType.TREE_PATCH);
          assertEquals(share, count.dense() / count.plain(), 1e-9 * share);
        }
        ComputationGraph graph = model.graph();
        BitSet all = full.edgeSet();
        assertEquals(count.dense(), count.from(graph.stages().get(0), all), 1e-9 * count.dense());
        Stage end = graph.end();
        assertEquals(
            2.0 * 3 * LENGTH * a.config().dModel() * (a.config().outputs() + end.sources()),
            count.from(end, all),
            1e-6);
        double without = count.from(graph.stages().get(0), new BitSet());
        assertEquals(count.plain(), without, 1e-9 * without);
      }
    }
  }

  /** Two sequential blocks, two heads of 4 of 8 channels, an MLP of 16, by hand. */
  @Test
  void operationsByHand() {
    ComputationGraph graph =
        ComputationGraph.factorized(2, 2, ComputationGraph.Wiring.SEQUENTIAL, true, 0);
    var c = io.autocircuit.model.RandomModels.shape("tiny");
    var config =
        new io.autocircuit.model.TransformerConfig(
            "hand",
            2,
            2,
            8,
            4,
            16,
            10,
            10,
            24,
            c.activation(),
            false,
            c.normalization(),
            c.finalNormalization(),
            true,
            false,
            c.positions(),
            2);
    OperationCount count = new OperationCount(graph, config, 3, 5, 1);
    double n = 15;
    double projections = 2 * n * 8 * 8 * 4;
    double mixing = 4 * n * 5 * 8;
    double mlp = 4 * n * 8 * 16;
    double logits = 2.0 * 3 * 8 * 10;
    assertEquals(2 * (projections + mixing + mlp) + logits, count.plain());
    // queries, keys and values of 2 heads read 1 and 4 sources, the MLPs 3 and 6, the end 7
    double edges = 2 * n * 8 * (6 * (1 + 4) + 3 + 6);
    double end = 2.0 * 3 * 8 * 7;
    assertEquals(count.plain() + edges + end, count.dense());
    assertEquals(2 * (3 * projections + 4.5 * mixing + 3 * mlp) + edges + end, count.eap(), 1e-6);
    // 7 sources of 15 rows of 8 channels, twice
    assertTrue(count.patchedNumbers() > 2 * 7 * 15 * 8);
    assertTrue(count.eapNumbers() > 7 * 15 * 8 + 2 * 15 * (8 + 24 + 8 + 16));
  }

  private static GrowthCell cell(int length, double seconds, double operations) {
    Map<String, GrowthFigure> figures = new LinkedHashMap<>();
    figures.put(
        GrowthFigure.PLAIN,
        new GrowthFigure(seconds, 0.1, 10e6 * length, operations, 1e6 * length, null));
    figures.put(GrowthFigure.EAP, GrowthFigure.leftOut("needs 3 GB <more>"));
    return new GrowthCell(GrowthAxis.LENGTH, "tiny", 1000, 2, length, figures);
  }

  private static GrowthGrid grid() {
    List<GrowthCell> cells = new ArrayList<>();
    for (int t : new int[] {4, 16, 64}) {
      // the middle cell takes twice what the law says
      cells.add(cell(t, Math.pow(t, 1.5) * (t == 16 ? 2 : 1), Math.pow(t, 1.25)));
    }
    return new GrowthGrid(Map.of("threads", 1L), cells);
  }

  @Test
  void exponentsAreSlopesOfLogarithms() {
    GrowthExponent e = GrowthExponent.ofTime(grid().cells(), GrowthFigure.PLAIN);
    assertEquals(1.5, e.measured(), 1e-12); // the middle of three does not turn the line
    assertEquals(1.25, e.arithmetic(), 1e-12);
    assertEquals(1.5 - Math.log(2) / Math.log(4), e.lastMeasured(), 1e-12);
    assertEquals(1.25, e.lastArithmetic(), 1e-12);
    GrowthExponent memory = GrowthExponent.ofMemory(grid().cells(), GrowthFigure.PLAIN);
    assertEquals(1, memory.measured(), 1e-12);
    // of 20 MB nobody knows how much is Java's
    GrowthExponent small = GrowthExponent.ofMemory(List.of(cell(2, 1, 1), cell(4, 1, 1)), "plain");
    assertTrue(Double.isNaN(small.measured()), small::toString);
    GrowthExponent none = GrowthExponent.ofTime(grid().cells(), GrowthFigure.EAP);
    assertTrue(Double.isNaN(none.measured()) && Double.isNaN(none.lastArithmetic()));
    GrowthExponent one = GrowthExponent.ofTime(grid().cells().subList(0, 1), GrowthFigure.PLAIN);
    assertTrue(Double.isNaN(one.measured()), one::toString);
  }

  @Test
  void aFileIsReadAsItWasWritten() throws Exception {
    Path file = folder.resolve("grid.json");
    grid().write(file);
    GrowthGrid read = GrowthGrid.read(file);
    assertEquals(grid().settings(), read.settings());
    assertEquals(3, read.cells().size());
    assertEquals("needs 3 GB <more>", read.cells().get(0).figures().get("eap").leftOut());
    GrowthFigure plain = read.cells().get(2).figures().get("plain");
    assertEquals(512, plain.seconds(), 1e-9);
    assertEquals(640e6, plain.peakBytes(), 1);
    GrowthCell changed = cell(16, 7, 7);
    GrowthGrid with = read.with(changed);
    assertEquals(3, with.cells().size());
    assertEquals(changed, with.known(cell(16, 1, 1)));
    assertEquals(4, read.with(cell(17, 1, 1)).cells().size());
    assertFalse(read.known(cell(17, 1, 1)).equals(read.cells().get(0)));
    for (String bad :
        List.of(
            "{}",
            "{\"cells\": 3}",
            "{\"cells\": [{}]}",
            "{\"cells\": [{\"axis\": \"length\", \"shape\": \"a\", \"parameters\": 1, \"batch\": 1,"
                + " \"seq\": 2, \"figures\": {\"plain\": {\"ms\": -1}}}]}")) {
      Files.writeString(file, bad);
      String message = assertThrows(DataException.class, () -> GrowthGrid.read(file)).getMessage();
      assertTrue(message.contains(file.toString()) && !message.contains("\n"), message);
    }
  }

  @Test
  void thePictureHasALineAndItsArithmeticForEachFigure() throws Exception {
    String svg = GrowthPlot.svg(grid());
    DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
    assertTrue(svg.contains(">plain 1.50 (1.25)<"), svg);
    assertTrue(svg.contains(">plain 1.00 (1.00)<"), svg);
    assertEquals(6, svg.split("<circle", -1).length - 1, "three points of time, three of memory");
    assertEquals(2, svg.split("class=\"s0 arithmetic\"", -1).length - 1);
    assertFalse(svg.contains("NaN"), svg);
    GrowthGrid few = new GrowthGrid(Map.of(), grid().cells().subList(0, 1));
    assertThrows(IllegalArgumentException.class, () -> GrowthPlot.svg(few));
  }
}
