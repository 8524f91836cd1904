package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The tokens of answers: what they add to their prompts, on tokenizers of every kind. */
class AnswerTokensTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path directory;
  private Path llama;
  private Path gpt;
  private Path words;

  @BeforeEach
  void tokenizers() throws IOException {
    llama =
        SmallTokenizers.sentencePiece(
            directory.resolve("llama"),
            "▁Mary",
            "▁John",
            "▁to",
            "▁A",
            "▁B",
            "▁Hel",
            "▁Hello",
            "▁lo");
    gpt =
        SmallTokenizers.byteLevel(
            directory.resolve("gpt"), "ĠMary", "ĠJohn", "Ġto", "Ġ(", "Mary", "John", "to");
    words = SmallTokenizers.words(directory.resolve("words"), "to", "Mary", "John", "(", "Tom");
  }

  @Test
  void theSpellingThatIsOneTokenIsNamed() {
    String joined = pairs(pair("drink to", "went to", List.of("Johnny"), List.of(" John")));
    assertFalse(refusal(gpt, joined).contains("the space, is one"), "neither is one");
    String spaced = pairs(pair("drink (", "went (", List.of(" to"), List.of("xy")));
    String message = refusal(llama, spaced);
    assertFalse(message.contains("\"to\", without the space, is one"), message);
    Path only = gptOf("only", "ĠMary", "ĠJohn", "to", "Peter");
    String with = refusal(only, pairs(pair("to", "to", List.of("Mary"), List.of("John"))));
    assertTrue(
        with.contains(
            "prompts[0].answers[0]=\"Mary\" is not one token but 4: [\"M\", \"a\", \"r\", \"y\"]"
                + " (\" Mary\", with the space, is one)"),
        with);
    String without = refusal(only, pairs(pair("to", "to", List.of(" Peter"), List.of(" John"))));
    assertTrue(without.contains("(\"Peter\", without the space, is one)"), without);
    String ids =
        refusal(
            only,
            "{\"prompts\": ["
                + "{\"clean\": [1, 2], \"corrupt\": [3, 2],"
                + " \"answers\": [\"Mary\"], \"wrong_answers\": [4]}]}");
    assertTrue(ids.contains("(\" Mary\", with the space, is one)"), ids);
  }

  private Path gptOf(String name, String... words) {
    try {
      return SmallTokenizers.byteLevel(directory.resolve(name), words);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static String refusal(Path tokenizer, String file) {
    return assertThrows(DataException.class, () -> tokenize(tokenizer, file)).getMessage();
  }

  @Test
  void tokensAreShownWithTheirSpaces() {
    try (Tokenizer one = HuggingFaceTokenizer.load(llama);
        Tokenizer other = HuggingFaceTokenizer.load(gpt)) {
      for (Tokenizer t : List.of(one, other)) {
        TokenTexts texts = new TokenTexts(t);
        int[] ids = t.encodePrompt("drink to Mary").ids();
        assertTrue(texts.of(ids[ids.length - 1]).endsWith("Mary"), texts.of(ids[ids.length - 1]));
      }
    }
    assertEquals("a␣b⏎⇥\\u{0007}\\u{00A0}王", TokenTexts.visible("a b\n\t\u0007\u00a0王"));
    assertEquals("17", new TokenTexts(null).of(17));
  }

  // ---- one file, several tokenizers

  @Test
  void oneFileMeansTheSameOnEveryTokenizer() {
    String file = pairs(pair("drink to", "went to", List.of(" Mary"), List.of(" John")));
    assertAnswers(llama, file, "▁Mary", "▁John");
    assertAnswers(gpt, file, "ĠMary", "ĠJohn");
    assertAnswers(
        words, pairs(pair("to", "Tom", List.of(" Mary"), List.of(" John"))), "Mary", "John");
  }

  @Test
  void aLetterBehindABracketIsNotAWord() {
    String file = pairs(pair("to (", "John (", List.of("A"), List.of("B")));
    assertAnswers(llama, file, "A", "B");
    assertAnswers(gpt, file, "A", "B");
  }

  @Test
  void withoutASpaceTheTokenHasNone() {
    String file = pairs(pair("drink to", "went to", List.of("Mary"), List.of("John")));
    assertAnswers(gpt, file, "Mary", "John");
    assertEquals(List.of(), tokenize(gpt, file).remarks());
  }

  @Test
  void aWordThatOnlyExistsWithItsSpaceIsTakenWithARemark() {
    String file = pairs(pair("drink to", "went to", List.of("Mary"), List.of("John")));
    assertAnswers(llama, file, "▁Mary", "▁John");
    List<String> remarks = tokenize(llama, file).remarks();
    assertEquals(1, remarks.size(), remarks::toString);
    assertTrue(
        remarks.get(0).contains("prompts[0].answers[0]=\"Mary\" as [\"▁Mary\"]"),
        remarks::toString);
  }

  @Test
  void answersOfAPairAreReadInOneWay() {
    // "A" could follow as it stands, "Mary" only as a word: then both are words, never one of each
    String file = pairs(pair("to (", "John (", List.of("A"), List.of("Mary")));
    assertAnswers(llama, file, "▁A", "▁Mary");
    assertEquals(1, tokenize(llama, file).remarks().size());
    String mixed = pairs(pair("to (", "John (", List.of(" Mary"), List.of("John")));
    assertMessage(llama, mixed, "wrong_answers[0]=\"John\" is not one token");
  }

  @Test
  void anAnswerThatJoinsItsPromptIsRefusedWhereAloneItIsAnotherWord() {
    String file = pairs(pair("Hel", "Hel", List.of("lo"), List.of("lo")));
    assertMessage(
        llama,
        file,
        "prompts[0].answers[0]=\"lo\" joins with the end of its prompt",
        "begin the answer with a space");
  }

  @Test
  void wordsBetweenSpacesNeedNoSpaceInTheAnswer() {
    String file = pairs(pair("John to", "Tom to", List.of("Mary"), List.of("John")));
    assertAnswers(words, file, "Mary", "John");
    assertEquals(List.of(), tokenize(words, file).remarks());
  }

  @Test
  void aWordThatTheVocabularyLacksIsRefused() {
    String file = pairs(pair("John to", "Tom to", List.of("Jonathan"), List.of("John")));
    assertMessage(words, file, "prompts[0].answers[0]=\"Jonathan\" is not in the vocabulary");
    // even where the prompt ends in an unknown word, which swallows what is joined to it
    String swallowed = pairs(pair("to Joe", "to Tom", List.of("Mary Tom"), List.of("John")));
    assertMessage(words, swallowed, "\"Mary Tom\" is not one token but 2: [\"Mary\", \"Tom\"]");
    String read = pairs(pair("to Joe", "to Tom", List.of("Mary"), List.of("John")));
    assertAnswers(words, read, "Mary", "John");
    assertTrue(tokenize(words, read).remarks().get(0).contains("what the vocabulary lacks"));
  }

  // ---- prompts that are ids, answers for positions

  @Test
  void behindIdsAWordBeginsWithASpace() {
    assertAnswers(
        llama,
        pairs(pair(new int[] {3}, new int[] {4}, List.of(" Mary"), List.of(" John"))),
        "▁Mary",
        "▁John");
    assertMessage(
        llama,
        pairs(pair(new int[] {3}, new int[] {4}, List.of("A"), List.of(" John"))),
        "prompts[0].answers[0]=\"A\" leaves open whether it begins a word",
        "begin it with a space");
    assertAnswers(
        gpt,
        pairs(pair(new int[] {3}, new int[] {4}, List.of("Mary"), List.of(" John"))),
        "Mary",
        "ĠJohn");
  }

  @Test
  void forSeveralPositionsToo() throws IOException {
    String file =
        JSON.writeValueAsString(
            List.of(
                Map.of(
                    "clean",
                    "to Mary",
                    "corrupt",
                    "to John",
                    "answers",
                    List.of(List.of(" Mary"), List.of(" John")),
                    "wrong_answers",
                    List.of())));
    TokenizedPair pair = tokenize(llama, file).prompts().get(0);
    assertArrayEquals(new int[][] {{id(llama, "▁Mary")}, {id(llama, "▁John")}}, pair.answers());
  }

  // ---- answers of several tokens

  @Test
  void severalTokensAreRefusedAndTheCureIsNamed() {
    assertMessage(
        gpt,
        pairs(pair("to", "to", List.of(" Jonathan"), List.of(" Mary"))),
        "prompts[0].answers[0]=\" Jonathan\" is not one token but",
        "--multi-token-answers first_differing");
  }

  @Test
  void theFirstDifferingTokenIsLookedAt() {
    String file = pairs(pair("to", "to Mary to", List.of(" Mary John"), List.of(" Mary Mary")));
    TokenizedDataset dataset = tokenize(gpt, file, MultiTokenAnswers.FIRST_DIFFERING);
    TokenizedPair pair = dataset.prompts().get(0);
    int mary = id(gpt, "ĠMary");
    assertArrayEquals(new int[][] {{id(gpt, "ĠJohn")}}, pair.answers());
    assertArrayEquals(new int[][] {{mary}}, pair.wrongAnswers());
    assertEquals(mary, pair.clean()[pair.clean().length - 1]);
    assertEquals(mary, pair.corrupt()[pair.corrupt().length - 1]);
    int[] plain =
        tokenize(gpt, pairs(pair("to", "to Mary to", List.of(" Mary"), List.of(" John"))))
            .prompts()
            .get(0)
            .clean();
    assertArrayEquals(plain, Arrays.copyOf(pair.clean(), pair.clean().length - 1));
    assertTrue(dataset.remarks().get(0).contains("answers of several tokens"));
  }

  @Test
  void severalAnswersPartAtOneTokenOrAreRefused() {
    String file =
        pairs(
            pair(
                "to",
                "to",
                List.of(" Mary John", " Mary John to"),
                List.of(" Mary Mary", " Mary(")));
    TokenizedPair pair = tokenize(gpt, file, MultiTokenAnswers.FIRST_DIFFERING).prompts().get(0);
    assertArrayEquals(new int[][] {{id(gpt, "ĠJohn")}}, pair.answers());
    assertArrayEquals(new int[][] {{id(gpt, "ĠMary"), id(gpt, "(")}}, pair.wrongAnswers());
    for (List<String> wrong :
        List.of(List.of(" Mary to", " John"), List.of(" Mary John"), List.of(" Mary"))) {
      DataException e =
          assertThrows(
              DataException.class,
              () ->
                  tokenize(
                      gpt,
                      pairs(pair("to", "to", List.of(" Mary John"), wrong)),
                      MultiTokenAnswers.FIRST_DIFFERING));
      assertTrue(e.getMessage().contains("do not part at the token"), e.getMessage());
    }
  }

  @Test
  void withoutWrongAnswersTheFirstTokenCounts() {
    TokenizedPair pair =
        tokenize(
                gpt,
                pairs(pair("to", "to Mary", List.of(" Mary John"), List.of())),
                MultiTokenAnswers.FIRST_DIFFERING)
            .prompts()
            .get(0);
    assertArrayEquals(new int[][] {{id(gpt, "ĠMary")}}, pair.answers());
    assertEquals(id(gpt, "to"), pair.clean()[pair.clean().length - 1]);
  }

  @Test
  void answersOfOneTokenAreTheSameWithTheOption() {
    String file = pairs(pair("drink to", "went to", List.of(" Mary"), List.of(" John")));
    for (Path tokenizer : List.of(llama, gpt)) {
      TokenizedPair one = tokenize(tokenizer, file).prompts().get(0);
      TokenizedDataset other = tokenize(tokenizer, file, MultiTokenAnswers.FIRST_DIFFERING);
      assertArrayEquals(one.clean(), other.prompts().get(0).clean());
      assertArrayEquals(one.answers(), other.prompts().get(0).answers());
      assertEquals(List.of(), other.remarks());
    }
  }

  // ---- all that is wrong at once

  @Test
  void allBadAnswersAreListedAtOnceInAShortLine() throws IOException {
    List<Map<String, Object>> pairs =
        IntStream.range(0, 146)
            .mapToObj(
                i ->
                    i % 12 == 5
                        ? pair(
                            "to", "to", List.of(" Jonathan" + "x".repeat(2000)), List.of(" Mary"))
                        : pair("to", "to", List.of(" Mary"), List.of(" John")))
            .toList();
    DataException e =
        assertThrows(
            DataException.class,
            () -> tokenize(gpt, JSON.writeValueAsString(Map.of("prompts", pairs))));
    String message = e.getMessage();
    assertTrue(message.contains("12 of 146 prompts cannot be used"), message);
    for (int i : new int[] {5, 17, 29}) {
      assertTrue(message.contains("prompts[" + i + "].answers[0]=\" Jonathan"), message);
    }
    assertTrue(message.contains("more prompts;"), message);
    assertFalse(message.contains("\n"), message);
    assertTrue(message.length() < 2000, () -> "length=" + message.length());
  }

  @Test
  void textsThatTheTokenizerRefusesAreFaultsOfThePromptFile() {
    String half = "\\ud83d";
    String file =
        pairs(
                pair("drink to", "went to", List.of(" Mary"), List.of(" John")),
                pair("drink to", "went to", List.of("HALF"), List.of(" John")),
                pair("HALF", "went to", List.of(" Mary"), List.of(" John")),
                pair("drink to", "a".repeat(300_000), List.of(" Mary"), List.of(" John")),
                pair("drink to", "went to", List.of(" Jonathan"), List.of(" John")))
            .replace("HALF", half);
    assertMessage(
        gpt,
        file,
        "file=d.json: 4 of 5 prompts cannot be used",
        "prompts[1].answers[0]=\"",
        "\" has half of a surrogate pair, which is not text",
        "prompts[2].clean=\"",
        "prompts[3].corrupt=\"aaa",
        "has length=300000, more than the limit=",
        "prompts[4].answers[0]=\" Jonathan\" is not one token");
  }

  @Test
  void anEmptyAnswerIsNamedAsSuchWhateverIsAllowed() {
    String file = pairs(pair("drink to", "went to", List.of(""), List.of(" John")));
    for (MultiTokenAnswers several : MultiTokenAnswers.values()) {
      DataException e = assertThrows(DataException.class, () -> tokenize(llama, file, several));
      assertEquals(
          "file=d.json: prompts[0].answers[0]=\"\" is empty; give a token", e.getMessage());
    }
  }

  @Test
  void behindAnEmptyPromptAnAnswerIsAWord() {
    String spaced = pairs(pair("", "", List.of(" Mary"), List.of(" John")));
    String plain = pairs(pair("", "", List.of("Mary"), List.of("John")));
    for (MultiTokenAnswers several : MultiTokenAnswers.values()) {
      for (String file : List.of(spaced, plain)) {
        TokenizedPair pair = tokenize(llama, file, several).prompts().get(0);
        assertArrayEquals(new int[][] {{id(llama, "▁Mary")}}, pair.answers());
        assertArrayEquals(new int[][] {{id(llama, "▁John")}}, pair.wrongAnswers());
      }
    }
    assertAnswers(gpt, spaced, "ĠMary", "ĠJohn");
  }

  @Test
  void faultsOfReadingAndOfTokenisingAreListedTogetherEachWithItsCure() throws IOException {
    Path file = directory.resolve("d.json");
    Object good = pair("drink to", "drunk to", List.of(" Mary"), List.of(" John"));
    Files.writeString(
        file,
        JSON.writeValueAsString(
            List.of(
                pair("drink to", "drunk to", List.of(" Jonathan"), List.of(" John")),
                5,
                pair("drink to", "drink to to", List.of(" Mary"), List.of(" John")),
                good,
                Map.of("clean", "drink to"),
                pair(new int[] {1, 9999}, new int[] {1, 1}, List.of(" Mary"), List.of(" John")),
                pair(" to".repeat(600), " to".repeat(600), List.of(" Mary"), List.of(" John")),
                "x",
                pair("drink to", "went", List.of(" Jonathan"), List.of(" John")))));
    PromptLimits limits = new PromptLimits(1000, 1000, 512, true);
    DataException e;
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(gpt)) {
      e =
          assertThrows(
              DataException.class,
              () -> PromptDataset.readTokens(file, tokenizer, MultiTokenAnswers.REFUSE, limits));
    }
    String message = e.getMessage();
    for (String part :
        List.of(
            "8 of 9 prompts cannot be used: (1) ",
            "prompts[1]=\"5\"; prompts[7]=\"x\"; give an object (2) ",
            "prompts[4] has no field corrupt",
            "prompts[0].answers[0]=\" Jonathan\" is not one token",
            "first_differing (",
            "prompts[5].clean has token id=9999",
            "prompts[2] has clean tokens=",
            "prompts[8] has clean tokens=",
            "pad them (--pad)",
            "prompts[6].clean has tokens=")) {
      assertTrue(message.contains(part), () -> part + " in " + message);
    }
    assertFalse(message.contains("prompts[3]"), message);
    assertTrue(message.length() < 2500, () -> "length=" + message.length());
  }

  @Test
  void aFileWithoutFaultsIsReadAndTokenisedInOne() throws IOException {
    Path file = directory.resolve("d.json");
    String text = pairs(pair("drink to", "drunk to", List.of(" Mary"), List.of(" John")));
    Files.writeString(file, text);
    PromptLimits limits = new PromptLimits(1000, 1000, 512, true);
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(gpt)) {
      TokenizedDataset read =
          PromptDataset.readTokens(file, tokenizer, MultiTokenAnswers.REFUSE, limits);
      assertArrayEquals(
          tokenize(gpt, text).prompts().get(0).clean(), read.prompts().get(0).clean());
      Files.writeString(file, "[]");
      DataException e =
          assertThrows(
              DataException.class,
              () -> PromptDataset.readTokens(file, tokenizer, MultiTokenAnswers.REFUSE, limits));
      assertTrue(e.getMessage().contains("holds no prompts"), e.getMessage());
    }
  }

  // ---- what begins the prompts, and what looks wrong with them

  @Test
  void theDatasetSaysWhatBeginsItsPrompts() throws IOException {
    String file = pairs(pair("drink to", "went to", List.of(" Mary"), List.of(" John")));
    assertEquals("prompts begin with BOS \"<s>\" (id 0)", tokenize(llama, file).beginning());
    assertEquals(
        "prompts begin with BOS \"<|endoftext|>\" (id 0)", tokenize(gpt, file).beginning());
    try (Tokenizer never = HuggingFaceTokenizer.load(gpt, BosPolicy.NEVER)) {
      assertEquals(
          "prompts begin without BOS",
          PromptDataset.parse(file, "d.json").tokenize(never).beginning());
    }
    assertTrue(
        tokenize(gpt, pairs(pair(new int[] {3}, new int[] {4}, List.of(" Mary"), List.of(" John"))))
            .beginning()
            .contains("token ids"));
  }

  @Test
  void emptyTextsAndTrailingSpacesAreNoticed() {
    List<String> empty =
        tokenize(gpt, pairs(pair("", "to", List.of(" Mary"), List.of(" John")))).notices();
    assertTrue(empty.get(0).startsWith("1 of 1 prompts (0): a text is empty"), empty::toString);
    List<String> space =
        tokenize(gpt, pairs(pair("to ", "to ", List.of("Mary"), List.of("John")))).notices();
    assertTrue(space.get(0).contains("ends in white space"), space::toString);
  }

  // ---- helpers

  private void assertAnswers(Path model, String file, String right, String wrong) {
    TokenizedPair pair = tokenize(model, file).prompts().get(0);
    assertArrayEquals(new int[][] {{id(model, right)}}, pair.answers(), right);
    assertArrayEquals(new int[][] {{id(model, wrong)}}, pair.wrongAnswers(), wrong);
  }

  private void assertMessage(Path model, String file, String... parts) {
    DataException e = assertThrows(DataException.class, () -> tokenize(model, file));
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
  }

  private static TokenizedDataset tokenize(Path model, String file) {
    return tokenize(model, file, MultiTokenAnswers.REFUSE);
  }

  private static TokenizedDataset tokenize(Path model, String file, MultiTokenAnswers several) {
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(model)) {
      return PromptDataset.parse(file, "d.json").tokenize(tokenizer, several);
    }
  }

  /** The id that the file of the vocabulary gives a spelling. */
  private static int id(Path model, String spelling) {
    try {
      return JSON.readTree(model.resolve("tokenizer.json").toFile())
          .at("/model/vocab")
          .required(spelling)
          .intValue();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static Map<String, Object> pair(
      Object clean, Object corrupt, List<String> answers, List<String> wrong) {
    return Map.of("clean", clean, "corrupt", corrupt, "answers", answers, "wrong_answers", wrong);
  }

  private static String pairs(Object... pairs) {
    try {
      return JSON.writeValueAsString(Map.of("prompts", pairs));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
