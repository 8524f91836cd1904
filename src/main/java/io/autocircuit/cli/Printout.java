package io.autocircuit.cli;

import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.Level;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.metric.Bootstrap;
import io.autocircuit.metric.EdgeStability;
import io.autocircuit.metric.Faithfulness;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Roc;
import io.autocircuit.metric.TemplateOverlap;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.PruneAlgorithm;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * A discovery for the terminal: before the work what is run, after it the top edges and the curve.
 *
 * @param out where to
 * @param everyMetric whether the curve has all metrics measured, or the usual few
 */
record Printout(PrintWriter out, boolean everyMetric) {
  private static final int WIDTH = 80;
  private static final int SHOWN_EDGES = 10;
  private static final int SHOWN_TEMPLATES = 6;
  private static final List<Metric> USUAL =
      List.of(
          Metric.ANSWER_MSE,
          Metric.KL_DIV,
          Metric.LOGIT_DIFF,
          Metric.LOGIT_DIFF_PERCENT,
          Metric.ANSWER_PROB,
          Metric.CORRECT_ANSWER_PERCENT);

  /**
   * Prints what is going to be run.
   *
   * @param dataset the prompts' name
   * @param beginning which token begins the prompts, in words; empty if that says nothing
   * @param device where it runs
   */
  void before(Discovery d, String dataset, String beginning, String device) {
    TransformerConfig c = d.model().model().config();
    out.printf(
        Locale.ROOT,
        "model: %s (%d × %d heads, d_model %d), %,d edges%s%s%s%n",
        c.name(),
        c.blocks(),
        c.heads(),
        c.dModel(),
        d.model().graph().edgeCount(),
        d.model().graph().factorized() ? "" : " of its unfactorized graph",
        KeyValues.of(d.model().graph()) == KeyValues.GROUPED
            ? ", keys and values of " + c.keyValueHeads() + " groups"
            : "",
        d.level() == Level.NODE
            ? String.format(Locale.ROOT, ", %,d nodes", d.model().graph().nodes().size())
            : "");
    out.println(
        "prompts: "
            + prompts(d)
            + " from "
            + dataset
            + (beginning.isEmpty() ? "" : "; " + beginning.replaceFirst("^prompts ", "they ")));
    if (!d.model().graph().spans().isEmpty()) {
      out.println("spans: " + String.join(", ", d.model().graph().spans()));
    }
    out.println("device: " + device);
    String judged = d.runs().ablation().key();
    out.println(
        "scoring: "
            + d.algorithm().title()
            + d.algorithm().scoringAblation().map(a -> ", ablation " + a.key()).orElse(""));
    out.println(
        "judging: "
            + lower(d.runs().patchType().name()).replace("_patch", " patching")
            + ", ablation "
            + judged);
    d.knownNotices().forEach(n -> out.println("note: " + n));
    out.println();
    out.flush();
  }

  private static String prompts(Discovery d) {
    return d.train().equals(d.test())
        ? String.format(Locale.ROOT, "%,d", d.prompts())
        : String.format(
            Locale.ROOT, "%,d that score, %,d that judge,", d.trainPrompts(), d.prompts());
  }

  /** Prints what came out. */
  void after(Discovery.Result result) {
    PruneScores scores = result.scores();
    Discovery d = result.discovery();
    out.printf(
        Locale.ROOT,
        "%s on %d prompts%s: %,d %ss%n%n",
        d.algorithm().title(),
        d.trainPrompts(),
        d.train().equals(d.test()) ? "" : ", judged on " + d.prompts() + " others",
        result.fullSize(),
        d.level().key());
    boolean kept =
        result
            .nodes()
            .map(n -> n.ranked().stream().limit(1).anyMatch(s -> Float.isInfinite(s.score())))
            .orElseGet(() -> scores.best(1).stream().anyMatch(s -> Float.isInfinite(s.score())));
    boolean rises = scores.tieBreaks().length > 0 && kept;
    String what = d.level().key() + "s";
    out.println(
        "top "
            + what
            + (rises ? "; of those kept, how much removing one raises the distance" : ""));
    result
        .nodes()
        .ifPresentOrElse(
            nodes ->
                nodes.ranked().stream()
                    .limit(SHOWN_EDGES)
                    .forEach(
                        s ->
                            scored(
                                nodes.nodes().label(s.node()),
                                s.score(),
                                nodes.tieBreaks(),
                                s.node().index())),
            () ->
                scores
                    .best(SHOWN_EDGES)
                    .forEach(
                        s ->
                            scored(
                                scores.graph().label(s.edge()),
                                s.score(),
                                scores.tieBreaks(),
                                s.edge().index())));
    for (PruneAlgorithm.Found f : result.found()) {
      out.printf(Locale.ROOT, "  %s: %,d %s%n", f.description(), f.size(), what);
    }
    List<Integer> always =
        Stream.concat(
                result.found().stream().map(PruneAlgorithm.Found::size),
                Stream.ofNullable(d.official()).map(c -> result.officialSize()))
            .toList();
    List<String> table =
        new CurveTable(
                result.measurements().stream().filter(m -> everyMetric || usual(m)).toList(),
                result.liveEdges(),
                always,
                what)
            .lines();
    if (!table.isEmpty()) {
      out.println();
      table.forEach(out::println);
    }
    selected(result, what);
    faithfulness(result);
    roc(result);
    result.stability().ifPresent(s -> stability(s, scores.graph()));
    out.println();
    result.verdict().ifPresent(out::println);
  }

  /** Areas against the known circuit. */
  private void roc(Discovery.Result result) {
    if (!result.roc().isEmpty()) {
      out.printf(Locale.ROOT, "%narea under the ROC curve: %.4f%n", Roc.area(result.roc()));
    }
    result
        .auroc()
        .ifPresent(
            a ->
                out.printf(
                    Locale.ROOT,
                    "  of all sizes (ranks): %.4f%s; as the benchmark computes it: %s%n",
                    a.exact(),
                    a.interval()
                        .map(i -> String.format(Locale.ROOT, " (%.4f to %.4f)", i.low(), i.high()))
                        .orElse(""),
                    shown("%.4f", a.mib())));
  }

  /** How many edges were chosen and are left, where circuits are not simply the best edges. */
  private void selected(Discovery.Result result, String what) {
    if (result.discovery().selection().equals(CircuitSelection.TOP)) {
      return;
    }
    out.printf(Locale.ROOT, "%ncircuits: %s%n", result.discovery().selection().title());
    List<Discovery.Selected> all = result.selected();
    for (int i = 0; i < Math.min(all.size(), CurveTable.MOST_ROWS); i++) {
      Discovery.Selected s = all.get(i);
      out.printf(
          Locale.ROOT,
          "%s%,8d %s chosen%s%n",
          s.threshold().isPresent()
              ? String.format(Locale.ROOT, "  from %-12.5g", s.threshold().getAsDouble())
              : "  ",
          s.chosen(),
          what,
          result.discovery().selection().prune()
              ? String.format(Locale.ROOT, ", %,8d left", s.left())
              : "");
    }
    if (all.size() > CurveTable.MOST_ROWS) {
      out.println("  (all " + all.size() + " are in measurements.json)");
    }
  }

  /** Areas under curves of faithfulness, with the scores by which circuits were chosen. */
  private void faithfulness(Discovery.Result result) {
    if (result.faithfulness().stream().allMatch(f -> f.areas().isEmpty())) {
      return;
    }
    out.printf(
        Locale.ROOT,
        "%nfaithfulness over circuit sizes (%s; %.0f %% intervals)%n",
        result.discovery().selection().title(),
        100 * Bootstrap.USUAL.level());
    for (Faithfulness f : result.faithfulness()) {
      for (Faithfulness.Area a : f.areas()) {
        out.printf(
            Locale.ROOT,
            "  %-28s %-12s %8.4f%s%n",
            f.metric().key(),
            a.kind().title(),
            a.value(),
            a.interval()
                .map(i -> String.format(Locale.ROOT, "  %8.4f to %.4f", i.low(), i.high()))
                .orElse(""));
      }
    }
  }

  /** A scored edge or node; of one that is never removed, how much that would cost. */
  private void scored(String what, float score, float[] rises, int index) {
    if (rises.length > 0 && Float.isInfinite(score)) {
      out.printf(Locale.ROOT, "  %-28s  kept %12.5g%n", what, rises[index]);
    } else {
      out.printf(Locale.ROOT, "  %-28s %12.5g%n", what, score);
    }
  }

  /** How stable edges are across prompts. */
  private void stability(EdgeStability stability, ComputationGraph graph) {
    out.printf(
        Locale.ROOT,
        "%nacross prompts: share that has the edge among its %,d best, mean and deviation of scores,"
            + " share of the mean's sign%n",
        stability.size());
    for (EdgeStability.Row row :
        stability.rows().subList(0, Math.min(SHOWN_EDGES, stability.rows().size()))) {
      out.printf(
          Locale.ROOT,
          "  %-28s %6.1f %% %12.5g %12s %6.1f %%%n",
          graph.label(row.edge()),
          100 * row.share(),
          row.mean(),
          shown("%.5g", row.deviation()),
          100 * row.agreement());
    }
    out.println(
        "overlap of two prompts' edges (mean Jaccard index): "
            + shown("%.4f", stability.overlap()));
    EdgeStability.Redrawn redrawn = stability.redrawn();
    out.println(
        "overlap with the edges of prompts drawn again: "
            + shown("%.4f", redrawn.overlap())
            + (Double.isNaN(redrawn.overlap())
                ? ""
                : shown(" (%.4f", redrawn.low()) + shown(" to %.4f)", redrawn.high())));
    stability.templates().ifPresent(this::templates);
  }

  /** How far templates agree. */
  private void templates(TemplateOverlap templates) {
    List<TemplateOverlap.Template> all = templates.templates();
    out.println(
        "overlap of two templates' edges "
            + shown("%.4f", templates.between())
            + ", of halves of one "
            + shown("%.4f", templates.within()));
    int shown = Math.min(SHOWN_TEMPLATES, all.size());
    out.println(
        "templates: overlap above the diagonal, rank correlation below, halves of one on it");
    for (int a = 0; a < shown; a++) {
      StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "  %2d", a + 1));
      for (int b = 0; b < shown; b++) {
        double value = (b < a ? templates.correlation() : templates.overlap()).get(a).get(b);
        line.append(String.format(Locale.ROOT, "%7s", shown("%.2f", value)));
      }
      String about =
          String.format(Locale.ROOT, "  %,d prompts: %s", all.get(a).prompts(), name(all.get(a)));
      out.println(clipped(line + about));
    }
    if (shown < all.size()) {
      out.println("  and " + (all.size() - shown) + " more in prompts.json");
    }
  }

  private static String name(TemplateOverlap.Template template) {
    return template.name().isEmpty() ? "(none)" : DataException.printable(template.name(), 200);
  }

  private static String clipped(String line) {
    return line.length() > WIDTH ? line.substring(0, WIDTH - 1) + "…" : line;
  }

  private static String shown(String format, double number) {
    return Double.isNaN(number) ? "–" : String.format(Locale.ROOT, format, number);
  }

  /** The few that people look at first, and those of other jars. */
  private static boolean usual(Measurement m) {
    return USUAL.contains(m.metric()) || !Metric.standard().contains(m.metric());
  }

  private static String lower(String name) {
    return name.toLowerCase(Locale.ROOT);
  }
}
