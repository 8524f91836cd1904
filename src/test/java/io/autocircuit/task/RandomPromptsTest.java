package io.autocircuit.task;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.TransformerConfig;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RandomPromptsTest {
  private static final TransformerConfig TINY = RandomModels.shape("tiny");

  @Test
  void theSameSeedDrawsTheSamePrompts() {
    RandomPrompts size = RandomPrompts.parse("5x7");
    assertEquals(new RandomPrompts(5, 7), size);
    assertEquals("5x7", size.toString());
    TokenizedDataset first = size.of(TINY, 3);
    TokenizedDataset again = size.of(TINY, 3);
    TokenizedDataset other = size.of(TINY, 4);
    assertEquals(5, first.size());
    for (int i = 0; i < 5; i++) {
      TokenizedPair pair = first.prompts().get(i);
      assertArrayEquals(pair.clean(), again.prompts().get(i).clean());
      assertArrayEquals(pair.corrupt(), again.prompts().get(i).corrupt());
      assertEquals(7, pair.clean().length);
      assertFalse(Arrays.equals(pair.clean(), other.prompts().get(i).clean()));
      assertTrue(pair.answers()[0][0] != pair.wrongAnswers()[0][0], "a wrong answer");
    }
    first.requireFits(TINY.vocabulary(), TINY.outputs(), TINY.contextLength());
  }

  /** Numbers of a release are drawn again by the next one: this is what seed 42 draws. */
  @Test
  void whatASeedDrawsIsFixed() {
    TokenizedPair pair = new RandomPrompts(1, 4).of(TINY, 42).prompts().get(0);
    assertEquals(
        "[31, 6, 31, 22][31, 21, 6, 19][28][42]",
        Stream.of(pair.clean(), pair.corrupt(), pair.answers()[0], pair.wrongAnswers()[0])
            .map(Arrays::toString)
            .reduce("", String::concat));
  }

  @ParameterizedTest
  @ValueSource(strings = {"8", "x8", "8x", "0x8", "8x1", "8x8x8", "-1x8", "8x8 ", "9999999999x2"})
  void whatIsNoSizeIsRefused(String text) {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> RandomPrompts.parse(text));
    assertTrue(e.getMessage().startsWith("--random-prompts="), e.getMessage());
  }

  @Test
  void promptsLongerThanTheContextAreRefused() {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> new RandomPrompts(2, TINY.contextLength() + 1).of(TINY, 1));
    assertTrue(e.getMessage().contains("2.." + TINY.contextLength()), e.getMessage());
  }
}
