package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.data.Batches;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.prune.MaskGradient.AnswerFunction;
import io.autocircuit.prune.MaskGradient.PatchSource;
import io.autocircuit.tensor.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The numbers of EAP-IG's own library, in {@code eap_ig.json} of the models under {@code
 * reference.dir}: every case of its method over inputs. That library divides the sum of batch means
 * by the number of prompts.
 */
class EapIgInputsReferenceTest {
  private static final String METHOD = "EAP-IG-inputs";

  @Test
  void givesTheNumbersOfTheLibrary() throws IOException {
    Path dir = Path.of(System.getProperty("reference.dir", "../shared/reference"));
    if (!Files.isDirectory(dir)) {
      System.out.println("EapIgInputsReferenceTest: skipped, no reference cases at reference.dir");
    }
    assumeTrue(Files.isDirectory(dir), "no reference cases at reference.dir");
    int cases = 0;
    try (Stream<Path> folders = Files.list(dir)) {
      for (Path folder : folders.sorted().toList()) {
        if (Files.isRegularFile(folder.resolve("eap_ig.json"))) {
          int compared = folder(folder);
          assertEquals(held(folder), compared, "cases of " + folder.getFileName());
          cases += compared;
        }
      }
    }
    assertTrue(cases > 0);
  }

  /** How many scores of edges by that method the file of a folder holds, of ragged prompts too. */
  private static int held(Path folder) throws IOException {
    JsonNode file = new ObjectMapper().readTree(folder.resolve("eap_ig.json").toFile());
    int held = 0;
    for (JsonNode c : file.get("cases")) {
      boolean edges = List.of("edge_scores", "ragged_edge_scores").contains(c.get("kind").asText());
      held += edges && c.path("method").asText().equals(METHOD) ? 1 : 0;
    }
    return held;
  }

  private static int folder(Path folder) throws IOException {
    JsonNode file = new ObjectMapper().readTree(folder.resolve("eap_ig.json").toFile());
    int cases = 0;
    try (Safetensors tensors = Safetensors.open(folder.resolve("eap_ig.safetensors"));
        Transformer transformer = ModelLoader.load(folder.resolve("model"));
        KernelsProvider.Choice choice = KernelsProvider.choose()) {
      PatchableModel model =
          PatchableModel.of(transformer, true, 0, OutputSlice.LAST_SEQ, choice.kernels());
      TokenizedDataset data = PromptDataset.read(folder.resolve("dataset.json")).tokenize(null);
      for (JsonNode c : file.get("cases")) {
        boolean scores = c.get("kind").asText().endsWith("edge_scores");
        if (scores && c.get("method").asText().equals(METHOD)) {
          compare(folder.getFileName() + " " + cases++, file, c, tensors, model, data);
        }
      }
    }
    return cases;
  }

  private static void compare(
      String name,
      JsonNode file,
      JsonNode c,
      Safetensors tensors,
      PatchableModel model,
      TokenizedDataset data) {
    TokenizedDataset prompts = c.has("prompts") ? prompts(c.get("prompts")) : data;
    double[] mine = scores(c, model, prompts);
    String tensor = c.get("expected").get("scores").asText();
    float[] want = tensors.floats(tensor);
    int columns = file.get("dst_nodes").size();
    assertEquals(want.length, file.get("src_nodes").size() * columns);
    double largest = 0;
    for (float w : want) {
      largest = Math.max(largest, Math.abs(w));
    }
    JsonNode tolerance = file.at("/tolerance/scores");
    List<String> names = model.graph().edgeNames();
    Map<String, Integer> indices = new HashMap<>();
    names.forEach(n -> indices.put(n, indices.size()));
    int compared = 0;
    for (int s = 0; s < file.get("src_nodes").size(); s++) {
      for (int d = 0; d < columns; d++) {
        double expected = want[s * columns + d];
        String edge =
            edge(file.get("src_nodes").get(s).asText(), file.get("dst_nodes").get(d).asText());
        if (!indices.containsKey(edge)) {
          assertEquals(0, expected, name);
          continue;
        }
        compared++;
        double allowed =
            tolerance.get("atol_times_max").asDouble() * largest
                + tolerance.get("rtol").asDouble() * Math.abs(expected);
        assertEquals(expected, mine[indices.get(edge)], allowed, () -> name + " " + edge);
      }
    }
    assertEquals(model.graph().edgeCount(), compared);
  }

  /** (1/N) · sum over the library's batches of the batch mean. */
  private static double[] scores(JsonNode c, PatchableModel model, TokenizedDataset data) {
    List<PromptBatch> batches = Batches.byLength(data, 32);
    String metric = c.get("metric").asText();
    int steps = c.get("steps").asInt();
    List<float[]> rows =
        metric.equals("kl")
            ? divergence(model, batches, steps)
            : new EapIgInputs(
                    new MaskGradient(
                        metric.equals("prob_diff") ? LogitFunction.PROB : LogitFunction.LOGIT,
                        AnswerFunction.AVG_DIFF,
                        0,
                        0,
                        Ablation.RESAMPLE,
                        PatchSource.CORRUPT),
                    steps)
                .scorePrompts(model, batches, Progress.SILENT)
                .values();
    TreeMap<Integer, float[]> inOrder = new TreeMap<>();
    int next = 0;
    for (PromptBatch batch : batches) {
      for (int row : batch.rows()) {
        inOrder.put(row, rows.get(next++));
      }
    }
    int size = c.get("batch_size").asInt();
    double[] sum = new double[model.graph().edgeCount()];
    inOrder.forEach(
        (i, row) -> {
          int first = i / size * size;
          double weight = 1.0 / data.size() / Math.min(size, data.size() - first);
          for (int e = 0; e < sum.length; e++) {
            sum[e] += weight * row[e];
          }
        });
    return sum;
  }

  /** The same method for a loss that no setting names: the divergence from the clean run. */
  private static List<float[]> divergence(
      PatchableModel model, List<PromptBatch> batches, int steps) {
    List<float[]> rows = new ArrayList<>();
    int edges = model.graph().edgeCount();
    try (AblationValues values = AblationValues.prepare(model, Ablation.RESAMPLE, batches);
        Evaluations all =
            Evaluations.once(
                model,
                batches,
                values,
                Evaluations.Direction.CORRUPT_INTO_CLEAN,
                Work.UNIFORM_PROMPT_GRADIENT)) {
      all.forEach(
          part -> {
            float[] sums = new float[part.size() * edges];
            for (int j = 0; j < steps; j++) {
              float[] g =
                  part.run()
                      .inputGradient(
                          1 - (double) j / steps,
                          true,
                          (logits, batch, reference) -> Divergence.kl(logits, reference),
                          part.prompts(),
                          part.clean())
                      .maskGradient();
              for (int i = 0; i < sums.length; i++) {
                sums[i] += g[i] / steps;
              }
            }
            for (int i = 0; i < part.size(); i++) {
              rows.add(Arrays.copyOfRange(sums, i * edges, (i + 1) * edges));
            }
          });
    }
    return rows;
  }

  /** Our name of an edge, which the graph may not have. */
  private static String edge(String source, String destination) {
    String s =
        source.equals("input")
            ? "Resid Start"
            : source.startsWith("m")
                ? "MLP " + source.substring(1)
                : "A" + source.substring(1).replace(".h", ".");
    String d = destination;
    if (d.equals("logits")) {
      d = "Resid End";
    } else if (d.startsWith("m")) {
      d = "MLP " + d.substring(1);
    } else {
      d = "A" + d.substring(1).replace(".h", ".").replace(">", "").replace("<", ".");
      d = d.substring(0, d.length() - 1) + Character.toUpperCase(d.charAt(d.length() - 1));
    }
    return s + "->" + d;
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
}
