package io.autocircuit.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class DataExceptionTest {
  @Test
  void plainTextIsQuotedAsItIs() {
    assertEquals("\"A0.1.K é ▁She 😀\"", DataException.quote("A0.1.K é ▁She 😀"));
  }

  @Test
  void controlCharactersAndLoneSurrogatesAreEscaped() {
    assertEquals(
        "\"a\\nb\\tc\\rd\\u001b[31m\\u0085\"", DataException.quote("a\nb\tc\rd\u001b[31m\u0085"));
    assertEquals("\"\\ud83dx\\ude00\"", DataException.quote("\ud83dx\ude00"));
  }

  @Test
  void longTextIsCutAlsoInTheMiddleOfAPair() {
    assertEquals("\"" + "x".repeat(120) + "…\"", DataException.quote("x".repeat(121)));
    assertEquals(
        "\"" + "x".repeat(119) + "\\ud83d…\"", DataException.quote("x".repeat(119) + "😀"));
  }

  @Test
  void aMessageIsOneLineWithItsBeginningAndItsEnd() {
    assertEquals("a\\nb", new DataException("a\nb").getMessage());
    assertEquals("null", DataException.oneLine(null));
    for (String filler : new String[] {"x", "\n", "\u0000", "😀", "\ud83d", "\u2028"}) {
      for (int length : new int[] {0, 100, 1249, 1250, 1251, 2499, 2500, 2504, 6000, 5_000_000}) {
        String message =
            new DataException("file=a: " + filler.repeat(length) + "; do this").getMessage();
        assertTrue(message.startsWith("file=a: "), message);
        assertTrue(message.endsWith("; do this"), message);
        assertTrue(message.length() < 4000, () -> "length=" + message.length());
        assertTrue(message.codePoints().noneMatch(Character::isISOControl), message);
        assertTrue(message.codePoints().noneMatch(c -> c == 0x2028), message);
      }
    }
  }
}
