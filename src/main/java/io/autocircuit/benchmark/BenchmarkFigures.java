package io.autocircuit.benchmark;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * The figures of a benchmark's result file: what JMH writes with {@code -rf json}, or what the
 * command {@code bench} writes with {@code --json}. Smaller is better for all of them.
 *
 * <p>Of a {@code bench} file these are its ratios to the plain forward, and nothing else. Of a JMH
 * file they are times, and their ratios to a yardstick where the file has one: the benchmark {@code
 * plain}, {@code matmul}, {@code matmuls}, {@code separate} or {@code libtorch} of the same class,
 * parameters, mode and threads.
 *
 * @param kind which program wrote it
 * @param source the file, as messages call it
 * @param settings what was measured and where, by name, as printable text; empty for JMH
 * @param figures by name, in the file's order
 */
public record BenchmarkFigures(
    Kind kind, String source, Map<String, String> settings, Map<String, Figure> figures) {

  /** Settings without which two files are about different things. */
  static final List<String> SUBJECT = List.of("shape", "batch", "seq");

  private static final List<String> CIRCUMSTANCES =
      List.of("machine", "device", "threads", "idle_threads", "kernels");

  private static final List<String> YARDSTICKS =
      List.of("plain", "matmul", "matmuls", "separate", "libtorch");
  private static final long LARGEST_FILE = 32L << 20;
  private static final int MOST_FIGURES = 10_000;

  /** Beyond these a number is no measurement, and quotients would overflow. */
  private static final double SMALLEST = 1e-15;

  private static final double LARGEST = 1e15;

  /** {@code bench} writes four digits after the point. */
  private static final double ROUNDING = 0.5e-4;

  private static final String OUR_PACKAGE = "io.autocircuit.benchmarks.";
  private static final Pattern PLAIN_NAME = Pattern.compile("[\\w.$:+-]{1,100}");

  /** JMH's names of units, in seconds. */
  private static final Map<String, Double> SECONDS =
      Map.of(
          "ns", 1e-9, "us", 1e-6, "ms", 1e-3, "s", 1.0, "min", 60.0, "hr", 3600.0, "day", 86400.0);

  /** Programs whose files are understood. */
  public enum Kind {
    /** JMH, {@code -rf json}. */
    JMH("JMH's JSON"),
    /** The command {@code bench}, {@code --json}. */
    BENCH("the bench command's JSON");

    private final String title;

    Kind(String title) {
      this.title = title;
    }

    /**
     * How messages call such a file.
     *
     * @return a noun
     */
    public String title() {
      return title;
    }
  }

  /**
   * A number and how far off it may be.
   *
   * @param value not negative, finite
   * @param error half the width of the interval in which it lies, same unit: JMH's 99.9 %
   *     confidence interval, or half of (largest − smallest); NaN where nothing is known
   */
  public record Quantity(double value, double error) {
    double low() {
      return Double.isNaN(error) ? value : value - error;
    }

    double high() {
      return Double.isNaN(error) ? value : value + error;
    }

    Quantity over(Quantity yardstick) {
      double ratio = value / yardstick.value;
      return new Quantity(
          ratio, ratio * Math.hypot(error / value, yardstick.error / yardstick.value));
    }
  }

  /**
   * One figure.
   *
   * @param ratio over the yardstick; null where the file has none
   * @param seconds for one operation; null in {@code bench} files
   * @param yardstick whether others are measured by it
   */
  public record Figure(Quantity ratio, Quantity seconds, boolean yardstick) {}

  /**
   * Makes the collections unmodifiable.
   *
   * @param kind which program wrote it
   * @param source the file, as messages call it
   * @param settings what was measured and where, by name, as printable text; empty for JMH
   * @param figures by name, in the file's order
   */
  public BenchmarkFigures {
    settings = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(settings));
    figures = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(figures));
  }

  /**
   * Reads a file of at most 32 MiB.
   *
   * @param file what {@code bench --json} or JMH wrote
   * @return its figures
   * @throws DataException if it is missing, unreadable, not strict JSON, or of neither kind
   */
  public static BenchmarkFigures read(Path file) {
    return of(JsonFiles.read(file, LARGEST_FILE), file.toString());
  }

  /**
   * The figures in a parsed file.
   *
   * @param source how messages call the file
   * @throws DataException if it is of neither kind
   */
  static BenchmarkFigures of(JsonNode root, String source) {
    BenchmarkFigures found;
    if (root.isArray()) {
      found = ofJmh(root, source);
    } else if (root.path("ratios").isObject()) {
      found = ofBench(root, source);
    } else {
      throw new DataException(
          "file="
              + source
              + ": neither JMH's results (a list; write them with -rf json) nor those of bench --json"
              + " (an object with \"ratios\"); is this the right file?");
    }
    if (found.figures().isEmpty()) {
      throw new DataException(
          "file=" + source + ": holds no figures (the run was stopped?); measure again");
    }
    return found;
  }

  private static BenchmarkFigures ofBench(JsonNode root, String source) {
    JsonNode ratios = root.get("ratios");
    requireFew(ratios.size(), source);
    Map<String, Figure> figures = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> e : ratios.properties()) {
      String at = "ratios." + printable(e.getKey());
      double value = number(e.getValue(), source, at, true);
      JsonNode spread = root.path("spreads").path(e.getKey());
      double error =
          spread.isMissingNode()
              ? Double.NaN
              : value * number(spread, source, "spreads." + printable(e.getKey()), true) / 2
                  + ROUNDING;
      Figure figure = new Figure(new Quantity(value, error), null, false);
      if (figures.put(printable(e.getKey()), figure) != null) {
        throw new DataException(
            "file=" + source + ": two figures are called " + at + "; give them short names");
      }
    }
    Map<String, String> settings = new LinkedHashMap<>();
    for (List<String> names : List.of(SUBJECT, CIRCUMSTANCES)) {
      for (String name : names) {
        if (root.path(name).isValueNode()) {
          settings.put(name, DataException.quote(root.get(name).asText()));
        }
      }
    }
    return new BenchmarkFigures(Kind.BENCH, source, settings, figures);
  }

  /** A benchmark of a JMH file: what it is called apart from its method's name, and that. */
  private record JmhName(String type, String method, String rest) {
    @Override
    public String toString() {
      return type + method + rest;
    }
  }

  private static BenchmarkFigures ofJmh(JsonNode root, String source) {
    requireFew(root.size(), source);
    Map<JmhName, Quantity> times = new LinkedHashMap<>();
    for (int i = 0; i < root.size(); i++) {
      String at = "[" + i + "]";
      JmhName name = jmhName(root.get(i), source, at);
      if (times.put(name, seconds(root.get(i), source, at)) != null) {
        throw new DataException(
            "file="
                + source
                + ": "
                + at
                + " is a second result of "
                + name
                + "; keep one run in a file");
      }
    }
    Map<String, Figure> figures = new LinkedHashMap<>();
    times.forEach(
        (name, time) -> {
          boolean yardstick = YARDSTICKS.contains(name.method());
          Quantity ratio = null;
          for (String y : yardstick ? List.<String>of() : YARDSTICKS) {
            Quantity beside = times.get(new JmhName(name.type(), y, name.rest()));
            if (beside != null) {
              ratio = time.over(beside);
              break;
            }
          }
          figures.put(name.toString(), new Figure(ratio, time, yardstick));
        });
    return new BenchmarkFigures(Kind.JMH, source, Map.of(), figures);
  }

  private static JmhName jmhName(JsonNode result, String source, String at) {
    String full = text(result, "benchmark", source, at);
    String shown =
        printable(full.startsWith(OUR_PACKAGE) ? full.substring(OUR_PACKAGE.length()) : full);
    int dot = shown.lastIndexOf('.');
    List<String> rest = new ArrayList<>();
    Map<String, String> params = new TreeMap<>();
    for (Map.Entry<String, JsonNode> e : result.path("params").properties()) {
      params.put(printable(e.getKey()), printable(e.getValue().asText()));
    }
    params.forEach((k, v) -> rest.add(k + "=" + v));
    String mode = text(result, "mode", source, at);
    if (!mode.equals("avgt")) {
      rest.add("mode=" + printable(mode));
    }
    int threads = result.path("threads").asInt(1);
    if (threads != 1) {
      rest.add("threads=" + threads);
    }
    return new JmhName(
        shown.substring(0, dot + 1),
        shown.substring(dot + 1),
        rest.isEmpty() ? "" : " " + String.join(" ", rest));
  }

  /** Seconds for one operation, from a time or a rate. */
  private static Quantity seconds(JsonNode result, String source, String at) {
    JsonNode metric = result.path("primaryMetric");
    String where = at + ".primaryMetric";
    String unit = text(metric, "scoreUnit", source, where);
    boolean rate = unit.startsWith("ops/");
    Double one =
        rate
            ? SECONDS.get(unit.substring("ops/".length()))
            : unit.endsWith("/op")
                ? SECONDS.get(unit.substring(0, unit.length() - "/op".length()))
                : null;
    if (one == null) {
      throw new DataException(
          "file="
              + source
              + ": "
              + where
              + ".scoreUnit="
              + DataException.quote(unit)
              + " is unknown; units are ns/op, us/op, ms/op, s/op and ops/ns to ops/s");
    }
    double score = number(metric.path("score"), source, where + ".score", false);
    double error = error(metric, source, where);
    double seconds = rate ? one / score : score * one;
    return new Quantity(seconds, error / score * seconds);
  }

  /** JMH's error, which is "NaN" for few iterations; then half the range of its iterations. */
  private static double error(JsonNode metric, String source, String where) {
    JsonNode stated = metric.path("scoreError");
    if (stated.isNumber()) {
      return number(stated, source, where + ".scoreError", true);
    }
    double least = Double.POSITIVE_INFINITY;
    double most = 0;
    int n = 0;
    for (JsonNode fork : metric.path("rawData")) {
      for (JsonNode iteration : fork) {
        double v = number(iteration, source, where + ".rawData", false);
        least = Math.min(least, v);
        most = Math.max(most, v);
        n++;
      }
    }
    return n < 2 ? Double.NaN : (most - least) / 2;
  }

  private static void requireFew(int count, String source) {
    if (count > MOST_FIGURES) {
      throw new DataException(
          "file="
              + source
              + ": figures="
              + count
              + " are more than the limit="
              + MOST_FIGURES
              + "; is this the right file?");
    }
  }

  private static String text(JsonNode object, String field, String source, String at) {
    JsonNode value = object.path(field);
    if (!value.isTextual() || value.textValue().isEmpty()) {
      throw new DataException(
          "file="
              + source
              + ": "
              + at
              + " has no text \""
              + field
              + "\"; JMH writes it with -rf json");
    }
    return value.textValue();
  }

  private static double number(JsonNode value, String source, String at, boolean zeroToo) {
    double v = value.isNumber() ? value.doubleValue() : Double.NaN;
    if (!(v >= SMALLEST && v <= LARGEST || zeroToo && v == 0)) {
      throw new DataException(
          "file="
              + source
              + ": "
              + at
              + "="
              + (value.isMissingNode() ? "nothing" : DataException.quote(value.toString()))
              + " is not a "
              + (zeroToo ? "plausible number of at least 0" : "plausible positive number")
              + "; measure again");
    }
    return v;
  }

  /** A name from the file: as it is if it is a plain one, else quoted. */
  private static String printable(String name) {
    return PLAIN_NAME.matcher(name).matches() ? name : DataException.quote(name);
  }
}
