package io.autocircuit.report;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.experiment.AutoencoderSource;
import io.autocircuit.experiment.AvoidedEdges;
import io.autocircuit.experiment.ModelSource;
import io.autocircuit.experiment.OfficialSource;
import io.autocircuit.experiment.PromptSource;
import io.autocircuit.experiment.PromptSplit;
import io.autocircuit.experiment.RunJudging;
import io.autocircuit.experiment.RunPrompts;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.hub.HubId;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.patch.CircuitSelection;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Every setting of a run as a table for people, by the names that options have. Of a path only the
 * last part is shown: reports are passed on.
 */
final class RunSettings {
  private final Map<String, String> rows = new LinkedHashMap<>();

  private RunSettings() {}

  /**
   * The settings.
   *
   * @param spec a run whose files have been read
   * @return texts by name, in order
   */
  static Map<String, String> of(RunSpec spec) {
    RunSettings table = new RunSettings();
    table.model(spec);
    table.prompts(spec.prompts());
    table.put("seed", spec.seed());
    table.scoring(spec);
    table.judging(spec.judging());
    spec.machine()
        .ifPresent(
            m -> {
              table.put("device", m.device());
              table.put("kernels", m.kernels());
              table.put("threads", m.threads());
            });
    table.put("version", spec.version());
    table.put("run", spec.hash());
    return table.rows;
  }

  private void put(String name, Object value) {
    rows.put(name, String.valueOf(value));
  }

  private static String last(Path path) {
    return String.valueOf(path.getFileName());
  }

  private static String lower(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }

  private void model(RunSpec spec) {
    if (spec.model() instanceof ModelSource.Directory d) {
      put("model", HubId.ofSnapshot(d.path()).map(HubId::toString).orElse(last(d.path())));
      d.contents().ifPresent(this::contents);
    } else if (spec.model() instanceof ModelSource.Embedded e) {
      put("model", "embedded " + e.name());
      e.contents().ifPresent(this::contents);
    } else if (spec.model() instanceof ModelSource.Random r) {
      put("random-weights", r.shape());
    } else if (spec.model() instanceof ModelSource.OfTask t) {
      put("task", t.task().key());
      t.task()
          .settings()
          .values()
          .forEach((name, v) -> put(name.replace('_', '-'), Setting.text(v)));
    }
    put(
        "processing",
        spec.processing().map(RunSettings::steps).orElse("default of the model's layout"));
    put("precision", spec.numbers().precision().key());
    put("weights", spec.numbers().weights().key());
  }

  private void contents(ModelSource.Contents contents) {
    put("weights sha256", contents.weights());
    put("config.json sha256", contents.config());
  }

  private static String steps(WeightProcessing processing) {
    return processing.steps().isEmpty() ? "none" : String.join(", ", processing.steps());
  }

  private void prompts(RunPrompts prompts) {
    if (prompts.source() instanceof PromptSource.File f) {
      put("dataset", last(f.file().path()));
      f.file().sha256().ifPresent(hash -> put("dataset sha256", hash));
      if (!f.columns().isEmpty()) {
        put("columns", f.columns());
      }
    } else if (prompts.source() instanceof PromptSource.Embedded e) {
      put("dataset", "embedded " + e.name());
      e.sha256().ifPresent(hash -> put("dataset sha256", hash));
    } else if (prompts.source() instanceof PromptSource.Random r) {
      put("random-prompts", r.size());
    } else if (prompts.source() instanceof PromptSource.OfTask t) {
      put("dataset", "of the task " + t.task().key());
    }
    prompts.tokenizer().ifPresent(hash -> put("tokenizer sha256", hash));
    PromptSplit split = prompts.split();
    if (split.train() > 0) {
      put("train", split.train());
    }
    if (split.test() > 0) {
      put("test", split.test());
    }
    put("no-shuffle", !split.shuffle());
    put("batch-size", prompts.batchSize());
    put("pad", prompts.padded());
    put("bos", lower(prompts.bos()));
    put("multi-token-answers", lower(prompts.multiTokenAnswers()));
  }

  private void scoring(RunSpec spec) {
    if (spec.scoring() instanceof RunSpec.Algorithm a) {
      put("algorithm", a.key());
      a.settings()
          .values()
          .forEach((name, value) -> put(name.replace('_', '-'), Setting.text(value)));
      a.avoid().ifPresent(this::avoid);
    } else if (spec.scoring() instanceof RunSpec.Saved s) {
      put("scores", last(s.file().path()));
      s.file().sha256().ifPresent(hash -> put("scores sha256", hash));
    }
    put("graph", spec.graph().form().key());
    put("level", spec.graph().level().key());
    if (spec.graph().autoencoders().isPresent()) {
      AutoencoderSource a = spec.graph().autoencoders().get();
      put("autoencoders", last(a.directory()));
      a.sha256().ifPresent(hash -> put("autoencoders sha256", hash));
      put("max-latents", a.maxLatents() == 0 ? "all that are active" : a.maxLatents());
      put("error-term", a.errorTerm());
    }
    put("separate-qkv", spec.graph().separateQkv());
    if (spec.graph().separateQkv() && spec.graph().form() == Form.FACTORIZED) {
      put("kv", spec.graph().keyValues().key());
    }
    put("token-positions", spec.graph().tokenPositions());
    if (spec.graph().spans()) {
      put("spans", true);
    }
    spec.constants()
        .ifPresent(
            file -> {
              put("constants", last(file.path()));
              file.sha256().ifPresent(hash -> put("constants sha256", hash));
            });
    spec.official()
        .ifPresent(
            c -> {
              if (c instanceof OfficialSource.Stored s) {
                put("official", last(s.file().path()));
                s.file().sha256().ifPresent(hash -> put("official sha256", hash));
              } else if (c instanceof OfficialSource.Known k) {
                put("circuit", k.circuit());
              }
            });
  }

  private void avoid(AvoidedEdges avoid) {
    put("avoid", avoid.text());
    if (avoid instanceof AvoidedEdges.Stored s) {
      s.file().sha256().ifPresent(hash -> put("avoid sha256", hash));
    }
  }

  private void judging(RunJudging judging) {
    put("patch-type", judging.runs().patchType().key());
    put("ablation", judging.runs().ablation().key());
    put("reverse-clean-corrupt", judging.runs().reverseCleanCorrupt());
    put("edges", String.join(", ", judging.sizes().texts()));
    put("ties", judging.ties());
    CircuitSelection selection = judging.selection();
    put("select", selection.rule().key());
    put("signed", selection.signed());
    put("prune", selection.prune());
    if (!selection.thresholds().isEmpty()) {
      put("thresholds", selection.thresholds());
    }
    put("metrics", judging.metrics().stream().map(Metric::key).collect(Collectors.joining(", ")));
    put("slice", judging.slice().key());
    if (judging.perPrompt() > 0) {
      put("per-prompt", judging.perPrompt());
    }
  }
}
