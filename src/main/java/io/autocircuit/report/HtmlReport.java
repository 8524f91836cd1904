package io.autocircuit.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.ValueNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Writes {@link ReportData} as one HTML file: no other file, no network. It opens from disk in any
 * current browser and is about 1.1 MB (the charting library is inlined) plus some 60 bytes for each
 * edge it holds.
 */
public final class HtmlReport {
  /** The page holds at most this many edges, the best ones, and says so when there are more. */
  public static final int MAX_EDGES = 5000;

  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final Pattern PLACEHOLDER = Pattern.compile("\\{\\{(\\w+)}}");

  private HtmlReport() {}

  /**
   * Renders the page.
   *
   * @param data what to show
   * @return the HTML document
   * @throws IllegalStateException if a resource of the page is missing from the class path
   */
  public static String render(ReportData data) {
    Library library = Library.load();
    String script = resource("report.js");
    Map<String, String> parts = new LinkedHashMap<>();
    parts.put("title", escape(data.title()));
    parts.put("digests", digest(library.script()) + " " + digest(script));
    parts.put("style", resource("report.css"));
    parts.put(
        "verdict",
        data.verdict() == null ? "" : "<p class=\"verdict\">" + escape(data.verdict()) + "</p>");
    parts.put("summary", summary(data.summary()));
    parts.put("settings", settings(data.settings()));
    parts.put("version", escape(library.version()));
    parts.put("data", json(data));
    parts.put("library", library.script());
    parts.put("script", script);
    // One pass: text that is put in is never searched for placeholders.
    return PLACEHOLDER
        .matcher(resource("report.html"))
        .replaceAll(match -> Matcher.quoteReplacement(part(parts, match.group(1))));
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

  private static String part(Map<String, String> parts, String name) {
    String part = parts.get(name);
    if (part == null) {
      throw new IllegalStateException(
          "placeholder=" + name + " in report.html is unknown: the page and HtmlReport must agree");
    }
    return part;
  }

  private static String summary(Map<String, String> lines) {
    if (lines.isEmpty()) {
      return "";
    }
    StringBuilder html = new StringBuilder("<dl class=\"summary\">");
    lines.forEach(
        (name, value) ->
            html.append("<div><dt>")
                .append(escape(name))
                .append("</dt><dd>")
                .append(escape(value))
                .append("</dd></div>"));
    return html.append("</dl>").toString();
  }

  private static String settings(Map<String, String> settings) {
    if (settings.isEmpty()) {
      return "<p class=\"note\">No settings were recorded.</p>";
    }
    StringBuilder html = new StringBuilder("<table class=\"settings\"><tbody>");
    settings.forEach(
        (name, value) ->
            html.append("<tr><th scope=\"row\">")
                .append(escape(name))
                .append("</th><td>")
                .append(escape(value))
                .append("</td></tr>"));
    return html.append("</tbody></table>").toString();
  }

  /** Escapes text for HTML content and quoted attributes. */
  private static String escape(String text) {
    StringBuilder html = new StringBuilder(text.length() + 16);
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '&' -> html.append("&amp;");
        case '<' -> html.append("&lt;");
        case '>' -> html.append("&gt;");
        case '"' -> html.append("&quot;");
        case '\'' -> html.append("&#39;");
        default -> html.append(c);
      }
    }
    return html.toString();
  }

  /** The data block. Outside strings JSON has none of the escaped characters. */
  private static String json(ReportData data) {
    try {
      return MAPPER
          .writeValueAsString(tree(data))
          .replace("&", "\\u0026")
          .replace("<", "\\u003c")
          .replace(">", "\\u003e");
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
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
      edges
          .addArray()
          .add(edge.name())
          .add(index(indices, ReportData.drawnNode(edge.source(), layers)))
          .add(index(indices, ReportData.drawnNode(edge.destination(), layers)))
          .add(edge.source())
          .add(edge.destination())
          .add(edge.seqIdx())
          .add(number(edge.score()));
    }
    ArrayNode nodes = root.putArray("nodes");
    indices.keySet().forEach(name -> nodes.addArray().add(name).add(layers.get(name)));
    root.put("scoredEdges", data.edges().size());
    root.put("totalEdges", data.totalEdges());
    root.put("firstDrawn", data.firstDrawn());
    ArrayNode labels = root.putArray("positionLabels");
    data.positionLabels().forEach(labels::add);
    return root;
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
        points.addArray().add(point.edges()).add(number(point.value()));
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

  /** A number, or its name as a string where JSON has no such number. */
  private static ValueNode number(double value) {
    return Double.isFinite(value) ? JSON.numberNode(value) : JSON.textNode(Double.toString(value));
  }

  /** A script's digest as a source expression of a content security policy. */
  private static String digest(String script) {
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256").digest(script.getBytes(StandardCharsets.UTF_8));
      return "'sha256-" + Base64.getEncoder().encodeToString(hash) + "'";
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("SHA-256 is missing: use a complete Java runtime", e);
    }
  }

  private static String resource(String name) {
    return read(HtmlReport.class.getResourceAsStream(name), name);
  }

  private static String read(InputStream stream, String name) {
    if (stream == null) {
      throw new IllegalStateException(
          "resource=" + name + " is not on the class path: rebuild, or use the complete jar");
    }
    try (stream) {
      // A browser reads CR LF as LF before it computes a script's digest.
      return new String(stream.readAllBytes(), StandardCharsets.UTF_8).replace("\r\n", "\n");
    } catch (IOException e) {
      throw new UncheckedIOException("resource=" + name + " cannot be read", e);
    }
  }

  /**
   * The charting library as it lies in its jar.
   *
   * @param version its version
   * @param script its source, fit to stand in a script element
   */
  private record Library(String version, String script) {
    static Library load() {
      String about = "/META-INF/maven/org.webjars/echarts/pom.properties";
      Properties properties = new Properties();
      try (InputStream stream = HtmlReport.class.getResourceAsStream(about)) {
        if (stream == null) {
          throw new IllegalStateException(
              "resource="
                  + about
                  + " is not on the class path: add org.webjars:echarts, or use the complete jar");
        }
        properties.load(stream);
      } catch (IOException e) {
        throw new UncheckedIOException("resource=" + about + " cannot be read", e);
      }
      String version = properties.getProperty("version");
      String path = "/META-INF/resources/webjars/echarts/" + version + "/echarts.min.js";
      String script = read(HtmlReport.class.getResourceAsStream(path), path);
      if (script.contains("</script") || script.contains("<!--")) {
        throw new IllegalStateException(
            "resource=" + path + " would end its script element early: use echarts 5.5.0");
      }
      return new Library(version, script);
    }
  }
}
