package io.autocircuit.report;

import io.autocircuit.metric.Faithfulness;
import io.autocircuit.metric.Metric;
import java.util.Arrays;
import java.util.Optional;

/** What people call the numbers of all circuits of a run together. */
final class AreaTitles {
  private AreaTitles() {}

  private static Optional<Faithfulness.Kind> kind(String key) {
    return Arrays.stream(Faithfulness.Kind.values()).filter(k -> k.key().equals(key)).findFirst();
  }

  /**
   * The title.
   *
   * @param key of the area, as in a store
   * @param metric the key of its metric; empty of the ROC curve's
   */
  static String of(String key, String metric) {
    String title =
        kind(key)
            .map(Faithfulness.Kind::title)
            .orElse(
                switch (key) {
                  case "auroc" -> "AUROC";
                  case "auroc_mib" -> "AUROC, the benchmark's";
                  default -> key;
                });
    String of = Metric.catalogue().find(metric).map(Metric::title).orElse(metric);
    return of.isEmpty() ? title : title + ": " + of;
  }

  /** Its place among others: of the metrics that people look at first, then in the usual order. */
  static int rank(String key, String metric) {
    int kinds = Faithfulness.Kind.values().length;
    int place = kind(key).map(Enum::ordinal).orElse(kinds);
    int of = metric.equals(Metric.LOGIT_DIFF.key()) ? 0 : 1 + DiscoveryReport.rank(metric);
    return metric.isEmpty() ? -1 : of * (kinds + 1) + place;
  }

  /** Whether smaller values are better. */
  static boolean lowerIsBetter(String key) {
    return kind(key).map(Faithfulness.Kind::lowerIsBetter).orElse(false);
  }
}
