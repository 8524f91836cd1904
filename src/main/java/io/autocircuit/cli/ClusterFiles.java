package io.autocircuit.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.experiment.ResultFiles;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.CanonicalJson;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.Edge;
import io.autocircuit.metric.ClusterCircuits;
import io.autocircuit.metric.PromptClusters;
import io.autocircuit.patch.Circuit;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What {@code cluster} writes.
 *
 * @param directory where to
 */
record ClusterFiles(Path directory) {
  static final String CLUSTERS = "clusters.json";

  private static final String SCORES = "scores.safetensors";
  private static final String EDGES = "edges.json";
  private static final String CIRCUIT = "circuit.json";

  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * Makes the directory before anything is computed.
   *
   * @return whether it was not there
   */
  boolean prepare() {
    boolean fresh = !Files.exists(directory);
    made(directory);
    AtomicFile.requireWritable(directory.resolve(CLUSTERS));
    return fresh;
  }

  /** Removes the directory that {@link #prepare} has made, if nothing is in it. */
  void abandon() {
    try {
      Files.deleteIfExists(directory);
    } catch (IOException e) {
      // something is in it, which is to stay
    }
  }

  /** Removes the files of clusters from this number on, which an earlier run has left. */
  private void removeFrom(int first) {
    try {
      for (int c = first; Files.isDirectory(folder(c)); c++) {
        for (String file : List.of(SCORES, EDGES, CIRCUIT)) {
          Files.deleteIfExists(folder(c).resolve(file));
        }
        try (Stream<Path> left = Files.list(folder(c))) {
          if (left.findAny().isEmpty()) {
            Files.delete(folder(c));
          }
        }
      }
    } catch (IOException e) {
      throw new DataException(
          "directory=" + directory + " has clusters of an earlier run that cannot be removed: " + e,
          e);
    }
  }

  private Path folder(int cluster) {
    return directory.resolve("cluster-" + (cluster + 1));
  }

  private static void made(Path folder) {
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new DataException("directory=" + folder + " cannot be made: " + e.getMessage(), e);
    }
  }

  /**
   * Writes all files.
   *
   * @param run the hash of the run
   * @param indices the number in the file of each prompt, in the order of the scores
   * @param rand the adjusted Rand index with templates; empty where prompts name none
   */
  void write(
      String run,
      PromptClusters.Settings settings,
      PromptClusters found,
      ClusterCircuits circuits,
      int[] indices,
      Optional<Double> rand) {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("run", run);
    root.put("by", settings.by().key()).put("top", settings.top()).put("seed", settings.seed());
    ObjectNode silhouettes = root.putObject("silhouettes");
    found.silhouettes().forEach((k, s) -> silhouettes.put(String.valueOf(k), s));
    rand.ifPresent(r -> root.put("adjusted_rand", r));
    ArrayNode clusters = root.putArray("clusters");
    removeFrom(found.clusters().size());
    for (int c = 0; c < found.clusters().size(); c++) {
      PromptClusters.Cluster cluster = found.clusters().get(c);
      Path folder = folder(c);
      made(folder);
      cluster.scores().write(folder.resolve(SCORES), Map.of("run", run));
      ResultFiles.writeEdges(folder.resolve(EDGES), cluster.scores());
      write(folder.resolve(CIRCUIT), circuits.circuits().get(c));
      ObjectNode node = clusters.addObject();
      ArrayNode prompts = node.putArray("prompts"); // the nearest to the centre first
      cluster.prompts().forEach(i -> prompts.add(indices[i]));
      ArrayNode differences = node.putArray("differences");
      for (PromptClusters.Difference d : cluster.differences()) {
        Edge edge = d.edge();
        differences
            .addObject()
            .put("name", edge.name())
            .put("seq_idx", edge.position() < 0 ? null : Integer.valueOf(edge.position()))
            .put("difference", d.difference())
            .put("inside", d.inside())
            .put("outside", d.outside());
      }
    }
    root.put("metric", circuits.metric().key());
    rows(root.putArray("values"), circuits.values());
    rows(root.putArray("model"), List.of(circuits.model()));
    rows(root.putArray("overlap"), circuits.overlap());
    AtomicFile.write(directory.resolve(CLUSTERS), CanonicalJson.text(root, true) + "\n");
  }

  private static void rows(ArrayNode to, List<List<Double>> rows) {
    for (List<Double> row : rows) {
      ArrayNode list = to.addArray();
      for (double value : row) {
        if (Double.isFinite(value)) {
          list.add(value);
        } else {
          list.add(String.valueOf(value));
        }
      }
    }
  }

  /** As other commands read it. */
  private static void write(Path file, Circuit circuit) {
    List<Object> names =
        circuit.edges().stream().map(e -> CircuitCommand.named(circuit.graph(), e)).toList();
    try {
      AtomicFile.write(
          file, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(names) + "\n");
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }
}
