package io.autocircuit.report;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The scored edges of a result directory, read without its model: {@code edges.json} names all
 * edges of the graph, and from them follow its nodes and layers.
 *
 * @param nodes all nodes of the graph; a node's layer is the length of the longest path to it
 * @param edges best first, as the file has them
 */
public record ResultEdges(List<NodeInfo> nodes, List<ScoredEdge> edges) {
  private static final String EDGES = "edges.json";
  private static final String ARROW = "->";
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * Keeps unmodifiable copies.
   *
   * @param nodes all nodes of the graph
   * @param edges best first
   */
  public ResultEdges {
    nodes = List.copyOf(nodes);
    edges = List.copyOf(edges);
  }

  /**
   * Reads the edges of a discovery's results.
   *
   * @param directory what {@code discover --out} wrote, or a file in the format of its {@code
   *     edges.json}
   * @return its edges
   * @throws DataException if there is no such file, or it is no list of scored edges, best first
   */
  public static ResultEdges read(Path directory) {
    Path file = Files.isDirectory(directory) ? directory.resolve(EDGES) : directory;
    List<ScoredEdge> edges = new ArrayList<>();
    Map<String, Set<String>> sources = new LinkedHashMap<>();
    Map<String, String> names = new HashMap<>();
    double last = Double.POSITIVE_INFINITY;
    try (JsonParser parser = JSON.createParser(file.toFile())) {
      if (parser.nextToken() != JsonToken.START_ARRAY) {
        throw bad(file, "is no list");
      }
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        JsonNode item = JSON.readTree(parser);
        ScoredEdge edge = edge(item, file, edges.size(), names);
        if (!(Math.abs(edge.score()) <= last)) {
          throw bad(file, "has edge=" + edge.name() + " after edges of a smaller |score|");
        }
        last = Math.abs(edge.score());
        edges.add(edge);
        sources
            .computeIfAbsent(node(edge.destination()), k -> new LinkedHashSet<>())
            .add(node(edge.source()));
      }
    } catch (NoSuchFileException | java.io.FileNotFoundException e) {
      throw new DataException(
          "file=" + file + " is not there; name a directory that discover --out wrote", e);
    } catch (JsonProcessingException e) {
      throw bad(file, "is no JSON: " + e.getOriginalMessage());
    } catch (IOException e) {
      throw new DataException("file=" + file + " cannot be read: " + e.getMessage(), e);
    }
    return new ResultEdges(nodes(sources, file), edges);
  }

  private static DataException bad(Path file, String what) {
    return new DataException(
        "file=" + file + " " + what + "; give the results of discover, unchanged");
  }

  private static ScoredEdge edge(JsonNode item, Path file, int index, Map<String, String> names) {
    String name = item.path("name").asText();
    int arrow = name.indexOf(ARROW);
    JsonNode score = item.path("score");
    JsonNode position = item.path("seq_idx");
    boolean infinite =
        score.isTextual()
            && (score.asText().equals("Infinity") || score.asText().equals("-Infinity"));
    if (arrow < 1
        || arrow + ARROW.length() == name.length()
        || !(score.isNumber() || infinite)
        || !(position.isNull() || position.isInt() && position.intValue() >= 0)) {
      throw bad(
          file,
          "has item="
              + index
              + " which is no {\"name\":\"SOURCE->DESTINATION\",\"seq_idx\",\"score\"}");
    }
    // names of nodes repeat in every edge: each is kept once
    return new ScoredEdge(
        names.computeIfAbsent(name, n -> n),
        names.computeIfAbsent(name.substring(0, arrow), n -> n),
        names.computeIfAbsent(name.substring(arrow + ARROW.length()), n -> n),
        position.isNull() ? null : position.intValue(),
        infinite ? Double.parseDouble(score.asText()) : score.doubleValue());
  }

  private static String node(String name) {
    return ReportData.head(name).orElse(name);
  }

  private static List<NodeInfo> nodes(Map<String, Set<String>> sources, Path file) {
    Map<String, Integer> layers = new LinkedHashMap<>();
    sources.keySet().forEach(name -> layer(name, sources, layers, new HashSet<>(), file));
    List<NodeInfo> nodes = new ArrayList<>();
    layers.forEach((name, layer) -> nodes.add(new NodeInfo(name, layer)));
    return nodes;
  }

  private static int layer(
      String name,
      Map<String, Set<String>> sources,
      Map<String, Integer> layers,
      Set<String> open,
      Path file) {
    Integer known = layers.get(name);
    if (known != null) {
      return known;
    }
    if (!open.add(name)) {
      throw bad(file, "has a path from node=" + name + " to itself");
    }
    // what an autoencoder writes stands where the MLP does that it takes apart
    String mlp = name.replaceFirst(" (Latent \\d+|Error)$", "");
    if (!mlp.equals(name)) {
      int same = layer(mlp, sources, layers, open, file);
      open.remove(name);
      layers.put(name, same);
      return same;
    }
    int layer = 0;
    for (String source : sources.getOrDefault(name, Set.of())) {
      layer = Math.max(layer, 1 + layer(source, sources, layers, open, file));
    }
    open.remove(name);
    layers.put(name, layer);
    return layer;
  }
}
