package example;

import io.autocircuit.catalogue.Source;
import io.autocircuit.metric.Metric;
import io.autocircuit.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;

/** A metric of the embedder's own. */
public record Distance() implements Metric {
  @Override
  public String key() {
    return "distance";
  }

  @Override
  public String title() {
    return "Distance of the logits";
  }

  @Override
  public String description() {
    return "largest distance of a logit from the full model's";
  }

  @Override
  public Source source() {
    return Source.OURS;
  }

  @Override
  public double[] perPrompt(Tensor logits, Outputs full) {
    return Tensors.doubles(
        logits.sub(full.clean()).abs().flatten(1, -1).amax(new long[] {1}, false));
  }
}
