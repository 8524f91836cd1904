package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.MemoryEstimate.Work;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Which micro-batches there are and which stay open. */
class EvaluationsTest {
  private static final int LENGTH = 4;

  private final List<PromptBatch> batches =
      List.of(RandomModels.batch(7, LENGTH, 1), RandomModels.batch(2, LENGTH, 2));
  private Transformer transformer;
  private PatchableModel model;
  private MemoryEstimate need;

  @BeforeEach
  void open() {
    transformer =
        RandomModels.model(
            RandomModels.architectures().findFirst().orElseThrow(), ScalarType.Float, 3);
    model =
        PatchableModel.of(
            transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
    need = MemoryEstimate.of(model, Work.CIRCUITS, Ablation.RESAMPLE, LENGTH);
  }

  @AfterEach
  void close() {
    transformer.close();
  }

  private List<Integer> sizes(long budget) {
    PatchableModel small = model.withMemory(new MemoryBudget(budget));
    return MicroBatch.within(small, Work.CIRCUITS, Ablation.RESAMPLE, batches).stream()
        .flatMap(List::stream)
        .map(MicroBatch::size)
        .toList();
  }

  @Test
  void batchesAreCutIntoFewEqualParts() {
    assertEquals(List.of(7, 2), sizes(Long.MAX_VALUE));
    assertEquals(List.of(7, 2), sizes(need.bytes(7)));
    assertEquals(List.of(3, 4, 2), sizes(need.bytes(7) - 1));
    assertEquals(List.of(2, 2, 3, 2), sizes(need.bytes(3)));
    assertEquals(List.of(1, 2, 2, 2, 2), sizes(need.bytes(2)));
    assertEquals(List.of(1, 1, 1, 1, 1, 1, 1, 1, 1), sizes(need.bytes(1)));
  }

  @Test
  void partsHoldTheirPrompts() {
    List<MicroBatch> parts = MicroBatch.split(5, batches.get(0), 3);
    int next = 0;
    for (MicroBatch m : parts) {
      assertEquals(5, m.batch());
      assertEquals(next, m.first());
      for (int i = 0; i < m.size(); i++, next++) {
        assertEquals(next, m.prompts().rows()[i]);
        assertEquals(batches.get(0).answers()[next], m.prompts().answers()[i]);
        for (int t = 0; t < LENGTH; t++) {
          assertEquals(
              batches.get(0).corrupt().ids()[next * LENGTH + t],
              m.prompts().corrupt().ids()[i * LENGTH + t]);
        }
      }
    }
    assertEquals(7, next);
    assertThrows(IllegalArgumentException.class, () -> MicroBatch.split(0, batches.get(0), 0));
    assertThrows(IndexOutOfBoundsException.class, () -> batches.get(0).slice(5, 8));
  }

  @Test
  void lessThanOnePromptIsRefusedWithTheNeed() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> sizes(need.bytes(1) - 1)).getMessage();
    assertTrue(message.contains("tokens=4") && message.contains("--memory"), message);
    String size = message.replaceAll(".*needs (\\S+);.*", "$1");
    assertEquals(9, sizes(MemoryBudget.parse(size).bytes()).size(), size);
  }

  /** How many evaluations are the same objects on a second visit. */
  private int staying(long budget) {
    PatchableModel small = model.withMemory(new MemoryBudget(budget));
    Set<Evaluation> first = Collections.newSetFromMap(new IdentityHashMap<>());
    List<Evaluation> second = new ArrayList<>();
    try (AblationValues values = AblationValues.prepare(small, Ablation.RESAMPLE, batches);
        Evaluations all =
            Evaluations.kept(
                small, batches, values, Evaluations.Direction.CORRUPT_INTO_CLEAN, Work.CIRCUITS)) {
      all.forEach(p -> first.add(p.run()));
      all.forEach(p -> second.add(p.run()));
      assertEquals(all.count(), second.size());
    }
    return (int) second.stream().filter(first::contains).count();
  }

  @Test
  void allStaysOpenOrNothing() {
    assertEquals(2, staying(Long.MAX_VALUE));
    long held = 2 * need.fixed() + 9 * need.heldPerPrompt();
    assertEquals(2, staying(held + 7 * need.transientPerPrompt()));
    // smaller micro-batches leave room for all to stay
    assertEquals(3, staying(held + 6 * need.transientPerPrompt()));
    assertEquals(9, staying(held + need.transientPerPrompt()));
    assertEquals(0, staying(held + need.transientPerPrompt() - 1));
    assertEquals(0, staying(need.bytes(1)));
  }
}
