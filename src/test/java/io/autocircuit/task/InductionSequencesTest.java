package io.autocircuit.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InductionSequencesTest {

  @ParameterizedTest
  @ValueSource(ints = {4, 5, 24, 31})
  void everyQueryIsPredictableFromExactlyOneEarlierPlace(int length) {
    int vocab = 40;
    InductionSequences.Batch batch =
        InductionSequences.draw(3000, length, vocab, new SplittableRandom(5));
    assertEquals(3000 * length, batch.ids().length);
    assertTrue(batch.queries().length >= 3000, "every row has a predictable token");
    Set<Integer> distances = new HashSet<>();
    for (int q = 0; q < batch.queries().length; q++) {
      int start = (int) (batch.queries()[q] / length) * length;
      int at = (int) (batch.queries()[q] % length);
      int source = batch.sources()[q];
      assertTrue(source <= at, "the source has been seen");
      assertEquals(batch.targets()[q], batch.ids()[start + source]);
      assertEquals(batch.ids()[start + at], batch.ids()[start + source - 1]);
      int earlier = 0;
      for (int t = 0; t < at; t++) {
        earlier += batch.ids()[start + t] == batch.ids()[start + at] ? 1 : 0;
      }
      assertEquals(1, earlier, "the token occurred once before");
      if (at + 1 < length) {
        assertEquals(batch.targets()[q], batch.ids()[start + at + 1]);
      }
      distances.add(at - source);
    }
    // No offset wins: every distance up to half of the row occurs (longer ones are rarer).
    int most = Math.max(1, Math.min(length - 3, length / 2));
    for (int distance = 1; distance <= most; distance++) {
      assertTrue(distances.contains(distance), "distance=" + distance + " never drawn");
    }
  }

  @Test
  void tokensAreInTheVocabularyAndRepeatOnlyInTheBlock() {
    int length = 24;
    InductionSequences.Batch batch =
        InductionSequences.draw(200, length, length + 1, new SplittableRandom(6));
    for (int row = 0; row < 200; row++) {
      assertEquals(InductionSequences.BOS, batch.ids()[row * length]);
      Map<Long, Integer> seen = new HashMap<>();
      for (int t = 1; t < length; t++) {
        long id = batch.ids()[row * length + t];
        assertTrue(id > InductionSequences.BOS && id <= length);
        assertTrue(seen.merge(id, 1, Integer::sum) <= 2);
      }
    }
  }
}
