package io.autocircuit.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.WeightType;
import io.autocircuit.patch.Progress;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * How far weights of 16 bits are from float32 on trained models: prints what docs/models.md says,
 * and bounds it.
 */
@Tag("slow")
class WeightTypesReferenceTest {
  /** Logits of all clean prompts, EAP's scores, and KL divergences of circuits by size. */
  private record Found(double[] logits, double[] scores, int[] best, double[] kl, long bytes) {}

  private static Path file(String property, String name) {
    Path file = Path.of(System.getProperty(property, "")).resolve(name);
    boolean there = Files.exists(file);
    if (!there) {
      System.out.println("WeightTypesReferenceTest skipped: no " + name + " under " + property);
    }
    assumeTrue(there, "no " + name + " under " + property);
    return file;
  }

  private static Found found(RunSpec spec, WeightType weights) {
    NumberTypes numbers = new NumberTypes(Precision.FLOAT32, weights);
    try (Run run = Run.open(spec.withNumbers(numbers));
        TensorScope scope = new TensorScope()) {
      Discovery.Result result = run.run(Progress.SILENT);
      Discovery d = run.discovery();
      double[] logits =
          d.test().stream()
              .map(PromptBatch::clean)
              .map(t -> Tensors.doubles(d.model().model().logits(t, OutputSlice.LAST_SEQ)))
              .flatMapToDouble(DoubleStream::of)
              .toArray();
      float[] scores = result.scores().values();
      double[] kl =
          result.measurements().get(0).points().stream().mapToDouble(p -> p.value()).toArray();
      return new Found(
          logits,
          IntStream.range(0, scores.length).mapToDouble(i -> scores[i]).toArray(),
          result.scores().ranking(),
          kl,
          d.model().model().bytes());
    }
  }

  private static double mean(double[] values) {
    return Arrays.stream(values).map(Math::abs).average().orElseThrow();
  }

  private static double largest(double[] values) {
    return Arrays.stream(values).map(Math::abs).max().orElseThrow();
  }

  private static double[] difference(double[] a, double[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] - b[i]).toArray();
  }

  /** Spearman's rank correlation of absolute scores; ties have ranks in canonical order. */
  private static double spearman(double[] a, double[] b) {
    int n = a.length;
    double[] x = ranks(a);
    double[] y = ranks(b);
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += (x[i] - y[i]) * (x[i] - y[i]);
    }
    return 1 - 6 * sum / ((double) n * ((double) n * n - 1));
  }

  private static double[] ranks(double[] values) {
    Integer[] order = IntStream.range(0, values.length).boxed().toArray(Integer[]::new);
    Arrays.sort(order, (i, j) -> Double.compare(Math.abs(values[i]), Math.abs(values[j])));
    double[] ranks = new double[values.length];
    for (int r = 0; r < order.length; r++) {
      ranks[order[r]] = r;
    }
    return ranks;
  }

  private static long others(int[] a, int[] b, int k) {
    Set<Integer> first = Arrays.stream(a).limit(k).boxed().collect(Collectors.toSet());
    return Arrays.stream(b).limit(k).filter(e -> !first.contains(e)).count();
  }

  private static void compare(String model, RunSpec spec) {
    Found full = found(spec, WeightType.FLOAT32);
    int edges = full.scores().length;
    for (WeightType type : List.of(WeightType.BFLOAT16, WeightType.FLOAT16)) {
      Found half = found(spec, type);
      double[] logits = difference(half.logits(), full.logits());
      double[] scores = difference(half.scores(), full.scores());
      double rank = spearman(full.scores(), half.scores());
      int one = Math.max(1, edges / 100);
      int ten = Math.max(1, edges / 10);
      System.out.printf(
          Locale.ROOT,
          "WeightTypesReferenceTest: %s %s: bytes %.3f, logits mean %.2g largest %.2g of the"
              + " largest %.3g, scores mean %.2g largest %.2g of the largest %.3g, Spearman %.6f,"
              + " other edges of %d: %d, of %d: %d; KL by size %s, %s%n",
          model,
          type.key(),
          (double) half.bytes() / full.bytes(),
          mean(logits) / mean(full.logits()),
          largest(logits) / largest(full.logits()),
          largest(full.logits()),
          mean(scores) / mean(full.scores()),
          largest(scores) / largest(full.scores()),
          largest(full.scores()),
          rank,
          one,
          others(full.best(), half.best(), one),
          ten,
          others(full.best(), half.best(), ten),
          Arrays.toString(full.kl()),
          Arrays.toString(half.kl()));
      // bfloat16 rounds to 8 bits, float16 to 11
      double step = type == WeightType.BFLOAT16 ? 0x1p-8 : 0x1p-11;
      assertTrue(largest(logits) > 0, "nothing was rounded");
      assertTrue(largest(logits) <= 8 * step * largest(full.logits()), model + " " + type);
      assertTrue(largest(scores) <= 16 * step * largest(full.scores()), model + " " + type);
      assertTrue(rank > 1 - 8 * step, model + " " + type + " " + rank);
      assertEquals(0.5, (double) half.bytes() / full.bytes(), 0.1);
    }
  }

  private static RunSpec spec(ModelSource model, PromptSource prompts) {
    RunSpec usual =
        RunSpec.of(
            model,
            prompts,
            new RunSpec.Algorithm(
                "eap",
                Settings.defaults(PruneAlgorithmProvider.catalogue().get("eap").settings())));
    return usual.withJudging(
        new RunJudging(
            usual.judging().runs(),
            EdgeCounts.parse(List.of("0.01", "0.1", "0.5")),
            false,
            List.of(Metric.of("kl_div")),
            OutputSlice.LAST_SEQ));
  }

  @Test
  void theStoriesModel() {
    Path prompts = file("datasets.dir", "stories260k_pronoun.json");
    Path model = file("reference.dir", "stories260k/model");
    compare("stories260k", spec(ModelSource.at(model), PromptSource.at(prompts)));
  }

  @Test
  void theSortingModel() {
    Path prompts = file("reference.dir", "gpt-nano-sort/dataset.json");
    Path model = file("reference.dir", "gpt-nano-sort/model");
    compare("gpt-nano-sort", spec(ModelSource.at(model), PromptSource.at(prompts)));
  }

  @Test
  void theEmbeddedModel() {
    compare("embedded", spec(ModelSource.embedded(), PromptSource.embedded()));
  }
}
