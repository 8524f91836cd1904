package io.autocircuit.benchmark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The cells of a grid and their circumstances, as a file.
 *
 * @param settings what was measured and where, by name: texts and numbers
 * @param cells measured and left out
 */
public record GrowthGrid(Map<String, Object> settings, List<GrowthCell> cells) {
  private static final long LARGEST_FILE = 4L << 20;
  private static final double MEGA = 1e6;

  /**
   * Makes the collections unmodifiable.
   *
   * @param settings what was measured and where
   * @param cells measured and left out
   */
  public GrowthGrid {
    settings = Collections.unmodifiableMap(new LinkedHashMap<>(settings));
    cells = List.copyOf(cells);
  }

  /**
   * The cells of an axis.
   *
   * @param axis which
   * @return in the order in which they were measured
   */
  public List<GrowthCell> cells(GrowthAxis axis) {
    return cells.stream().filter(c -> c.axis() == axis).toList();
  }

  /**
   * What is known of a place.
   *
   * @param place with any figures
   * @return the cell there; {@code place} where there is none
   */
  public GrowthCell known(GrowthCell place) {
    return cells.stream().filter(place::samePlace).findFirst().orElse(place);
  }

  /**
   * With a cell put in, in place of the one that was there.
   *
   * @param cell new figures
   * @return a new grid
   */
  public GrowthGrid with(GrowthCell cell) {
    List<GrowthCell> next = new ArrayList<>();
    boolean put = false;
    for (GrowthCell c : cells) {
      next.add(c.samePlace(cell) ? cell : c);
      put |= c.samePlace(cell);
    }
    if (!put) {
      next.add(cell);
    }
    return new GrowthGrid(settings, next);
  }

  /**
   * Writes the file, whole or not at all.
   *
   * @param file in place of what was there
   * @throws DataException if it cannot be written
   */
  public void write(Path file) {
    AtomicFile.write(
        file,
        o ->
            o.write(
                (new ObjectMapper()
                            .enable(SerializationFeature.INDENT_OUTPUT)
                            .writeValueAsString(json())
                        + "\n")
                    .getBytes(StandardCharsets.UTF_8)));
  }

  private Map<String, Object> json() {
    Map<String, Object> root = new LinkedHashMap<>(settings);
    List<Object> list = new ArrayList<>();
    for (GrowthCell c : cells) {
      Map<String, Object> figures = new LinkedHashMap<>();
      c.figures().forEach((name, f) -> figures.put(name, json(f)));
      Map<String, Object> cell = new LinkedHashMap<>();
      cell.put("axis", c.axis().key());
      cell.put("shape", c.shape());
      cell.put("parameters", c.parameters());
      cell.put("batch", c.batch());
      cell.put("seq", c.length());
      cell.put("figures", figures);
      list.add(cell);
    }
    root.put("cells", list);
    Map<String, Object> axes = new LinkedHashMap<>();
    for (GrowthAxis axis : GrowthAxis.values()) {
      Map<String, Object> exponents = new LinkedHashMap<>();
      for (String name : GrowthFigure.NAMES) {
        Map<String, Object> both = new LinkedHashMap<>();
        put(both, "time", GrowthExponent.ofTime(cells(axis), name));
        put(both, "memory", GrowthExponent.ofMemory(cells(axis), name));
        if (!both.isEmpty()) {
          exponents.put(name, both);
        }
      }
      if (!exponents.isEmpty()) {
        axes.put(axis.key(), exponents);
      }
    }
    root.put("exponents", axes);
    return root;
  }

  private static void put(Map<String, Object> to, String name, GrowthExponent e) {
    if (!Double.isNaN(e.measured())) {
      Map<String, Object> values = new LinkedHashMap<>();
      values.put("measured", digits(e.measured()));
      values.put("arithmetic", digits(e.arithmetic()));
      values.put("last_measured", digits(e.lastMeasured()));
      values.put("last_arithmetic", digits(e.lastArithmetic()));
      to.put(name, values);
    }
  }

  private static Map<String, Object> json(GrowthFigure f) {
    Map<String, Object> values = new LinkedHashMap<>();
    if (!f.measured()) {
      values.put("left_out", f.leftOut());
      return values;
    }
    values.put("ms", digits(f.seconds() * 1e3));
    values.put("spread", digits(f.spread()));
    values.put("gflop", digits(f.operations() / 1e9));
    if (!Double.isNaN(f.peakBytes())) {
      values.put("peak_mb", digits(f.peakBytes() / MEGA));
    }
    values.put("needed_mb", digits(f.neededBytes() / MEGA));
    return values;
  }

  private static double digits(double v) {
    return Math.round(v * 1e4) / 1e4;
  }

  /**
   * Reads a file.
   *
   * @param file what {@link #write} wrote
   * @return settings and cells
   * @throws DataException if it is missing, unreadable or of another kind
   */
  public static GrowthGrid read(Path file) {
    JsonNode root = JsonFiles.read(file, LARGEST_FILE);
    if (!root.path("cells").isArray()) {
      throw new DataException(
          "file=" + file + ": no list \"cells\"; is this what bench --grid --json wrote?");
    }
    Map<String, Object> settings = new LinkedHashMap<>();
    root.properties()
        .forEach(
            e -> {
              if (e.getValue().isValueNode()) {
                settings.put(e.getKey(), value(e.getValue()));
              }
            });
    List<GrowthCell> cells = new ArrayList<>();
    for (JsonNode c : root.get("cells")) {
      Map<String, GrowthFigure> figures = new LinkedHashMap<>();
      try {
        c.path("figures")
            .properties()
            .forEach(e -> figures.put(e.getKey(), figure(e.getKey(), e.getValue())));
        cells.add(
            new GrowthCell(
                GrowthAxis.of(c.path("axis").asText()),
                c.path("shape").asText(),
                c.path("parameters").asLong(),
                c.path("batch").asInt(),
                c.path("seq").asInt(),
                figures));
      } catch (IllegalArgumentException e) {
        throw new DataException(
            "file=" + file + ": cells[" + cells.size() + "]: " + e.getMessage(), e);
      }
    }
    return new GrowthGrid(settings, cells);
  }

  private static Object value(JsonNode node) {
    return node.isIntegralNumber()
        ? (Object) node.asLong()
        : node.isNumber() ? (Object) node.asDouble() : node.asText();
  }

  private static GrowthFigure figure(String name, JsonNode f) {
    if (f.has("left_out")) {
      return GrowthFigure.leftOut(f.get("left_out").asText());
    }
    if (!(f.path("ms").asDouble() > 0)) {
      throw new IllegalArgumentException(
          "figures." + name + ".ms=" + f.path("ms") + " is no positive number; measure again");
    }
    return new GrowthFigure(
        f.path("ms").asDouble(Double.NaN) / 1e3,
        f.path("spread").asDouble(Double.NaN),
        f.path("peak_mb").asDouble(Double.NaN) * MEGA,
        f.path("gflop").asDouble(Double.NaN) * 1e9,
        f.path("needed_mb").asDouble(Double.NaN) * MEGA,
        null);
  }
}
