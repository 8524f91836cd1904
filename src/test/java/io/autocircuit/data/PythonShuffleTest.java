package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PythonShuffleTest {
  @ParameterizedTest
  @CsvSource({
    "10, 42, 7 3 2 8 5 6 9 4 0 1",
    "249, 42, 44 72 238 122 120 161 9 103",
    "1000, 42, 776 507 895 922 33 483 85 750",
    // CPython 3.11, computed for this test
    "10, 0, 7 8 1 5 3 4 2 0 9 6",
    "10, -42, 7 3 2 8 5 6 9 4 0 1",
    "33, 4294967301, 24 3 4 1 18 13 22 27 8 14 2 30",
    "12, 1099511627776, 10 9 2 7 4 8 3 0 6 11 5 1",
    "7, 9007199254740993, 4 3 1 0 5 6 2",
    "20, 1, 11 5 17 19 9 0 16 1 15 6 10 13",
    "12, -9223372036854775808, 11 0 7 5 4 10 2 1 9 3 6 8"
  })
  void agreesWithCPython(int n, long seed, String start) {
    int[] expected = Arrays.stream(start.split(" ")).mapToInt(Integer::parseInt).toArray();
    assertArrayEquals(
        expected, Arrays.copyOf(PythonShuffle.order(n, seed), expected.length), "n=" + n);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 31, 32, 33, 1000})
  void isAPermutation(int n) {
    int[] order = PythonShuffle.order(n, 7);
    assertArrayEquals(IntStream.range(0, n).toArray(), Arrays.stream(order).sorted().toArray());
  }

  @Test
  @DisplayName("11-B4 no global seeding: other random numbers are left alone")
  void noGlobalSeeding() {
    java.util.Random javas = new java.util.Random(3);
    org.bytedeco.pytorch.global.torch.manual_seed(5);
    float expected = draw();
    org.bytedeco.pytorch.global.torch.manual_seed(5);
    PythonShuffle.order(100, 42);
    assertEquals(expected, draw());
    assertEquals(new java.util.Random(3).nextLong(), javas.nextLong());
    assertArrayEquals(PythonShuffle.order(100, 42), PythonShuffle.order(100, 42));
  }

  private static float draw() {
    return org.bytedeco.pytorch.global.torch.rand(1).item_float();
  }
}
