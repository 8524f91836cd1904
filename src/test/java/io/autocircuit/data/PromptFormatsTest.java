package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Prompt files as other tools write them. */
class PromptFormatsTest {
  private static final String PAIR =
      "{\"clean\": \"a to\", \"corrupt\": \"b to\", \"answers\": [\"x\"], \"wrong_answers\":"
          + " [\"y\"]}";

  @TempDir Path directory;

  // ---- JSON

  @Test
  void aListAtTheRoot() {
    assertPairs(parse("[" + PAIR + "," + PAIR + "]"), 2, "a to", "b to", "x", "y");
  }

  @Test
  void onePairALine() {
    assertPairs(parse(PAIR + "\n" + PAIR + "\n"), 2, "a to", "b to", "x", "y");
    assertPairs(parse(PAIR + "\r\n\r\n" + PAIR), 2, "a to", "b to", "x", "y");
    assertPairs(parse(PAIR), 1, "a to", "b to", "x", "y");
    assertPairs(parse(PAIR.replace("\"corrupt\"", "\"corrupted\"")), 1, "a to", "b to", "x", "y");
  }

  @Test
  void aByteOrderMarkIsSkipped() throws IOException {
    Path file = directory.resolve("d.jsonl");
    Files.writeString(file, "\uFEFF" + PAIR + "\n" + PAIR, StandardCharsets.UTF_8);
    assertPairs(PromptDataset.read(file), 2, "a to", "b to", "x", "y");
    assertEquals(2, parse("\uFEFF[" + PAIR + "," + PAIR + "]").prompts().size());
  }

  @Test
  void edgePruningMarksWhatIsPredicted() {
    String line =
        "{\"clean\": \"a to <predict>Mary</predict> .\", \"corrupted\": \"b to"
            + " <predict>John</predict>\", \"split\": \"train\"}";
    assertPairs(parse(line + "\n" + line), 2, "a to", "b to", " Mary", " John");
    // the space before the mark belongs to the answer, and where there is none, none is added
    assertPairs(parse(line.replace("to <predict>", "(<predict>")), 1, "a (", "b (", "Mary", "John");
    rejects(line.replace("<predict>John</predict>", "John"), "prompts[0].corrupted=\"b to John\"");
    rejects(line.replace("</predict> .", ""), "does not hold one <predict>");
  }

  @Test
  void mibChoicesAndCounterfactuals() {
    String line = "{\"prompt\": \"a to\", \"choices\": [\"Mary\", \"John\"], \"answerKey\": 1, CF}";
    String other = "{\"prompt\": \"b to\", \"choices\": [\"Tom\", \"Mary\"], \"answerKey\": 0}";
    PromptDataset one = parse(line.replace("CF", "\"x_counterfactual\": " + other));
    assertPairs(one, 1, "a to", "b to", " John", " Tom");
    assertEquals(List.of(), one.remarks());
    PromptDataset several =
        parse(
            line.replace(
                "CF",
                "\"abc_counterfactual\": "
                    + other.replace("b to", "c to")
                    + ", \"s2_io_flip_counterfactual\": "
                    + other));
    assertPairs(several, 1, "a to", "b to", " John", " Tom");
    assertTrue(several.remarks().get(0).contains("s2_io_flip_counterfactual"));
    rejects(
        line.replace("CF", "\"p_counterfactual\": " + other + ", \"q_counterfactual\": " + other),
        "counterfactuals=[\"p_counterfactual\", \"q_counterfactual\"]",
        "leave one field");
    rejects(line.replace(", CF", ""), "counterfactuals=[]");
    rejects(
        line.replace("CF", "\"x_counterfactual\": " + other)
            .replace("\"answerKey\": 1", "\"answerKey\": 7"),
        "prompts[0].answerKey=\"7\"");
  }

  @Test
  void labelsOfChoicesAreTakenAsTheyStand() {
    String row =
        "{\"prompt\": \"a:\", \"choices\": {\"label\": [\"A\", \" B\"], \"text\": [\"x\", \"y\"]},"
            + " \"answerKey\": 0, \"x_counterfactual\": {\"prompt\": \"b:\", \"choices\":"
            + " {\"label\": [\"A\", \" B\"]}, \"answerKey\": 1}}";
    assertPairs(parse(row), 1, "a:", "b:", "A", " B");
  }

  // ---- tables

  @Test
  void tokenIdsOfATable() {
    String table =
        ",clean,corrupted,corrupted_hard,correct_idx,incorrect_idx\r\n"
            + "7,\"a , \"\"to\"\"\",b to,c,3,4\r\n"
            + "8,\"a , \"\"to\"\"\",b to,c,3,4\r\n";
    PromptDataset dataset = parse(table);
    assertEquals(2, dataset.prompts().size());
    PromptPair pair = dataset.prompts().get(1);
    assertEquals(new Wording.Text("a , \"to\""), pair.clean());
    assertEquals(new Wording.Text("b to"), pair.corrupt());
    assertArrayEquals(new int[] {3}, ((Wording.Ids) pair.answers().get(0).get(0)).ids());
    assertArrayEquals(new int[] {4}, ((Wording.Ids) pair.wrongAnswers().get(0).get(0)).ids());
  }

  @Test
  void listsAndTextInATable() throws IOException {
    PromptPair pair =
        parse("clean,corrupted,answers_idx,corrupted_answers_idx\na,b,\"[3, 5]\",\"[4]\"\n")
            .prompts()
            .get(0);
    assertEquals(2, pair.answers().get(0).size());
    assertArrayEquals(new int[] {5}, ((Wording.Ids) pair.answers().get(0).get(1)).ids());
    assertPairs(
        parse("clean;corrupt;answer;wrong_answer\na to;b to; x;\"[\"\" y\"\"]\"\n"),
        1,
        "a to",
        "b to",
        " x",
        " y");
    Path file = directory.resolve("d.tsv");
    Files.writeString(file, "\uFEFFclean\tcorrupted\tanswer\twrong_answer\na to\tb to\tx\ty\n\n");
    assertPairs(PromptDataset.read(file), 1, "a to", "b to", "x", "y");
  }

  @Test
  void aTableThatDoesNotSayItsAnswers() {
    rejects(
        "clean,corrupted,label\nthe year 16,the year 16,42\n",
        "columns=[\"clean\", \"corrupted\", \"label\"] do not say answers",
        "label=\"42\" names no tokens",
        "add columns correct_idx and incorrect_idx");
    rejects("clean,corrupted,correct_idx\na,b,42\n", "correct_idx=\"42\" names no tokens");
    rejects("clean,label\na,b\n", "has none named corrupted");
  }

  @Test
  void aDamagedTable() {
    String head = "clean,corrupted,correct_idx,incorrect_idx\n";
    rejects(head + "a,b,3,x\n", "prompts[0].incorrect_idx=\"x\"; give a token id");
    rejects(head + "a,b,3\n", "prompts[0] has fields=3 where the first line has columns=4");
    rejects(head + "a,b,\"[]\",4\n", "prompts[0].correct_idx holds no answers");
    rejects(head + "a,b,-3,4\n", "prompts[0].correct_idx=\"-3\"");
    rejects(head + "\"a,b,3,4\n", "file=d.txt: a quote opened in line 2 is never closed;");
    rejects(
        head + "\"a\n1\",b,3,4\n\"c \"\"d\"\"\ne,f,3,4\nx,y,3,4\n",
        "a quote opened in line 4 is never closed;");
    rejects(head + "\"a\"b\",b,3,4\n", "file=d.txt line=2: text follows the quote");
    rejects(head, "holds no prompts");
  }

  @Test
  void columnsInAnyCase() {
    assertPairs(
        parse("Clean,CORRUPTED,Answer,Wrong_Answer\na to,b to,x,y\n"), 1, "a to", "b to", "x", "y");
    rejects(
        "clean,corupted,answer,wrong_answer\na,b,x,y\n",
        "has none named corrupted (did you mean \"corupted\"?)");
    rejects(
        "clean,corrupted,anwser,wrong_anwser\na,b,x,y\n",
        "(did you mean ",
        "\"wrong_anwser\" as wrong_answer");
  }

  // ---- what is wrong

  @Test
  void linesThatEndInCommasAndRootsOfOtherKinds() {
    rejects(PAIR + ",\n" + PAIR + ",\n", "end JSON lines without commas");
    for (String root : List.of("null", "42", "\"x\"", "true")) {
      rejects(root, "give an object with the field prompts, a list of pairs, or one pair a line");
    }
  }

  @Test
  void aMisspeltFieldIsToBeRenamed() {
    rejects(
        "{\"prompts\": [" + PAIR.replace("clean", "Clean") + "]}",
        "prompts[0] has no field clean (did you mean \"Clean\"?); rename or add the field");
    rejects("[{\"clean\": \"a\", \"corrupt\": \"b\"}]", "has no field answers", "; add the field");
  }

  @Test
  void allBadPairsAreListedAtOnce() {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 30; i++) {
      lines.append(i % 2 == 0 ? PAIR : PAIR.replace("answers", "answer" + "s".repeat(5000)));
      lines.append('\n');
    }
    DataException e = assertThrows(DataException.class, () -> parse(lines.toString()));
    assertTrue(e.getMessage().contains("15 of 30 prompts cannot be used"), e.getMessage());
    assertTrue(e.getMessage().contains("prompts[1] has no field answers"), e.getMessage());
    assertTrue(e.getMessage().contains("prompts[3] has no field answers"), e.getMessage());
    assertTrue(e.getMessage().length() < 2000, () -> "length=" + e.getMessage().length());
  }

  @Test
  void messagesAreInPlainWords() {
    for (String text :
        List.of(
            PAIR + "}",
            PAIR + " x",
            "{\"prompts\": [" + PAIR,
            "{\"prompts\": [NaN]}",
            "[".repeat(100),
            "{\"prompts\": [], \"prompts\": []}",
            "clean text",
            "[" + PAIR.replace("\"x\"", "1e999") + "]")) {
      DataException e = assertThrows(DataException.class, () -> parse(text), text);
      for (String internal :
          List.of("Feature", "JsonNode", "Source", "StreamRead", "`", "Jackson", "com.")) {
        assertFalse(e.getMessage().contains(internal), e.getMessage());
      }
    }
    rejects("{\"prompts\": [NaN]}", "\"NaN\": JSON has neither NaN nor infinity");
  }

  @Test
  void emptyFilesAndPointers() {
    for (String text : List.of("", " \n", "\uFEFF")) {
      rejects(text, "it is empty");
    }
    rejects("[]", "holds no prompts");
    rejects("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n", "git lfs pull");
  }

  @Test
  void hugeLines() {
    String word = "w".repeat(3_000_000);
    PromptDataset dataset = parse(PAIR.replace("a to", word) + "\n" + PAIR);
    assertEquals(new Wording.Text(word), dataset.prompts().get(0).clean());
    rejects(PAIR.replace("[\"x\"]", "\"" + word + "\""), "prompts[0].answers=\"www");
  }

  // ---- numbers

  @Test
  void answersWithAPointAreNumbers() {
    TokenizedPair pair =
        parse(
                "{\"prompts\": [{\"clean\": [1, 2], \"corrupt\": [2, 1], \"answers\": [[0.0], [-1]],"
                    + " \"wrong_answers\": [[0.5], [1e-1]]}]}")
            .tokenize(null)
            .prompts()
            .get(0);
    assertArrayEquals(new double[][] {{0}, {-1}}, pair.numbers().answers());
    assertArrayEquals(new double[][] {{0.5}, {0.1}}, pair.numbers().wrongAnswers());
    assertArrayEquals(new int[][] {{}, {}}, pair.answers());
    rejects(
        "[{\"clean\": [1], \"corrupt\": [2], \"answers\": [\"x\"], \"wrong_answers\": [0.5]}]",
        "prompts[0].answers[0]=\"x\"; give a number");
    TokenizedDataset numbers =
        parse("[{\"clean\":[1],\"corrupt\":[2],\"answers\":[0.25],\"wrong_answers\":[]}]")
            .tokenize(null);
    DataException e =
        assertThrows(
            DataException.class,
            () -> numbers.requireTokens("--answer-function avg_diff", "--answer-function mse"));
    assertTrue(e.getMessage().contains("0.25"), e.getMessage());
    assertTrue(e.getMessage().contains("--answer-function mse"), e.getMessage());
    PromptBatch batch = Batches.byLength(numbers, 4).get(0);
    assertEquals(0.25, batch.slice(0, 1).numbers()[0][0][0]);
  }

  // ---- helpers

  private static void assertPairs(
      PromptDataset dataset, int n, String clean, String corrupt, String right, String wrong) {
    assertEquals(n, dataset.prompts().size());
    for (PromptPair pair : dataset.prompts()) {
      assertEquals(new Wording.Text(clean), pair.clean());
      assertEquals(new Wording.Text(corrupt), pair.corrupt());
      assertEquals(List.of(List.of(new Wording.Text(right))), pair.answers());
      assertEquals(List.of(List.of(new Wording.Text(wrong))), pair.wrongAnswers());
    }
  }

  private static PromptDataset parse(String text) {
    return PromptDataset.parse(text, "d.txt");
  }

  private static void rejects(String text, String... parts) {
    DataException e = assertThrows(DataException.class, () -> parse(text));
    assertTrue(e.getMessage().startsWith("file=d.txt"), e.getMessage());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
  }
}
