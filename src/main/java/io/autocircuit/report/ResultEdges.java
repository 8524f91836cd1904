package io.autocircuit.report;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.experiment.SourceActivations;
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
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The scored edges of a result directory, read without its model: {@code edges.json} names all
 * edges of the graph, and from them follow its nodes and layers.
 *
 * @param nodes all nodes of the graph; a node's layer is the length of the longest path to it
 * @param edges best first, as the file has them
 * @param positionLabels text of each token position, as {@code measurements.json} has it; may be
 *     empty
 * @param activations what sources write, of {@code activations.json}; null where it is not there
 */
public record ResultEdges(
    List<NodeInfo> nodes,
    List<ScoredEdge> edges,
    List<String> positionLabels,
    SourceActivations activations) {
  private static final String EDGES = "edges.json";
  private static final String ARROW = "->";
  private static final String START = "Resid Start";

  /** A head, an MLP, or what an autoencoder makes of an MLP. */
  private static final Pattern PART =
      Pattern.compile("A(\\d{1,6})\\.\\d{1,6}|MLP (\\d{1,6})( Latent \\d{1,9}| Error)?");

  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * Keeps unmodifiable copies.
   *
   * @param nodes all nodes of the graph
   * @param edges best first
   * @param positionLabels text of each token position; may be empty
   * @param activations what sources write; may be null
   */
  public ResultEdges {
    nodes = List.copyOf(nodes);
    edges = List.copyOf(edges);
    positionLabels = List.copyOf(positionLabels);
  }

  /**
   * The circuit of the best edges, with all that the directory says of them.
   *
   * @param title for people
   * @param size how many edges it has
   * @return the drawing
   * @throws IllegalArgumentException if there are not so many edges
   */
  public CircuitDrawing drawing(String title, int size) {
    CircuitDrawing drawing =
        CircuitDrawing.of(title, nodes, edges, size).withPositionLabels(positionLabels);
    return activations == null ? drawing : drawing.withActivations(activations);
  }

  /**
   * How many edges have at least that |score|.
   *
   * @param threshold 0 or more
   * @return the size of their circuit
   */
  public int reaching(double threshold) {
    return (int) edges.stream().filter(e -> Math.abs(e.score()) >= threshold).count();
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
        for (String input : edge.inputs()) {
          sources.computeIfAbsent(node(input), k -> new LinkedHashSet<>()).add(node(edge.source()));
        }
      }
    } catch (NoSuchFileException | java.io.FileNotFoundException e) {
      throw new DataException(
          "file=" + file + " is not there; name a directory that discover --out wrote", e);
    } catch (JsonProcessingException e) {
      throw bad(file, "is no JSON: " + e.getOriginalMessage());
    } catch (IOException e) {
      throw new DataException("file=" + file + " cannot be read: " + e.getMessage(), e);
    }
    Path activations = file.resolveSibling(ResultDirectory.ACTIVATIONS);
    boolean results = Files.isDirectory(directory);
    return new ResultEdges(
        nodes(sources, file),
        edges,
        results ? positionLabels(file.resolveSibling("measurements.json")) : List.of(),
        results && Files.exists(activations) ? SourceActivations.read(activations) : null);
  }

  private static List<String> positionLabels(Path measurements) {
    List<String> labels = new ArrayList<>();
    if (Files.exists(measurements)) {
      try {
        JSON.readTree(measurements.toFile())
            .path("position_labels")
            .forEach(label -> labels.add(label.asText()));
      } catch (IOException e) {
        throw bad(measurements, "is no JSON");
      }
    }
    return labels;
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
        infinite ? Double.parseDouble(score.asText()) : score.doubleValue(),
        heads(item, file, index));
  }

  private static List<Integer> heads(JsonNode item, Path file, int index) {
    List<Integer> heads = new ArrayList<>();
    for (JsonNode head : item.path("heads")) {
      if (!head.isInt() || head.intValue() < 0) {
        throw bad(file, "has item=" + index + " whose heads are no numbers");
      }
      heads.add(head.intValue());
    }
    return heads;
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

  /**
   * What stands in the same layer as a source that reads nothing: in graphs of residual sums what
   * the head or MLP reads without an edge, of a latent its MLP.
   */
  private static Optional<String> beside(String name) {
    Matcher part = PART.matcher(name);
    if (!part.matches()) {
      return Optional.empty();
    }
    if (part.group(1) != null) {
      int block = Integer.parseInt(part.group(1));
      return Optional.of(block == 0 ? START : "Resid Post " + (block - 1));
    }
    return Optional.of((part.group(3) == null ? "Resid Mid " : "MLP ") + part.group(2));
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
    Optional<String> beside = sources.containsKey(name) ? Optional.empty() : beside(name);
    if (beside.filter(b -> sources.containsKey(b) || b.equals(START)).isPresent()) {
      layer = layer(beside.get(), sources, layers, open, file);
    }
    for (String source : sources.getOrDefault(name, Set.of())) {
      layer = Math.max(layer, 1 + layer(source, sources, layers, open, file));
    }
    open.remove(name);
    layers.put(name, layer);
    return layer;
  }
}
