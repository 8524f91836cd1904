package example;

import io.autocircuit.catalogue.Source;
import io.autocircuit.metric.Metric;
import io.autocircuit.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;

/** A metric of the embedder's own. */
public record LargestLogit() implements Metric {
  @Override
  public String key() {
    return "largest_logit";
  }

  @Override
  public String title() {
    return "Largest logit";
  }

  @Override
  public String description() {
    return "mean of the largest logit";
  }

  @Override
  public Source source() {
    return Source.OURS;
  }

  @Override
  public double[] perPrompt(Tensor logits, Outputs full) {
    return Tensors.doubles(logits.amax(new long[] {1, 2}, false));
  }
}
