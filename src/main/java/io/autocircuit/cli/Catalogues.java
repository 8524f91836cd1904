package io.autocircuit.cli;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.metric.Metric;
import io.autocircuit.patch.Ablation;
import io.autocircuit.prune.PruneAlgorithmProvider;
import java.util.function.Supplier;

/** The catalogues that there are, as the command line lists them. */
enum Catalogues {
  /** What scores the edges. */
  ALGORITHMS(
      "Algorithms",
      "What scores the edges, chosen by `discover --algorithm KEY`.",
      PruneAlgorithmProvider::catalogue),
  /** What is measured. */
  METRICS(
      "Metrics",
      "What is measured of circuits, chosen by `discover --metrics KEY,KEY`; by default all that"
          + " apply to the prompts.",
      Metric::catalogue),
  /** What ablated sources are replaced by. */
  ABLATIONS(
      "Ablations",
      "What ablated sources are replaced by, chosen by `discover --ablation KEY` (when circuits are"
          + " judged) and `--score-ablation KEY` (when edges are scored).",
      Ablation::catalogue);

  private final String title;
  private final String use;
  private final Supplier<Catalogue<?>> catalogue;

  Catalogues(String title, String use, Supplier<Catalogue<?>> catalogue) {
    this.title = title;
    this.use = use;
    this.catalogue = catalogue;
  }

  String title() {
    return title;
  }

  /** How an entry is chosen, in one sentence of Markdown. */
  String use() {
    return use;
  }

  Catalogue<?> load() {
    return catalogue.get();
  }
}
