package io.autocircuit.experiment;

import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.MicroBatch;
import io.autocircuit.tensor.TensorScope;
import java.util.List;

/** What the plain forward pass takes, beside which the cost of algorithms is said. */
final class PlainPass {
  private PlainPass() {}

  /** Seconds of a pass over the prompts that score, after one to warm up. */
  static double seconds(Discovery discovery) {
    double seconds = 0;
    for (int i = 0; i < 2; i++) {
      long start = System.nanoTime();
      for (MicroBatch m :
          MicroBatch.within(
                  discovery.model(),
                  MemoryEstimate.Work.CIRCUITS,
                  discovery.runs().ablation(),
                  discovery.train())
              .stream()
              .flatMap(List::stream)
              .toList()) {
        try (TensorScope scope = new TensorScope()) {
          discovery.model().model().logits(m.prompts().clean(), discovery.model().slice());
        }
      }
      seconds = (System.nanoTime() - start) / 1e9;
    }
    return seconds;
  }
}
