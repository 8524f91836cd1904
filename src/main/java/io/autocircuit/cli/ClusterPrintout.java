package io.autocircuit.cli;

import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.metric.ClusterCircuits;
import io.autocircuit.metric.PromptClusters;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Clusters of prompts, in 80 columns.
 *
 * @param out where to
 * @param graph whose edges are named
 */
record ClusterPrintout(PrintWriter out, ComputationGraph graph) {
  private static final int WIDTH = 80;
  private static final int NEAREST = 3;
  private static final int EDGES = 5;

  /** Of more clusters tables have no room. */
  private static final int COLUMNS = 7;

  /**
   * Prints all of it.
   *
   * @param indices the number in the file of each prompt, in the order of the scores
   * @param texts by that number
   * @param templates of each prompt, in the order of the scores
   * @param rand the adjusted Rand index with these; empty where there are not two
   */
  void print(
      PromptClusters found,
      ClusterCircuits circuits,
      int[] indices,
      Map<Integer, String> texts,
      List<String> templates,
      Optional<Double> rand) {
    int count = found.clusters().size();
    say(
        "%,d prompts in %s%s",
        found.of().size(),
        count == 1 ? "one cluster" : count + " clusters",
        found.silhouettes().isEmpty() ? "" : "; mean silhouettes of numbers of clusters:");
    if (!found.silhouettes().isEmpty()) {
      out.println(
          found.silhouettes().entrySet().stream()
              .map(e -> String.format(Locale.ROOT, "%d: %.3f", e.getKey(), e.getValue()))
              .collect(Collectors.joining("  ", "  ", "")));
    }
    rand.ifPresent(r -> say("adjusted Rand index with the prompts' templates: %.3f", r));
    for (int c = 0; c < count; c++) {
      cluster(c, found.clusters().get(c), indices, texts, rand.isPresent() ? templates : List.of());
    }
    if (count > 1) {
      tables(circuits, Math.min(count, COLUMNS));
    }
  }

  private void cluster(
      int number,
      PromptClusters.Cluster cluster,
      int[] indices,
      Map<Integer, String> texts,
      List<String> templates) {
    out.println();
    say("cluster %d: %,d prompts", number + 1, cluster.prompts().size());
    if (!templates.isEmpty()) {
      templates(cluster, templates);
    }
    for (int i : cluster.prompts().subList(0, Math.min(NEAREST, cluster.prompts().size()))) {
      String text = DataException.printable(texts.get(indices[i]), 500);
      out.println(clipped("  prompt " + indices[i] + ": " + text));
    }
    if (!cluster.differences().isEmpty()) {
      say("  %-36s %12s %12s", "edges that differ most", "here", "elsewhere");
    }
    for (PromptClusters.Difference d :
        cluster.differences().subList(0, Math.min(EDGES, cluster.differences().size()))) {
      say("  %-36s %12.4g %12.4g", graph.label(d.edge()), d.inside(), d.outside());
    }
  }

  /** The most frequent one. */
  private void templates(PromptClusters.Cluster cluster, List<String> templates) {
    Map<String, Integer> counts = new LinkedHashMap<>();
    cluster.prompts().stream()
        .sorted()
        .forEach(i -> counts.merge(templates.get(i), 1, Integer::sum));
    Map.Entry<String, Integer> most =
        counts.entrySet().stream().max(Map.Entry.comparingByValue()).orElseThrow();
    String name = most.getKey().isEmpty() ? "(none)" : DataException.printable(most.getKey(), 200);
    out.println(
        clipped(
            String.format(
                Locale.ROOT,
                "  %,d of %d templates; %,d of: %s",
                counts.size(),
                (int) templates.stream().distinct().count(),
                most.getValue(),
                name)));
  }

  private void tables(ClusterCircuits circuits, int shown) {
    int last = circuits.circuits().size() - 1;
    out.println();
    say(
        "%s of the circuits (%,d edges) by the prompts of",
        circuits.metric().key(), circuits.circuits().get(last).size());
    heading(shown);
    for (int c = 0; c <= shown; c++) {
      row(
          c < shown ? String.valueOf(c + 1) : "all",
          circuits.values().get(c < shown ? c : last),
          shown,
          last);
    }
    row("model", circuits.model(), shown, last);
    out.println("overlap of the circuits (Jaccard index)");
    for (int c = 0; c <= shown; c++) {
      row(
          c < shown ? String.valueOf(c + 1) : "all",
          circuits.overlap().get(c < shown ? c : last),
          shown,
          last);
    }
    if (shown < last) {
      say("  (%d of %d clusters; all are in clusters.json)", shown, last);
    }
  }

  private void heading(int shown) {
    StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "  %-6s", ""));
    for (int c = 0; c <= shown; c++) {
      line.append(String.format(Locale.ROOT, "%9s", c < shown ? String.valueOf(c + 1) : "all"));
    }
    out.println(line);
  }

  private void row(String name, List<Double> values, int shown, int last) {
    StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "  %-6s", name));
    for (int c = 0; c <= shown; c++) {
      line.append(String.format(Locale.ROOT, "%9.4g", values.get(c < shown ? c : last)));
    }
    out.println(line);
  }

  private static String clipped(String line) {
    return line.length() > WIDTH ? line.substring(0, WIDTH - 1) + "…" : line;
  }

  private void say(String format, Object... values) {
    out.println(String.format(Locale.ROOT, format, values));
  }
}
