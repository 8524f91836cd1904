package io.autocircuit.task;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.PromptPair;
import io.autocircuit.data.Wording;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InductionPromptsTest {

  @ParameterizedTest
  @ValueSource(ints = {6, 7, 16, 40})
  void corruptPromptExchangesTheTokensBeforeTheTwoAnswers(int length) {
    PromptDataset dataset = InductionPrompts.generate(200, length, 40, 3);
    Set<Integer> places = new HashSet<>();
    for (PromptPair pair : dataset.prompts()) {
      int[] clean = ids(pair.clean());
      int[] corrupt = ids(pair.corrupt());
      assertEquals(length, clean.length);
      assertEquals(length, corrupt.length);
      int answer = ids(pair.answers().get(0).get(0))[0];
      int wrong = ids(pair.wrongAnswers().get(0).get(0))[0];
      int last = clean[length - 1];
      assertEquals(last, corrupt[length - 1]);
      assertEquals(answer, clean[indexOf(clean, last) + 1]);
      assertEquals(wrong, corrupt[indexOf(corrupt, last) + 1]);
      assertNotEquals(answer, wrong);
      assertEquals(indexOf(clean, answer), indexOf(corrupt, answer), "answers stay in place");
      assertEquals(indexOf(clean, wrong), indexOf(corrupt, wrong), "answers stay in place");
      int differing = 0;
      Set<Integer> tokens = new HashSet<>();
      for (int t = 0; t < length; t++) {
        differing += clean[t] == corrupt[t] ? 0 : 1;
        tokens.add(clean[t]);
      }
      assertEquals(2, differing);
      assertEquals(length - 1, tokens.size(), "only the last token is a repetition");
      places.add(indexOf(clean, last));
    }
    for (int place = 1; place <= length - 3; place++) {
      boolean possible = length > 6 || place != 2;
      assertEquals(possible, places.contains(place), "place=" + place);
    }
  }

  @Test
  void aSeedIsAFile(@TempDir Path directory) throws IOException {
    PromptDataset dataset = InductionPrompts.generate(5, 9, 12, 4);
    InductionPrompts.write(directory.resolve("a.json"), dataset);
    InductionPrompts.write(directory.resolve("b.json"), InductionPrompts.generate(5, 9, 12, 4));
    assertEquals(-1L, Files.mismatch(directory.resolve("a.json"), directory.resolve("b.json")));
    PromptDataset read = PromptDataset.read(directory.resolve("a.json"));
    assertEquals(5, read.prompts().size());
    for (int i = 0; i < 5; i++) {
      assertArrayEquals(ids(dataset.prompts().get(i).clean()), ids(read.prompts().get(i).clean()));
      assertArrayEquals(
          ids(dataset.prompts().get(i).corrupt()), ids(read.prompts().get(i).corrupt()));
    }
  }

  @Test
  void numbersOutOfRangeAreNamed() {
    assertMessage("prompts=0", () -> InductionPrompts.generate(0, 9, 12, 4));
    assertMessage("length=5", () -> InductionPrompts.generate(1, 5, 12, 4));
    assertMessage("vocab=8", () -> InductionPrompts.generate(1, 9, 8, 4));
    PromptPair text =
        new PromptPair(
            new Wording.Text("a"),
            new Wording.Text("b"),
            List.of(List.of(new Wording.Text("c"))),
            List.of(List.of()));
    PromptDataset dataset = new PromptDataset("text", List.of(text), List.of(), new TreeMap<>());
    assertMessage("text", () -> InductionPrompts.write(Path.of("unused"), dataset));
  }

  private static void assertMessage(String part, Executable call) {
    String message = assertThrows(IllegalArgumentException.class, call).getMessage();
    assertTrue(message.contains(part), message);
  }

  private static int[] ids(Wording wording) {
    return ((Wording.Ids) wording).ids();
  }

  private static int indexOf(int[] tokens, int token) {
    for (int t = 0; t < tokens.length; t++) {
      if (tokens[t] == token) {
        return t;
      }
    }
    throw new AssertionError("token=" + token + " does not occur");
  }
}
