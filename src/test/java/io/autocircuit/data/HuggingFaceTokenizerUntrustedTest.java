package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.huggingface.tokenizers.Encoding;
import io.autocircuit.files.DataException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tokenizer files that would end the process, or never end, are refused before the native library
 * sees them; files as people have them load as before. A refusal that does not come ends this
 * process, so each test fails on a library without the checks.
 */
class HuggingFaceTokenizerUntrustedTest {
  private static final List<String> TEXTS =
      List.of(
          "Hello world",
          " hello  world\n\n 123 ",
          "ﬁ ① é ｶﾞ 漢字 😀 a\u0000b",
          "",
          "don't <s> stop",
          "<|endoftext|>x  y",
          "a".repeat(700));

  @TempDir Path directory;

  private Path write(String json) throws IOException {
    return Files.writeString(directory.resolve("tokenizer.json"), json);
  }

  private void refused(String json, String... parts) throws IOException {
    Path file = write(json);
    DataException e =
        assertThrows(
            DataException.class, () -> HuggingFaceTokenizer.load(file, BosPolicy.NEVER).close());
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
    assertTrue(e.getMessage().contains("is not a tokenizer that can be loaded"), e.getMessage());
    assertTrue(e.getMessage().length() < 1000, e.getMessage());
    assertTrue(e.getMessage().codePoints().noneMatch(Character::isISOControl), e.getMessage());
  }

  // ---- good files ----

  @TestFactory
  Stream<DynamicTest> filesOfKnownModelsLoadAndGiveWhatTheLibraryAloneGives() {
    return GoodTokenizers.all().entrySet().stream()
        .map(file -> DynamicTest.dynamicTest(file.getKey(), () -> likeTheLibrary(file.getValue())));
  }

  private void likeTheLibrary(String json) throws IOException {
    Map<String, String> options = Map.of("truncation", "false", "padding", "false");
    try (Tokenizer ours = HuggingFaceTokenizer.load(write(json), BosPolicy.NEVER);
        ai.djl.huggingface.tokenizers.HuggingFaceTokenizer alone =
            ai.djl.huggingface.tokenizers.HuggingFaceTokenizer.newInstance(
                new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)), options)) {
      for (String text : TEXTS) {
        Encoding expected = alone.encode(text, false, false);
        int[] ids = Arrays.stream(expected.getIds()).mapToInt(i -> (int) i).toArray();
        assertArrayEquals(ids, ours.encodeAnswer(text).ids(), text);
        assertEquals(List.of(expected.getTokens()), ours.encodeAnswer(text).spellings());
        if (ids.length > 0) {
          assertEquals(alone.decode(expected.getIds(), false), ours.decode(ids));
        }
      }
    }
  }

  @Test
  void charactersAreReplacedByTheMap() throws IOException {
    String t5 = GoodTokenizers.all().get("t5");
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(write(t5))) {
      assertEquals(List.of("▁", "fi", "▁", "1"), tokenizer.encodePrompt("ﬁ\t①").spellings());
    }
  }

  // ---- structure ----

  private static String with(String model, String from, String to) {
    String json = GoodTokenizers.all().get(model);
    assertTrue(json.contains(from), () -> model + " has no " + from);
    return json.replace(from, to);
  }

  @Test
  void nestedComponents() throws IOException {
    for (String[] kind :
        new String[][] {
          {"normalizer", "normalizers", "{\"type\":\"NFC\"}"},
          {"pre_tokenizer", "pretokenizers", "{\"type\":\"Whitespace\"}"},
          {"post_processor", "processors", "{\"type\":\"ByteLevel\"}"},
          {"decoder", "decoders", "{\"type\":\"Fuse\"}"}
        }) {
      String plain =
          "{\"version\":\"1.0\",\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},"
              + "\"unk_token\":\"a\"},\""
              + kind[0]
              + "\":";
      for (int depth : new int[] {5, 25, 40, 5000}) {
        String open = "{\"type\":\"Sequence\",\"" + kind[1] + "\":[";
        refused(plain + open.repeat(depth) + kind[2] + "]}".repeat(depth) + "}", "nested deeper");
      }
      String many = "{\"type\":\"Sequence\",\"" + kind[1] + "\":[";
      String members = (kind[2] + ",").repeat(40) + kind[2];
      refused(plain + many + members + "]}}", "limit=32");
      refused(plain + "{\"type\":\"Unheard\"}}", kind[0], "type=\"Unheard\" is not one of ");
      refused(plain + "[]}", kind[0], "is not an object");
    }
  }

  @Test
  void emptyAndZero() throws IOException {
    refused(with("words", "\"length\":5", "\"length\":0"), "length", "from 1 to");
    refused(with("words", "\"length\":5", "\"length\":-1"), "length", "from 1 to");
    refused(with("gemma", "{\"String\":\" \"}", "{\"String\":\"\"}"), "it is empty");
    refused(with("llama2", "\"prepend\":\"▁\"", "\"prepend\":\"\""), "it is empty");
    refused(with("llama2", "\"content\":\"<s>\"", "\"content\":\"\""), "content: it is empty");
    refused(with("words", "\"delimiter\":\"-\"", "\"delimiter\":\"\""), "not one character");
    refused(with("words", "\"delimiter\":\"-\"", "\"delimiter\":\"ab\""), "not one character");
    refused(with("xlnet", "\\\\s+", "\\\\s*"), "can match nothing");
    refused(with("xlnet", "\\\\s+", "$"), "can match nothing");
    refused(with("llama2", "\"stop\":0", "\"stop\":1"), "decoder.decoders[3].stop");
    refused(with("t5", "\"precompiled_charsmap\"", "\"other\""), "field=\"other\"");
  }

  @Test
  void specialTokensOfPostProcessors() throws IOException {
    String template = "\"ids\":[1],\"tokens\":[\"<s>\"]";
    refused(with("llama2", template, "\"ids\":[1,1],\"tokens\":[\"<s>\"]"), "ids=2 and tokens=1");
    refused(with("llama2", template, "\"ids\":[1],\"tokens\":[]"), "ids=1 and tokens=0");
    refused(
        with("llama2", "{\"<s>\":{\"id\":\"<s>\"," + template + "}}", "{}"),
        "token=\"<s>\" is not in its special_tokens");
    refused(
        with("llama2", "\"single\":[", "\"single\":[{\"Sequence\":{\"id\":\"B\",\"type_id\":0}},"),
        "single[0].Sequence.id: it is not one of A");
    refused(
        with(
            "llama3",
            "{\"type\":\"TemplateProcessing\"",
            "{\"type\":\"BertProcessing\",\"sep\":[\"a\",1],\"cls\":[\"b\",2]},"
                + "{\"type\":\"TemplateProcessing\""),
        "a second component that adds special tokens");
  }

  @Test
  void hugeIds() throws IOException {
    for (String id :
        List.of("16777216", "2147483648", "1099511627776", "-1", "1.5", "1e3", "\"1\"")) {
      refused(
          with("llama2", "\"ids\":[1]", "\"ids\":[" + id + "]"), "special_tokens", "whole number");
      refused(with("llama2", "{\"id\":1,", "{\"id\":" + id + ","), "added_tokens[1].id");
      refused(with("bert", "[\"[CLS]\",2]", "[\"[CLS]\"," + id + "]"), "cls[1]");
      refused(with("llama2", "\"</s>\":2", "\"</s>\":" + id), "model.vocab[\"</s>\"]");
      refused(with("t5", "\"unk_id\":2", "\"unk_id\":" + id), "model.unk_id");
    }
    refused(with("bert", "_per_word\":100", "_per_word\":100000"), "from 0 to 200");
    refused(with("t5", "-1.25]", "1e999]"), "model.vocab[1]", "score");
  }

  @Test
  void manyAndLong() throws IOException {
    String added =
        IntStream.range(0, 16_385)
            .mapToObj(i -> "{\"id\":300,\"content\":\"t" + i + "\",\"special\":true}")
            .collect(Collectors.joining(","));
    refused(
        with("words", "\"added_tokens\":[]", "\"added_tokens\":[" + added + "]"), "limit=16384");
    String many = IntStream.range(0, 600_000).mapToObj(i -> "1").collect(Collectors.joining(","));
    refused(with("words", "\"padding\":null", "\"padding\":[" + many + "]"), "limit=500000");
    refused(with("words", "\"hello\"", "\"" + "h".repeat(1025) + "\""), "limit=1024");
    refused(with("t5", "\"▁hell\"", "\"" + "h".repeat(1025) + "\""), "limit=1024");
    refused(
        with("llama2", "\"he ll\"", "\"" + "h".repeat(5000) + " a\""), "model.merges[2]", "limit=");
  }

  @Test
  void textsThatGrow() throws IOException {
    String doubling = "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"aa\"}";
    String seven = (doubling + ",").repeat(6) + doubling;
    refused(
        with(
            "words",
            "{\"type\":\"NFKC\"}",
            "{\"type\":\"Sequence\",\"normalizers\":[" + seven + "]}"),
        "more than 64.0 times longer");
    String bytes = "{\"type\":\"ByteLevel\"},";
    refused(
        with("words", "{\"type\":\"Whitespace\"}", bytes.repeat(7) + "{\"type\":\"Whitespace\"}"),
        "times longer");
    String hundred = doubling.replace("\"aa\"", "\"" + "a".repeat(100) + "\"");
    refused(with("words", "{\"type\":\"NFKC\"}", hundred), "times longer");
  }

  @Test
  void whatIsNotKnownIsNamed() throws IOException {
    refused(with("bert", "\"clean_text\"", "\"new_rule\":2,\"clean_text\""), "field=\"new_rule\"");
    refused(
        with("gpt2", "\"fuse_unk\"", "\"new_rule\":true,\"fuse_unk\""),
        "model: field=\"new_rule\"");
    refused(
        with("gpt2", "\"truncation\"", "\"new_part\":{\"a\":1},\"truncation\""), "\"new_part\"");
    refused(with("gpt2", "\"dropout\":null", "\"dropout\":0.1"), "model.dropout", "set it to null");
    likeTheLibrary(with("bert", "\"clean_text\"", "\"new_rule\":null,\"clean_text\""));
    likeTheLibrary(with("gpt2", "\"dropout\":null", "\"dropout\":0.0"));
  }

  @Test
  void halfSurrogatesAndPrefixes() throws IOException {
    refused(with("words", "\"hello\"", "\"\\ud83d\""), "surrogate");
    refused(with("llama2", "\"prepend\":\"▁\"", "\"prepend\":\"\\ud83d\""), "surrogate");
    refused(
        with("qwen2", "\"continuing_subword_prefix\":\"\"", "\"continuing_subword_prefix\":\"##\""),
        "model.merges",
        "\"e\" does not begin with");
    refused(
        with("qwen2", "\"continuing_subword_prefix\":\"\"", "\"continuing_subword_prefix\":\"▁\""),
        "not ASCII");
    refused(
        with("qwen2", "{\"type\":\"NFC\"}", "{\"type\":\"NFC\",\"type\":\"NFD\"}"),
        "Duplicate field");
  }

  // ---- the map of characters ----

  @Test
  void damagedCharsmaps() throws IOException {
    String good = GoodTokenizers.charsmap(Map.of("a", "b", "é", "e", "x", "y"));
    byte[] bytes = Base64.getDecoder().decode(good);
    assertEquals(1, TokenizerCharsmap.growth(good));
    assertEquals(
        4, TokenizerCharsmap.growth(GoodTokenizers.charsmap(Map.of("a", "bbbb", "é", "eeee"))));
    for (String bad : List.of("", "!", "AAAA", "AAAAAAAAAAA=", "////////////////")) {
      damaged(bad);
    }
    damaged(Base64.getEncoder().encodeToString(Arrays.copyOf(bytes, bytes.length - 1)));
    damaged(Base64.getEncoder().encodeToString(Arrays.copyOf(bytes, bytes.length / 2)));
    damaged(GoodTokenizers.charsmap(Map.of("a", "b".repeat(256))));
    int units = (bytes.length - 4) / 4;
    int refusedUnits = 0;
    for (int i = 0; i < units; i++) {
      if (bytes[4 + 4 * i] != 0 || bytes[7 + 4 * i] != 0 || i == 0) {
        byte[] wrong = bytes.clone();
        wrong[4 + 4 * i + 2] = 0x7F; // far away
        refusedUnits += isDamaged(Base64.getEncoder().encodeToString(wrong)) ? 1 : 0;
      }
    }
    assertTrue(refusedUnits >= 5, "refused " + refusedUnits);
  }

  private static boolean isDamaged(String map) {
    try {
      return TokenizerCharsmap.growth(map) > 64;
    } catch (IllegalArgumentException e) {
      return true;
    }
  }

  private void damaged(String map) throws IOException {
    String field = "\"precompiled_charsmap\":\"";
    String json = GoodTokenizers.all().get("t5");
    int from = json.indexOf(field) + field.length();
    refused(
        json.substring(0, from) + map + json.substring(json.indexOf('"', from)),
        "normalizer.normalizers[0].precompiled_charsmap");
  }

  // ---- regular expressions ----

  @Test
  void expressionsThatBacktrackOrNest() throws IOException {
    for (String regex :
        List.of(
            "(a+)+$",
            "(a|a)*b",
            "(a|aa)+$",
            "(a*)*b",
            "(a?){30}a{30}b",
            "(.*)(.*)x",
            "\\\\w+\\\\s*\\\\w+x",
            "(".repeat(17) + "a" + ")".repeat(17),
            "(".repeat(3000) + ")".repeat(3000),
            "a".repeat(4001),
            "[".repeat(20) + "a" + "]".repeat(20),
            "(a)\\\\1",
            "(?<n>a)\\\\k<n>",
            "\\\\g<0>",
            "(?~a)",
            "a**",
            "(?:a{1,9}){1,9}+",
            "a{0,100000}",
            "(?<=a+)b",
            "(a",
            "a)",
            "[a",
            "*a",
            "\\\\",
            "\\\\p{L",
            "(?(1)a|b)",
            "(?i:(x+x+)+y)",
            "(?:(?:a?){9}){9}",
            "(?:(?:a{999}){999}){999}",
            "(?=(a+)+b)",
            "(?>(a|a)+)b",
            "(?:a+b?)+c",
            "([^b]|a)+c")) {
      String shown = regex.length() > 60 ? "" : regex.replace("\\\\", "\\");
      refused(with("gpt2-text", GoodTokenizers.GPT2_TEXT, regex), shown, "is not accepted");
      refused(
          with("xlnet", "\\\\s+", regex), "normalizer.normalizers[6].pattern", "is not accepted");
    }
  }

  @Test
  void usualExpressions() throws IOException {
    for (String regex :
        List.of(
            "\\\\d",
            "[0-9]+",
            "\\\\p{N}{1,3}",
            " ?\\\\p{L}+",
            "(?i:'s|'t)|x",
            "\\\\s+(?!\\\\S)|\\\\s+",
            "(?<=\\\\d)\\\\.",
            "a++b",
            "(?>a+)b",
            "[^\\\\s\\\\p{L}&&[^0-9]]+",
            "[[:alpha:]]+",
            "a{2,}",
            "a{,3}b",
            "^x|y$",
            "\\\\bfoo\\\\b",
            "(?:ab)+c",
            "(?:a|b)c",
            "\\\\x{3040}",
            "\\\\u3040",
            "(?i)abc+",
            "[^\\\\]\\\\[]",
            "a+?b",
            "<[^>]+>",
            "{a}")) {
      likeTheLibrary(with("gpt2-text", GoodTokenizers.GPT2_TEXT, regex));
    }
  }

  // ---- texts and time ----

  @Test
  void textsThatAreTooLongOrNoText() throws IOException {
    try (Tokenizer tokenizer =
        HuggingFaceTokenizer.load(write(GoodTokenizers.all().get("llama2")))) {
      assertEquals(1 + 1 + 262_144, tokenizer.encodePrompt("a".repeat(262_144)).ids().length);
      DataException e =
          assertThrows(DataException.class, () -> tokenizer.encodePrompt("a".repeat(262_145)));
      assertTrue(
          e.getMessage().contains("length=262145, more than the limit=262144"), e.getMessage());
      e = assertThrows(DataException.class, () -> tokenizer.encodePrompt("a\uD83Db"));
      assertTrue(e.getMessage().contains("half of a surrogate pair"), e.getMessage());
      assertEquals("", tokenizer.decode());
    }
  }

  @Test
  @Timeout(60)
  void aCallThatDoesNotEndIsLeftBehind() throws Exception {
    CountDownLatch never = new CountDownLatch(1);
    try (TokenizerRunner runner = new TokenizerRunner()) {
      assertEquals(3, runner.call(() -> 3, Duration.ofSeconds(30)));
      assertThrows(
          IOException.class,
          () ->
              runner.call(
                  () -> {
                    throw new IOException();
                  },
                  Duration.ofSeconds(30)));
      assertTrue(runner.call(() -> Thread.currentThread().isDaemon(), Duration.ofSeconds(30)));
      Thread.currentThread().interrupt();
      assertEquals(4, runner.call(() -> 4, Duration.ofSeconds(30)));
      assertTrue(Thread.interrupted(), "the interrupt is kept");
      assertThrows(
          TimeoutException.class,
          () -> runner.call(() -> never.getCount() == 0 || awaits(never), Duration.ofMillis(200)));
      assertTrue(runner.stuck());
      assertThrows(TimeoutException.class, () -> runner.call(() -> 5, Duration.ofSeconds(30)));
    } finally {
      never.countDown();
    }
  }

  private static boolean awaits(CountDownLatch latch) throws InterruptedException {
    latch.await();
    return true;
  }

  // ---- files that did harm ----

  @Test
  void filesThatEndedTheProcess() throws IOException {
    Path reference = Path.of(System.getProperty("reference.dir", "../shared/reference"));
    String field = System.getProperty("field.dir", reference.resolve("../field").toString());
    Path folder = Path.of(field, "rel-tokenizer");
    assumeTrue(Files.isDirectory(folder), "skipped: no " + folder);
    List<Path> files;
    try (Stream<Path> list = Files.list(folder)) {
      files =
          list.filter(f -> f.toString().endsWith(".json") && !f.endsWith("prompts.json")).toList();
    }
    assertTrue(files.size() >= 9, files.toString());
    for (Path file : files) {
      refused(Files.readString(file));
    }
  }
}
