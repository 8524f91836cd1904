package io.autocircuit.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CellGroupTest {
  private static List<SentCell> cells(String model, int... seconds) {
    return IntStream.range(0, seconds.length)
        .mapToObj(i -> new SentCell(model, "eap", model + i, new TreeMap<>(), "" + seconds[i]))
        .toList();
  }

  private static List<List<String>> labels(List<CellGroup> groups) {
    return groups.stream().map(g -> g.cells().stream().map(SentCell::label).toList()).toList();
  }

  @Test
  void groupsAreOfOneModelAndNoLongerThanAsked() {
    List<CellGroup> groups =
        CellGroup.cut(
            List.of(cells("a", 1, 2), cells("b", 5, 1, 1, 12, 3)),
            c -> Double.parseDouble(c.spec()),
            6);
    // the model that takes longest, the longest of it; then what is left
    assertEquals(
        List.of(
            List.of("b3"), List.of("b0", "b1"), List.of("b4"), List.of("b2"), List.of("a0", "a1")),
        labels(groups));
    assertEquals(
        List.of(12.0, 6.0, 3.0, 1.0, 3.0), groups.stream().map(CellGroup::seconds).toList());
  }

  @Test
  void cellsThatCostNothingAreOneGroup() {
    List<CellGroup> groups = CellGroup.cut(List.of(cells("a", 0, 0, 0)), c -> 0, 0);
    assertEquals(List.of(List.of("a0", "a1", "a2")), labels(groups));
    assertTrue(CellGroup.cut(List.of(), c -> 0, 1).isEmpty());
  }
}
