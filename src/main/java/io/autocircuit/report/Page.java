package io.autocircuit.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.ValueNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How the pages are put together: a frame with places, the styles, the data, the scripts. */
final class Page {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final String DATA = "<script type=\"application/json\" id=\"report-data\">";
  private static final Pattern PLACEHOLDER = Pattern.compile("\\{\\{(\\w+)}}");

  private Page() {}

  /**
   * A page with the charting library.
   *
   * @param name of its resources: {@code name.html}, {@code name.js}
   * @param data what its script reads
   * @param places markup by the name of its place in the frame
   * @return the document
   */
  static String withCharts(String name, JsonNode data, Map<String, String> places) {
    Library library = Library.load();
    Map<String, String> all = new LinkedHashMap<>(places);
    all.put("library", "<script>" + library.script() + "</script>");
    all.put("complete", "This file is complete: it loads nothing from the network.");
    all.put("version", escape(library.version()));
    return put(name, data, all, digest(library.script()) + " ");
  }

  /** The file that pages beside it take the charting library from. */
  static final String LIBRARY = "echarts.min.js";

  /**
   * A page that takes the charting library from {@value #LIBRARY} beside it: for many pages in one
   * directory.
   *
   * @param name of its resources: {@code name.html}, {@code name.js}
   * @param data what its script reads
   * @param places markup by the name of its place in the frame
   * @return the document
   */
  static String withChartsBeside(String name, JsonNode data, Map<String, String> places) {
    Map<String, String> all = new LinkedHashMap<>(places);
    // a digest does not let a file in from file: addresses, a nonce does; of the content, so that
    // the same page has the same bytes
    String nonce = base64("nonce " + places + data);
    all.put("library", "<script nonce=\"" + nonce + "\" src=\"" + LIBRARY + "\"></script>");
    all.put(
        "complete",
        "This file needs " + LIBRARY + " beside it, and loads nothing from the network.");
    all.put("version", escape(Library.load().version()));
    return put(name, data, all, "'nonce-" + nonce + "' ");
  }

  /** The charting library's script. */
  static String library() {
    return Library.load().script();
  }

  /**
   * A page without the charting library.
   *
   * @param name of its resources: {@code name.html}, {@code name.js}
   * @param data what its script reads
   * @param places markup by the name of its place in the frame
   * @return the document
   */
  static String plain(String name, JsonNode data, Map<String, String> places) {
    return put(name, data, places, "");
  }

  private static String put(
      String name, JsonNode data, Map<String, String> places, String digests) {
    String drawing =
        switch (name) {
          case "report" -> resource("flow.js") + resource("tests.js");
          case "experiment" -> resource("tests.js");
          default -> "";
        };
    String script =
        resource("common.js") + resource("circuit.js") + drawing + resource(name + ".js");
    Map<String, String> all = new LinkedHashMap<>(places);
    all.put("digests", digests + digest(script));
    all.put("style", resource("report.css"));
    all.put("data", json(data));
    all.put("script", script);
    // One pass: text that is put in is never searched for placeholders.
    return PLACEHOLDER
        .matcher(resource(name + ".html"))
        .replaceAll(match -> Matcher.quoteReplacement(part(all, name, match.group(1))));
  }

  private static String part(Map<String, String> parts, String page, String name) {
    String part = parts.get(name);
    if (part == null) {
      throw new IllegalStateException(
          "placeholder="
              + name
              + " in "
              + page
              + ".html is unknown: the page and its Java class must agree");
    }
    return part;
  }

  /** Names and values under the title. */
  static String summary(Map<String, String> lines) {
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

  /** A table of settings, or a sentence that there are none. */
  static String settings(Map<String, String> settings) {
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

  /** Escapes text for HTML or XML content and quoted attributes. */
  static String escape(String text) {
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
  private static String json(JsonNode data) {
    try {
      return MAPPER
          .writeValueAsString(data)
          .replace("&", "\\u0026")
          .replace("<", "\\u003c")
          .replace(">", "\\u003e");
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * A page whose data is changed.
   *
   * @param page a page
   * @param change of its data; whether it could be changed
   * @return empty where the page has no such data, or it could not be changed
   */
  static Optional<String> withData(String page, Predicate<ObjectNode> change) {
    int begin = page.indexOf(DATA);
    int end = begin < 0 ? -1 : page.indexOf("</script>", begin);
    if (end < 0) {
      return Optional.empty();
    }
    int from = begin + DATA.length();
    try {
      return JsonFiles.parse(page.substring(from, end), "the page's data")
                  instanceof ObjectNode data
              && change.test(data)
          ? Optional.of(page.substring(0, from) + json(data) + page.substring(end))
          : Optional.empty();
    } catch (DataException noJson) {
      return Optional.empty();
    }
  }

  /** A number, or its name as a string where JSON has no such number. */
  static ValueNode number(double value) {
    JsonNodeFactory json = JsonNodeFactory.instance;
    return Double.isFinite(value) ? json.numberNode(value) : json.textNode(Double.toString(value));
  }

  /** A script's digest as a source expression of a content security policy. */
  private static String digest(String script) {
    return "'sha256-" + base64(script) + "'";
  }

  /** The SHA-256 of a text. */
  private static String base64(String text) {
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return Base64.getEncoder().encodeToString(hash);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("SHA-256 is missing: use a complete Java runtime", e);
    }
  }

  private static String resource(String name) {
    return read(Page.class.getResourceAsStream(name), name);
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
      try (InputStream stream = Page.class.getResourceAsStream(about)) {
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
      String script = read(Page.class.getResourceAsStream(path), path);
      if (script.contains("</script") || script.contains("<!--")) {
        throw new IllegalStateException(
            "resource=" + path + " would end its script element early: use echarts 5.5.0");
      }
      return new Library(version, script);
    }
  }
}
