package io.autocircuit.formats;

import io.autocircuit.files.DataException;
import io.autocircuit.formats.EapIgGraph.Cfg;
import io.autocircuit.formats.ScoreFiles.Content;
import io.autocircuit.patch.PruneScores;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A submission to the circuit localisation track of MIB (arXiv 2504.13151): a folder with one for
 * each pair of a task and a model, {@code ioi_gpt2}, that holds either one graph with scores or a
 * graph without scores for each size.
 */
public final class MibSubmission {
  /** The largest share of all edges that the file of each size may hold, in per cent. */
  private static final double[] SIZES = {0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50};

  /** The pairs of the leaderboard: the models of each task. */
  private static final Map<String, List<String>> PAIRS =
      Map.of(
          "ioi", List.of("gpt2", "qwen2.5", "gemma2", "llama3", "interpbench"),
          "mcqa", List.of("qwen2.5", "gemma2", "llama3"),
          "arithmetic-addition", List.of("llama3"),
          "arithmetic-subtraction", List.of("llama3"),
          "arc-easy", List.of("gemma2", "llama3"),
          "arc-challenge", List.of("llama3"));

  /** The sizes of the leaderboard's models: blocks, heads, channels. */
  private static final Map<String, Cfg> MODELS =
      Map.of(
          "gpt2", new Cfg(12, 12, false, 768),
          "qwen2.5", new Cfg(24, 14, false, 896),
          "gemma2", new Cfg(26, 8, false, 2304),
          "llama3", new Cfg(32, 32, false, 4096));

  private static final int FEWEST = 2;
  private static final double PER_CENT = 100;

  private MibSubmission() {}

  /**
   * Adds a pair to a submission.
   *
   * @param folder the submission; made where it is not there
   * @param task as the leaderboard names it, such as {@code ioi}
   * @param model as the leaderboard names it, such as {@code gpt2}
   * @param graph scores, and sizes of the model
   * @param bySize whether the best edges by |score| are written, a file for each size, in place of
   *     the scores
   * @return the pair's folder
   * @throws IllegalArgumentException if the leaderboard has no such pair, or the graph is not of
   *     that model
   * @throws DataException if it is there already, or cannot be written
   */
  public static Path write(
      Path folder, String task, String model, EapIgGraph graph, boolean bySize) {
    String problem = problem(task, model, graph.cfg());
    if (problem != null) {
      throw new IllegalArgumentException(problem);
    }
    Path pair = folder.resolve(task + "_" + model);
    try {
      if (Files.exists(pair)) {
        throw new DataException("directory=" + pair + " is there already; remove it first");
      }
      Files.createDirectories(pair);
    } catch (IOException e) {
      throw new DataException("directory=" + pair + " cannot be made (" + e.getMessage() + ")", e);
    }
    if (!bySize) {
      write(pair.resolve("importances.json"), graph);
      return pair;
    }
    PruneScores scores = graph.pruneScores(pair);
    for (double size : SIZES) {
      int edges = most(size, scores.graph().edgeCount());
      PruneScores none = new PruneScores(scores.graph(), new float[scores.graph().edgeCount()]);
      EapIgGraph chosen = EapIgGraph.of(none, scores.top(edges), graph.cfg().dModel());
      write(pair.resolve(name(size) + ".json"), chosen);
    }
    return pair;
  }

  private static void write(Path file, EapIgGraph graph) {
    ScoreFiles.write(file, ScoreFiles.Format.EAP_IG, new Content(null, graph), Map.of());
  }

  private static String name(double size) {
    return size == Math.rint(size)
        ? String.valueOf((long) size)
        : String.format(Locale.ROOT, "%.1f", size);
  }

  private static int most(double size, int edges) {
    return (int) Math.floor(size / PER_CENT * edges);
  }

  /** What is wrong with a pair, or null. */
  private static String problem(String task, String model, Cfg cfg) {
    List<String> models = PAIRS.get(task);
    if (models == null) {
      return "task="
          + DataException.quote(task)
          + " is not on the leaderboard; it has "
          + String.join(", ", PAIRS.keySet().stream().sorted().toList());
    }
    if (!models.contains(model)) {
      return "model="
          + DataException.quote(model)
          + " is not on the leaderboard of "
          + task
          + "; it has "
          + String.join(", ", models);
    }
    Cfg expected = MODELS.get(model);
    return expected == null || expected.equals(cfg)
        ? null
        : String.format(
            "the graph is not of %s: n_layers=%d, n_heads=%d, d_model=%d, which has %d, %d and %d",
            model,
            cfg.blocks(),
            cfg.heads(),
            cfg.dModel(),
            expected.blocks(),
            expected.heads(),
            expected.dModel());
  }

  /**
   * Compares a submission with the rules: names of pairs, one file of scores or one for each of ten
   * sizes, sizes within their shares, at least two tasks and two models.
   *
   * @param folder the submission
   * @return what is wrong, a line each; none if it may be handed in
   * @throws DataException if it is no folder, or a file cannot be read as a graph
   */
  public static List<String> problems(Path folder) {
    List<String> wrong = new ArrayList<>();
    Set<String> tasks = new LinkedHashSet<>();
    Set<String> models = new LinkedHashSet<>();
    for (Path pair : entries(folder)) {
      String name = pair.getFileName().toString();
      int mark = name.lastIndexOf('_');
      if (!Files.isDirectory(pair) || mark < 0) {
        wrong.add(name + ": is no folder of a pair, such as ioi_gpt2");
        continue;
      }
      String task = name.substring(0, mark);
      String model = name.substring(mark + 1);
      tasks.add(task);
      models.add(model);
      pair(pair, task, model).forEach(p -> wrong.add(name + ": " + p));
    }
    if (tasks.size() < FEWEST || models.size() < FEWEST) {
      wrong.add(
          "it has tasks="
              + tasks.size()
              + " and models="
              + models.size()
              + "; the leaderboard takes two or more of each");
    }
    return wrong;
  }

  private static List<String> pair(Path pair, String task, String model) {
    List<EapIgGraph> graphs = new ArrayList<>();
    for (Path file : entries(pair)) {
      if (!file.toString().matches(".*\\.(json|pt)")) {
        return List.of(file.getFileName() + " is neither .json nor .pt");
      }
      EapIgGraph graph = ScoreFiles.graph(file);
      String problem = problem(task, model, graph.cfg());
      if (problem != null) {
        return List.of(problem);
      }
      graphs.add(graph);
    }
    if (graphs.size() == 1) {
      EapIgGraph only = graphs.get(0);
      boolean scored = only.nodeScores() != null || only.neuronScores() != null;
      for (float score : only.scores()) {
        scored |= score != 0;
      }
      return scored ? List.of() : List.of("its only file has no scores");
    }
    if (graphs.size() != SIZES.length) {
      return List.of(
          "it has files="
              + graphs.size()
              + ", not one of scores or one for each of "
              + SIZES.length
              + " sizes "
              + Arrays.toString(SIZES));
    }
    graphs.sort(Comparator.comparingInt(g -> g.edges().cardinality()));
    List<String> wrong = new ArrayList<>();
    for (int i = 0; i < SIZES.length; i++) {
      int edges = graphs.get(i).edges().cardinality();
      int all = graphs.get(i).cfg().cells().length;
      if (edges > SIZES[i] / PER_CENT * all) {
        wrong.add(
            "its file number "
                + (i + 1)
                + " by size has edges="
                + edges
                + ", more than "
                + name(SIZES[i])
                + " % of "
                + all);
      }
    }
    return wrong;
  }

  private static List<Path> entries(Path folder) {
    try (Stream<Path> list = Files.list(folder)) {
      return list.filter(p -> !p.getFileName().toString().startsWith(".")).sorted().toList();
    } catch (IOException e) {
      throw new DataException(
          "directory=" + folder + " cannot be read; give the folder of a submission", e);
    }
  }
}
