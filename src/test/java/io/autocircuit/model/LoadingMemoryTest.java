package io.autocircuit.model;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.Forked;
import io.autocircuit.model.ModelDirectories.Draft;
import io.autocircuit.tensor.Safetensors.Array;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model is loaded tensor by tensor: never much more in memory than what it will take. */
@Tag("slow")
class LoadingMemoryTest {
  private static final int D = 512;
  private static final int BLOCKS = 8;
  private static final int VOCABULARY = 20_000;

  /** Java's own, and what libtorch takes for itself. */
  private static final long ELSE = 24L << 20;

  @TempDir Path directory;

  @BeforeEach
  void needsProc() {
    boolean can = Forked.canMeasure();
    if (!can) {
      System.out.println("LoadingMemoryTest: skipped, there is no /proc");
    }
    assumeTrue(can, "there is no /proc");
  }

  /** A GPT-2 of 36 million numbers. */
  private static Draft gpt2() {
    Draft m = ModelDirectories.draft();
    m.config()
        .put("model_type", "gpt2")
        .put("n_embd", D)
        .put("n_head", 8)
        .put("n_layer", BLOCKS)
        .put("n_positions", 64)
        .put("vocab_size", VOCABULARY);
    zeros(m, "wte.weight", VOCABULARY, D);
    zeros(m, "wpe.weight", 64, D);
    for (int b = 0; b < BLOCKS; b++) {
      String h = "h." + b + ".";
      linear(m, h + "ln_1", D);
      linear(m, h + "ln_2", D);
      linear(m, h + "attn.c_attn", D, 3 * D);
      linear(m, h + "attn.c_proj", D, D);
      linear(m, h + "mlp.c_fc", D, 4 * D);
      linear(m, h + "mlp.c_proj", 4 * D, D);
    }
    linear(m, "ln_f", D);
    return m;
  }

  private static void linear(Draft m, String name, int... shape) {
    zeros(m, name + ".weight", shape);
    zeros(m, name + ".bias", shape[shape.length - 1]);
  }

  private static void zeros(Draft m, String name, int... shape) {
    long[] lengths = new long[shape.length];
    int n = 1;
    for (int i = 0; i < shape.length; i++) {
      lengths[i] = shape[i];
      n *= shape[i];
    }
    m.weights().put(name, new Array(lengths, new float[n]));
  }

  /**
   * The largest tensor is the embedding, 41 MB in float32, and a block's MLP takes 17 MB; the bound
   * is two of the first beyond the finished model. Loading all before processing any takes five
   * times the model.
   */
  @Test
  void theMostThatLoadingTakes() throws IOException, InterruptedException {
    Path model = gpt2().write(directory.resolve("model"));
    for (String kind : List.of("Float FLOAT32", "Double FLOAT32", "Float BFLOAT16")) {
      String type = kind.split(" ")[0];
      String stored = kind.split(" ")[1];
      String line =
          Forked.run(
                  directory.resolve(type + stored + ".txt"),
                  List.of(
                      "-Xmx1g",
                      "-Xmn8m",
                      "-XX:+UseSerialGC",
                      // what was freed shows in resident memory only where it is given back
                      "-Dautocircuit.tuning=false"),
                  Map.of("OMP_NUM_THREADS", "1"),
                  Child.class,
                  model.toString(),
                  type,
                  stored)
              .stream()
              .filter(l -> l.startsWith("LOADED "))
              .findFirst()
              .orElseThrow();
      String[] words = line.split(" ");
      long finished = Long.parseLong(words[1]);
      long peak = Long.parseLong(words[2]);
      System.out.printf(
          "LoadingMemoryTest: %s, finished %d MB, peak %d MB%n", kind, finished >> 20, peak >> 20);
      long largest = 4L * VOCABULARY * D;
      assertTrue(
          peak <= finished + 2 * largest + ELSE,
          "peak=" + peak + " of a model of " + finished + ", largest tensor=" + largest);
      assertTrue(peak >= finished, "nothing was measured: " + peak);
      long all = 4L * (VOCABULARY * 2L + 64) * D + BLOCKS * 48L * D * D;
      double share = (double) finished / all;
      double expected = type.equals("Double") ? 2 : stored.equals("FLOAT32") ? 1 : 0.5;
      assertTrue(Math.abs(share - expected) < 0.02, kind + ": " + share);
    }
  }

  /** The measured process. */
  static final class Child {
    private Child() {}

    public static void main(String[] words) throws IOException {
      // what libraries take once
      RandomModels.of(RandomModels.shape("tiny"), 1).close();
      long before = Forked.field("VmRSS");
      Forked.resetPeak();
      try (Transformer t =
          ModelLoader.load(
              Path.of(words[0]),
              null,
              ScalarType.valueOf(words[1]),
              WeightType.valueOf(words[2]))) {
        System.out.println("LOADED " + t.bytes() + " " + (Forked.field("VmHWM") - before));
      }
    }
  }
}
