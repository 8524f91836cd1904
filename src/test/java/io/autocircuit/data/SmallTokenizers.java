package io.autocircuit.data;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** Tokenizers of the kinds that models have, with a vocabulary of a few words. */
public final class SmallTokenizers {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String LETTERS =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,()=";

  private SmallTokenizers() {}

  /**
   * As SentencePiece has it (Llama 2): a space is put before every text, and spelled ▁.
   *
   * @param words that are one token, spelled with their ▁
   */
  public static Path sentencePiece(Path directory, String... words) throws IOException {
    return write(
        directory,
        bpe("▁", words),
        "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": ["
            + "{\"type\": \"Prepend\", \"prepend\": \"▁\"},"
            + "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"▁\"}]},"
            + "\"pre_tokenizer\": null, \"post_processor\": "
            + bosFirst(),
        "<s>");
  }

  /** As GPT-2 has it: bytes, a space belongs to the word after it; no BOS from the tokenizer. */
  public static Path byteLevel(Path directory, String... words) throws IOException {
    return write(
        directory,
        bpe("Ġ", words),
        "\"normalizer\": null, \"pre_tokenizer\": {\"type\": \"ByteLevel\","
            + " \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true},"
            + "\"post_processor\": null",
        "<|endoftext|>");
  }

  /** Words between spaces; what is none of them is the unknown token. */
  public static Path words(Path directory, String... words) throws IOException {
    ObjectNode vocabulary = JSON.createObjectNode();
    vocabulary.put("<s>", 0).put("[UNK]", 1);
    for (String word : words) {
      vocabulary.put(word, vocabulary.size());
    }
    ObjectNode model = JSON.createObjectNode();
    model.put("type", "WordLevel").put("unk_token", "[UNK]").set("vocab", vocabulary);
    return write(
        directory,
        model,
        "\"normalizer\": null, \"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"},"
            + "\"post_processor\": null",
        "<s>");
  }

  private static String bosFirst() {
    String single =
        "[{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}},"
            + "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}]";
    return "{\"type\": \"TemplateProcessing\", \"single\": "
        + single
        + ", \"pair\": "
        + single
        + ", \"special_tokens\": {\"<s>\": {\"id\": \"<s>\", \"ids\": [0], \"tokens\":"
        + " [\"<s>\"]}}}";
  }

  /**
   * Letters, those of the words too, and words that are merged from their letters, from left to
   * right.
   */
  private static ObjectNode bpe(String space, String... words) {
    Set<String> pieces = new LinkedHashSet<>();
    pieces.add(space.equals("Ġ") ? "<|endoftext|>" : "<s>");
    pieces.add("<unk>");
    pieces.add(space);
    LETTERS.chars().mapToObj(c -> String.valueOf((char) c)).forEach(pieces::add);
    for (String word : words) {
      word.chars().mapToObj(c -> String.valueOf((char) c)).forEach(pieces::add);
    }
    List<String> merges = new ArrayList<>();
    for (String word : words) {
      for (int end = 2; end <= word.length(); end++) {
        String merged = word.substring(0, end);
        if (pieces.add(merged)) {
          merges.add(word.substring(0, end - 1) + " " + word.substring(end - 1, end));
        }
      }
    }
    ObjectNode vocabulary = JSON.createObjectNode();
    pieces.forEach(piece -> vocabulary.put(piece, vocabulary.size()));
    ObjectNode model = JSON.createObjectNode();
    model.put("type", "BPE").putNull("dropout").put("unk_token", "<unk>");
    model.putNull("continuing_subword_prefix").putNull("end_of_word_suffix");
    model.put("fuse_unk", true).put("byte_fallback", false).set("vocab", vocabulary);
    ArrayNode list = model.putArray("merges");
    merges.forEach(list::add);
    return model;
  }

  private static Path write(Path directory, ObjectNode model, String pipeline, String special)
      throws IOException {
    Files.createDirectories(directory);
    Files.writeString(
        directory.resolve("tokenizer.json"),
        "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": ["
            + "{\"id\": 0, \"content\": \""
            + special
            + "\", \"single_word\": false, \"lstrip\": false,"
            + " \"rstrip\": false, \"normalized\": false, \"special\": true}], "
            + pipeline
            + ", \"decoder\": null, \"model\": "
            + model
            + "}");
    return directory;
  }
}
