package io.autocircuit.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.PromptPair;
import io.autocircuit.data.Wording;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToIntFunction;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The embedded default as it lies in the repository, judged by a forward pass of its own. */
@Tag("slow")
class InductionDatasetTest {
  private static final Path DIRECTORY = Path.of("datasets", "induction");
  private static final InductionModelTrainer.Settings SETTINGS =
      InductionModelTrainer.Settings.standard();

  /** The head of block 0 that attends to the previous token. */
  private static final int PREVIOUS_TOKEN_HEAD = 2;

  private static final int ALL = -1;

  @Test
  void filesAreWhatTheSettingsSay(@TempDir Path directory) throws IOException {
    JsonNode config = JsonFiles.read(DIRECTORY.resolve("config.json"));
    assertEquals("HookedTransformer", config.path("architecture").textValue());
    assertEquals(SETTINGS.layers(), config.path("n_layers").intValue());
    assertEquals(SETTINGS.heads(), config.path("n_heads").intValue());
    assertEquals(SETTINGS.context(), config.path("n_ctx").intValue());
    assertEquals(4.0, config.path("attn_scale").doubleValue());
    Path again = directory.resolve("prompts.json");
    InductionPrompts.write(
        again, InductionPrompts.generate(64, 16, SETTINGS.vocab(), SETTINGS.seed()));
    assertEquals(-1L, Files.mismatch(again, DIRECTORY.resolve("prompts.json")));
    long bytes = 0;
    try (var files = Files.list(DIRECTORY)) {
      for (Path file : files.toList()) {
        bytes += Files.size(file);
      }
    }
    assertTrue(bytes < 2_000_000, "bytes=" + bytes);
  }

  @Test
  void inductionWorksOnNewSequencesAndTheHeadsAreTheTextbooks() {
    InductionModelTrainer.Evaluation evaluation =
        InductionModelTrainer.evaluate(SETTINGS, arrays(), 1000, 20_261);
    System.out.printf(
        "induction on new sequences: accuracy %.5f, loss %.5f%n",
        evaluation.accuracy(), evaluation.loss());
    assertTrue(evaluation.accuracy() > 0.99, "accuracy=" + evaluation.accuracy());
    for (int head = 0; head < SETTINGS.heads(); head++) {
      double previous = evaluation.previousToken()[0][head];
      double induction = evaluation.induction()[1][head];
      System.out.printf(
          "A0.%d previous token %.3f; A1.%d induction %.3f%n", head, previous, head, induction);
      if (head == PREVIOUS_TOKEN_HEAD) {
        assertTrue(previous > 0.7, "A0." + head + " previousToken=" + previous);
      } else {
        assertTrue(previous < 0.25, "A0." + head + " previousToken=" + previous);
      }
      assertTrue(induction > 0.7, "A1." + head + " induction=" + induction);
    }
  }

  @Test
  @SuppressWarnings("try")
  void previousTokenHeadActsThroughTheKeysOfTheInductionHeads() {
    try (NativeThreads threads = NativeThreads.one();
        TensorScope scope = new TensorScope()) {
      Patching patching = Patching.load();
      double clean = patching.logitDifference(patching.clean, patching.clean, ALL, ALL, "");
      double corrupt = patching.logitDifference(patching.corrupt, patching.corrupt, ALL, ALL, "");
      System.out.printf("logit difference: clean %.3f, corrupt %.3f%n", clean, corrupt);
      assertTrue(clean > 8, "clean=" + clean);
      assertTrue(corrupt < -8, "corrupt=" + corrupt);
      assertEquals(1, patching.accuracy(), "share of clean prompts answered rightly");

      // The share of the difference between clean and corrupt that one kind of edge carries.
      for (int head = 0; head < SETTINGS.heads(); head++) {
        for (String input : List.of("Q", "K", "V")) {
          double share = patching.share(head, ALL, input);
          System.out.printf("A0.%d -> block 1 %s: %.3f%n", head, input, share);
          if (head == PREVIOUS_TOKEN_HEAD && input.equals("K")) {
            assertTrue(share > 0.95, "share=" + share);
          } else {
            assertEquals(0, share, 0.02, "A0." + head + " -> block 1 " + input);
          }
        }
      }
      for (int head = 0; head < SETTINGS.heads(); head++) {
        double share = patching.share(PREVIOUS_TOKEN_HEAD, head, "K");
        System.out.printf("A0.%d -> A1.%d.K: %.3f%n", PREVIOUS_TOKEN_HEAD, head, share);
        assertTrue(share > 0.05, "A1." + head + " share=" + share);
      }
    }
  }

  private static Map<String, Safetensors.Array> arrays() {
    Map<String, Safetensors.Array> arrays = new LinkedHashMap<>();
    try (Safetensors file = Safetensors.open(DIRECTORY)) {
      for (String name : file.names()) {
        arrays.put(name, new Safetensors.Array(file.shape(name), file.floats(name)));
      }
    }
    return arrays;
  }

  /** Path patching written out head by head, for two blocks. */
  private static final class Patching {
    final Tensor clean;
    final Tensor corrupt;
    private final Map<String, Tensor> weights;
    private final Tensor answers;
    private final Tensor wrong;
    private final int length;

    private Patching(PromptDataset dataset, Map<String, Tensor> weights) {
      List<PromptPair> pairs = dataset.prompts();
      this.weights = weights;
      length = ids(pairs.get(0).clean()).length;
      clean = tokens(pairs.stream().flatMapToInt(p -> IntStream.of(ids(p.clean()))));
      corrupt = tokens(pairs.stream().flatMapToInt(p -> IntStream.of(ids(p.corrupt()))));
      answers = answers(pairs, p -> ids(p.answers().get(0).get(0))[0]);
      wrong = answers(pairs, p -> ids(p.wrongAnswers().get(0).get(0))[0]);
    }

    static Patching load() {
      Map<String, Tensor> weights = new LinkedHashMap<>();
      arrays().forEach((name, a) -> weights.put(name, torch.tensor(a.data()).view(a.shape())));
      return new Patching(PromptDataset.read(DIRECTORY.resolve("prompts.json")), weights);
    }

    private static int[] ids(Wording wording) {
      return ((Wording.Ids) wording).ids();
    }

    private Tensor tokens(IntStream ids) {
      return torch.tensor(ids.asLongStream().toArray()).view(-1, length);
    }

    private static Tensor answers(List<PromptPair> pairs, ToIntFunction<PromptPair> answer) {
      return torch.tensor(pairs.stream().mapToLong(answer::applyAsInt).toArray()).view(-1, 1);
    }

    /** How much of the logit difference goes when this edge carries its corrupt value. */
    double share(int source, int destination, String input) {
      double before = logitDifference(clean, clean, ALL, ALL, "");
      double after = logitDifference(clean, corrupt, source, destination, input);
      double opposite = logitDifference(corrupt, corrupt, ALL, ALL, "");
      return (before - after) / (before - opposite);
    }

    double accuracy() {
      Tensor best = logits(clean, clean, ALL, ALL, "").argmax(new LongOptional(1), true);
      return best.eq(answers).to(torch.ScalarType.Double).mean().item_double();
    }

    double logitDifference(Tensor ids, Tensor other, int source, int destination, String input) {
      Tensor logits = logits(ids, other, source, destination, input);
      return logits.gather(1, answers).sub(logits.gather(1, wrong)).mean().item_double();
    }

    /**
     * Logits of the last position. Inputs named {@code input} of block 1's head {@code destination}
     * (or all) see block 0's head {@code source} (or all) as it is on {@code other}.
     */
    private Tensor logits(Tensor ids, Tensor other, int source, int destination, String input) {
      Tensor embedded = embedded(ids);
      Tensor embeddedOther = embedded(other);
      Tensor resid = embedded.add(weights.get("blocks.0.attn.b_O"));
      Tensor delta = torch.zeros_like(embedded);
      for (int head = 0; head < SETTINGS.heads(); head++) {
        Tensor out = head(0, head, embedded, embedded, embedded);
        resid = resid.add(out);
        if (source == ALL || source == head) {
          Tensor patched = head(0, head, embeddedOther, embeddedOther, embeddedOther);
          delta = delta.add(patched.sub(out));
        }
      }
      Tensor patched = resid.add(delta);
      Tensor end = resid.add(weights.get("blocks.1.attn.b_O"));
      for (int head = 0; head < SETTINGS.heads(); head++) {
        boolean here = destination == ALL || destination == head;
        end =
            end.add(
                head(
                    1,
                    head,
                    here && input.equals("Q") ? patched : resid,
                    here && input.equals("K") ? patched : resid,
                    here && input.equals("V") ? patched : resid));
      }
      return normalized(end)
          .select(1, length - 1)
          .matmul(weights.get("unembed.W_U"))
          .add(weights.get("unembed.b_U"));
    }

    private Tensor embedded(Tensor ids) {
      return torch
          .embedding(weights.get("embed.W_E"), ids)
          .add(weights.get("pos_embed.W_pos").narrow(0, 0, length));
    }

    private Tensor head(int layer, int head, Tensor q, Tensor k, Tensor v) {
      Tensor scores =
          projected(layer, head, "Q", q)
              .matmul(projected(layer, head, "K", k).transpose(-2, -1))
              .div(new Scalar(Math.sqrt(SETTINGS.dHead())));
      Tensor past = torch.ones(length, length).tril();
      Tensor weightsOfPast = scores.exp().mul(past);
      Tensor pattern = weightsOfPast.div(weightsOfPast.sum(new long[] {-1}, true, null));
      Tensor writer = weights.get("blocks." + layer + ".attn.W_O").select(0, head);
      return pattern.matmul(projected(layer, head, "V", v)).matmul(writer);
    }

    private Tensor projected(int layer, int head, String which, Tensor resid) {
      String attn = "blocks." + layer + ".attn.";
      return normalized(resid)
          .matmul(weights.get(attn + "W_" + which).select(0, head))
          .add(weights.get(attn + "b_" + which).select(0, head));
    }

    private static Tensor normalized(Tensor resid) {
      Tensor centred = resid.sub(resid.mean(new long[] {-1}, true, null));
      Tensor variance = centred.mul(centred).mean(new long[] {-1}, true, null);
      return centred.mul(variance.add(new Scalar(1e-5)).rsqrt());
    }
  }
}
