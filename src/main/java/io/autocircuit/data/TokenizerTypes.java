package io.autocircuit.data;

import io.autocircuit.data.TokenizerChecks.Check;
import io.autocircuit.data.TokenizerGrammar.Kind;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The types of components that a {@code tokenizer.json} may hold, as tables of their fields. */
final class TokenizerTypes {
  private TokenizerTypes() {}

  /** The types of a kind of components, and the checks of each type's fields. */
  static Map<String, Map<String, Check>> of(Kind kind) {
    return switch (kind) {
      case NORMALIZER -> NORMALIZERS;
      case PRE_TOKENIZER -> PRE_TOKENIZERS;
      case POST_PROCESSOR -> POST_PROCESSORS;
      case DECODER -> DECODERS;
    };
  }

  private static Map<String, Map<String, Check>> normalizers() {
    Map<String, Map<String, Check>> types = new HashMap<>();
    types.put(
        "BertNormalizer",
        Map.of(
            "clean_text", TokenizerChecks::flag,
            "handle_chinese_chars", TokenizerChecks::flag,
            "strip_accents", TokenizerChecks.orNull(TokenizerChecks::flag),
            "lowercase", TokenizerChecks::flag));
    types.put(
        "Strip", Map.of("strip_left", TokenizerChecks::flag, "strip_right", TokenizerChecks::flag));
    for (String plain :
        List.of("StripAccents", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Nmt", "ByteLevel")) {
      types.put(plain, Map.of());
    }
    types.put("Precompiled", Map.of("precompiled_charsmap", TokenizerChecks::charsmap));
    types.put(
        "Replace", Map.of("pattern", TokenizerChecks::pattern, "content", TokenizerChecks::any));
    types.put("Prepend", Map.of("prepend", TokenizerChecks::some));
    return types;
  }

  private static final List<String> BEHAVIORS =
      List.of("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous");

  private static Map<String, Check> byteLevel() {
    return Map.of(
        "add_prefix_space", TokenizerChecks::flag,
        "trim_offsets", TokenizerChecks::flag,
        "use_regex", TokenizerChecks::flag);
  }

  private static Map<String, Check> metaspace() {
    return Map.of(
        "replacement", TokenizerChecks::character,
        "str_rep", TokenizerChecks::character,
        "add_prefix_space", TokenizerChecks::flag,
        "prepend_scheme", TokenizerChecks.oneOf(List.of("first", "never", "always")),
        "split", TokenizerChecks::flag);
  }

  private static Map<String, Map<String, Check>> preTokenizers() {
    Map<String, Map<String, Check>> types = new HashMap<>();
    for (String plain :
        List.of("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts")) {
      types.put(plain, Map.of());
    }
    types.put("ByteLevel", byteLevel());
    types.put("Metaspace", metaspace());
    types.put("CharDelimiterSplit", Map.of("delimiter", TokenizerChecks::character));
    types.put("Punctuation", Map.of("behavior", TokenizerChecks.oneOf(BEHAVIORS)));
    types.put("Digits", Map.of("individual_digits", TokenizerChecks::flag));
    types.put("FixedLength", Map.of("length", TokenizerChecks.number(1, 1 << 20)));
    types.put(
        "Split",
        Map.of(
            "pattern", TokenizerChecks::pattern,
            "behavior", TokenizerChecks.oneOf(BEHAVIORS),
            "invert", TokenizerChecks::flag));
    return types;
  }

  private static Map<String, Map<String, Check>> postProcessors() {
    return Map.of(
        "ByteLevel",
        byteLevel(),
        "BertProcessing",
        Map.of("sep", TokenizerChecks::tokenAndId, "cls", TokenizerChecks::tokenAndId),
        "RobertaProcessing",
        Map.of(
            "sep", TokenizerChecks::tokenAndId,
            "cls", TokenizerChecks::tokenAndId,
            "trim_offsets", TokenizerChecks::flag,
            "add_prefix_space", TokenizerChecks::flag),
        "TemplateProcessing",
        Map.of(
            "single", TokenizerChecks::template,
            "pair", TokenizerChecks::template,
            "special_tokens", TokenizerChecks::specialTokens));
  }

  private static Map<String, Map<String, Check>> decoders() {
    return Map.of(
        "ByteLevel",
        byteLevel(),
        "Metaspace",
        metaspace(),
        "BPEDecoder",
        Map.of("suffix", TokenizerChecks::any),
        "WordPiece",
        Map.of("prefix", TokenizerChecks::any, "cleanup", TokenizerChecks::flag),
        "CTC",
        Map.of(
            "pad_token", TokenizerChecks::any,
            "word_delimiter_token", TokenizerChecks::any,
            "cleanup", TokenizerChecks::flag),
        "Replace",
        Map.of("pattern", TokenizerChecks::pattern, "content", TokenizerChecks::any),
        "Fuse",
        Map.of(),
        "ByteFallback",
        Map.of(),
        "Strip",
        Map.of(
            "content", TokenizerChecks::character,
            "start", TokenizerChecks.number(0, TokenizerValues.LONGEST_TEXT),
            // The library cannot cut the end of a token that is shorter.
            "stop", TokenizerChecks.number(0, 0)));
  }

  private static final Map<String, Map<String, Check>> NORMALIZERS = normalizers();
  private static final Map<String, Map<String, Check>> PRE_TOKENIZERS = preTokenizers();
  private static final Map<String, Map<String, Check>> POST_PROCESSORS = postProcessors();
  private static final Map<String, Map<String, Check>> DECODERS = decoders();

  /** The fields of an added token. */
  static final Map<String, Check> ADDED_TOKEN =
      Map.of(
          "id", TokenizerChecks.number(0, TokenizerGrammar.MOST_IDS - 1),
          "content", TokenizerChecks::some,
          "single_word", TokenizerChecks::flag,
          "lstrip", TokenizerChecks::flag,
          "rstrip", TokenizerChecks::flag,
          "normalized", TokenizerChecks::flag,
          "special", TokenizerChecks::flag);
}
