package io.autocircuit.cli;

import io.autocircuit.metric.Metric;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.patch.Ablation;
import io.autocircuit.prune.PruneAlgorithmProvider;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code list algorithms|metrics|ablations|models}. */
@Command(
    name = "list",
    mixinStandardHelpOptions = true,
    description = "Lists the algorithms, metrics, ablations or model types that exist.")
final class ListCommand implements Runnable {
  /** What can be listed. */
  enum What {
    ALGORITHMS,
    METRICS,
    ABLATIONS,
    MODELS
  }

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(
      paramLabel = "WHAT",
      description = "algorithms, metrics, ablations or models.",
      arity = "1")
  private What what;

  private static String shape(TransformerConfig c) {
    return String.format(
        Locale.ROOT,
        "random weights: %d blocks, %d heads, d_model %d, vocabulary %,d",
        c.blocks(),
        c.heads(),
        c.dModel(),
        c.vocabulary());
  }

  @Override
  public void run() {
    PrintWriter out = spec.commandLine().getOut();
    Map<String, String> rows = new LinkedHashMap<>();
    switch (what) {
      case ALGORITHMS ->
          PruneAlgorithmProvider.catalogue().forEach(a -> rows.put(a.key(), a.description()));
      case METRICS -> {
        for (Metric m : Metric.all()) {
          rows.put(m.key(), m.title() + (m.lowerIsBetter() ? " (lower is better)" : ""));
        }
      }
      case ABLATIONS -> {
        for (Ablation a : Ablation.values()) {
          rows.put(a.name().toLowerCase(Locale.ROOT), a.description());
        }
      }
      case MODELS -> {
        for (String m : ModelLoader.ARCHITECTURES) {
          rows.put(m, "Hugging Face directory with \"model_type\": \"" + m + "\"");
        }
        rows.put(
            "HookedTransformer",
            "TransformerLens state dictionary with \"architecture\": \"HookedTransformer\"");
        for (String shape : RandomModels.names()) {
          rows.put("--random-weights " + shape, shape(RandomModels.shape(shape)));
        }
      }
    }
    int width = rows.keySet().stream().mapToInt(String::length).max().orElse(0);
    rows.forEach((k, v) -> out.printf("%-" + width + "s  %s%n", k, v));
  }
}
