package io.autocircuit.experiment;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.GraphNodes;
import io.autocircuit.graph.KeyValueGroups;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.metric.Faithfulness;
import io.autocircuit.metric.Measurement;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.NodeScores;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.Verification;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Writes results; every file appears whole or not at all. */
public final class ResultFiles {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private static final DefaultPrettyPrinter ONE_PER_LINE =
      new DefaultPrettyPrinter()
          .withArrayIndenter(new DefaultIndenter("", "\n"))
          .withObjectIndenter(new DefaultPrettyPrinter.NopIndenter())
          .withSeparators(
              Separators.createDefaultInstance()
                  .withObjectFieldValueSpacing(Separators.Spacing.NONE));

  private ResultFiles() {}

  /**
   * {@code edges.json}: {@code [{"name","seq_idx","score"}]} by descending |score|; {@code seq_idx}
   * is null when one edge stands for all positions, the number of the {@code "span"} where
   * positions are spans; an infinite score is the string "Infinity". Scores with tie breaks have
   * {@code "tie_break"} too; edges into keys and values that query heads share have these {@code
   * "heads"}, and the number of the group in their name.
   *
   * @param file where to
   * @param scores the scores
   */
  public static void writeEdges(Path file, PruneScores scores) {
    // streamed: token graphs have millions of edges
    AtomicFile.write(
        file,
        out -> {
          try (var g = JSON.getFactory().createGenerator(out)) {
            g.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
            g.setPrettyPrinter(ONE_PER_LINE.createInstance());
            g.writeStartArray();
            for (int i : scores.ranking()) {
              Edge e = scores.graph().edge(i);
              g.writeStartObject();
              g.writeStringField("name", e.name());
              if (e.position() < 0) {
                g.writeNullField("seq_idx");
              } else {
                g.writeNumberField("seq_idx", e.position());
              }
              if (!scores.graph().spans().isEmpty()) {
                g.writeStringField("span", scores.graph().spans().get(e.position()));
              }
              number(g, "score", scores.values()[i]);
              if (scores.tieBreaks().length > 0) {
                number(g, "tie_break", scores.tieBreaks()[i]);
              }
              List<Integer> heads = KeyValueGroups.heads(scores.graph(), e.destination());
              if (!heads.isEmpty()) {
                g.writeFieldName("heads");
                g.writeRawValue(heads.toString().replace(" ", "")); // in the edge's line
              }
              g.writeEndObject();
            }
            g.writeEndArray();
            g.writeRaw('\n');
          }
        });
  }

  /**
   * {@code nodes.json}: {@code [{"name","seq_idx","score"}]} by descending |score|, otherwise as
   * {@link #writeEdges}.
   *
   * @param file where to
   * @param scores the scores
   */
  public static void writeNodes(Path file, NodeScores scores) {
    AtomicFile.write(
        file,
        out -> {
          try (var g = JSON.getFactory().createGenerator(out)) {
            g.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
            g.setPrettyPrinter(ONE_PER_LINE.createInstance());
            g.writeStartArray();
            for (NodeScores.Scored s : scores.ranked()) {
              g.writeStartObject();
              g.writeStringField("name", s.node().name());
              if (s.node().position() < 0) {
                g.writeNullField("seq_idx");
              } else {
                g.writeNumberField("seq_idx", s.node().position());
              }
              number(g, "score", s.score());
              if (scores.tieBreaks().length > 0) {
                number(g, "tie_break", scores.tieBreaks()[s.node().index()]);
              }
              g.writeEndObject();
            }
            g.writeEndArray();
            g.writeRaw('\n');
          }
        });
  }

  private static void number(JsonGenerator g, String field, float value) throws IOException {
    if (Float.isInfinite(value)) {
      g.writeStringField(field, value > 0 ? "Infinity" : "-Infinity");
    } else {
      g.writeNumberField(field, value);
    }
  }

  /**
   * {@code measurements.json}: what was run and set, {@code "found":[{"what","edges"},…]}, {@code
   * "live_edges":[[edges,live],…]}, {@code "metrics":{key:[[edges,value],…]}} and, with an official
   * circuit, {@code "roc":[[false positive rate, true positive rate],…]}; {@code docs/cli.md} has
   * all fields. {@code score_ablation} is null where scoring ablates nothing.
   *
   * @param file where to
   * @param result the discovery
   * @param run the run that it is, whose seed and hash are written; empty for none
   * @param positionLabels the text of each token position; none where positions have no edges of
   *     their own, or no texts
   */
  public static void writeMeasurements(
      Path file, Discovery.Result result, Optional<RunSpec> run, List<String> positionLabels) {
    JsonNodeFactory f = JsonNodeFactory.instance;
    ObjectNode root = f.objectNode();
    Discovery d = result.discovery();
    root.put("algorithm", d.algorithm().key());
    root.put("title", d.algorithm().title());
    root.put("score_ablation", d.algorithm().scoringAblation().map(Ablation::key).orElse(null));
    root.put("ablation", d.runs().ablation().key());
    root.put("patch_type", lower(d.runs().patchType().name()).replace("_patch", ""));
    root.put("n_edges", d.model().graph().edgeCount());
    result.nodes().ifPresent(nodes -> root.put("n_nodes", nodes.nodes().size()));
    root.put("prompts", d.prompts());
    settings(root, d, run);
    if (!positionLabels.isEmpty()) {
      positionLabels.forEach(root.putArray("position_labels")::add);
    }
    ArrayNode found = root.putArray("found");
    result
        .found()
        .forEach(
            c ->
                found
                    .addObject()
                    .put("what", c.description())
                    .put(d.level().key() + "s", c.size()));
    ArrayNode live = root.putArray("live_edges");
    result.liveEdges().forEach((size, n) -> live.addArray().add(size).add(n));
    ObjectNode metrics = root.putObject("metrics");
    for (Measurement m : result.measurements()) {
      ArrayNode points = metrics.putArray(m.metric().key());
      for (Measurement.Point p : m.points()) {
        ArrayNode pair = points.addArray();
        pair.add(p.edges());
        if (Double.isFinite(p.value())) {
          pair.add(p.value());
        } else {
          pair.add(String.valueOf(p.value()));
        }
      }
    }
    result.verification().ifPresent(v -> verification(root, result, v));
    judged(root, result);
    if (!result.roc().isEmpty()) {
      ArrayNode points = root.putArray("roc");
      result
          .roc()
          .forEach(p -> points.addArray().add(p.falsePositiveRate()).add(p.truePositiveRate()));
    }
    AtomicFile.write(
        file,
        out ->
            out.write(
                (JSON.writeValueAsString(root) + "\n")
                    .getBytes(java.nio.charset.StandardCharsets.UTF_8)));
  }

  /**
   * {@code "selected":[[asked or chosen, left],…]} where circuits are chosen otherwise than simply
   * the best, {@code "faithfulness":{metric:{area:[value, low, high]}}} and {@code
   * "auroc":{"exact","mib"}}.
   */
  private static void judged(ObjectNode root, Discovery.Result result) {
    CircuitSelection selection = result.discovery().selection();
    SelectionJson.put(root, selection);
    if (!selection.equals(CircuitSelection.TOP)) {
      ArrayNode selected = root.putArray("selected");
      for (Discovery.Selected s : result.selected()) {
        ObjectNode one = selected.addObject().put("chosen", s.chosen()).put("left", s.left());
        s.threshold().ifPresent(t -> one.put("threshold", t));
      }
    }
    ObjectNode faithfulness = root.putObject("faithfulness");
    for (Faithfulness f : result.faithfulness()) {
      ObjectNode areas = faithfulness.putObject(f.metric().key());
      for (Faithfulness.Area a : f.areas()) {
        ArrayNode numbers = areas.putArray(a.kind().key()).add(a.value());
        a.interval().ifPresent(i -> numbers.add(i.low()).add(i.high()));
      }
    }
    result
        .auroc()
        .ifPresent(
            a -> {
              ObjectNode areas = root.putObject("auroc");
              ArrayNode exact = areas.putArray("exact").add(a.exact());
              a.interval().ifPresent(i -> exact.add(i.low()).add(i.high()));
              areas.put("mib", Double.isNaN(a.mib()) ? null : a.mib());
            });
  }

  /**
   * {@code "verification":{"subsets","share","confidence","bound","verified":[{"name", "seq_idx",
   * "estimate","exact"},…]}}; the bound is null where nothing is left unverified.
   */
  private static void verification(ObjectNode root, Discovery.Result result, Verification v) {
    ObjectNode node = root.putObject("verification");
    node.put("subsets", v.subsets()).put("share", v.share()).put("confidence", v.confidence());
    node.put("bound", v.bound().isPresent() ? v.bound().getAsDouble() : null);
    ArrayNode all = node.putArray("verified");
    ComputationGraph graph = result.discovery().model().graph();
    boolean nodes = result.discovery().level() == Level.NODE;
    for (Verification.Item i : v.items()) {
      GraphNodes.Node n = nodes ? graph.nodes().all().get(i.group()) : null;
      Edge e = nodes ? null : graph.edge(i.group());
      int position = nodes ? n.position() : e.position();
      ObjectNode one = all.addObject().put("name", nodes ? n.name() : e.name());
      one.put("seq_idx", position < 0 ? null : (Integer) position);
      one.put("estimate", i.estimate()).put("exact", i.exact());
    }
  }

  /** What was set, beside what stands before it. */
  private static void settings(ObjectNode root, Discovery d, Optional<RunSpec> run) {
    root.put("score_prompts", d.trainPrompts());
    root.set("settings", d.algorithm().settings().json());
    root.put("graph", d.model().graph().form().key());
    root.put("level", d.level().key());
    root.put("separate_qkv", d.model().graph().separateQkv());
    if (d.model().graph().separateQkv() && d.model().model().config().grouped()) {
      root.put(GraphJson.KV, KeyValues.of(d.model().graph()).key());
    }
    List<String> spans = d.model().graph().spans();
    root.put("token_positions", d.model().graph().positions() > 0 && spans.isEmpty());
    if (!spans.isEmpty()) {
      spans.forEach(root.putArray("spans")::add);
    }
    root.put("slice", d.model().slice().key());
    root.put("reverse_clean_corrupt", d.runs().reverseCleanCorrupt());
    root.put("ties", d.ties());
    root.put("precision", Precision.of(d.model().model().type()).key());
    root.put("weights", d.model().model().weightType().key());
    root.put("kernels", d.model().kernels().name());
    root.put("device", d.model().model().placement().device().toString());
    root.put("version", RunSpec.libraryVersion());
    run.ifPresent(
        spec -> {
          root.put("seed", spec.seed());
          root.put("run", spec.hash());
        });
  }

  private static String lower(String name) {
    return name.toLowerCase(java.util.Locale.ROOT);
  }
}
