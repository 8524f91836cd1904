package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PromptDatasetTest {
  @TempDir Path directory;

  // ---- what is read ----

  @Test
  void textPrompts() throws IOException {
    Path file = directory.resolve("d.json");
    Files.writeString(
        file,
        """
        {"prompts": [{"clean": "a b", "corrupt": "c b",
                      "answers": ["x", 7], "wrong_answers": ["y"], "note": "ignored"}],
         "seq_labels": ["first", "second"], "word_idxs": {"end": 1}}
        """);
    PromptDataset dataset = PromptDataset.read(file);
    assertEquals(file.toString(), dataset.source());
    PromptPair pair = dataset.prompts().get(0);
    assertEquals(new Wording.Text("a b"), pair.clean());
    assertEquals(new Wording.Text("c b"), pair.corrupt());
    assertEquals(1, pair.answers().size());
    assertEquals(new Wording.Text("x"), pair.answers().get(0).get(0));
    assertArrayEquals(
        new int[] {7}, assertInstanceOf(Wording.Ids.class, pair.answers().get(0).get(1)).ids());
    assertEquals(List.of("first", "second"), dataset.seqLabels());
    assertEquals(Map.of("end", 1), dataset.wordIdxs());
  }

  @Test
  void idPromptsNeedNoTokenizer() {
    TokenizedDataset dataset =
        parse("{\"prompts\":[" + pair("[3,0,1]", "[3,1,1]", "[4,5]", "[]") + "]}").tokenize(null);
    TokenizedPair pair = dataset.prompts().get(0);
    assertArrayEquals(new int[] {3, 0, 1}, pair.clean());
    assertArrayEquals(new int[] {3, 1, 1}, pair.corrupt());
    assertArrayEquals(new int[][] {{4, 5}}, pair.answers());
    assertArrayEquals(new int[][] {{}}, pair.wrongAnswers());
    assertEquals(0, pair.index());
  }

  @Test
  void answersByPosition() {
    TokenizedPair pair =
        parse("{\"prompts\":[" + pair("[3,0,1]", "[3,1,1]", "[[4],[5,6]]", "[[],[7]]") + "]}")
            .tokenize(null)
            .prompts()
            .get(0);
    assertArrayEquals(new int[][] {{4}, {5, 6}}, pair.answers());
    assertArrayEquals(new int[][] {{}, {7}}, pair.wrongAnswers());
  }

  @Test
  void wordPositionsAndLabelsMoveWithTheBosOfText() {
    String json = "{\"prompts\":[%s],\"seq_labels\":[\"s\",\"v\"],\"word_idxs\":{\"verb\":1}}";
    TokenizedDataset text =
        parse(String.format(json, pair("\"a b\"", "\"c b\"", "[\"x\"]", "[]")))
            .tokenize(new Words(1));
    assertEquals(List.of("<|BOS|>", "s", "v"), text.seqLabels());
    assertEquals(Map.of("verb", 2), text.wordIdxs());
    TokenizedDataset noBos =
        parse(String.format(json, pair("\"a b\"", "\"c b\"", "[\"x\"]", "[]")))
            .tokenize(new Words(0));
    assertEquals(List.of("s", "v"), noBos.seqLabels());
    assertEquals(Map.of("verb", 1), noBos.wordIdxs());
    TokenizedDataset ids =
        parse(String.format(json, pair("[1,2]", "[3,2]", "[4]", "[]"))).tokenize(new Words(1));
    assertEquals(List.of("s", "v"), ids.seqLabels());
    assertEquals(Map.of("verb", 1), ids.wordIdxs());
  }

  @Test
  void everyReferenceDatasetIsRead() throws IOException {
    Path reference = Path.of(System.getProperty("reference.dir", "../shared/reference"));
    assumeTrue(Files.isDirectory(reference), "skipped: no reference files at " + reference);
    try (Stream<Path> files = Files.walk(reference)) {
      List<Path> datasets = files.filter(p -> p.endsWith("dataset.json")).toList();
      assertTrue(!datasets.isEmpty());
      for (Path file : datasets) {
        TokenizedDataset dataset = PromptDataset.read(file).tokenize(null);
        assertEquals(8, dataset.requireEqualLengths().requireDifference().size(), file.toString());
      }
    }
  }

  // ---- what is wrong with a file ----

  @Test
  void malformedJsonNamesItsPosition() {
    rejects("{\"prompts\": [\n  {\"clean\": oops}]}", "file=d.json line=2 column=", "invalid JSON");
  }

  @Test
  void missingFile() {
    DataException e =
        assertThrows(DataException.class, () -> PromptDataset.read(directory.resolve("no.json")));
    assertTrue(e.getMessage().contains("does not exist"), e.getMessage());
  }

  @Test
  void noPrompts() {
    rejects("{\"prompts\": []}", "prompts=[] holds no prompts");
  }

  @Test
  void missingFields() {
    rejects("{\"prompt\": []}", "the file has no field prompts (did you mean \"prompt\"?)");
    rejects("{}", "the file has no field prompts");
    rejects("[3]", "prompts[0]=\"3\"; give an object");
    String good = pair("[1]", "[2]", "[3]", "[4]");
    for (String field : List.of("clean", "corrupt", "answers", "wrong_answers")) {
      rejects(
          "{\"prompts\": [" + good + "," + good.replace("\"" + field + "\"", "\"x\"") + "]}",
          "prompts[1] has no field " + field);
    }
  }

  @Test
  void fieldsOfTheWrongKind() {
    rejects("{\"prompts\": 3}", "prompts=\"3\"; give a list of prompt pairs");
    rejects("{\"prompts\": [3]}", "prompts[0]=\"3\"; give an object");
    rejectsPair(pair("null", "[2]", "[3]", "[4]"), "prompts[0].clean=\"null\"");
    rejectsPair(pair("[1]", "{}", "[3]", "[4]"), "prompts[0].corrupt=(an object)");
    rejectsPair(pair("[1]", "[2]", "\"x\"", "[4]"), "prompts[0].answers=\"x\"; give a list");
    rejectsPair(pair("[1]", "[2]", "[3]", "7"), "prompts[0].wrong_answers=\"7\"; give a list");
    String good = "\"prompts\": [" + pair("[1]", "[2]", "[3]", "[4]") + "]";
    rejects("{" + good + ", \"seq_labels\": {}}", "seq_labels=(an object)");
    rejects("{" + good + ", \"seq_labels\": [\"a\", 1]}", "seq_labels[1]=\"1\"");
    rejects("{" + good + ", \"word_idxs\": []}", "word_idxs=(a list)");
    rejects("{" + good + ", \"word_idxs\": {\"a\": -1}}", "word_idxs entry \"a\"=\"-1\"");
    rejects("{" + good + ", \"word_idxs\": {\"a\": 2147483647}}", "word_idxs entry \"a\"");
  }

  @Test
  void tokenIdBelowZeroOrNotAnInteger() {
    rejectsPair(pair("[1,-2]", "[2]", "[3]", "[4]"), "prompts[0].clean[1]=\"-2\"; give a token id");
    rejectsPair(pair("[1,2.5]", "[2]", "[3]", "[4]"), "prompts[0].clean[1]=\"2.5\"");
    rejectsPair(pair("[1,[2]]", "[2]", "[3]", "[4]"), "prompts[0].clean[1]=(a list)");
    rejectsPair(pair("[1]", "[2]", "[-3]", "[4]"), "prompts[0].answers[0]=\"-3\"");
    rejectsPair(pair("[1]", "[99999999999]", "[3]", "[4]"), "prompts[0].corrupt[0]");
    rejectsPair(pair("[1]", "[2]", "[3]", "[[true]]"), "prompts[0].wrong_answers[0][0]=\"true\"");
  }

  @Test
  void emptyAnswers() {
    rejectsPair(pair("[1]", "[2]", "[]", "[4]"), "prompts[0].answers holds no answers");
    rejectsPair(pair("[1]", "[2]", "[[]]", "[[4]]"), "prompts[0].answers holds no answers");
  }

  @Test
  @DisplayName("11-C12 mixed ragged and regular answers are refused by name")
  void mixedAnswers() {
    rejectsPair(pair("[1]", "[2]", "[3,[4]]", "[4]"), "prompts[0].answers[1]=(a list)");
    rejectsPair(pair("[1]", "[2]", "[[3],4]", "[4]"), "prompts[0].answers[1]=\"4\"");
    rejectsPair(
        pair("[1,1]", "[2,2]", "[[3],[4]]", "[[4]]"),
        "answers has positions=2, but wrong_answers has positions=1");
  }

  // ---- what cannot be tokenised ----

  @Test
  void textWithoutTokenizer() {
    failsToTokenize(
        pair("\"a\"", "\"b\"", "[3]", "[4]"),
        null,
        "prompts[0].clean=\"a\" is text and there is no tokenizer; put the model's tokenizer.json");
    failsToTokenize(pair("[1]", "[2]", "[\"x\"]", "[4]"), null, "prompts[0].answers[0]=\"x\"");
  }

  @Test
  @DisplayName("11-C12 an answer that is not one token shows its tokens")
  void answerOfSeveralTokens() {
    failsToTokenize(
        pair("\"a\"", "\"b\"", "[\"x\", \"two words\"]", "[]"),
        new Words(1),
        "prompts[0].answers[1]=\"two words\" is not one token but 2: [\"two\", \"words\"]");
    failsToTokenize(
        pair("[1,1]", "[2,2]", "[[\"x\"],[\"y\"]]", "[[],[\"a b c\"]]"),
        new Words(1),
        "prompts[0].wrong_answers[1][0]=\"a b c\" is not one token but 3");
    failsToTokenize(
        pair("\"a\"", "\"b\"", "[\"\"]", "[]"),
        new Words(1),
        "prompts[0].answers[0]=\"\" is empty; give a token");
  }

  @Test
  void promptWithoutTokens() {
    failsToTokenize(pair("[]", "[1]", "[1]", "[]"), null, "prompts[0].clean has tokens=0");
    failsToTokenize(
        pair("\"a\"", "\"\"", "[1]", "[]"), new Words(0), "prompts[0].corrupt has tokens=0");
  }

  @Test
  void moreAnswerPositionsThanTokens() {
    failsToTokenize(
        pair("[1,2]", "[2]", "[[1],[2]]", "[]"),
        null,
        "prompts[0].answers has positions=2, but the prompt has tokens=1");
  }

  @Test
  void labelsForTextAndIdsAtOnce() {
    PromptDataset dataset =
        parse(
            "{\"prompts\": ["
                + pair("\"a\"", "\"b\"", "[1]", "[]")
                + ","
                + pair("[1,2]", "[1,3]", "[1]", "[]")
                + "], \"word_idxs\": {\"w\": 0}}");
    DataException e = assertThrows(DataException.class, () -> dataset.tokenize(new Words(1)));
    assertTrue(e.getMessage().contains("1 prompts are text and 1 token ids"), e.getMessage());
    assertEquals(2, dataset.tokenize(new Words(0)).size());
  }

  // ---- helpers ----

  /** A tokenizer that splits at spaces and gives each word its length as id. */
  private record Words(int leadingSpecialTokens) implements Tokenizer {
    @Override
    public Encoded encodePrompt(String text) {
      Encoded plain = encodeAnswer(text);
      int[] ids = new int[leadingSpecialTokens + plain.ids().length];
      System.arraycopy(plain.ids(), 0, ids, leadingSpecialTokens, plain.ids().length);
      return new Encoded(ids, plain.spellings());
    }

    @Override
    public Encoded encodeAnswer(String text) {
      List<String> words = Stream.of(text.split(" ")).filter(w -> !w.isEmpty()).toList();
      return new Encoded(words.stream().mapToInt(String::length).toArray(), words);
    }

    @Override
    public String decode(int... ids) {
      throw new AssertionError("tokenising a dataset decodes nothing");
    }

    @Override
    public void close() {}
  }

  private static String pair(String clean, String corrupt, String answers, String wrong) {
    return String.format(
        "{\"clean\":%s,\"corrupt\":%s,\"answers\":%s,\"wrong_answers\":%s}",
        clean, corrupt, answers, wrong);
  }

  private static PromptDataset parse(String json) {
    return PromptDataset.parse(json, "d.json");
  }

  private static void rejectsPair(String pair, String... parts) {
    rejects("{\"prompts\":[" + pair + "]}", parts);
  }

  private static void rejects(String json, String... parts) {
    check(assertThrows(DataException.class, () -> parse(json)), parts);
  }

  private static void failsToTokenize(String pair, Tokenizer tokenizer, String... parts) {
    PromptDataset dataset = parse("{\"prompts\":[" + pair + "]}");
    check(assertThrows(DataException.class, () -> dataset.tokenize(tokenizer)), parts);
  }

  private static void check(DataException e, String... parts) {
    assertTrue(e.getMessage().startsWith("file=d.json"), e.getMessage());
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
  }
}
