package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which span each position of a prompt belongs to. */
class SpansTest {
  private static TokenizedDataset read(String json) {
    return PromptDataset.parse(json, "f.json").tokenize(null);
  }

  private static String pair(String clean, String spans) {
    return "{\"clean\": "
        + clean
        + ", \"corrupt\": "
        + clean
        + ", \"answers\": [1], \"wrong_answers\": [2]"
        + (spans.isEmpty() ? "" : ", \"spans\": " + spans)
        + "}";
  }

  private static String file(String more, String... pairs) {
    return "{\"prompts\": [" + String.join(", ", pairs) + "]" + more + "}";
  }

  @Test
  void promptsOfDifferentLengthHaveTheirOwn() {
    TokenizedDataset data =
        read(
            file(
                "",
                pair("[5, 6, 7]", "{\"name\": [1, 2], \"verb\": 0}"),
                pair("[5, 6, 7, 8]", "{\"verb\": [1], \"name\": [2]}")));
    Spans spans = Spans.of(data);
    assertEquals(List.of("name", "verb", "rest"), spans.names());
    assertArrayEquals(new int[] {1, 0, 0}, spans.columns().get(0));
    assertArrayEquals(new int[] {2, 1, 0, 2}, spans.columns().get(1));
    assertEquals(2, spans.longest().get("name"));
    assertEquals(2, spans.longest().get("rest"));
    // padded on the left; padding belongs to the last span
    PromptBatch batch = spans.on(Batches.padded(data, 8, 0).get(0), data);
    assertArrayEquals(new int[] {2, 1, 0, 0, 2, 1, 0, 2}, batch.clean().spans());
    assertArrayEquals(batch.clean().spans(), batch.corrupt().spans());
    assertArrayEquals(new int[] {2, 1, 0, 2}, batch.slice(1, 2).clean().spans());
  }

  @Test
  void everyPositionNamedLeavesNoRest() {
    Spans spans = Spans.of(read(file("", pair("[5, 6]", "{\"x\": [0], \"y\": [1]}"))));
    assertEquals(List.of("x", "y"), spans.names());
  }

  @Test
  void aSpanCalledRestTakesTheRest() {
    Spans spans = Spans.of(read(file("", pair("[5, 6, 7]", "{\"rest\": [0], \"y\": [1]}"))));
    assertEquals(List.of("rest", "y"), spans.names());
    assertArrayEquals(new int[] {0, 1, 0}, spans.columns().get(0));
  }

  @Test
  void wordsAndLabelsAreSpansWherePromptsHaveNone() {
    Spans words =
        Spans.of(
            read(
                file(
                    ", \"word_idxs\": {\"b\": 2, \"a\": 1}",
                    pair("[5, 6, 7]", ""),
                    pair("[5, 6, 7, 8]", ""))));
    assertEquals(List.of("a", "b", "rest"), words.names());
    assertArrayEquals(new int[] {2, 0, 1, 2}, words.columns().get(1));
    Spans labels =
        Spans.of(
            read(file(", \"seq_labels\": [\"The\", \"cat\", \"The\"]", pair("[5, 6, 7]", ""))));
    assertEquals(List.of("The", "cat"), labels.names());
    assertArrayEquals(new int[] {0, 1, 0}, labels.columns().get(0));
  }

  private static void refuses(String json, String... parts) {
    DataException e = assertThrows(DataException.class, () -> Spans.of(read(json)));
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e::getMessage);
    }
    assertEquals(1, e.getMessage().lines().count());
  }

  @Test
  void mistakesAreNamed() {
    refuses(file("", pair("[5, 6]", "")), "no spans", "word_idxs");
    refuses(file("", pair("[5, 6]", "{\"x\": [2]}")), "prompts[0]", "position=2", "tokens=2");
    refuses(file("", pair("[5, 6]", "{\"x\": [1], \"y\": [1]}")), "\"y\"", "\"x\"", "one span");
    refuses(file("", pair("[5, 6]", "[1]")), "prompts[0].spans", "an object");
    refuses(file("", pair("[5, 6]", "{\"x\": \"1\"}")), "entry \"x\"", "token position");
    refuses(file("", pair("[5, 6]", "{\"x\": [-1]}")), "entry \"x\"", "token position");
  }
}
