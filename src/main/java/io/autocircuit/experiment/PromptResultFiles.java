package io.autocircuit.experiment;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.metric.EdgeStability;
import io.autocircuit.metric.TemplateOverlap;
import io.autocircuit.patch.PromptScores;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Writes what came out for each prompt; every file appears whole or not at all. */
public final class PromptResultFiles {
  /** Scores of every edge and prompt. */
  public static final String SCORES = "prompt_scores.safetensors";

  /** The prompts' circuits, the table and the names of the edges. */
  public static final String PROMPTS = "prompts.json";

  /** The table. */
  public static final String STABILITY = "stability.csv";

  /** All of them. */
  public static final List<String> FILES = List.of(SCORES, PROMPTS, STABILITY);

  private static final JsonFactory JSON = new JsonFactory();

  private PromptResultFiles() {}

  /**
   * Writes all three files.
   *
   * @param directory where to
   * @param scores of each prompt
   * @param stability of the same scores
   * @param indices the number of each prompt in its file, in the order of the scores
   * @param metadata free-form strings beside the scores
   * @throws io.autocircuit.files.DataException if a file cannot be written
   */
  public static void write(
      Path directory,
      PromptScores scores,
      EdgeStability stability,
      int[] indices,
      Map<String, String> metadata) {
    scores.write(directory.resolve(SCORES), metadata);
    writePrompts(directory.resolve(PROMPTS), scores, stability, indices);
    writeTable(directory.resolve(STABILITY), stability);
  }

  /**
   * {@code {"k", "overlap", "redrawn", "spans"?, "templates"?: {"names": [{"name", "prompts"}, …],
   * "overlap": [[…], …], "correlation": [[…], …]}, "stability": [{"name", "seq_idx", "share",
   * "mean", "deviation", "agreement"}, …], "prompts": [{"index", "circuit": [{"name", "seq_idx",
   * "score"}, …]}, …], "edges": [["name", seq_idx], …]}}: {@code edges} names the columns of the
   * scores, {@code prompts} the rows. What one prompt leaves undefined is null.
   */
  static void writePrompts(Path file, PromptScores scores, EdgeStability stability, int[] indices) {
    AtomicFile.write(
        file,
        out -> {
          try (JsonGenerator g = JSON.createGenerator(out)) {
            g.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
            g.writeStartObject();
            g.writeNumberField("k", stability.size());
            number(g, "overlap", stability.overlap());
            g.writeObjectFieldStart("redrawn");
            number(g, "overlap", stability.redrawn().overlap());
            number(g, "low", stability.redrawn().low());
            number(g, "high", stability.redrawn().high());
            g.writeEndObject();
            if (!scores.graph().spans().isEmpty()) {
              g.writeArrayFieldStart("spans");
              for (String span : scores.graph().spans()) {
                g.writeString(span);
              }
              g.writeEndArray();
            }
            if (stability.templates().isPresent()) {
              templates(g, stability.templates().get());
            }
            table(g, stability);
            circuits(g, scores, stability, indices);
            edges(g, scores.graph());
            g.writeEndObject();
            g.writeRaw('\n');
          }
        });
  }

  private static void templates(JsonGenerator g, TemplateOverlap templates) throws IOException {
    g.writeObjectFieldStart("templates");
    g.writeArrayFieldStart("names");
    for (TemplateOverlap.Template t : templates.templates()) {
      g.writeStartObject();
      g.writeStringField("name", t.name());
      g.writeNumberField("prompts", t.prompts());
      g.writeEndObject();
    }
    g.writeEndArray();
    rows(g, "overlap", templates.overlap());
    rows(g, "correlation", templates.correlation());
    g.writeEndObject();
    line(g);
  }

  private static void rows(JsonGenerator g, String field, List<List<Double>> rows)
      throws IOException {
    g.writeArrayFieldStart(field);
    for (List<Double> row : rows) {
      g.writeStartArray();
      for (double value : row) {
        if (Double.isFinite(value)) {
          g.writeNumber(value);
        } else {
          g.writeNull();
        }
      }
      g.writeEndArray();
    }
    g.writeEndArray();
  }

  private static void table(JsonGenerator g, EdgeStability stability) throws IOException {
    g.writeArrayFieldStart("stability");
    for (EdgeStability.Row row : stability.rows()) {
      line(g);
      g.writeStartObject();
      edge(g, row.edge());
      number(g, "share", row.share());
      number(g, "mean", row.mean());
      number(g, "deviation", row.deviation());
      number(g, "agreement", row.agreement());
      g.writeEndObject();
    }
    g.writeEndArray();
    line(g);
  }

  private static void circuits(
      JsonGenerator g, PromptScores scores, EdgeStability stability, int[] indices)
      throws IOException {
    g.writeArrayFieldStart("prompts");
    for (int i = 0; i < scores.prompts(); i++) {
      line(g);
      g.writeStartObject();
      g.writeNumberField("index", indices[i]);
      g.writeArrayFieldStart("circuit");
      for (int e : stability.circuits().get(i)) {
        g.writeStartObject();
        edge(g, scores.graph().edge(e));
        number(g, "score", scores.values().get(i)[e]);
        g.writeEndObject();
      }
      g.writeEndArray();
      g.writeEndObject();
    }
    g.writeEndArray();
    line(g);
  }

  private static void edges(JsonGenerator g, ComputationGraph graph) throws IOException {
    g.writeArrayFieldStart("edges");
    for (int e = 0; e < graph.edgeCount(); e++) {
      line(g);
      Edge edge = graph.edge(e);
      g.writeStartArray();
      g.writeString(edge.name());
      if (edge.position() < 0) {
        g.writeNull();
      } else {
        g.writeNumber(edge.position());
      }
      g.writeEndArray();
    }
    g.writeEndArray();
  }

  private static void line(JsonGenerator g) throws IOException {
    g.writeRaw('\n');
  }

  private static void edge(JsonGenerator g, Edge edge) throws IOException {
    g.writeStringField("name", edge.name());
    if (edge.position() < 0) {
      g.writeNullField("seq_idx");
    } else {
      g.writeNumberField("seq_idx", edge.position());
    }
  }

  private static void number(JsonGenerator g, String field, double value) throws IOException {
    if (Double.isFinite(value)) {
      g.writeNumberField(field, value);
    } else {
      g.writeNullField(field);
    }
  }

  /** {@code name,seq_idx,share,mean,deviation,agreement}; empty where nothing is defined. */
  static void writeTable(Path file, EdgeStability stability) {
    StringBuilder text = new StringBuilder("name,seq_idx,share,mean,deviation,agreement\n");
    for (EdgeStability.Row row : stability.rows()) {
      text.append(row.edge().name())
          .append(',')
          .append(row.edge().position() < 0 ? "" : row.edge().position())
          .append(',')
          .append(row.share())
          .append(',')
          .append(row.mean())
          .append(',')
          .append(Double.isNaN(row.deviation()) ? "" : row.deviation())
          .append(',')
          .append(row.agreement())
          .append('\n');
    }
    AtomicFile.write(file, text.toString());
  }
}
