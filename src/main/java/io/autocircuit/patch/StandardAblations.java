package io.autocircuit.patch;

import io.autocircuit.catalogue.Source;
import io.autocircuit.data.TokenBatch;
import org.bytedeco.pytorch.Tensor;

/** The library's own ablations. */
final class StandardAblations {
  private static final Source SOURCE =
      Source.web("AutoCircuit, Miller 2024", "https://github.com/UFO-101/auto-circuit");

  private static final Source EAP_IG =
      Source.arxiv("Hanna et al. 2024, Have faith in faithfulness", "2403.17806");

  private StandardAblations() {}

  /** The outputs of the paired prompt. */
  static final class Resample implements Ablation.Paired {
    @Override
    public String key() {
      return "resample";
    }

    @Override
    public String title() {
      return "Resample";
    }

    @Override
    public String description() {
      return "the source's activation on the paired prompt";
    }

    @Override
    public Source source() {
      return SOURCE;
    }

    @Override
    public boolean valuesAreOutputs() {
      return true;
    }

    @Override
    public Tensor values(PatchableModel model, Tensor outputs, TokenBatch prompts) {
      return outputs;
    }

    @Override
    public String toString() {
      return key();
    }
  }

  /** Zero. */
  static class Zero implements Ablation.Constant {
    @Override
    public String key() {
      return "zero";
    }

    @Override
    public String title() {
      return "Zero";
    }

    @Override
    public String description() {
      return "zero";
    }

    @Override
    public Source source() {
      return SOURCE;
    }

    @Override
    public Tensor values(PatchableModel model) {
      return model
          .model()
          .placement()
          .zeros(model.sourceRows().count(), 1, 1, model.model().config().dModel());
    }

    @Override
    public String toString() {
      return key();
    }
  }

  /** Zero, without the learned positions. */
  static final class TokenZero extends Zero {
    @Override
    public String key() {
      return "token_zero";
    }

    @Override
    public String title() {
      return "Zero, with positions";
    }

    @Override
    public String description() {
      return "zero, except that learned positions stay (EAP-IG's zero)";
    }

    @Override
    public Source source() {
      return EAP_IG;
    }

    @Override
    public boolean keepsPositions() {
      return true;
    }
  }

  /** The mean over prompts and positions, without the learned positions. */
  static final class TokenMean implements Ablation.Collected {
    @Override
    public String key() {
      return "token_mean";
    }

    @Override
    public String title() {
      return "Mean of clean, with positions";
    }

    @Override
    public String description() {
      return "mean over the dataset's clean prompts and positions; learned positions stay"
          + " (EAP-IG's mean)";
    }

    @Override
    public Source source() {
      return EAP_IG;
    }

    @Override
    public boolean keepsPositions() {
      return true;
    }

    @Override
    public From from() {
      return From.CLEAN;
    }

    @Override
    public Ablation.Collector collector(PatchableModel model, int longest) {
      return new MeanCollector(model, longest, false);
    }

    @Override
    public String toString() {
      return key();
    }
  }

  /** What was learned. */
  static final class Optimal implements Ablation.Constant {
    @Override
    public String key() {
      return "optimal";
    }

    @Override
    public String title() {
      return "Optimal constants";
    }

    @Override
    public String description() {
      return "constants learned on the scoring prompts, with which ablated models are nearest to"
          + " the full one";
    }

    @Override
    public Source source() {
      return Source.arxiv(
          "Li and Janson 2024, Optimal ablation for interpretability", "2409.09951");
    }

    @Override
    public Tensor values(PatchableModel model) {
      if (model.constants() == null) {
        throw new IllegalArgumentException(
            "ablation=optimal has no constants for this model; learn them from prompts"
                + " (OptimalAblation) or read them from a file, and give them to"
                + " PatchableModel.withConstants");
      }
      return model.constants().get(Progress.SILENT).tensor(model);
    }

    @Override
    public String toString() {
      return key();
    }
  }

  /** Means over prompts, which its key names. */
  static final class Mean implements Ablation.Collected {
    private final String key;
    private final String title;
    private final String description;

    Mean(String key, String title, String description) {
      this.key = key;
      this.title = title;
      this.description = description;
    }

    @Override
    public String key() {
      return key;
    }

    @Override
    public String title() {
      return title;
    }

    @Override
    public String description() {
      return description;
    }

    @Override
    public Source source() {
      return SOURCE;
    }

    @Override
    public From from() {
      return switch (key) {
        case "tokenwise_mean_clean" -> From.CLEAN;
        case "tokenwise_mean_corrupt" -> From.CORRUPT;
        case "tokenwise_mean_clean_and_corrupt" -> From.CLEAN_AND_CORRUPT;
        default -> From.BATCH;
      };
    }

    @Override
    public Ablation.Collector collector(PatchableModel model, int longest) {
      return new MeanCollector(model, longest, !key.equals("batch_all_tok_mean"));
    }

    @Override
    public String toString() {
      return key;
    }
  }
}
