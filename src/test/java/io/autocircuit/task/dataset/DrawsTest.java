package io.autocircuit.task.dataset;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class DrawsTest {
  @Test
  void theFirstNumbersOfSeed1234567AreThePublishedOnes() {
    Draws draws = new Draws(1234567);
    for (String expected :
        List.of(
            "6457827717110365317",
            "3203168211198807973",
            "9817491932198370423",
            "4593380528125082431",
            "16408922859458223821")) {
      assertEquals(expected, Long.toUnsignedString(draws.next()));
    }
  }

  @Property(tries = 50)
  void itIsTheGeneratorOfSplittableRandom(@ForAll long seed) {
    assertEquals(new SplittableRandom(seed).nextLong(), new Draws(seed).next());
  }

  @Property(tries = 100)
  void aSampleHasDifferentMembers(@ForAll long seed, @ForAll @IntRange(max = 9) int k) {
    List<Integer> all = List.of(0, 1, 2, 3, 4, 5, 6, 7, 8);
    List<Integer> drawn = new Draws(seed).sample(all, k);
    assertEquals(k, new HashSet<>(drawn).size());
    assertTrue(all.containsAll(drawn));
  }

  @Test
  void everyNumberIsDrawnAboutAsOften() {
    Draws draws = new Draws(5);
    int[] counts = new int[7];
    for (int i = 0; i < 70_000; i++) {
      counts[draws.below(7)]++;
    }
    for (int count : counts) {
      assertEquals(10_000, count, 400);
    }
  }
}
