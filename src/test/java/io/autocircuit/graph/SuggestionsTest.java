package io.autocircuit.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SuggestionsTest {
  private static final List<String> EDGES =
      List.of("MLP 0->Resid End", "A0.0->A1.0.Q", "A0.1->A1.0.K", "A0.1->A1.0.Q", "A0.1->A1.0.V");

  @Test
  void nearestNamesComeFirst() {
    assertEquals(
        List.of("A0.1->A1.0.Q", "A0.0->A1.0.Q", "A0.1->A1.0.K"),
        Suggestions.nearest("A0.1-A1.0.Q", EDGES, 3));
  }

  @Test
  void sentenceNamesAtMostThree() {
    assertEquals(
        "did you mean \"A0.1->A1.0.K\" or \"A0.1->A1.0.Q\" or \"A0.1->A1.0.V\"?",
        Suggestions.among("A0.1->A1.0", EDGES));
  }

  @Test
  void caseAndSwappedLettersAreNear() {
    assertEquals("did you mean \"eap\"?", Suggestions.among("EAP", List.of("acdc", "eap")));
    assertEquals("did you mean \"acdc\"?", Suggestions.among("adcc", List.of("acdc", "eap")));
  }

  @Test
  void exactCaseWinsOverOtherCase() {
    assertEquals(List.of("Eap", "eAP"), Suggestions.nearest("Ea", List.of("eAP", "Eap"), 2));
  }

  @Test
  void partOfALongNameIsNear() {
    assertEquals(
        "did you mean \"model.layers.0.mlp.up_proj.weight\"?",
        Suggestions.among("mlp.up_proj", List.of("norm", "model.layers.0.mlp.up_proj.weight")));
  }

  @Test
  void nothingNearListsWhatIsKnown() {
    assertEquals("known: \"acdc\", \"eap\"", Suggestions.among("zzzzzz", List.of("acdc", "eap")));
    List<String> many = IntStream.range(0, 20).mapToObj(i -> "name" + i).toList();
    String listed = Suggestions.among("zzzzzz", many);
    assertTrue(listed.startsWith("known: \"name0\", "), listed);
    assertTrue(listed.endsWith(" and 12 more"), listed);
  }

  @Test
  void nothingKnown() {
    assertEquals("none is known", Suggestions.among("a", List.of()));
  }

  @Test
  void endlessNamesTakeNoTime() {
    String endless = "x".repeat(1_000_000);
    assertEquals(
        List.of(endless), Suggestions.nearest("x".repeat(999_999), List.of(endless, "y"), 3));
  }

  @Test
  void controlCharactersOfBothRangesStayOutOfMessages() {
    String sentence = Suggestions.among("x", List.of("x\n\u0085\u0099y"));
    assertTrue(sentence.codePoints().noneMatch(Character::isISOControl), sentence);
  }
}
