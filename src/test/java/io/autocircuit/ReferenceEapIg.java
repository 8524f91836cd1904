package io.autocircuit;

import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.autocircuit.data.Batches;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * The cases of {@code eap_ig.json} and {@code relp_gim.json} of a model folder: what EAP-IG's
 * library, MIB, RelP and GIM give. Its matrices {@code [sources, destinations]} are put in the
 * order of our edges by the names of rows and columns.
 */
final class ReferenceEapIg {
  /** Names of the files, without their endings. */
  static final List<String> FILES = List.of("eap_ig", "relp_gim");

  // Python writes NaN and Infinity
  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS).build();

  /** The outcome of a case. */
  static final class Outcome {
    final String kind;
    final String name;
    final List<String> wrong = new ArrayList<>();

    /** Whether it was left out since another case says what is meant. */
    boolean twin;

    /** Whether it was left out since a build takes a sample. */
    boolean left;

    /** Whether nothing here reads its kind or method. */
    boolean unread;

    double absolute;
    double relative;
    String worst = "";

    Outcome(String kind, String name) {
      this.kind = kind;
      this.name = name;
    }

    void mistake(String message) {
      wrong.add(name + ": " + message);
    }

    /** Compares with {@code |ours − expected| ≤ atol + rtol · |expected|}. */
    void compare(String what, double mine, double want, double atol, double rtol) {
      if (Double.compare(mine, want) == 0) {
        return;
      }
      double difference = Math.abs(mine - want);
      double share = difference / (atol + rtol * Math.abs(want));
      absolute = Math.max(absolute, difference);
      if (!(share <= relative)) {
        relative = share;
        worst = name + " " + what;
      }
      if (!(share <= 1)) {
        mistake(what + " is " + mine + " but should be " + want);
      }
    }
  }

  /** The file as it is. */
  final JsonNode file;

  final Safetensors tensors;

  /** With separate queries, keys and values, one of each for every head; the last position. */
  final PatchableModel model;

  /** The prompts of the folder, in order. */
  final TokenizedDataset data;

  /** The names of the rows of their matrices, and of the columns. */
  final List<String> sources = new ArrayList<>(List.of("input"));

  final List<String> destinations = new ArrayList<>();

  private final Map<String, Integer> edges = new HashMap<>();

  private ReferenceEapIg(
      JsonNode file, Safetensors tensors, PatchableModel model, TokenizedDataset data) {
    this.file = file;
    this.tensors = tensors;
    this.model = model;
    this.data = data;
    model.graph().edgeNames().forEach(n -> edges.put(n, edges.size()));
    int heads = model.model().config().heads();
    for (int block = 0; block < model.model().config().blocks(); block++) {
      for (String input : List.of("q", "k", "v")) {
        for (int h = 0; h < heads; h++) {
          destinations.add("a" + block + ".h" + h + "<" + input + ">");
        }
      }
      for (int h = 0; h < heads; h++) {
        sources.add("a" + block + ".h" + h);
      }
      sources.add("m" + block);
      destinations.add("m" + block);
    }
    destinations.add("logits");
  }

  private static List<String> strings(JsonNode array) {
    List<String> list = new ArrayList<>();
    array.forEach(n -> list.add(n.asText()));
    return list;
  }

  /** The kinds of the cases of a file. */
  static List<String> kinds(Path json) throws IOException {
    List<String> kinds = new ArrayList<>();
    JSON.readTree(json.toFile()).path("cases").forEach(c -> kinds.add(c.get("kind").asText()));
    return kinds;
  }

  /**
   * Runs the cases of a file.
   *
   * @param folder of a model
   * @param name of the file, one of {@link #FILES}
   * @param wanted which kinds are run
   */
  static List<Outcome> run(
      Path folder, String name, Device device, Kernels kernels, Predicate<String> wanted)
      throws IOException {
    JsonNode file = JSON.readTree(folder.resolve(name + ".json").toFile());
    List<Outcome> outcomes = new ArrayList<>();
    try (Safetensors tensors = Safetensors.open(folder.resolve(name + ".safetensors"));
        Transformer transformer = ModelLoader.load(folder.resolve("model")).to(device)) {
      ReferenceEapIg all =
          new ReferenceEapIg(
              file,
              tensors,
              PatchableModel.of(transformer, true, 0, OutputSlice.LAST_SEQ, kernels),
              PromptDataset.read(folder.resolve("dataset.json")).tokenize(null));
      // of a larger model a build has time for one of three
      boolean some = all.edges.size() > 2000 && !Exhaustive.on();
      int i = 0;
      for (JsonNode c : file.get("cases")) {
        String kind = c.get("kind").asText();
        Outcome outcome = new Outcome(kind, folder.getFileName() + " " + name + "#" + i++);
        if (i == 1 && file.has("src_nodes")) {
          all.checkNames(outcome);
        }
        if (hasTwin(file, c)) {
          outcome.twin = true;
          outcomes.add(outcome);
        } else if (wanted.test(kind) && some && i % 3 != 1) {
          outcome.left = true;
          outcomes.add(outcome);
        } else if (wanted.test(kind)) {
          try (TensorScope scope = new TensorScope()) {
            all.measure(c, outcome);
          } catch (RuntimeException e) {
            e.printStackTrace(System.out);
            outcome.mistake(e.toString());
          }
          outcomes.add(outcome);
        }
      }
    }
    return outcomes;
  }

  private void checkNames(Outcome outcome) {
    if (!strings(file.get("src_nodes")).equals(sources)
        || !strings(file.get("dst_nodes")).equals(destinations)) {
      outcome.mistake("the nodes have other names");
    }
  }

  /** Whether a case says what the library gives, and another what is meant. */
  private static boolean hasTwin(JsonNode file, JsonNode c) {
    if (!c.path("semantics").asText().equals("library")) {
      return false;
    }
    for (JsonNode other : file.get("cases")) {
      if (other.path("semantics").asText().equals("meant")
          && Stream.of(
                  "kind", "method", "ablation", "steps", "metric", "batch_size", "rules", "circuit")
              .allMatch(f -> other.path(f).equals(c.path(f)))) {
        return true;
      }
    }
    return false;
  }

  private void measure(JsonNode c, Outcome outcome) {
    String kind = c.get("kind").asText();
    switch (kind) {
      case "circuit",
          "evaluate",
          "evaluate_mixed",
          "area_under_curve",
          "roc",
          "graph",
          "baseline",
          "ragged_evaluate" ->
          new ReferenceEapIgCircuits(this, c, outcome).measure();
      case "edge_scores",
          "ragged_edge_scores",
          "edge_scores_per_example",
          "node_scores",
          "neuron_scores" ->
          new ReferenceEapIgScores(this, c, outcome).measure();
      default -> outcome.mistake("unknown kind " + kind);
    }
  }

  /** The index of our edge of a cell of their matrices; −1 if there is no such edge. */
  int edge(int row, int column) {
    String name = source(sources.get(row)) + "->" + destination(destinations.get(column));
    return edges.getOrDefault(name, -1);
  }

  int rows() {
    return sources.size();
  }

  int columns() {
    return destinations.size();
  }

  /** Our name of a node of theirs. */
  static String source(String node) {
    return switch (node.charAt(0)) {
      case 'i' -> "Resid Start";
      case 'm' -> "MLP " + node.substring(1);
      default -> "A" + node.substring(1).replace(".h", ".");
    };
  }

  /** Our name of a destination of theirs: {@code a0.h1<q>} is {@code A0.1.Q}. */
  static String destination(String node) {
    if (node.equals("logits")) {
      return "Resid End";
    }
    int input = node.indexOf('<');
    return input < 0
        ? source(node)
        : source(node.substring(0, input)) + "." + Character.toUpperCase(node.charAt(input + 1));
  }

  /** The prompts of a case: its own, or the folder's; of one length together, at most 32. */
  List<PromptBatch> batches(JsonNode c) {
    return Batches.byLength(c.has("prompts") ? prompts(c.get("prompts")) : data, 32);
  }

  private static TokenizedDataset prompts(JsonNode prompts) {
    List<TokenizedPair> pairs = new ArrayList<>();
    for (JsonNode p : prompts) {
      pairs.add(
          new TokenizedPair(
              pairs.size(),
              ids(p.get("clean")),
              ids(p.get("corrupt")),
              new int[][] {ids(p.get("answers"))},
              new int[][] {ids(p.get("wrong_answers"))}));
    }
    return new TokenizedDataset("ragged", pairs, List.of(), new TreeMap<>());
  }

  private static int[] ids(JsonNode list) {
    int[] ids = new int[list.size()];
    Arrays.setAll(ids, i -> list.get(i).asInt());
    return ids;
  }

  /** The tolerance of a case: its own, or the file's of that sort. */
  JsonNode tolerance(JsonNode c, String sort) {
    return c.has("tolerance") ? c.get("tolerance") : file.get("tolerance").get(sort);
  }

  /**
   * Compares scores of edges with a matrix of theirs.
   *
   * @param mine by our edges
   * @param want {@code [sources, destinations]}
   */
  void compareEdges(JsonNode c, Outcome outcome, double[] mine, float[] want) {
    if (want.length != rows() * columns()) {
      outcome.mistake(want.length + " scores");
      return;
    }
    double atol = absolute(c, want);
    double rtol = tolerance(c, "scores").get("rtol").asDouble();
    int compared = 0;
    for (int i = 0; i < want.length; i++) {
      int edge = edge(i / columns(), i % columns());
      if (edge >= 0) {
        compared++;
        outcome.compare(model.graph().edgeNames().get(edge), mine[edge], want[i], atol, rtol);
      } else if (want[i] != 0 && !Float.isNaN(want[i])) {
        outcome.mistake("there is no edge for the score " + want[i] + " of cell " + i);
      }
    }
    if (compared != mine.length) {
      outcome.mistake(compared + " of " + mine.length + " edges compared");
    }
  }

  /** Compares numbers in the same order. */
  void compareAll(JsonNode c, Outcome outcome, double[] mine, float[] want) {
    if (mine.length != want.length) {
      outcome.mistake(mine.length + " numbers, not " + want.length);
      return;
    }
    double atol = absolute(c, want);
    double rtol = tolerance(c, "scores").get("rtol").asDouble();
    for (int i = 0; i < want.length; i++) {
      outcome.compare("[" + i + "]", mine[i], want[i], atol, rtol);
    }
  }

  private double absolute(JsonNode c, float[] want) {
    JsonNode tolerance = tolerance(c, "scores");
    double largest = 0;
    for (float w : want) {
      largest = Math.max(largest, Float.isNaN(w) ? 0 : Math.abs(w));
    }
    return tolerance.has("atol")
        ? tolerance.get("atol").asDouble()
        : tolerance.get("atol_times_max").asDouble() * largest;
  }
}
