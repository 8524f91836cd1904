package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HuggingFaceTokenizerTest {
  /** A vocabulary of words; what its post-processor does is filled in. */
  private static final String WORDS =
      """
      {"version": "1.0", "truncation": TRUNCATION, "padding": PADDING,
       "added_tokens": [
         {"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
          "normalized": false, "special": true},
         {"id": 1, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false,
          "normalized": false, "special": true}],
       "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
       "post_processor": POST, "decoder": null,
       "model": {"type": "WordLevel", "unk_token": "?",
                 "vocab": {"<s>": 0, "</s>": 1, "?": 2, "a": 3, "cat": 4, "sat": 5, "dog": 6}}}
      """;

  private static final String NO_POST = "null";
  private static final String BOS_POST = template("<s>", "A");
  private static final String EOS_POST = template("A", "</s>");

  @TempDir Path directory;

  private static String template(String... pieces) {
    String single =
        Arrays.stream(pieces)
            .map(
                p ->
                    p.equals("A")
                        ? "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}"
                        : "{\"SpecialToken\": {\"id\": \"" + p + "\", \"type_id\": 0}}")
            .toList()
            .toString();
    return "{\"type\": \"TemplateProcessing\", \"single\": "
        + single
        + ", \"pair\": "
        + single
        + ", \"special_tokens\": {"
        + "\"<s>\": {\"id\": \"<s>\", \"ids\": [0], \"tokens\": [\"<s>\"]},"
        + "\"</s>\": {\"id\": \"</s>\", \"ids\": [1], \"tokens\": [\"</s>\"]}}}";
  }

  private Path model(String post) throws IOException {
    return model(post, "null", "null");
  }

  private Path model(String post, String truncation, String padding) throws IOException {
    Files.writeString(
        directory.resolve("tokenizer.json"),
        WORDS.replace("POST", post).replace("TRUNCATION", truncation).replace("PADDING", padding));
    return directory;
  }

  private void config(String json) throws IOException {
    Files.writeString(directory.resolve("tokenizer_config.json"), json);
  }

  // ---- the beginning of a prompt ----

  @Test
  void bosComesFromThePostProcessor() throws IOException {
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(model(BOS_POST))) {
      assertArrayEquals(new int[] {0, 3, 4}, tokenizer.encodePrompt("a cat").ids());
      assertEquals(List.of("<s>", "a", "cat"), tokenizer.encodePrompt("a cat").spellings());
      assertArrayEquals(new int[] {4}, tokenizer.encodeAnswer("cat").ids());
      assertEquals(1, tokenizer.leadingSpecialTokens());
    }
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(model(NO_POST))) {
      assertArrayEquals(new int[] {3, 4}, tokenizer.encodePrompt("a cat").ids());
      assertEquals(0, tokenizer.leadingSpecialTokens());
    }
  }

  @Test
  @DisplayName("11-B3 double BOS: a tokenizer that adds one is not given another")
  void noDoubleBosFromConfiguration() throws IOException {
    model(BOS_POST);
    config("{\"bos_token\": \"<s>\", \"add_bos_token\": true}");
    for (BosPolicy bos : List.of(BosPolicy.TOKENIZER, BosPolicy.ALWAYS)) {
      try (Tokenizer tokenizer = HuggingFaceTokenizer.load(directory, bos)) {
        assertArrayEquals(new int[] {0, 3, 4}, tokenizer.encodePrompt("a cat").ids(), "" + bos);
        assertArrayEquals(new int[] {4}, tokenizer.encodeAnswer("cat").ids(), "" + bos);
      }
    }
  }

  @Test
  @DisplayName("11-B3 double BOS: a prompt that spells its BOS out keeps one")
  void noDoubleBosFromText() throws IOException {
    model(BOS_POST);
    config("{\"bos_token\": \"<s>\"}");
    for (BosPolicy bos : BosPolicy.values()) {
      try (Tokenizer tokenizer = HuggingFaceTokenizer.load(directory, bos)) {
        assertArrayEquals(new int[] {0, 3, 4}, tokenizer.encodePrompt("<s> a cat").ids(), "" + bos);
      }
    }
    model(NO_POST);
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(directory, BosPolicy.ALWAYS)) {
      assertArrayEquals(new int[] {0, 3, 4}, tokenizer.encodePrompt("<s> a cat").ids());
    }
  }

  @Test
  void bosAlwaysForATokenizerWithoutOne() throws IOException {
    model(NO_POST);
    for (String named : List.of("\"<s>\"", "{\"content\": \"<s>\", \"lstrip\": false}")) {
      config("{\"bos_token\": " + named + "}");
      try (Tokenizer tokenizer = HuggingFaceTokenizer.load(directory, BosPolicy.ALWAYS)) {
        assertArrayEquals(new int[] {0, 3, 4}, tokenizer.encodePrompt("a cat").ids());
        assertEquals(List.of("<s>", "a", "cat"), tokenizer.encodePrompt("a cat").spellings());
        assertArrayEquals(new int[] {4}, tokenizer.encodeAnswer("cat").ids());
        assertEquals(1, tokenizer.leadingSpecialTokens());
      }
    }
  }

  @Test
  void bosNever() throws IOException {
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(model(BOS_POST), BosPolicy.NEVER)) {
      assertArrayEquals(new int[] {3, 4}, tokenizer.encodePrompt("a cat").ids());
      assertEquals(0, tokenizer.leadingSpecialTokens());
    }
  }

  @Test
  void bosWhereTheModelHasOne() throws IOException {
    model(NO_POST);
    assertBegin("a cat", 3, 4);
    config("{\"bos_token\": null}");
    assertBegin("a cat", 3, 4);
    Files.writeString(directory.resolve("special_tokens_map.json"), "{\"bos_token\": \"<s>\"}");
    assertBegin("a cat", 3, 4);
    config("{\"model_max_length\": 1024}");
    assertBegin("a cat", 0, 3, 4);
    config("{\"bos_token\": \"</s>\", \"add_bos_token\": false}");
    assertBegin("a cat", 1, 3, 4);
    assertBegin("</s> a cat", 1, 3, 4);
    config("{\"bos_token\": \"cat sat\"}");
    rejects(BosPolicy.AUTO, "give --bos never");
  }

  @Test
  void gpt2NamesNoBosAndHasOne() throws IOException {
    model(NO_POST);
    Path file = directory.resolve("tokenizer.json");
    Files.writeString(file, Files.readString(file).replace("<s>", "<|endoftext|>"));
    assertBegin("a cat", 0, 3, 4);
    config("{\"model_max_length\": 1024}");
    assertBegin("a cat", 0, 3, 4);
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(directory, BosPolicy.TOKENIZER)) {
      assertArrayEquals(new int[] {3, 4}, tokenizer.encodePrompt("a cat").ids());
    }
  }

  private void assertBegin(String text, int... ids) {
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(directory)) {
      assertArrayEquals(ids, tokenizer.encodePrompt(text).ids());
      assertEquals(ids.length == 2 ? 0 : 1, tokenizer.leadingSpecialTokens());
    }
  }

  @Test
  void bosAlwaysButNoneIsNamed() throws IOException {
    model(NO_POST);
    rejects(BosPolicy.ALWAYS, "tokenizer_config.json does not exist");
    config("{\"bos_token\": null}");
    rejects(BosPolicy.ALWAYS, "no field bos_token in it; choose another BOS policy");
    config("{\"bos_token\": \"cat sat\"}");
    rejects(BosPolicy.ALWAYS, "bos_token=\"cat sat\" is not one token but [\"cat\", \"sat\"]");
  }

  @Test
  void specialTokensAfterThePrompt() throws IOException {
    model(EOS_POST);
    rejects(BosPolicy.TOKENIZER, "puts tokens=[</s>] after every prompt, where the answer belongs");
    rejects(BosPolicy.AUTO, "give --bos never");
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(directory, BosPolicy.NEVER)) {
      assertArrayEquals(new int[] {3, 4}, tokenizer.encodePrompt("a cat").ids());
    }
  }

  // ---- the rest ----

  @Test
  void nothingIsTruncatedOrPadded() throws IOException {
    model(
        BOS_POST,
        "{\"direction\":\"Right\",\"max_length\":3,\"strategy\":\"LongestFirst\",\"stride\":0}",
        "{\"strategy\":{\"Fixed\":8},\"direction\":\"Right\",\"pad_to_multiple_of\":null,"
            + "\"pad_id\":1,\"pad_type_id\":0,\"pad_token\":\"</s>\"}");
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(directory)) {
      assertArrayEquals(new int[] {0, 3}, tokenizer.encodePrompt("a").ids());
      assertEquals(2001, tokenizer.encodePrompt("cat ".repeat(2000)).ids().length);
    }
  }

  @Test
  void idsBackToText() throws IOException {
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(model(BOS_POST))) {
      assertEquals("<s> cat sat", tokenizer.decode(0, 4, 5));
    }
  }

  @Test
  void severalThreadsGetTheSameTokens() throws IOException {
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(model(BOS_POST))) {
      long wrong =
          IntStream.range(0, 2000)
              .parallel()
              .filter(
                  i ->
                      !Arrays.equals(
                          i % 2 == 0 ? new int[] {0, 4, 5} : new int[] {0, 3, 6},
                          tokenizer.encodePrompt(i % 2 == 0 ? "cat sat" : "a dog").ids()))
              .count();
      assertEquals(0, wrong);
    }
  }

  @Test
  void missingTokenizer() {
    rejects(BosPolicy.TOKENIZER, "tokenizer.json does not exist");
  }

  @Test
  void damagedTokenizer() throws IOException {
    Path file = directory.resolve("tokenizer.json");
    String good = Files.readString(model(BOS_POST).resolve("tokenizer.json"));
    for (String bad :
        List.of(
            "",
            "nonsense",
            "{}",
            "{\"model\": {}}",
            good.substring(0, good.length() / 2),
            good.replace("WordLevel", "Unheard"),
            good.replace("\"cat\": 4", "\"cat\": -4"),
            good.replace("\"cat\": 4", "\"cat\": \"4\""))) {
      Files.writeString(file, bad);
      rejects(BosPolicy.TOKENIZER, "is not a tokenizer that can be loaded");
    }
    Files.write(file, new byte[] {'"', (byte) 0xC3, '"'});
    rejects(BosPolicy.TOKENIZER, "is not a tokenizer that can be loaded");
  }

  @Test
  @DisplayName("11-C12 an answer of several tokens shows the tokens of this tokenizer")
  void answerOfSeveralTokens() throws IOException {
    PromptDataset dataset =
        PromptDataset.parse(
            "{\"prompts\": [{\"clean\": \"a cat\", \"corrupt\": \"a dog\","
                + " \"answers\": [\"sat cat\"], \"wrong_answers\": []}]}",
            "d.json");
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(model(BOS_POST))) {
      DataException e = assertThrows(DataException.class, () -> dataset.tokenize(tokenizer));
      assertTrue(
          e.getMessage().contains("\"sat cat\" is not one token but 2: [\"sat\", \"cat\"]"),
          e.getMessage());
    }
  }

  private void rejects(BosPolicy bos, String part) {
    DataException e =
        assertThrows(DataException.class, () -> HuggingFaceTokenizer.load(directory, bos).close());
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }

  // ---- a real tokenizer ----

  private static Path shared(String property, String otherwise, String file) {
    Path path = Path.of(System.getProperty(property, otherwise)).resolve(file);
    assumeTrue(Files.exists(path), "skipped: no " + path);
    return path;
  }

  @Test
  void pronounPromptsHaveTheTokensOfTheReference() throws IOException {
    Path model = shared("reference.dir", "../shared/reference", "stories260k/model");
    TokenizedDataset reference =
        PromptDataset.read(model.resolveSibling("dataset.json")).tokenize(null);
    PromptDataset text =
        PromptDataset.read(
            shared("datasets.dir", "../shared/datasets", "stories260k_pronoun_19.json"));
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(model)) {
      TokenizedDataset dataset = text.tokenize(tokenizer);
      dataset.requireEqualLengths().requireDifference().requireFits(512, 512);
      assertEquals(List.of(19), dataset.lengths());
      Map<String, TokenizedPair> byPrompt = new HashMap<>();
      for (TokenizedPair pair : dataset.prompts()) {
        assertEquals(1, pair.clean()[0]);
        assertEquals(1, pair.corrupt()[0]);
        byPrompt.put(Arrays.toString(pair.clean()), pair);
      }
      int compared = 0;
      for (TokenizedPair expected : reference.prompts()) {
        TokenizedPair pair = byPrompt.get(Arrays.toString(expected.clean()));
        if (pair != null) {
          assertArrayEquals(expected.corrupt(), pair.corrupt());
          assertArrayEquals(expected.answers(), pair.answers());
          assertArrayEquals(expected.wrongAnswers(), pair.wrongAnswers());
          compared++;
        }
        // Whether in this file or not: text and back gives the same ids.
        String decoded = tokenizer.decode(expected.clean()).replaceFirst("^<s> ?", "");
        assertArrayEquals(expected.clean(), tokenizer.encodePrompt(decoded).ids(), decoded);
      }
      assertTrue(compared >= 4, "prompts in common: " + compared);
    }
  }

  @Test
  void all146PronounPromptsAre13To21TokensLong() {
    Path model = shared("reference.dir", "../shared/reference", "stories260k/model");
    Path file = shared("datasets.dir", "../shared/datasets", "stories260k_pronoun.json");
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(model)) {
      TokenizedDataset dataset = PromptDataset.read(file).tokenize(tokenizer);
      assertEquals(146, dataset.size());
      assertEquals(13, dataset.lengths().get(0));
      assertEquals(21, dataset.lengths().get(dataset.lengths().size() - 1));
      int batched = Batches.byLength(dataset, 8).stream().mapToInt(b -> b.rows().length).sum();
      assertEquals(146, batched);
    }
  }

  // ---- its manners ----

  /** Run in its own process by the test below. */
  static final class Child {
    private Child() {}

    public static void main(String[] directory) {
      try (Tokenizer tokenizer = HuggingFaceTokenizer.load(Path.of(directory[0]))) {
        tokenizer.encodePrompt("a cat");
      }
      if (!"true".equals(System.getProperty("OPT_OUT_TRACKING"))) {
        System.out.println("tracking is on");
      }
    }
  }

  @Test
  void trackingIsOffAndNothingIsPrinted() throws IOException, InterruptedException {
    assertEquals("", child());
  }

  @Test
  void aChoiceAboutTrackingIsRespected() throws IOException, InterruptedException {
    // The network is switched off another way, so that the test does not call out either.
    assertEquals("tracking is on\n", child("-DOPT_OUT_TRACKING=false", "-Dai.djl.offline=true"));
  }

  private String child(String... options) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(options));
    command.addAll(
        List.of(
            "-cp",
            System.getProperty("java.class.path"),
            Child.class.getName(),
            model(BOS_POST).toString()));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().remove("OPT_OUT_TRACKING");
    builder.environment().remove("JAVA_TOOL_OPTIONS");
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    assertEquals(0, process.exitValue(), output);
    return output;
  }
}
