package io.autocircuit.cli;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.Architecture;
import io.autocircuit.patch.Ablation;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.task.TaskProvider;
import io.autocircuit.task.dataset.DatasetGenerator;

/** The catalogues that there are, as the command line lists them. */
enum Catalogues {
  /** What scores the edges. */
  ALGORITHMS(
      "Algorithms",
      "What scores the edges, chosen by `discover --algorithm KEY`, or with published settings by"
          + " `discover --preset KEY`."),
  /** What is measured. */
  METRICS(
      "Metrics",
      "What is measured of circuits, chosen by `discover --metrics KEY,KEY`; by default all that"
          + " apply to the prompts."),
  /** What ablated sources are replaced by. */
  ABLATIONS(
      "Ablations",
      "What ablated sources are replaced by, chosen by `discover --ablation KEY` (when circuits are"
          + " judged) and `--score-ablation KEY` (when edges are scored)."),
  /** Models and prompts that need no file. */
  TASKS(
      "Tasks",
      "Models and prompts that need no prompt file of yours, chosen by `discover --task KEY`; the"
          + " options are those of `discover`. Some need a model on the disk, see"
          + " [tasks](../tasks.md)."),
  /** Prompt pairs that are made by rule. */
  DATASETS(
      "Datasets",
      "Prompt pairs that are made by rule, by `dataset generate KEY`, for the tokenizer of the model"
          + " that is to read them. See [datasets](../datasets.md)."),
  /** Which models of Hugging Face directories are read. */
  ARCHITECTURES(
      "Architectures",
      "Which model directories are read; the key of a Hugging Face one is `model_type` in its"
          + " `config.json`. See [models](../models.md).");

  private final String title;
  private final String use;

  Catalogues(String title, String use) {
    this.title = title;
    this.use = use;
  }

  String title() {
    return title;
  }

  /** How an entry is chosen, in one sentence of Markdown. */
  String use() {
    return use;
  }

  Catalogue<?> load() {
    return switch (this) {
      case ALGORITHMS -> PruneAlgorithmProvider.catalogue();
      case METRICS -> Metric.catalogue();
      case ABLATIONS -> Ablation.catalogue();
      case TASKS -> TaskProvider.catalogue();
      case DATASETS -> DatasetGenerator.catalogue();
      case ARCHITECTURES -> Architecture.catalogue();
    };
  }
}
