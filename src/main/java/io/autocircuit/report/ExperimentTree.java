package io.autocircuit.report;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.metric.AreaUnderCurve;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Roc;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.report.ExperimentGroups.Facet;
import io.autocircuit.report.ExperimentGroups.Group;
import io.autocircuit.report.ExperimentGroups.Label;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/** An experiment as the JSON that its page's script reads. */
final class ExperimentTree {
  private static final String LIVE = "live_edges";
  private static final double COLLINEAR = 1e-12;

  private final ExperimentResults results;
  private final Function<CellResult, Optional<float[]>> scores;
  private final Path directory;
  private final ResultIntervals.Prompts prompts;
  private final ExperimentGroups groups;
  private final List<Axes> metrics;
  private final List<String> tasks;

  /**
   * Something that is measured over circuit sizes.
   *
   * @param key of the metric
   * @param title for people
   * @param logX logarithmic axis of edges
   * @param logY logarithmic axis of values
   * @param lowerIsBetter whether it is
   * @param area how areas are taken; empty where they mean nothing
   */
  private record Axes(
      String key,
      String title,
      boolean logX,
      boolean logY,
      boolean lowerIsBetter,
      Optional<AreaUnderCurve> area) {}

  private ExperimentTree(
      ExperimentResults results,
      Function<CellResult, Optional<float[]>> scores,
      ResultIntervals.Prompts prompts,
      Path directory) {
    this.results = results;
    this.scores = scores;
    this.prompts = prompts;
    this.directory = directory.toAbsolutePath().normalize();
    this.groups = ExperimentGroups.of(results.cells());
    this.metrics = metrics(results.cells());
    this.tasks = results.cells().stream().map(CellResult::task).distinct().toList();
  }

  /**
   * All that the page shows.
   *
   * @param results the experiment
   * @param scores a cell's scores in canonical order; empty where there are none
   * @param prompts values on single prompts; empty ones where they are not to be had
   * @param directory where the page will lie; links begin there
   * @return the tree
   */
  static ObjectNode of(
      ExperimentResults results,
      Function<CellResult, Optional<float[]>> scores,
      ResultIntervals.Prompts prompts,
      Path directory) {
    return new ExperimentTree(results, scores, prompts, directory).tree();
  }

  private static List<Axes> metrics(List<CellResult> cells) {
    Set<String> keys = new LinkedHashSet<>();
    cells.forEach(c -> c.series().forEach(s -> keys.add(s.metric())));
    Catalogue<Metric> catalogue = Metric.catalogue();
    List<Axes> axes = new ArrayList<>();
    keys.stream()
        .sorted(Comparator.comparingInt(DiscoveryReport::rank))
        .forEach(key -> axes.add(axes(key, catalogue.find(key))));
    if (cells.stream().anyMatch(c -> !c.liveEdges().isEmpty())) {
      axes.add(new Axes(LIVE, "Live edges", true, false, false, Optional.empty()));
    }
    return axes;
  }

  private static Axes axes(String key, Optional<Metric> known) {
    if (known.isEmpty()) {
      return new Axes(key, key, false, false, false, Optional.of(AreaUnderCurve.LINEAR));
    }
    Metric m = known.get();
    return new Axes(
        m.key(),
        m.title(),
        m.logX(),
        m.logY(),
        m.lowerIsBetter(),
        Optional.of(AreaUnderCurve.of(m)));
  }

  private ObjectNode tree() {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("title", results.title());
    ArrayNode judged = root.putArray("judged");
    results.cells().stream()
        .flatMap(c -> c.areas().stream())
        .map(a -> List.of(a.key(), a.metric()))
        .distinct()
        .sorted(Comparator.comparingInt(a -> AreaTitles.rank(a.get(0), a.get(1))))
        .forEach(
            a ->
                judged
                    .addObject()
                    .put("key", a.get(0))
                    .put("metric", a.get(1))
                    .put("title", AreaTitles.of(a.get(0), a.get(1)))
                    .put("lowerIsBetter", AreaTitles.lowerIsBetter(a.get(0))));
    root.put("waiting", results.waiting());
    ArrayNode labels = root.putArray("labels");
    for (Label l : groups.labels()) {
      labels.addObject().put("name", l.name()).put("key", l.key()).put("baseline", l.baseline());
    }
    ArrayNode facets = root.putArray("facets");
    for (Facet f : groups.facets()) {
      ObjectNode node = facets.addObject().put("key", f.key()).put("title", f.title());
      f.values().forEach(node.putArray("values")::add);
    }
    ArrayNode axes = root.putArray("metrics");
    for (Axes m : metrics) {
      axes.addObject()
          .put("key", m.key())
          .put("title", m.title())
          .put("logX", m.logX())
          .put("logY", m.logY())
          .put("lowerIsBetter", m.lowerIsBetter())
          .put("hasArea", m.area().isPresent());
    }
    tasks.forEach(root.putArray("tasks")::add);
    Map<String, ObjectNode> cells = new HashMap<>();
    ArrayNode all = root.putArray("groups");
    for (int g = 0; g < groups.groups().size(); g++) {
      all.add(group(groups.groups().get(g)));
      for (CellResult c : groups.groups().get(g).all()) {
        cells.put(c.run(), cell(c, g));
      }
    }
    ArrayNode inOrder = root.putArray("cells");
    results.cells().forEach(c -> inOrder.add(cells.get(c.run())));
    root.set("ranks", ExperimentRanks.of(results, groups, prompts));
    failures(root.putArray("failures"));
    notices(root.putArray("notices"));
    return root;
  }

  private ObjectNode group(Group group) {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    node.put("task", tasks.indexOf(group.task()));
    ArrayNode values = node.putArray("values");
    for (int i = 0; i < groups.facets().size(); i++) {
      values.add(groups.facets().get(i).values().indexOf(group.values().get(i)));
    }
    ArrayNode lines = node.putArray("lines");
    for (int m = 0; m < metrics.size(); m++) {
      String key = metrics.get(m).key();
      for (Map.Entry<Label, List<CellResult>> e : group.cells().entrySet()) {
        SeedLine line = SeedLine.of(e.getValue(), cell -> points(cell, key));
        if (!line.points().isEmpty() || !line.apart().isEmpty() || !line.refused().isEmpty()) {
          lines.add(line(line, m, groups.labels().indexOf(e.getKey())));
        }
      }
    }
    ArrayNode similarity = node.putArray("similarity");
    for (SimilarityTable table : SharedEdges.of(group, scores)) {
      similarity.add(similarity(table));
    }
    ArrayNode completeness = node.putArray("completeness");
    for (ExperimentResults.CompletenessResult r : results.completeness()) {
      group.all().stream()
          .filter(c -> c.run().equals(r.run()))
          .findFirst()
          .ifPresent(c -> completeness.add(completeness(r, c)));
    }
    ArrayNode tests = node.putArray("tests");
    for (ExperimentResults.TestResult t : results.tests()) {
      group.all().stream()
          .filter(c -> c.run().equals(t.run()))
          .findFirst()
          .ifPresent(
              c ->
                  tests
                      .addObject()
                      .put("label", groups.labels().indexOf(groups.label(c)))
                      .put("seed", c.seed())
                      .set("test", t.tests().json()));
    }
    return node;
  }

  private static List<CellResult.Point> points(CellResult cell, String metric) {
    if (metric.equals(LIVE)) {
      return cell.liveEdges().entrySet().stream()
          .map(e -> new CellResult.Point(e.getKey(), e.getValue()))
          .toList();
    }
    return cell.series().stream()
        .filter(s -> s.metric().equals(metric))
        .findFirst()
        .map(CellResult.Series::points)
        .orElse(List.of());
  }

  private static ObjectNode line(SeedLine line, int metric, int label) {
    ObjectNode node =
        JsonNodeFactory.instance
            .objectNode()
            .put("metric", metric)
            .put("label", label)
            .put("single", line.single());
    ArrayNode points = node.putArray("points");
    for (SeedLine.Mean p : line.points()) {
      ArrayNode point = points.addArray().add(p.edges()).add(p.mean());
      if (p.seeds() > 1 || p.least() < p.greatest()) {
        point.add(p.least()).add(p.greatest()).add(p.seeds());
      }
    }
    values(node.putArray("apart"), line.apart());
    values(node.putArray("refused"), line.refused());
    return node;
  }

  private static void values(ArrayNode node, List<SeedLine.Value> values) {
    for (SeedLine.Value v : values) {
      node.addArray().add(v.edges()).add(Page.number(v.value())).add(v.seed());
    }
  }

  private ObjectNode similarity(SimilarityTable table) {
    ObjectNode node =
        JsonNodeFactory.instance
            .objectNode()
            .put("edges", table.edges())
            .put("known", table.known());
    List<String> names = groups.labels().stream().map(Label::name).toList();
    ArrayNode labels = node.putArray("labels");
    table.labels().forEach(name -> labels.add(names.indexOf(name)));
    ArrayNode rows = node.putArray("values");
    for (double[] row : table.values()) {
      ArrayNode cells = rows.addArray();
      for (double v : row) {
        cells.add(Page.number(v));
      }
    }
    return node;
  }

  private ObjectNode completeness(ExperimentResults.CompletenessResult r, CellResult cell) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("label", groups.labels().indexOf(groups.label(cell)))
        .put("seed", cell.seed())
        .put("edges", r.edges())
        .put("knockedOut", r.knockedOut())
        .<ObjectNode>set("normal", Page.number(r.normal()))
        .set("knockout", Page.number(r.knockout()));
  }

  private ObjectNode cell(CellResult cell, int group) {
    ObjectNode node =
        JsonNodeFactory.instance
            .objectNode()
            .put("group", group)
            .put("label", groups.labels().indexOf(groups.label(cell)))
            .put("seed", cell.seed())
            .put("run", cell.run())
            .put("edges", cell.edges())
            .put("official", cell.official().orElse(null))
            .put("prompts", cell.prompts())
            .put("scorePrompts", cell.scorePrompts())
            .put(
                "selection",
                cell.settings().getOrDefault("run.selection", CircuitSelection.TOP.title()));
    node.set("scoreSeconds", Page.number(cell.cost().scoreSeconds()));
    node.set("judgeSeconds", Page.number(cell.cost().judgeSeconds()));
    node.set("passes", Page.number(cell.cost().plainPasses()));
    ArrayNode areas = node.putArray("areas");
    for (Axes m : metrics) {
      areas.add(Page.number(area(points(cell, m.key()), m)));
    }
    if (cell.roc().isEmpty()) {
      node.putNull("rocArea");
    } else {
      node.put("rocArea", Roc.area(cell.roc()));
      ArrayNode points = node.putArray("roc");
      corners(cell.roc())
          .forEach(p -> points.addArray().add(p.falsePositiveRate()).add(p.truePositiveRate()));
    }
    ArrayNode judged = node.putArray("judged");
    for (CellResult.Area a : cell.areas()) {
      judged
          .addObject()
          .put("key", a.key())
          .put("metric", a.metric())
          .put("value", a.value())
          .<ObjectNode>set("low", Page.number(a.low()))
          .set("high", Page.number(a.high()));
    }
    ArrayNode found = node.putArray("found");
    cell.found().forEach(f -> found.add(f.what() + " (" + f.edges() + ")"));
    node.put("verdict", cell.verdict().orElse(null));
    node.put("page", cell.page().flatMap(this::link).orElse(null));
    return node;
  }

  /** NaN where there is no area: one point, none at 0 edges, or a value that is not finite. */
  private static double area(List<CellResult.Point> points, Axes metric) {
    boolean begins = points.stream().anyMatch(p -> p.edges() == 0);
    boolean finite = points.stream().allMatch(p -> Double.isFinite(p.value()));
    if (metric.area().isEmpty() || points.size() < 2 || !begins || !finite) {
      return Double.NaN;
    }
    return metric
        .area()
        .get()
        .of(points.stream().map(p -> new Measurement.Point(p.edges(), p.value())).toList());
  }

  /** The points between which a curve is straight. */
  private static List<Roc.Point> corners(List<Roc.Point> points) {
    List<Roc.Point> kept = new ArrayList<>();
    for (Roc.Point p : points) {
      while (kept.size() > 1 && straight(kept.get(kept.size() - 2), kept.get(kept.size() - 1), p)) {
        kept.remove(kept.size() - 1);
      }
      kept.add(p);
    }
    return kept;
  }

  private static boolean straight(Roc.Point a, Roc.Point b, Roc.Point c) {
    double across =
        (b.falsePositiveRate() - a.falsePositiveRate())
                * (c.truePositiveRate() - a.truePositiveRate())
            - (b.truePositiveRate() - a.truePositiveRate())
                * (c.falsePositiveRate() - a.falsePositiveRate());
    return Math.abs(across) < COLLINEAR;
  }

  /** The address of a file as seen from the page; always a path, whatever the file's name. */
  private Optional<String> link(Path file) {
    try {
      Path relative = file.isAbsolute() ? directory.relativize(file.normalize()) : file.normalize();
      String path = relative.toString().replace(file.getFileSystem().getSeparator(), "/");
      // as an absolute path: a colon in its first name is no scheme then
      return Optional.of("." + new URI(null, null, "/" + path, null).getRawPath());
    } catch (IllegalArgumentException | URISyntaxException elsewhere) {
      return Optional.empty(); // on another disk, say
    }
  }

  private void failures(ArrayNode node) {
    for (ExperimentResults.Failure f : results.failures()) {
      node.addArray().add(f.cell()).add(f.message()).add(f.run());
    }
  }

  /** Each notice once, with the cells that have it. */
  private void notices(ArrayNode node) {
    Map<String, Set<String>> cells = new LinkedHashMap<>();
    for (CellResult c : results.cells()) {
      String name = c.task() + ", " + groups.label(c).name();
      c.notices().forEach(n -> cells.computeIfAbsent(n, k -> new LinkedHashSet<>()).add(name));
    }
    cells.forEach(
        (text, names) -> {
          ObjectNode notice = node.addObject().put("text", text);
          names.forEach(notice.putArray("cells")::add);
        });
  }
}
