package io.autocircuit.experiment;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.Columns;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.experiment.RunSpec.Algorithm;
import io.autocircuit.experiment.RunSpec.Saved;
import io.autocircuit.experiment.RunSpec.Scoring;
import io.autocircuit.files.DataException;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.model.WeightType;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.PatchType;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.RandomPrompts;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** A {@link RunSpec} as a tree of JSON, and back. */
final class RunSpecJson {
  /** The number of this form of the file. */
  private static final int FORMAT = 1;

  private static final String CONSTANTS = "constants";

  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  private final Path folder;

  private RunSpecJson(Path folder) {
    this.folder = folder;
  }

  // ---- writing

  /**
   * The tree of a spec.
   *
   * @param places whether it says where files lie and which machine it was; false for what a hash
   *     is made of
   */
  static ObjectNode tree(RunSpec spec, boolean places) {
    ObjectNode root = NODES.objectNode();
    root.put("format", FORMAT);
    root.put("version", spec.version());
    root.set("model", model(spec, places));
    root.set("prompts", prompts(spec.prompts(), places));
    root.set("graph", GraphJson.tree(spec.graph(), places));
    root.set("scoring", scoring(spec.scoring(), places));
    root.set("judging", judging(spec.judging()));
    root.set("official", spec.official().map(c -> official(c, places)).orElse(NODES.nullNode()));
    spec.constants().ifPresent(c -> root.set(CONSTANTS, file(c, places)));
    root.put("seed", spec.seed());
    if (places) {
      root.set("machine", spec.machine().map(m -> (JsonNode) machine(m)).orElse(NODES.nullNode()));
    }
    return root;
  }

  private static ObjectNode model(RunSpec spec, boolean places) {
    ObjectNode node = NODES.objectNode();
    if (spec.model() instanceof ModelSource.Directory d) {
      node.put("kind", "directory");
      if (places) {
        node.put("path", place(d.path()));
      }
      contents(d.contents(), node);
    } else if (spec.model() instanceof ModelSource.Embedded e) {
      node.put("kind", "embedded").put("name", e.name());
      contents(e.contents(), node);
    } else if (spec.model() instanceof ModelSource.Random r) {
      node.put("kind", "random").put("shape", r.shape());
    } else if (spec.model() instanceof ModelSource.OfTask t) {
      t.task().write(node.put("kind", "task"));
    }
    node.put("precision", spec.numbers().precision().key());
    if (spec.numbers().weights() != WeightType.FLOAT32) {
      node.put("weights", spec.numbers().weights().key());
    }
    node.set(
        "processing",
        spec.processing().map(p -> (JsonNode) texts(p.steps())).orElse(NODES.nullNode()));
    return node;
  }

  private static void contents(Optional<ModelSource.Contents> contents, ObjectNode node) {
    node.put("weights_sha256", contents.map(ModelSource.Contents::weights).orElse(null));
    node.put("config_sha256", contents.map(ModelSource.Contents::config).orElse(null));
  }

  private static ObjectNode prompts(RunPrompts prompts, boolean places) {
    ObjectNode node = NODES.objectNode();
    if (prompts.source() instanceof PromptSource.File f) {
      node.put("kind", f.columns().isEmpty() ? "file" : "columns").setAll(file(f.file(), places));
      if (!f.columns().isEmpty()) {
        node.put("columns", f.columns().toString());
      }
    } else if (prompts.source() instanceof PromptSource.Embedded e) {
      node.put("kind", "embedded").put("name", e.name()).put("sha256", e.sha256().orElse(null));
    } else if (prompts.source() instanceof PromptSource.Random r) {
      node.put("kind", "random").put("size", r.size().toString());
    } else if (prompts.source() instanceof PromptSource.OfTask t) {
      t.task().write(node.put("kind", "task"));
    }
    node.put("tokenizer_sha256", prompts.tokenizer().orElse(null));
    node.put("bos", lower(prompts.bos()));
    node.put("multi_token_answers", lower(prompts.multiTokenAnswers()));
    node.put("pad", prompts.padded());
    node.put("batch_size", prompts.batchSize());
    PromptSplit split = prompts.split();
    node.putObject("split")
        .put("train", split.train())
        .put("test", split.test())
        .put("shuffle", split.shuffle());
    return node;
  }

  private static ObjectNode scoring(Scoring scoring, boolean places) {
    ObjectNode node = NODES.objectNode();
    if (scoring instanceof Algorithm a) {
      node.put("kind", "algorithm")
          .put("algorithm", a.key())
          .set("settings", RunAlgorithms.json(a.settings(), places));
      a.avoid()
          .ifPresent(
              e -> node.set(RunAlgorithms.AVOID, RunAlgorithms.avoid(e, f -> file(f, places))));
    } else if (scoring instanceof Saved s) {
      node.put("kind", "saved").setAll(file(s.file(), places));
    }
    return node;
  }

  private static JsonNode official(OfficialSource source, boolean places) {
    return source instanceof OfficialSource.Known k
        ? NODES.objectNode().put("circuit", k.circuit())
        : file(((OfficialSource.Stored) source).file(), places);
  }

  private static ObjectNode judging(RunJudging judging) {
    CircuitRuns runs = judging.runs();
    ObjectNode node = NODES.objectNode();
    node.put("patch_type", runs.patchType().key());
    node.put("ablation", runs.ablation().key());
    node.put("reverse_clean_corrupt", runs.reverseCleanCorrupt());
    node.set("edges", sizes(judging.sizes()));
    node.put("ties", judging.ties());
    node.set("metrics", texts(judging.metrics().stream().map(Metric::key).toList()));
    node.put("slice", judging.slice().key());
    SelectionJson.put(node, judging.selection());
    if (judging.perPrompt() > 0) {
      node.put("per_prompt", judging.perPrompt());
    }
    return node;
  }

  /** A word, or a list of numbers: whole ones of edges, others shares; and "all" among them. */
  private static JsonNode sizes(EdgeCounts sizes) {
    if (sizes.mode() != EdgeCounts.Mode.LIST) {
      return NODES.textNode(sizes.texts().get(0));
    }
    ArrayNode list = NODES.arrayNode();
    for (EdgeCounts.Value v : sizes.values()) {
      if (!v.share()) {
        list.add((long) v.number());
      } else if (v.number() == 1) {
        list.add("all");
      } else {
        list.add(v.number());
      }
    }
    return list;
  }

  private static ObjectNode machine(Machine machine) {
    return NODES
        .objectNode()
        .put("device", machine.device())
        .put("kernels", machine.kernels())
        .put("threads", machine.threads())
        .put("memory", machine.memory());
  }

  private static ObjectNode file(StoredFile file, boolean places) {
    ObjectNode node = NODES.objectNode();
    if (places) {
      node.put("path", place(file.path()));
    }
    return node.put("sha256", file.sha256().orElse(null));
  }

  /** A file as a path that means the same everywhere on the machine. */
  static String place(Path path) {
    return path.toAbsolutePath().normalize().toString();
  }

  private static ArrayNode texts(List<String> texts) {
    ArrayNode list = NODES.arrayNode();
    texts.forEach(list::add);
    return list;
  }

  private static String lower(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }

  // ---- reading

  /**
   * The spec of a tree.
   *
   * @param source what messages call the file
   * @param folder where relative paths begin
   * @throws DataException if it is none
   */
  static RunSpec read(JsonNode tree, String source, Path folder) {
    RunSpecJson reader = new RunSpecJson(folder);
    JsonNode format = tree.path("format");
    if (format.isInt() && format.intValue() != FORMAT) {
      throw new DataException(
          "file="
              + source
              + ": format="
              + format
              + " is not known; this version reads format="
              + FORMAT
              + ", use the version that wrote the file");
    }
    List<String> fields =
        new ArrayList<>(
            List.of(
                "format version model prompts graph scoring judging official seed machine"
                    .split(" ")));
    if (tree.has(CONSTANTS)) {
      fields.add(CONSTANTS);
    }
    JsonFields root = JsonFields.of(source, tree, fields.toArray(String[]::new));
    root.whole("format", FORMAT);
    JsonFields model =
        root.variant(
            "model",
            List.of("directory", "embedded", "random", "task"),
            RunSpecJson::modelFields,
            "weights");
    return new RunSpec(
        root.text("version"),
        reader.model(model),
        model.isNull("processing") ? Optional.empty() : Optional.of(reader.processing(model)),
        new NumberTypes(
            model.constant("precision", Precision.values()),
            model.has("weights")
                ? model.constant("weights", WeightType.values())
                : WeightType.FLOAT32),
        reader.prompts(
            root.variant(
                "prompts",
                List.of("file", "columns", "embedded", "random", "task"),
                RunSpecJson::promptFields)),
        GraphJson.read(root, folder),
        reader.scoring(
            root.variant(
                "scoring",
                List.of("algorithm", "saved"),
                RunSpecJson::scoringFields,
                RunAlgorithms.AVOID)),
        reader.judging(
            root.object(
                "judging",
                List.of(
                    "patch_type ablation reverse_clean_corrupt edges ties metrics slice"
                        .split(" ")),
                List.of("per_prompt", SelectionJson.FIELD))),
        tree.has(CONSTANTS)
            ? Optional.of(reader.file(root.object(CONSTANTS, "path", "sha256")))
            : Optional.empty(),
        root.isNull("official") ? Optional.empty() : Optional.of(reader.official(root)),
        root.integer("seed", Long.MIN_VALUE),
        root.isNull("machine")
            ? Optional.empty()
            : Optional.of(
                reader.machine(root.object("machine", "device", "kernels", "threads", "memory"))));
  }

  private static List<String> modelFields(String kind) {
    List<String> names = new ArrayList<>(List.of("precision", "processing"));
    names.addAll(
        switch (kind) {
          case "directory" -> List.of("path", "weights_sha256", "config_sha256");
          case "embedded" -> List.of("name", "weights_sha256", "config_sha256");
          case "task" -> List.of("task", "settings", "sha256");
          default -> List.of("shape");
        });
    return names;
  }

  private static List<String> promptFields(String kind) {
    List<String> names =
        new ArrayList<>(
            List.of(
                "tokenizer_sha256", "bos", "multi_token_answers", "pad", "batch_size", "split"));
    names.addAll(
        switch (kind) {
          case "file" -> List.of("path", "sha256");
          case "columns" -> List.of("path", "sha256", "columns");
          case "embedded" -> List.of("name", "sha256");
          case "task" -> List.of("task", "settings", "sha256");
          default -> List.of("size");
        });
    return names;
  }

  private static List<String> scoringFields(String kind) {
    return kind.equals("saved") ? List.of("path", "sha256") : List.of("algorithm", "settings");
  }

  private ModelSource model(JsonFields node) {
    return switch (node.text("kind")) {
      case "directory" -> new ModelSource.Directory(node.path("path", folder), contents(node));
      case "embedded" -> new ModelSource.Embedded(embedded(node), contents(node));
      case "task" -> new ModelSource.OfTask(CatalogueTask.read(node));
      default -> new ModelSource.Random(node.as("shape", text -> RandomModels.shape(text).name()));
    };
  }

  /** Both hashes, or neither. */
  private static Optional<ModelSource.Contents> contents(JsonFields node) {
    Optional<String> weights = node.sha256("weights_sha256");
    Optional<String> config = node.sha256("config_sha256");
    if (weights.isPresent() != config.isPresent()) {
      throw node.error(
          weights.isPresent() ? "config_sha256" : "weights_sha256",
          "is there for only one of weights and config; give both, or null for both");
    }
    return weights.map(w -> new ModelSource.Contents(w, config.orElseThrow()));
  }

  private static String embedded(JsonFields node) {
    if (!node.text("name").equals(EmbeddedTask.NAME)) {
      throw node.error("name", "is not in this jar, which has \"" + EmbeddedTask.NAME + "\"");
    }
    return EmbeddedTask.NAME;
  }

  private WeightProcessing processing(JsonFields node) {
    try {
      return WeightProcessing.parse(node.texts("processing"));
    } catch (DataException e) {
      throw e;
    } catch (IllegalArgumentException e) {
      throw node.error("processing", "cannot be used: " + e.getMessage());
    }
  }

  private RunPrompts prompts(JsonFields node) {
    PromptSource from =
        switch (node.text("kind")) {
          case "file" -> new PromptSource.File(file(node));
          case "columns" -> new PromptSource.File(file(node), node.as("columns", Columns::parse));
          case "embedded" -> new PromptSource.Embedded(embedded(node), node.sha256("sha256"));
          case "task" -> new PromptSource.OfTask(CatalogueTask.read(node));
          default -> new PromptSource.Random(node.as("size", RandomPrompts::parse));
        };
    JsonFields split = node.object("split", "train", "test", "shuffle");
    return new RunPrompts(
        from,
        node.isNull("tokenizer_sha256")
            ? Optional.empty()
            : Optional.of(node.as("tokenizer_sha256", RunSpecJson::tokenizer)),
        node.constant("bos", BosPolicy.values()),
        node.constant("multi_token_answers", MultiTokenAnswers.values()),
        node.flag("pad"),
        node.whole("batch_size", 1),
        new PromptSplit(split.whole("train", 0), split.whole("test", 0), split.flag("shuffle")));
  }

  /** A hash, or that there is none. */
  static String tokenizer(String text) {
    if (!text.equals(ModelSource.NO_TOKENIZER) && !Fingerprint.isOne(text)) {
      throw new IllegalArgumentException(
          "give 64 hexadecimal digits, \"" + ModelSource.NO_TOKENIZER + "\", or null");
    }
    return text;
  }

  private StoredFile file(JsonFields node) {
    return new StoredFile(node.path("path", folder), node.sha256("sha256"));
  }

  private Scoring scoring(JsonFields node) {
    if (node.text("kind").equals("saved")) {
      if (node.has(RunAlgorithms.AVOID)) {
        throw node.error(RunAlgorithms.AVOID, "is given, but saved scores avoid nothing");
      }
      return new Saved(file(node));
    }
    return RunAlgorithms.read(node, folder);
  }

  private RunJudging judging(JsonFields node) {
    List<Metric> metrics = new ArrayList<>();
    for (String key : node.texts("metrics")) {
      try {
        metrics.add(Metric.of(key));
      } catch (IllegalArgumentException e) {
        throw node.error("metrics", "cannot be used: " + e.getMessage());
      }
    }
    return new RunJudging(
        new CircuitRuns(
            node.as("patch_type", PatchType::of),
            node.as("ablation", Ablation::of),
            node.flag("reverse_clean_corrupt")),
        sizes(node),
        node.flag("ties"),
        SelectionJson.read(node, node.flag("ties")),
        metrics,
        node.as("slice", OutputSlice::of),
        node.has("per_prompt") ? node.whole("per_prompt", 1) : 0);
  }

  private static EdgeCounts sizes(JsonFields node) {
    JsonNode edges = node.node("edges");
    List<String> texts = new ArrayList<>();
    for (JsonNode size : edges) {
      if (!size.isNumber() && !size.asText().equals("all")) {
        throw node.error("edges", "holds " + size + "; give numbers, and all for the full graph");
      }
      texts.add(size.isFloatingPointNumber() ? Double.toString(size.doubleValue()) : size.asText());
    }
    if (!edges.isArray() && !edges.isTextual()) {
      throw node.error("edges", "is neither a word nor a list; give auto, or sizes in brackets");
    }
    try {
      return edges.isArray()
          ? EdgeCounts.listed(texts)
          : EdgeCounts.parse(List.of(edges.textValue()));
    } catch (IllegalArgumentException e) {
      throw node.error("edges", "cannot be used: " + e.getMessage());
    }
  }

  private OfficialSource official(JsonFields root) {
    boolean stored = root.node("official").has("path") || root.node("official").has("sha256");
    return !stored
        ? new OfficialSource.Known(root.object("official", "circuit").text("circuit"))
        : new OfficialSource.Stored(file(root.object("official", "path", "sha256")));
  }

  private Machine machine(JsonFields node) {
    node.as("device", io.autocircuit.kernels.DeviceRequest::parse);
    return new Machine(
        node.text("device"),
        node.text("kernels"),
        node.whole("threads", 1),
        node.integer("memory", 1));
  }
}
