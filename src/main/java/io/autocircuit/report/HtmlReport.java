package io.autocircuit.report;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.experiment.TestedCircuit;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import io.autocircuit.metric.EdgeStability;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * Writes {@link ReportData} as one HTML file: no other file, no network. It opens from disk in any
 * current browser and is about 1.1 MB (the charting library is inlined) plus some 60 bytes for each
 * edge it holds. Of many pages in one directory each leaves the library to a file beside it ({@link
 * #writeAmongOthers}).
 */
public final class HtmlReport {
  /** The page holds at most this many edges, the best ones, and says so when there are more. */
  public static final int MAX_EDGES = 5000;

  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
  private static final String TESTS = "tests";

  private HtmlReport() {}

  /**
   * Renders the page.
   *
   * @param data what to show
   * @return the HTML document
   * @throws IllegalStateException if a resource of the page is missing from the class path
   */
  public static String render(ReportData data) {
    return Page.withCharts("report", tree(data), parts(data));
  }

  /**
   * Renders the page as one of many: it takes the charting library from a file beside it, which is
   * written where it is not there, or is another version.
   *
   * @param file where to write; its directory is made if it does not exist
   * @param data what to show
   * @throws DataException if it cannot be written
   */
  public static void writeAmongOthers(Path file, ReportData data) {
    writeCharts(file.toAbsolutePath().getParent());
    AtomicFile.write(file, Page.withChartsBeside("report", tree(data), parts(data)));
  }

  /** Writes the charting library where it is not there, or is another version. */
  static void writeCharts(Path folder) {
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new DataException("directory=" + folder + " cannot be made: " + e.getMessage(), e);
    }
    Path library = folder.resolve(Page.LIBRARY);
    String script = Page.library();
    if (!holds(library, script.getBytes(StandardCharsets.UTF_8))) {
      AtomicFile.write(library, script);
    }
  }

  /** Whether a file is there and is that one, not another version's. */
  private static boolean holds(Path file, byte[] bytes) {
    try {
      return Files.isRegularFile(file) && Arrays.equals(Files.readAllBytes(file), bytes);
    } catch (IOException unreadable) { // it is written anew, which says what is wrong
      return false;
    }
  }

  private static Map<String, String> parts(ReportData data) {
    Map<String, String> parts = new LinkedHashMap<>();
    parts.put("title", Page.escape(data.title()));
    parts.put(
        "verdict",
        data.verdict() == null
            ? ""
            : "<p class=\"verdict\">" + Page.escape(data.verdict()) + "</p>");
    parts.put("summary", Page.summary(data.summary()));
    parts.put("settings", Page.settings(data.settings()));
    return parts;
  }

  /**
   * Renders the page into a file. The file appears complete or not at all: the page is written
   * beside it under another name and then moved, replacing an older report.
   *
   * @param file where to write; its directory must exist
   * @param data what to show
   * @throws IOException if the file cannot be written; nothing is left behind
   */
  public static void write(Path file, ReportData data) throws IOException {
    byte[] page = render(data).getBytes(StandardCharsets.UTF_8);
    Path target = file.toAbsolutePath();
    Path fresh = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID());
    try {
      Files.write(fresh, page, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
      try {
        Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE);
      } catch (AtomicMoveNotSupportedException e) {
        Files.move(fresh, target, StandardCopyOption.REPLACE_EXISTING);
      }
    } finally {
      Files.deleteIfExists(fresh);
    }
  }

  private static ObjectNode tree(ReportData data) {
    ObjectNode root = JSON.objectNode();
    root.put("title", data.title());
    root.set("plots", plots(data.curves()));
    Map<String, Integer> layers = ReportData.layers(data.nodes());
    Map<String, Integer> indices = new LinkedHashMap<>();
    ArrayNode edges = root.putArray("edges");
    List<ScoredEdge> shown = data.edges().subList(0, Math.min(MAX_EDGES, data.edges().size()));
    for (ScoredEdge edge : shown) {
      List<String> inputs = edge.inputs();
      ArrayNode row = edges.addArray();
      row.add(edge.name())
          .add(index(indices, ReportData.drawnNode(edge.source(), layers)))
          .add(index(indices, ReportData.drawnNode(inputs.get(0), layers)))
          .add(edge.source())
          .add(edge.destination())
          .add(edge.seqIdx())
          .add(Page.number(edge.score()));
      if (inputs.size() > 1) {
        ArrayNode each = row.addArray();
        inputs.forEach(into -> each.add(index(indices, ReportData.drawnNode(into, layers))));
      }
    }
    for (NodeInfo node : data.nodes()) { // also those without a drawn edge: the grid has all
      index(indices, ReportData.drawnNode(node.name(), layers));
    }
    ArrayNode nodes = root.putArray("nodes");
    indices.keySet().forEach(name -> nodes.addArray().add(name).add(layers.get(name)));
    root.put("scoredEdges", data.edges().size());
    root.put("totalEdges", data.totalEdges());
    root.put("firstDrawn", data.firstDrawn());
    ArrayNode labels = root.putArray("positionLabels");
    data.positionLabels().forEach(labels::add);
    details(root, data);
    return root;
  }

  private static void details(ObjectNode root, ReportData data) {
    // what a saved picture says of where it is from
    root.put("caption", String.join(" \u00b7 ", data.summary().values()));
    ReportData.Details details = data.details();
    root.put("patchType", details.patchType() == null ? null : details.patchType().key());
    ArrayNode roc = root.putArray("roc");
    details.roc().forEach(p -> roc.addArray().add(p.falsePositiveRate()).add(p.truePositiveRate()));
    root.set("activations", details.activations() == null ? null : details.activations().json());
    root.put("selection", details.selection());
    ArrayNode areas = root.putArray("areas");
    details.areas().stream()
        .sorted(Comparator.comparingInt(a -> AreaTitles.rank(a.key(), a.metric())))
        .forEach(
            a ->
                areas
                    .addObject()
                    .put("title", AreaTitles.of(a.key(), a.metric()))
                    .put("lowerIsBetter", AreaTitles.lowerIsBetter(a.key()))
                    .put("overEdges", a.metric().isEmpty())
                    .put("value", a.value())
                    .<ObjectNode>set("low", Page.number(a.low()))
                    .set("high", Page.number(a.high())));
    stability(root, details.stability());
    tests(root, details.tests());
  }

  private static void stability(ObjectNode root, EdgeStability stability) {
    if (stability == null) {
      root.putNull("stability");
      return;
    }
    ObjectNode node = root.putObject("stability").put("size", stability.size());
    EdgeStability.Redrawn redrawn = stability.redrawn();
    node.put("prompts", stability.circuits().size());
    node.set("overlap", Page.number(stability.overlap()));
    node.putArray("redrawn")
        .add(Page.number(redrawn.overlap()))
        .add(Page.number(redrawn.low()))
        .add(Page.number(redrawn.high()));
    ArrayNode rows = node.putArray("rows");
    for (EdgeStability.Row row : stability.rows()) {
      rows.addArray()
          .add(row.edge().name())
          .add(row.edge().position() < 0 ? null : Integer.valueOf(row.edge().position()))
          .add(row.share())
          .add(Page.number(row.mean()))
          .add(Page.number(row.deviation()))
          .add(row.agreement());
    }
  }

  private static void tests(ObjectNode root, List<TestedCircuit> tests) {
    ArrayNode all = root.putArray(TESTS);
    tests.forEach(t -> all.add(t.json()));
  }

  /**
   * A page with other tests of circuits.
   *
   * @param page what {@link #render} or {@link #write} made, by whatever version
   * @param tests hypothesis tests of circuits
   * @return the page; empty where it is none of ours, or of a version that shows no tests
   */
  static Optional<String> withTests(String page, List<TestedCircuit> tests) {
    return Page.withData(
        page,
        data -> {
          boolean shows = data.has(TESTS);
          tests(data, tests);
          return shows;
        });
  }

  private static int index(Map<String, Integer> indices, String name) {
    return indices.computeIfAbsent(name, key -> indices.size());
  }

  private static ArrayNode plots(List<Curve> curves) {
    Map<String, ObjectNode> plots = new LinkedHashMap<>();
    for (Curve curve : curves) {
      ObjectNode plot = plots.computeIfAbsent(curve.name(), name -> plot(curve));
      ObjectNode line = plot.withArrayProperty("series").addObject().put("name", curve.series());
      ArrayNode points = line.putArray("points");
      for (Curve.Point point : curve.points()) {
        ArrayNode one = points.addArray().add(point.edges()).add(Page.number(point.value()));
        if (Double.isFinite(point.low()) && Double.isFinite(point.high())) {
          one.add(point.low()).add(point.high());
        }
      }
    }
    return JSON.arrayNode().addAll(plots.values());
  }

  private static ObjectNode plot(Curve curve) {
    return JSON.objectNode()
        .put("name", curve.name())
        .put("xLabel", curve.xLabel())
        .put("yLabel", curve.yLabel())
        .put("logX", curve.logX())
        .put("logY", curve.logY())
        .put("lowerIsBetter", curve.lowerIsBetter());
  }
}
