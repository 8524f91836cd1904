package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PromptNoticesTest {

  @Test
  void nothingIsSaidOfGoodPrompts() {
    assertEquals(List.of(), PromptNotices.of(List.of(pair(0, 1, 2, 3, 4), pair(1, 5, 6, 3, 4))));
    assertEquals(List.of(), PromptNotices.of(List.of()));
    TokenizedPair noWrong =
        new TokenizedPair(0, new int[] {1}, new int[] {2}, new int[][] {{3}}, new int[][] {{}});
    assertEquals(List.of(), PromptNotices.of(List.of(noWrong)));
  }

  @Test
  void answersThatAreWrongAnswers() {
    assertNotice(
        "1 of 2 prompts (1): the wrong answers equal", pair(0, 1, 2, 3, 4), pair(1, 5, 6, 3, 3));
    TokenizedPair partly =
        new TokenizedPair(
            7, new int[] {1}, new int[] {2}, new int[][] {{3, 4}}, new int[][] {{5, 4}});
    assertNotice("1 of 1 prompts (7): an answer is a wrong answer too", partly);
  }

  @Test
  void cleanEqualToCorrupt() {
    assertNotice(
        "1 of 2 prompts (1): clean equals corrupt", pair(0, 1, 2, 3, 4), pair(1, 5, 5, 3, 4));
  }

  @Test
  void theSamePairTwice() {
    assertNotice(
        "2 of 3 prompts (1, 2): the same pair as an earlier one, so that only 1 differs",
        pair(0, 1, 2, 3, 4),
        pair(1, 1, 2, 3, 4),
        pair(2, 1, 2, 3, 4));
    // another answer makes another pair
    assertEquals(List.of(), PromptNotices.of(List.of(pair(0, 1, 2, 3, 4), pair(1, 1, 2, 4, 3))));
  }

  @Test
  void numbersTooAndTheFirstFivePrompts() {
    List<TokenizedPair> pairs = new ArrayList<>();
    for (int i = 0; i < 9; i++) {
      pairs.add(
          new TokenizedPair(
              i,
              new int[] {1, i},
              new int[] {2, i},
              new int[][] {{}},
              new int[][] {{}},
              new TokenizedPair.Numbers(new double[][] {{0.5}}, new double[][] {{0.5}})));
    }
    List<String> notices = PromptNotices.of(pairs);
    assertTrue(
        notices.get(0).startsWith("9 of 9 prompts (0, 1, 2, 3, 4, …): the wrong answers equal"),
        notices::toString);
    assertFalse(notices.get(0).contains("\n"));
  }

  private static void assertNotice(String begin, TokenizedPair... pairs) {
    List<String> notices = PromptNotices.of(List.of(pairs));
    assertEquals(1, notices.size(), notices::toString);
    assertTrue(notices.get(0).startsWith(begin), notices::toString);
  }

  private static TokenizedPair pair(int index, int clean, int corrupt, int right, int wrong) {
    return new TokenizedPair(
        index,
        new int[] {9, clean},
        new int[] {9, corrupt},
        new int[][] {{right}},
        new int[][] {{wrong}});
  }
}
