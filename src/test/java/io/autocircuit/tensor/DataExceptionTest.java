package io.autocircuit.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;

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
}
