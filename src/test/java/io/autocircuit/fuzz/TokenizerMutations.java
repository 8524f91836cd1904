package io.autocircuit.fuzz;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.GoodTokenizers;
import io.autocircuit.files.JsonFiles;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Damages good tokenizer files value by value: a seed gives a file. Mutations know JSON and the
 * names and patterns of tokenizer files, so that most of what they make gets past a parser.
 */
final class TokenizerMutations {
  private static final List<Long> NUMBERS =
      List.of(
          0L,
          -1L,
          1L,
          2L,
          17L,
          300L,
          65_536L,
          1L << 24,
          (1L << 31) - 1,
          1L << 31,
          1L << 32,
          1L << 40);
  private static final List<String> TEXTS =
      List.of(
          "",
          " ",
          "a",
          "aa",
          "##",
          "▁",
          "\u0000",
          "é",
          "漢",
          "😀",
          "\uD83D",
          "<s>",
          "A",
          "B",
          "$",
          "l",
          "a".repeat(100),
          "ab ".repeat(2000),
          "▁".repeat(500),
          "!",
          "<0x41>",
          "Ġ",
          "\n");
  private static final List<String> REGEXES =
      List.of(
          "",
          "a",
          "(a+)+$",
          "(a|a)*b",
          "(a|aa)+$",
          "a*",
          "^",
          "$",
          "(?=a)",
          "(?<=a)",
          "\\b",
          ".*",
          "(.*)(.*)(.*)(.*)x",
          "\\s+(?!\\S)|\\s+",
          "(".repeat(500) + ")".repeat(500),
          "(?:a?){40}a{40}",
          "(a",
          "[a",
          "a**",
          "(?<n>a)\\k<n>",
          "\\g<0>",
          "(?~a)",
          "[[:alpha:]]+",
          "a{0,100000}",
          "(?i:ss)+",
          "\\X",
          "\\R",
          "\\K",
          "(?>a+)b",
          "a++b",
          " ?\\p{L}+| ?\\p{N}+",
          "(?!)",
          "a||b",
          "(?:(?:a{1,1000}){1,1000}){1,1000}",
          "[^a]*?a",
          "(?i)A",
          "\\p{Foo}",
          "\\x{110000}",
          "\\uD800",
          "[z-a]",
          "a{,3}",
          "(?m:.)+x",
          "(?<!a)b",
          "\\w+\\s*\\w+\\s*x",
          "[\\s\\S]",
          "(x)?+",
          "(a*)?b");
  private static final Set<String> NAMES = Set.of("type", "behavior", "prepend_scheme");

  private final List<JsonNode> files;
  private final List<JsonNode> parts = new ArrayList<>();
  private final List<String> types;

  TokenizerMutations() {
    files =
        GoodTokenizers.all().values().stream().map(json -> JsonFiles.parse(json, "good")).toList();
    for (JsonNode file : files) {
      for (String field : List.of("normalizer", "pre_tokenizer", "post_processor", "decoder")) {
        parts.addAll(file.path(field).findParents("type"));
      }
    }
    types =
        parts.stream()
            .map(part -> part.get("type").textValue())
            .distinct()
            .collect(Collectors.toList());
    types.addAll(
        List.of("Sequence", "Precompiled", "BPE", "Unigram", "WordPiece", "WordLevel", "Foo"));
    types.addAll(List.of("Isolated", "MergedWithNext", "never", "first"));
  }

  /** The file of a seed. */
  String file(long seed) {
    Random random = new Random(seed);
    JsonNode file = files.get(random.nextInt(files.size())).deepCopy();
    int mutations = 1 + random.nextInt(random.nextInt(3) + 1);
    for (int i = 0; i < mutations; i++) {
      mutate(file, random);
    }
    String json = file.toString();
    return json.length() < 1 << 22 ? json : files.get(0).toString();
  }

  private void mutate(JsonNode file, Random random) {
    List<JsonNode> containers = new ArrayList<>();
    for (String field :
        List.of("normalizer", "pre_tokenizer", "post_processor", "decoder", "added_tokens")) {
      collect(file.path(field), containers);
    }
    containers.add(file);
    collect(file.path("model"), containers);
    // Vocabularies have many entries and would be all that is hit.
    JsonNode chosen = containers.get(random.nextInt(containers.size()));
    if (chosen.isEmpty()) {
      return;
    }
    if (chosen instanceof ObjectNode object) {
      List<String> names = new ArrayList<>();
      object.fieldNames().forEachRemaining(names::add);
      String name = names.get(random.nextInt(names.size()));
      if (random.nextInt(8) == 0) {
        object.remove(name);
      } else if (random.nextInt(12) == 0) {
        JsonNode value = object.remove(name);
        object.set(text(random), value);
      } else {
        object.set(name, other(name, object.get(name), random));
      }
    } else {
      ArrayNode array = (ArrayNode) chosen;
      int at = random.nextInt(array.size());
      switch (random.nextInt(5)) {
        case 0 -> array.remove(at);
        case 1 -> {
          int times = 1 << random.nextInt(7);
          for (int i = 0; i < times; i++) {
            array.add(array.get(at).deepCopy());
          }
        }
        case 2 -> array.insert(at, parts.get(random.nextInt(parts.size())).deepCopy());
        case 3 -> {
          List<JsonNode> shuffled = new ArrayList<>();
          array.forEach(shuffled::add);
          Collections.shuffle(shuffled, random);
          array.removeAll().addAll(shuffled);
        }
        default -> array.set(at, other("", array.get(at), random));
      }
    }
  }

  private static void collect(JsonNode node, List<JsonNode> containers) {
    if (node.isContainerNode()) {
      containers.add(node);
      if (node.size() <= 64) {
        node.forEach(child -> collect(child, containers));
      }
    }
  }

  private String text(Random random) {
    return TEXTS.get(random.nextInt(TEXTS.size()));
  }

  private JsonNode other(String name, JsonNode old, Random random) {
    JsonNodeFactory nodes = JsonNodeFactory.instance;
    if (name.equals("Regex") || name.equals("String") && random.nextInt(4) == 0) {
      return nodes.textNode(REGEXES.get(random.nextInt(REGEXES.size())));
    }
    if (name.equals("pattern") && random.nextBoolean()) {
      return nodes.objectNode().put("Regex", REGEXES.get(random.nextInt(REGEXES.size())));
    }
    if (NAMES.contains(name) && random.nextInt(4) > 0) {
      return nodes.textNode(types.get(random.nextInt(types.size())));
    }
    if (name.equals("precompiled_charsmap") && random.nextInt(4) > 0) {
      StringBuilder map = new StringBuilder(old.asText());
      for (int i = 0; i <= random.nextInt(6); i++) {
        int at =
            random.nextInt(
                Math.max(1, Math.min(map.length(), random.nextBoolean() ? 12 : 1 << 30)));
        map.setCharAt(at, "ABPgw/+4".charAt(random.nextInt(8)));
      }
      return nodes.textNode(map.toString());
    }
    if (old.isContainerNode() && random.nextInt(3) > 0) {
      JsonNode part = parts.get(random.nextInt(parts.size())).deepCopy();
      if (random.nextBoolean() && old.isObject()) {
        part = old.deepCopy();
      }
      String list =
          List.of("normalizers", "pretokenizers", "processors", "decoders").get(random.nextInt(4));
      for (int i = random.nextInt(3) == 0 ? random.nextInt(30) : random.nextInt(2); i > 0; i--) {
        ObjectNode around = nodes.objectNode().put("type", "Sequence");
        ArrayNode members = around.putArray(list);
        for (int j = 0; j <= (i < 5 ? random.nextInt(2) : 0); j++) {
          members.add(part);
        }
        part = around;
      }
      return part;
    }
    if (old.isNumber() && random.nextInt(6) > 0) {
      return nodes.numberNode(NUMBERS.get(random.nextInt(NUMBERS.size())));
    }
    if (old.isTextual() && random.nextInt(6) > 0) {
      return nodes.textNode(text(random));
    }
    if (old.isBoolean() && random.nextInt(3) > 0) {
      return nodes.booleanNode(!old.booleanValue());
    }
    return switch (random.nextInt(8)) {
      case 0 -> nodes.nullNode();
      case 1 -> nodes.booleanNode(random.nextBoolean());
      case 2 -> nodes.numberNode(NUMBERS.get(random.nextInt(NUMBERS.size())));
      case 3 -> nodes.textNode(text(random));
      case 4 -> nodes.arrayNode();
      case 5 -> nodes.objectNode();
      case 6 -> nodes.numberNode(BigInteger.ONE.shiftLeft(70));
      default -> nodes.numberNode(-0.5);
    };
  }
}
