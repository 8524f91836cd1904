package io.autocircuit.data;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Small files with the same components, fields and settings as the {@code tokenizer.json} of models
 * that people use. They must load, and are what the tests mutate.
 */
public final class GoodTokenizers {
  static final String GPT2_TEXT =
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+";
  private static final String CL100K =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}"
          + "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+";
  private static final String O200K =
      "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*"
          + "[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
          + "|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+"
          + "[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
          + "|\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n/]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+";
  private static final String BYTE_LEVEL =
      "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":REGEX}";

  private GoodTokenizers() {}

  /** Name and content of each. */
  public static Map<String, String> all() {
    Map<String, String> files = new LinkedHashMap<>();
    String bytes = BYTE_LEVEL.replace("REGEX", "true");
    String plainBytes = BYTE_LEVEL.replace("REGEX", "false");
    // GPT-2 as it was published: no type of the model, empty prefix and suffix
    files.put(
        "gpt2",
        file(
            added(List.of("<|endoftext|>"), 300, true),
            "null",
            "{\"add_prefix_space\":false,\"trim_offsets\":true,\"type\":\"ByteLevel\"}",
            "{\"add_prefix_space\":true,\"trim_offsets\":false,\"type\":\"ByteLevel\"}",
            "{\"add_prefix_space\":true,\"trim_offsets\":true,\"type\":\"ByteLevel\"}",
            bytePairs(
                "\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":\"\","
                    + "\"end_of_word_suffix\":\"\",\"fuse_unk\":false",
                false)));
    files.put(
        "gpt-neox",
        file(
            added(List.of("<|endoftext|>", "<|padding|>", "  "), 300, false),
            "{\"type\":\"NFC\"}",
            bytes,
            "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true}",
            bytes,
            bytePairs(
                "\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                    + "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
                    + "\"fuse_unk\":false,\"byte_fallback\":false",
                false)));
    files.put(
        "llama3",
        file(
            added(List.of("<|begin_of_text|>", "<|end_of_text|>"), 300, true),
            "null",
            sequence("pretokenizers", split(CL100K, "Isolated"), plainBytes),
            sequence("processors", bytes, template("<|begin_of_text|>", 300)),
            bytes,
            bytePairs(
                "\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                    + "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
                    + "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":true",
                true)));
    files.put(
        "qwen2",
        file(
            added(List.of("<|endoftext|>", "<|im_start|>", "<|im_end|>"), 300, true),
            "{\"type\":\"NFC\"}",
            sequence("pretokenizers", split(CL100K.replace("{1,3}", ""), "Isolated"), plainBytes),
            plainBytes,
            plainBytes,
            bytePairs(
                "\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                    + "\"continuing_subword_prefix\":\"\",\"end_of_word_suffix\":\"\","
                    + "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":false",
                false)));
    files.put(
        "gpt-oss",
        file(
            added(List.of("<|startoftext|>"), 300, true),
            "null",
            sequence("pretokenizers", split(O200K, "Removed").replace("false", "true"), plainBytes),
            bytes,
            bytes,
            bytePairs("\"type\":\"BPE\",\"byte_fallback\":false,\"ignore_merges\":true", true)));
    files.put(
        "deepseek",
        file(
            added(List.of("<｜begin▁of▁sentence｜>"), 300, true),
            "{\"type\":\"Sequence\",\"normalizers\":[]}",
            sequence(
                "pretokenizers",
                split("\\\\p{N}{1,3}", "Isolated"),
                split("[一-龥぀-ゟ゠-ヿ]+", "Isolated"),
                split("\\\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓ]+", "Isolated"),
                split(
                    "[!\\\"#$%&'()*+,\\\\-./:;<=>?@\\\\[\\\\\\\\\\\\]^_`{|}~][A-Za-z]+|[^\\\\r\\\\n\\\\p{L}\\\\p{P}\\\\p{S}]?"
                        + "[\\\\p{L}\\\\p{M}]+| ?[\\\\p{P}\\\\p{S}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+",
                    "Isolated"),
                "{\"type\":\"Digits\",\"individual_digits\":true}",
                plainBytes),
            template("<｜begin▁of▁sentence｜>", 300),
            bytes,
            bytePairs("\"type\":\"BPE\",\"dropout\":null", true)));
    files.put(
        "falcon",
        file(
            added(List.of(">>TITLE<<"), 300, true),
            "null",
            sequence(
                "pretokenizers",
                "{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}",
                bytes,
                "{\"type\":\"Digits\",\"individual_digits\":false}",
                split("[0-9][0-9][0-9]", "Isolated")),
            "null",
            bytes,
            bytePairs("\"type\":\"BPE\",\"dropout\":null", false)));
    files.put(
        "bloom",
        file(
            added(List.of("<unk>", "<s>"), 300, true),
            "null",
            sequence("pretokenizers", split(" ?[^(\\\\s|[.,!?…。，、।۔،])]+", "Isolated"), plainBytes),
            bytes,
            bytes,
            bytePairs("\"type\":\"BPE\",\"unk_token\":null", false)));
    files.put(
        "gpt2-text", file("[]", "null", split(GPT2_TEXT, "Isolated"), "null", "null", words()));
    files.put(
        "llama2",
        file(
            added(List.of("<unk>", "<s>", "</s>"), 0, true),
            "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"▁\"},"
                + replace("{\"String\":\" \"}", "▁")
                + "]}",
            "null",
            template("<s>", 1),
            "{\"type\":\"Sequence\",\"decoders\":["
                + replace("{\"String\":\"▁\"}", " ")
                + ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"
                + "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}",
            sentencePiecePairs()));
    files.put(
        "mistral",
        file(
            added(List.of("<unk>", "<s>", "</s>"), 0, true),
            "null",
            "{\"type\":\"Metaspace\",\"replacement\":\"▁\",\"prepend_scheme\":\"first\",\"split\":false}",
            template("<s>", 1),
            "{\"type\":\"Sequence\",\"decoders\":["
                + replace("{\"String\":\"▁\"}", " ")
                + ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"
                + "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}",
            sentencePiecePairs()));
    files.put(
        "gemma",
        file(
            added(List.of("<unk>", "<s>", "</s>"), 0, true),
            replace("{\"String\":\" \"}", "▁"),
            "{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},\"behavior\":\"MergedWithPrevious\","
                + "\"invert\":false}",
            template("<s>", 1),
            "{\"type\":\"Sequence\",\"decoders\":["
                + replace("{\"String\":\"▁\"}", " ")
                + ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]}",
            sentencePiecePairs()));
    files.put(
        "t5",
        file(
            added(List.of("<pad>", "</s>", "<unk>"), 0, true),
            "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Precompiled\","
                + "\"precompiled_charsmap\":\""
                + charsmap(Map.of("ﬁ", "fi", "①", "1", "\t", " ", "é", "é", "ｶﾞ", "ガ"))
                + "\"},{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true},"
                + replace("{\"Regex\":\" {2,}\"}", "▁")
                + "]}",
            "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},"
                + "{\"type\":\"Metaspace\",\"replacement\":\"▁\",\"str_rep\":\"▁\","
                + "\"add_prefix_space\":true}]}",
            "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
                + "\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                + "{\"Sequence\":{\"id\":\"B\",\"type_id\":0}}],\"special_tokens\":{}}",
            "{\"type\":\"Metaspace\",\"replacement\":\"▁\",\"add_prefix_space\":true,"
                + "\"prepend_scheme\":\"always\"}",
            unigram()));
    files.put(
        "xlnet",
        file(
            added(List.of("<pad>", "</s>", "<unk>"), 0, true),
            "{\"type\":\"Sequence\",\"normalizers\":["
                + replace("{\"String\":\"``\"}", "\\\"")
                + ","
                + replace("{\"String\":\"''\"}", "\\\"")
                + ",{\"type\":\"NFKD\"},{\"type\":\"StripAccents\"},{\"type\":\"Lowercase\"},"
                + "{\"type\":\"Nmt\"},"
                + replace("{\"Regex\":\"\\\\s+\"}", " ")
                + "]}",
            "{\"type\":\"Metaspace\",\"replacement\":\"▁\",\"prepend_scheme\":\"always\",\"split\":true}",
            "null",
            "{\"type\":\"Metaspace\",\"replacement\":\"▁\",\"prepend_scheme\":\"always\",\"split\":true}",
            unigram()));
    files.put(
        "bert",
        file(
            added(List.of("[PAD]", "[UNK]", "[CLS]"), 0, true),
            "{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
                + "\"strip_accents\":null,\"lowercase\":true}",
            "{\"type\":\"BertPreTokenizer\"}",
            "{\"type\":\"BertProcessing\",\"sep\":[\"[UNK]\",1],\"cls\":[\"[CLS]\",2]}",
            "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}",
            "{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
                + "\"max_input_chars_per_word\":100,\"vocab\":{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,"
                + "\"a\":3,\"##a\":4,\"hell\":5,\"##o\":6,\"world\":7,\"!\":8,\"1\":9,\"##1\":10}}"));
    files.put(
        "roberta",
        file(
            added(List.of("<s>", "<mask>"), 300, true)
                .replace("\"lstrip\":false", "\"lstrip\":true"),
            "null",
            bytes,
            "{\"type\":\"RobertaProcessing\",\"sep\":[\"<mask>\",301],\"cls\":[\"<s>\",300],"
                + "\"trim_offsets\":true,\"add_prefix_space\":false}",
            bytes,
            bytePairs("\"type\":\"BPE\",\"dropout\":null", false)));
    files.put(
        "clip",
        file(
            added(List.of("<|startoftext|>"), 300, true)
                .replace("\"rstrip\":false", "\"rstrip\":true"),
            "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},"
                + replace("{\"Regex\":\"\\\\s+\"}", " ")
                + ",{\"type\":\"Lowercase\"}]}",
            sequence(
                "pretokenizers",
                split(
                        "<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+",
                        "Removed")
                    .replace("false", "true"),
                plainBytes),
            "null",
            "{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"}",
            bytePairs("\"type\":\"BPE\",\"unk_token\":\"!\",\"end_of_word_suffix\":\"\"", false)));
    files.put(
        "words",
        file(
            "[]",
            "{\"type\":\"NFKC\"}",
            sequence(
                "pretokenizers",
                "{\"type\":\"Whitespace\"}",
                "{\"type\":\"UnicodeScripts\"}",
                "{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"-\"}",
                "{\"type\":\"FixedLength\",\"length\":5}"),
            "null",
            "{\"type\":\"CTC\",\"pad_token\":\"<pad>\",\"word_delimiter_token\":\"|\",\"cleanup\":true}",
            words()));
    return files;
  }

  private static String file(
      String added, String normalizer, String pre, String post, String decoder, String model) {
    return String.format(
        "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":%s,"
            + "\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":%s,\"decoder\":%s,"
            + "\"model\":%s}",
        added, normalizer, pre, post, decoder, model);
  }

  private static String added(List<String> contents, int from, boolean special) {
    ArrayNode tokens = JsonNodeFactory.instance.arrayNode();
    for (String content : contents) {
      tokens
          .addObject()
          .put("id", from + tokens.size() - 1)
          .put("content", content)
          .put("single_word", false)
          .put("lstrip", false)
          .put("rstrip", false)
          .put("normalized", !special)
          .put("special", special);
    }
    return tokens.toString();
  }

  private static String sequence(String members, String... parts) {
    return "{\"type\":\"Sequence\",\"" + members + "\":[" + String.join(",", parts) + "]}";
  }

  private static String split(String regex, String behavior) {
    return "{\"type\":\"Split\",\"pattern\":{\"Regex\":\""
        + regex
        + "\"},\"behavior\":\""
        + behavior
        + "\",\"invert\":false}";
  }

  private static String replace(String pattern, String content) {
    return "{\"type\":\"Replace\",\"pattern\":" + pattern + ",\"content\":\"" + content + "\"}";
  }

  private static String template(String bos, int id) {
    String first = "{\"SpecialToken\":{\"id\":\"" + bos + "\",\"type_id\":0}}";
    String text = "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}";
    return String.format(
        "{\"type\":\"TemplateProcessing\",\"single\":[%s,%s],\"pair\":[%s,%s,%s,%s],"
            + "\"special_tokens\":{\"%s\":{\"id\":\"%s\",\"ids\":[%d],\"tokens\":[\"%s\"]}}}",
        first,
        text,
        first,
        text,
        first.replace("type_id\":0", "type_id\":1"),
        text.replace("\"A\",\"type_id\":0", "\"B\",\"type_id\":1"),
        bos,
        bos,
        id,
        bos);
  }

  /** Byte-level BPE: all bytes as GPT-2 spells them, and some merges. */
  private static String bytePairs(String settings, boolean lists) {
    ObjectNode vocab = JsonNodeFactory.instance.objectNode();
    int beyond = 256;
    for (int b = 0; b < 256; b++) {
      boolean shown = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
      vocab.put(Character.toString(shown ? b : beyond++), vocab.size());
    }
    return model(settings, vocab, List.of("h e", "l l", "he ll", "Ġ w", "o r"), lists);
  }

  private static String sentencePiecePairs() {
    ObjectNode vocab = JsonNodeFactory.instance.objectNode();
    for (String special : List.of("<unk>", "<s>", "</s>")) {
      vocab.put(special, vocab.size());
    }
    for (int b = 0; b < 256; b++) {
      vocab.put(String.format("<0x%02X>", b), vocab.size());
    }
    for (String letter : List.of("▁", "a", "b", "e", "h", "l", "o", "r", "w", "!", "1")) {
      vocab.put(letter, vocab.size());
    }
    return model(
        "\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"<unk>\","
            + "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
            + "\"fuse_unk\":true,\"byte_fallback\":true",
        vocab,
        List.of("h e", "l l", "he ll", "▁ w", "o r"),
        false);
  }

  private static String model(
      String settings, ObjectNode vocab, List<String> merges, boolean lists) {
    ArrayNode all = JsonNodeFactory.instance.arrayNode();
    for (String merge : merges) {
      String[] two = merge.split(" ", -1);
      vocab.put(two[0] + two[1], vocab.size());
      if (lists) {
        all.addArray().add(two[0]).add(two[1]);
      } else {
        all.add(merge);
      }
    }
    return "{" + settings + ",\"vocab\":" + vocab + ",\"merges\":" + all + "}";
  }

  private static String unigram() {
    ArrayNode vocab = JsonNodeFactory.instance.arrayNode();
    double score = 0;
    for (String token :
        List.of("<pad>", "</s>", "<unk>", "▁", "▁hell", "o", "▁world", "a", "aa", "!", "1", "fi")) {
      vocab.addArray().add(token).add(score);
      score -= 1.25;
    }
    return "{\"type\":\"Unigram\",\"unk_id\":2,\"vocab\":" + vocab + ",\"byte_fallback\":false}";
  }

  private static String words() {
    return "{\"type\":\"WordLevel\",\"vocab\":{\"<unk>\":0,\"a\":1,\"hello\":2,\"world\":3},"
        + "\"unk_token\":\"<unk>\"}";
  }

  /** A map as SentencePiece writes it; each state of the trie has a block of its own. */
  static String charsmap(Map<String, String> replacements) {
    List<int[]> blocks = new ArrayList<>();
    blocks.add(new int[256]); // the root's unit
    blocks.add(new int[256]); // the root's children
    blocks.get(0)[0] = 256 << 10;
    StringBuilder texts = new StringBuilder();
    replacements.forEach(
        (from, to) -> {
          int state = 1;
          byte[] key = from.getBytes(StandardCharsets.UTF_8);
          for (int i = 0; i < key.length; i++) {
            int label = key[i] & 0xFF;
            int at = 256 * state + label;
            int unit = blocks.get(state)[label];
            if (unit == 0) {
              unit = label | (at ^ 256 * blocks.size()) << 10;
              blocks.add(new int[256]);
            }
            if (i == key.length - 1) {
              unit |= 1 << 8;
            }
            blocks.get(state)[label] = unit;
            state = (at ^ unit >>> 10) / 256;
          }
          int value = texts.toString().getBytes(StandardCharsets.UTF_8).length;
          blocks.get(state)[0] = value | 1 << 31;
          texts.append(to).append('\0');
        });
    byte[] normalized = texts.toString().getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes =
        ByteBuffer.allocate(4 + 1024 * blocks.size() + normalized.length)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putInt(1024 * blocks.size());
    blocks.forEach(block -> Arrays.stream(block).forEach(bytes::putInt));
    return Base64.getEncoder().encodeToString(bytes.put(normalized).array());
  }
}
