package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.tensor.TensorScope;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

class SharedOutputsTest {
  private static final long KILOBYTE = 1024;

  private int made;

  /** A tensor of a kilobyte that holds how many were made before it. */
  private double get(SharedOutputs shared, Object what, TokenBatch... prompts) {
    try (TensorScope scope = new TensorScope()) {
      Tensor t = shared.get(what, List.of(prompts), () -> torch.full(new long[] {256}, number()));
      return t.select(0, 255).item_double();
    }
  }

  private org.bytedeco.pytorch.Scalar number() {
    return new org.bytedeco.pytorch.Scalar((double) made++);
  }

  private static TokenBatch batch(int first, int padding) {
    return new TokenBatch(new int[] {first, 2, 3, 4}, 2, 2, new int[] {padding, 0});
  }

  /** A tensor is known by what it is and by ids, padding and shape of all its prompts. */
  @Test
  void whatDiffersIsMadeAnew() {
    try (SharedOutputs shared = new SharedOutputs(100 * KILOBYTE)) {
      assertEquals(0, get(shared, Ablation.RESAMPLE, batch(1, 0)));
      assertEquals(0, get(shared, Ablation.RESAMPLE, batch(1, 0)), "the same");
      assertEquals(1, get(shared, Ablation.BATCH_TOKENWISE_MEAN, batch(1, 0)), "another kind");
      assertEquals(2, get(shared, Ablation.RESAMPLE, batch(9, 0)), "other ids");
      assertEquals(3, get(shared, Ablation.RESAMPLE, batch(1, 1)), "other padding");
      assertEquals(4, get(shared, Ablation.RESAMPLE, batch(1, 0), batch(1, 0)), "more prompts");
      TokenBatch long4 = new TokenBatch(new int[] {1, 2, 3, 4}, 1, 4, new int[] {0, 0});
      assertEquals(5, get(shared, Ablation.RESAMPLE, long4), "another shape");
      assertEquals(0, get(shared, Ablation.RESAMPLE, batch(1, 0)), "still there");
    }
    assertEquals(6, made);
  }

  @Test
  void whatDoesNotFitIsNotHeld() {
    try (SharedOutputs shared = new SharedOutputs(2 * KILOBYTE)) {
      get(shared, "a", batch(1, 0));
      get(shared, "b", batch(1, 0));
      assertEquals(2, get(shared, "c", batch(1, 0)));
      assertEquals(3, get(shared, "c", batch(1, 0)), "there is no room for a third");
      assertEquals(0, get(shared, "a", batch(1, 0)));
    }
    assertEquals(4, made);
    assertEquals(4, get(SharedOutputs.NONE, "a", batch(1, 0)));
    assertEquals(5, get(SharedOutputs.NONE, "a", batch(1, 0)));
  }
}
