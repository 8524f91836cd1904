package io.autocircuit.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.stream.StreamSupport;

/**
 * Results that {@code discover} wrote, read back.
 *
 * @param directory where they lie
 * @param edges {@code edges.json}
 * @param measurements {@code measurements.json}
 */
record Results(Path directory, JsonNode edges, JsonNode measurements) {
  private static final ObjectMapper JSON = new ObjectMapper();

  static Results read(Path directory) throws IOException {
    return new Results(
        directory,
        JSON.readTree(Files.readString(directory.resolve("edges.json"))),
        JSON.readTree(Files.readString(directory.resolve("measurements.json"))));
  }

  /** Runs {@code discover} to its end and reads what it wrote. */
  static Results discover(Path directory, Object... words) throws IOException {
    Object[] line = new Object[words.length + 3];
    line[0] = "discover";
    line[1] = "--out";
    line[2] = directory;
    System.arraycopy(words, 0, line, 3, words.length);
    Ran ran = Ran.command(line);
    if (ran.code() != 0 || !ran.err().isEmpty()) {
      throw new AssertionError("exit code " + ran.code() + ": " + ran.err());
    }
    return read(directory);
  }

  /** Scores by edge name ({@code name@position} with token positions), in the file's order. */
  Map<String, Double> scores() {
    Map<String, Double> scores = new LinkedHashMap<>();
    for (JsonNode e : edges) {
      JsonNode position = e.get("seq_idx");
      String name = e.get("name").asText() + (position.isNull() ? "" : "@" + position.asInt());
      if (scores.put(name, number(e.get("score"))) != null) {
        throw new AssertionError("edge " + name + " twice");
      }
    }
    return scores;
  }

  /** The names of the first {@code k} edges. */
  List<String> best(int k) {
    return StreamSupport.stream(edges.spliterator(), false)
        .limit(k)
        .map(e -> e.get("name").asText())
        .toList();
  }

  /** A metric's values by circuit size. */
  NavigableMap<Integer, Double> metric(String key) {
    JsonNode points = measurements.get("metrics").get(key);
    if (points == null) {
      throw new AssertionError("no metric " + key);
    }
    NavigableMap<Integer, Double> values = new TreeMap<>();
    points.forEach(p -> values.put(p.get(0).asInt(), number(p.get(1))));
    return values;
  }

  /** A number, or a string for one that JSON does not have. */
  static double number(JsonNode json) {
    return json.isTextual() ? Double.parseDouble(json.asText()) : json.doubleValue();
  }
}
