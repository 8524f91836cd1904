package example;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PruneAlgorithm;
import java.util.List;

/** An algorithm of the embedder's own: attribution of the edges into the last block and the end. */
public record FromTheFirstBlock() implements PruneAlgorithm {
  @Override
  public String key() {
    return "from_the_first_block";
  }

  @Override
  public String title() {
    return "Attribution behind the first block";
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    float[] values = MaskGradient.eap().score(model, batches, progress).values().clone();
    for (int e = 0; e < values.length; e++) {
      if (model.graph().edge(e).destination().block() == 0) {
        values[e] = 0;
      }
    }
    return new PruneScores(model.graph(), values);
  }
}
