package io.autocircuit.tensor;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.graph.Suggestions;
import io.autocircuit.tensor.Safetensors.Entry;
import io.autocircuit.tensor.Safetensors.Shard;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The index of a model that is split over several files: which tensor lies in which.
 *
 * @param file the index
 * @param torch whether the files are {@link TorchArchive}s, and not safetensors
 */
record ShardIndex(Path file, boolean torch) {
  private static final long LARGEST = 32L << 20;

  /** Opens the shards, and finds every tensor. */
  void read(List<Shard> shards, Map<String, Entry> entries, SortedMap<String, String> metadata) {
    JsonNode weightMap = JsonFiles.read(file, LARGEST).path("weight_map");
    if (!weightMap.isObject()) {
      throw wrong("weight_map=" + kind(weightMap) + " where an object is needed");
    }
    Map<Path, SortedMap<String, Entry>> byShard = new HashMap<>();
    for (Map.Entry<String, JsonNode> field : weightMap.properties()) {
      String tensor = field.getKey();
      if (!field.getValue().isTextual()) {
        throw wrong(
            "weight_map entry "
                + DataException.quote(tensor)
                + " is "
                + kind(field.getValue())
                + " where a file name is needed");
      }
      String shardName = field.getValue().textValue();
      Path shard = path(shardName);
      SortedMap<String, Entry> held = byShard.get(shard);
      if (held == null) {
        held = new TreeMap<>();
        Safetensors.readShard(shard, torch, shards, held, metadata);
        byShard.put(shard, held);
      }
      Entry entry = held.get(tensor);
      if (entry == null) {
        throw wrong(
            String.format(
                "shard=%s does not hold tensor=%s that weight_map places there (%s)",
                DataException.quote(shardName),
                DataException.quote(tensor),
                Suggestions.among(tensor, held.keySet())));
      }
      entries.put(tensor, entry);
    }
  }

  private Path path(String name) {
    Path parent = file.toAbsolutePath().getParent();
    Path shard;
    try {
      shard = parent.resolve(name).normalize();
    } catch (InvalidPathException e) {
      throw wrong("shard=" + DataException.quote(name) + " is not a file name");
    }
    // Only the name is judged, not what a link of that name points to: model caches link shards.
    if (name.isEmpty()
        || !shard.startsWith(parent.normalize())
        || shard.equals(parent.normalize())) {
      throw wrong(
          "shard="
              + DataException.quote(name)
              + " lies outside the directory of the index, which is refused");
    }
    if (!Files.isRegularFile(shard)) {
      throw new DataException(
          String.format(
              "file=%s: shard=%s does not exist beside it; download the missing file",
              file, DataException.quote(name)));
    }
    return shard;
  }

  private static String kind(JsonNode node) {
    return node.isMissingNode()
        ? "(missing)"
        : node.isValueNode()
            ? DataException.printable(node.toString(), 40)
            : node.isArray() ? "an array" : "an object";
  }

  private DataException wrong(String what) {
    return torch ? TorchArchive.wrong(file, what) : Safetensors.wrong(file, what);
  }
}
