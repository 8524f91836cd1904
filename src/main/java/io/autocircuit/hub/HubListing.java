package io.autocircuit.hub;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What the hub has of a model at a commit.
 *
 * @param commit 40 hexadecimal digits
 * @param files by name; of some, servers may not say size and hash
 */
record HubListing(String commit, Map<String, Optional<HubFile>> files) {
  /** The settings of every model. */
  static final String CONFIG = "config.json";

  /** What the names of indices end with, which say which file has which weights. */
  static final String INDEX = ".index.json";

  /** Under which names weights are looked for, in this order; the loader has the same. */
  static final List<String> WEIGHTS =
      List.of(
          "model.safetensors",
          "model.safetensors" + INDEX,
          "pytorch_model.bin",
          "pytorch_model.bin" + INDEX);

  /** The tokenizer that is read. */
  static final String TOKENIZER = "tokenizer.json";

  /** Files of the tokenizer. */
  static final List<String> TOKENIZERS =
      List.of(TOKENIZER, "tokenizer_config.json", "special_tokens_map.json");

  private static final int LONGEST_NAME = 1000;

  /**
   * Reads the hub's answer.
   *
   * @throws HubException if it names what cannot be a file of the model, or no commit
   */
  static HubListing of(HubId id, JsonNode answer) throws HubException {
    String commit = answer.path("sha").asText();
    JsonNode siblings = answer.path("siblings");
    if (!HubId.isCommit(commit) || !siblings.isArray()) {
      throw HubException.lasting(
          "model="
              + id
              + ": the server says neither which commit this is nor which files there are; is"
              + " HF_ENDPOINT the address of a Hugging Face hub?");
    }
    if (id.isCommit() && !commit.equals(id.revision())) {
      throw HubException.lasting(
          "model="
              + id
              + ": the server answers for another commit, "
              + commit
              + "; check HF_ENDPOINT");
    }
    Map<String, Optional<HubFile>> files = new LinkedHashMap<>();
    for (JsonNode sibling : siblings) {
      String name = sibling.path("rfilename").asText();
      requireInside(id, name);
      JsonNode large = sibling.path("lfs");
      String hash =
          large.isObject()
              ? large.path("sha256").asText(large.path("oid").asText())
              : sibling.path("blobId").asText();
      JsonNode size = large.isObject() ? large.path("size") : sibling.path("size");
      files.put(
          name,
          size.isIntegralNumber() && size.asLong() >= 0
              ? HubHash.parse(hash).map(h -> new HubFile(name, size.asLong(), h))
              : Optional.empty());
    }
    return new HubListing(commit, files);
  }

  /** Refuses names that lead out of the model's folder. */
  private static void requireInside(HubId id, String name) throws HubException {
    boolean inside =
        !name.isEmpty()
            && name.length() <= LONGEST_NAME
            && name.indexOf('\\') < 0
            && name.chars().noneMatch(Character::isISOControl)
            && !name.matches("[A-Za-z]:.*")
            && Stream.of(name.split("/", -1))
                .noneMatch(part -> part.isEmpty() || part.equals(".") || part.equals(".."));
    if (!inside) {
      throw HubException.lasting(
          "model="
              + id
              + ": the server names file="
              + DataException.quote(name)
              + ", which would lie outside the model's folder; nothing of it is read: do not use"
              + " this model or server");
    }
  }

  /** The files of settings and tokenizer that are there. */
  List<String> small() {
    return Stream.concat(Stream.of(CONFIG), TOKENIZERS.stream())
        .filter(files::containsKey)
        .toList();
  }

  /**
   * The weights, or the index that says which they are.
   *
   * @throws HubException if there are none that can be read
   */
  String weights(HubId id) throws HubException {
    if (!files.containsKey(CONFIG)) {
      throw HubException.lasting(
          "model="
              + id
              + " has no "
              + CONFIG
              + " on the hub"
              + (files.isEmpty() ? " (it is empty)" : "")
              + ", so it is no model for transformers; give another, or another revision");
    }
    for (String name : WEIGHTS) {
      if (files.containsKey(name)) {
        return name;
      }
    }
    if (files.containsKey("adapter_config.json")) {
      throw HubException.lasting(
          "model="
              + id
              + " is a LoRA (or another) adapter, which is not a model by itself; in Python load"
              + " the model with it, call merge_and_unload(), save the result with save_pretrained"
              + " and give that directory");
    }
    throw HubException.lasting(
        "model="
            + id
            + " has none of "
            + String.join(", ", WEIGHTS)
            + " on the hub, and no other weights are read; give another model, or another"
            + " revision");
  }

  /**
   * The shards of an index.
   *
   * @param name the index's name, for messages
   * @throws HubException if it names files that are not there, or cannot lie beside it
   */
  List<String> shards(HubId id, String name, JsonNode index) throws HubException {
    List<String> shards =
        index.path("weight_map").properties().stream()
            .map(e -> e.getValue().asText())
            .distinct()
            .sorted()
            .toList();
    if (shards.isEmpty()) {
      throw HubException.lasting(
          "model=" + id + ": " + name + " lists no tensors; give another revision");
    }
    for (String shard : shards) {
      requireInside(id, shard);
      if (!files.containsKey(shard)) {
        throw HubException.lasting(
            "model="
                + id
                + ": "
                + name
                + " lists "
                + DataException.quote(shard)
                + ", which is not on the hub; give another revision");
      }
      if (shard.indexOf('/') >= 0 || !shard.matches(".*\\.(safetensors|bin)")) {
        throw HubException.lasting(
            "model="
                + id
                + ": "
                + name
                + " lists "
                + DataException.quote(shard)
                + ", which is no file of weights beside it; give another revision");
      }
    }
    return shards;
  }
}
