package io.autocircuit.formats;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.NullNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.KeyValueGroups;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.TorchArchive;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * Reads and writes scores of edges in the files of several programs. What a file is, its content
 * says: our safetensors and {@code edges.json}, EAP-IG's graphs in JSON or {@code .pt},
 * AutoCircuit's dictionaries of tensors in {@code .pt} or {@code .pkl}.
 */
public final class ScoreFiles {
  private ScoreFiles() {}

  /**
   * What a file holds.
   *
   * @param scores the scores of edges
   * @param eapIg the file's own graph, with its circuit, nodes and neurons; null for other formats
   */
  public record Content(PruneScores scores, EapIgGraph eapIg) {}

  /**
   * Reads scores.
   *
   * @param file in any of the formats
   * @param graph the graph that they belong to; null for the one that the file implies. A group of
   *     heads with one key or value has the sum of its heads' scores, a head that of its group
   * @param part which dictionary of an AutoCircuit cache, its keys parted by slashes; null for the
   *     only one
   * @return what the file holds
   * @throws DataException if it is in none of the formats, is damaged, or does not fit the graph
   */
  public static Content read(Path file, ComputationGraph graph, String part) {
    Content content = any(file, graph, part);
    PruneScores scores = content.scores();
    ComputationGraph theirs = scores.graph();
    if (graph == null || theirs.equals(graph)) {
      return content;
    }
    if (theirs.factorized() && graph.factorized() && theirs.heads() == graph.heads()) {
      KeyValueGroups few = KeyValueGroups.of(graph);
      if (few.perQuery().equals(theirs)) {
        return new Content(new PruneScores(graph, few.sums(scores.values())), content.eapIg());
      }
      KeyValueGroups many = KeyValueGroups.of(theirs);
      if (many.perQuery().equals(graph)) {
        return new Content(new PruneScores(graph, many.copies(scores.values())), content.eapIg());
      }
    }
    throw new DataException(
        "file="
            + file
            + ": its scores are of another "
            + theirs
            + ", not of the "
            + graph
            + "; give the scores of this model, with the same --separate-qkv and"
            + " --token-positions");
  }

  /**
   * Reads a graph of EAP-IG, whatever its scores are.
   *
   * @param file EAP-IG's JSON or {@code .pt}
   * @return the graph
   * @throws DataException if it is none, or is damaged
   */
  public static EapIgGraph graph(Path file) {
    return graph(file, !TorchArchive.isOne(file))
        .orElseThrow(
            () ->
                new DataException(
                    "file="
                        + file
                        + " is no graph of EAP-IG (cfg, nodes, edges); write it with to_json"));
  }

  /**
   * Reads a graph of EAP-IG, whatever its scores are, if a file is one.
   *
   * @param file {@code .json} or an archive of torch, else it is none
   * @return the graph; empty if the file is something else
   * @throws DataException if it is damaged
   */
  public static Optional<EapIgGraph> graphIfAny(Path file) {
    return graph(file, file.toString().endsWith(".json"));
  }

  private static Optional<EapIgGraph> graph(Path file, boolean isJson) {
    if (TorchArchive.isOne(file)) {
      try (TorchArchive archive = TorchArchive.open(file)) {
        return EapIgTorch.isOne(archive.value())
            ? Optional.of(EapIgTorch.read(file, archive))
            : Optional.empty();
      }
    }
    JsonNode json = isJson ? JsonFiles.readPython(file) : NullNode.instance;
    return EapIgJson.isOne(json) ? Optional.of(EapIgJson.read(file, json)) : Optional.empty();
  }

  /**
   * Where scores are.
   *
   * @param place a file, or the directory of a run
   * @return the file; of a directory its {@code scores.safetensors}
   */
  public static Path file(Path place) {
    return Files.isDirectory(place) ? place.resolve("scores.safetensors") : place;
  }

  private static Content any(Path file, ComputationGraph graph, String part) {
    if (file.toString().endsWith(".json")) {
      JsonNode json = JsonFiles.readPython(file);
      if (json.isArray()) {
        return new Content(EdgeList.read(file, json), null);
      }
      if (!EapIgJson.isOne(json)) {
        throw new DataException(
            "file="
                + file
                + " is neither a graph of EAP-IG (cfg, nodes, edges) nor the edges.json of a"
                + " discovery; give one of these, scores.safetensors or a .pt file");
      }
      return of(file, EapIgJson.read(file, json));
    }
    if (!TorchArchive.isOne(file)) {
      return new Content(
          graph == null ? ModuleScores.read(file) : PruneScores.read(file, graph), null);
    }
    try (TorchArchive archive = TorchArchive.open(file)) {
      if (EapIgTorch.isOne(archive.value())) {
        return of(file, EapIgTorch.read(file, archive));
      }
      return new Content(
          ModuleScores.read(file, archive, dictionary(file, archive.value(), part), graph), null);
    }
  }

  private static Content of(Path file, EapIgGraph graph) {
    return new Content(graph.pruneScores(file), graph);
  }

  private static Map<?, ?> dictionary(Path file, Object value, String part) {
    Map<String, Map<?, ?>> parts = ModuleScores.parts(value);
    if (parts.isEmpty()) {
      throw new DataException(
          "file=" + file + " holds no dictionary of tensors; give scores of AutoCircuit or EAP-IG");
    }
    if (part == null && parts.size() == 1) {
      return parts.values().iterator().next();
    }
    Map<?, ?> found = part == null ? null : parts.get(part);
    if (found == null) {
      throw new DataException(
          "file="
              + file
              + " holds the scores of "
              + DataException.printable(String.join(", ", parts.keySet()), 400)
              + "; choose one with --part");
    }
    return found;
  }

  /** What scores can be written as. */
  public enum Format {
    /** Our {@code scores.safetensors}. */
    SAFETENSORS,
    /** EAP-IG's graph: JSON where the file's name ends so, else {@code .pt}. */
    EAP_IG,
    /** AutoCircuit's dictionary of tensors. */
    AUTOCIRCUIT
  }

  /**
   * Writes scores.
   *
   * @param file what is written; its directory exists
   * @param format how
   * @param content what; with a graph of EAP-IG where that is written ({@link EapIgGraph#of})
   * @param metadata strings beside the scores, where the format has room for them
   * @throws DataException if the file cannot be written
   */
  public static void write(
      Path file, Format format, Content content, Map<String, String> metadata) {
    switch (format) {
      case SAFETENSORS -> content.scores().write(file, metadata);
      case AUTOCIRCUIT -> ModuleScores.write(file, content.scores());
      case EAP_IG -> {
        if (file.toString().endsWith(".json")) {
          EapIgJson.write(file, content.eapIg());
        } else {
          EapIgTorch.write(file, content.eapIg());
        }
      }
    }
  }
}
