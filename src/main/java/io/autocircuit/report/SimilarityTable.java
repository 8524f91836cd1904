package io.autocircuit.report;

import java.util.List;
import java.util.Objects;

/**
 * What share of their best edges algorithms have in common, in one task.
 *
 * @param edges how many edges each of them names
 * @param known whether that is the size of the task's known circuit
 * @param labels the algorithms, in the order of rows and columns
 * @param values {@code [labels][labels]}, from 0 to 1, symmetric; NaN where a share does not exist,
 *     as where ties leave no circuit of that size
 */
record SimilarityTable(int edges, boolean known, List<String> labels, double[][] values) {
  /** Checks that it is square. */
  SimilarityTable {
    labels = List.copyOf(labels);
    Objects.requireNonNull(values, "values");
    for (double[] row : values) {
      if (values.length != labels.size() || row.length != labels.size()) {
        throw new IllegalArgumentException(
            "labels="
                + labels.size()
                + " but the table has rows="
                + values.length
                + " and columns="
                + row.length);
      }
    }
  }
}
