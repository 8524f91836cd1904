package io.autocircuit.experiment;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Entry;
import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.metric.Metric;
import io.autocircuit.patch.Ablation;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.task.TaskProvider;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The schema of experiment files, by {@link ExperimentFields} and the catalogues. Editors check and
 * complete by it; the reader checks more, such as names that are given twice.
 */
final class ExperimentSchema {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final String ANY_OF = "anyOf";

  private final Catalogue<TaskProvider> tasks = TaskProvider.catalogue();
  private final Catalogue<PruneAlgorithmProvider> algorithms = PruneAlgorithmProvider.catalogue();
  private final Map<String, List<String>> keys =
      Map.of(
          "tasks", tasks.keys(),
          "algorithms", algorithms.keys(),
          "presets", algorithms.presetNames(),
          "ablations", Ablation.catalogue().keys(),
          "metrics", Metric.catalogue().keys());

  private ExperimentSchema() {}

  /** JSON Schema, indented by two spaces. */
  static String text() {
    DefaultPrettyPrinter printer = new DefaultPrettyPrinter();
    DefaultIndenter lines = new DefaultIndenter("  ", "\n");
    printer.indentObjectsWith(lines);
    printer.indentArraysWith(lines);
    try {
      return new ObjectMapper().writer(printer).writeValueAsString(new ExperimentSchema().root())
          + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  private ObjectNode root() {
    ObjectNode root = NODES.objectNode();
    root.put("$schema", "http://json-schema.org/draft-07/schema#");
    root.put("title", "AutoCircuit experiment");
    root.put("description", "Which circuit discovery algorithms are compared on which tasks.");
    object(root, ExperimentFields.TASKS, ExperimentFields.ALGORITHMS);
    ObjectNode fields = root.putObject("properties");
    put(fields, ExperimentFields.EXPERIMENT, false);
    fields.set(
        ExperimentFields.TASKS,
        oneOrMore(reference("task")).put("description", ExperimentFields.TASKS_MEANING));
    fields.set(
        ExperimentFields.ALGORITHMS,
        oneOrMore(reference("algorithm")).put("description", ExperimentFields.ALGORITHMS_MEANING));
    fields.set(ExperimentFields.GRAPH, reference("graph"));
    fields.set(ExperimentFields.COMPLETENESS, reference("completeness"));
    fields.set(ExperimentFields.CIRCUIT_TESTS, reference("circuit tests"));
    put(fields, ExperimentFields.RUN, false);
    ObjectNode definitions = root.putObject("definitions");
    definitions.set("task", task());
    definitions.set("algorithm", algorithm());
    definitions.set(
        "graph", section(ExperimentFields.GRAPHS, true, ExperimentFields.GRAPH_MEANING));
    definitions.set(
        "completeness",
        section(
            ExperimentFields.COMPLETENESS_FIELDS, false, ExperimentFields.COMPLETENESS_MEANING));
    definitions.set(
        "circuit tests",
        section(
            ExperimentFields.CIRCUIT_TEST_FIELDS, false, ExperimentFields.CIRCUIT_TESTS_MEANING));
    new TreeMap<>(keys).forEach((name, all) -> definitions.set("keys of " + name, oneOf(all)));
    return root;
  }

  private static ObjectNode reference(String name) {
    return NODES.objectNode().put("$ref", "#/definitions/" + name.replace(" ", "%20"));
  }

  private static ObjectNode object(ObjectNode node, String... required) {
    node.put("type", "object");
    node.put("additionalProperties", false);
    if (required.length > 0) {
      ArrayNode names = node.putArray("required");
      List.of(required).forEach(names::add);
    }
    return node;
  }

  private ObjectNode section(List<Setting> table, boolean grid, String meaning) {
    ObjectNode node = object(NODES.objectNode().put("description", meaning));
    put(node.putObject("properties"), table, grid);
    return node;
  }

  /** A key, or an object with the settings of all tasks. */
  private ObjectNode task() {
    ObjectNode node = NODES.objectNode();
    ArrayNode kinds = node.putArray(ANY_OF);
    kinds.add(reference("keys of tasks"));
    ObjectNode one = object(kinds.addObject());
    ArrayNode needed = one.putArray(ANY_OF);
    needed.addObject().putArray("required").add("task");
    needed.addObject().putArray("required").add("model").add("dataset");
    ObjectNode fields = one.putObject("properties");
    put(fields, ExperimentFields.RUN, false);
    Map<String, List<Setting>> own = new LinkedHashMap<>();
    for (TaskProvider t : tasks) {
      t.settings().forEach(s -> own.computeIfAbsent(s.name(), n -> new ArrayList<>()).add(s));
    }
    own.forEach((name, some) -> fields.set(name, either(some)));
    fields.set(ExperimentFields.GRAPH, reference("graph"));
    put(fields, ExperimentFields.TASK, false);
    return node;
  }

  /** The settings of a name that different tasks have. */
  private ObjectNode either(List<Setting> some) {
    Set<ObjectNode> all = new LinkedHashSet<>();
    for (Setting s : some) {
      ObjectNode one = NODES.objectNode();
      put(one, List.of(s), true);
      all.add((ObjectNode) one.get(s.name()));
    }
    if (all.size() == 1) {
      return all.iterator().next();
    }
    ObjectNode node = NODES.objectNode();
    node.putArray(ANY_OF).addAll(all);
    return node;
  }

  /** A key of an algorithm or preset, or an object for each. */
  private ObjectNode algorithm() {
    ObjectNode node = NODES.objectNode();
    ArrayNode kinds = node.putArray(ANY_OF);
    kinds.add(reference("keys of algorithms"));
    kinds.add(reference("keys of presets"));
    kinds.add(oneOf(algorithms.presetNames().stream().map(name -> Preset.PREFIX + name).toList()));
    for (PruneAlgorithmProvider a : algorithms) {
      ObjectNode one = object(NODES.objectNode().put("title", a.title()));
      ArrayNode needed = one.putArray(ANY_OF);
      ObjectNode fields = one.putObject("properties");
      choose(fields, "algorithm", a);
      needed.addObject().putArray("required").add("algorithm");
      if (!a.presets().isEmpty()) {
        fields.set(
            "preset",
            oneOf(
                a.presets().stream()
                    .flatMap(p -> Stream.concat(Stream.of(p.key()), p.names().stream()))
                    .distinct()
                    .toList()));
        needed.addObject().putArray("required").add("preset");
      }
      put(fields, a.settings(), true);
      if (a.avoids()) {
        put(fields, ExperimentFields.AVOIDING, false);
      }
      kinds.add(one);
    }
    return node;
  }

  private static void choose(ObjectNode fields, String name, Entry entry) {
    fields.putObject(name).put("const", entry.key()).put("description", entry.description());
  }

  private static ObjectNode oneOf(List<String> words) {
    ObjectNode node = NODES.objectNode();
    ArrayNode values = node.putArray("enum");
    words.forEach(values::add);
    return node;
  }

  private void put(ObjectNode fields, List<Setting> table, boolean grid) {
    for (Setting s : table) {
      ObjectNode node = s.name().equals(ExperimentFields.EDGES) ? sizes() : type(s.type());
      if (grid) {
        node = oneOrMore(node);
      }
      String meaning = s.unit().map(u -> s.meaning() + " (" + u + ")").orElse(s.meaning());
      node.put("description", meaning);
      if (s.defaultValue().isPresent()) {
        node.set("default", Settings.of(List.of(s), Map.of()).json().get(s.name()));
      }
      fields.set(s.name(), node);
    }
  }

  /** A value, or several of them in a list. */
  private static ObjectNode oneOrMore(ObjectNode element) {
    ObjectNode node = NODES.objectNode();
    ArrayNode kinds = node.putArray(ANY_OF);
    kinds.add(element);
    kinds.addObject().put("type", "array").put("minItems", 1).set("items", element.deepCopy());
    return node;
  }

  private static ObjectNode sizes() {
    ObjectNode size = NODES.objectNode();
    ArrayNode kinds = size.putArray(ANY_OF);
    kinds.addObject().put("type", "number").put("minimum", 0);
    kinds.add(oneOf(List.of("all", "auto", "log", "groups", "mib", "auto+mib")));
    return oneOrMore(size);
  }

  private ObjectNode type(SettingType type) {
    ObjectNode node = NODES.objectNode();
    if (type instanceof SettingType.Several several) {
      return oneOrMore(type(several.element()));
    }
    if (type instanceof SettingType.Whole whole) {
      node.put("type", "integer");
      if (whole.least() > Long.MIN_VALUE) {
        node.put("minimum", whole.least());
      }
      if (whole.most() < Integer.MAX_VALUE) {
        node.put("maximum", whole.most());
      }
      return node;
    }
    if (type instanceof SettingType.Size size) {
      ArrayNode either = node.putArray(ANY_OF);
      either.addObject().put("type", "integer").put("minimum", size.least());
      either.add(oneOf(List.of(size.word())));
      return node;
    }
    if (type instanceof SettingType.Real real) {
      return bounds(node.put("type", "number"), real);
    }
    if (type instanceof SettingType.Choice choice) {
      return oneOf(choice.keys());
    }
    if (type instanceof SettingType.Key key && keys.containsKey(key.catalogue())) {
      node.putArray("allOf").add(reference("keys of " + key.catalogue()));
      return node;
    }
    return type instanceof SettingType.Flag
        ? node.put("type", "boolean")
        : node.put("type", "string").put("minLength", 1);
  }

  private static ObjectNode bounds(ObjectNode node, SettingType.Real real) {
    if (real.least() > Double.NEGATIVE_INFINITY) {
      node.put(real.leastAllowed() ? "minimum" : "exclusiveMinimum", real.least());
    }
    if (real.most() < Double.POSITIVE_INFINITY) {
      node.put(real.mostAllowed() ? "maximum" : "exclusiveMaximum", real.most());
    }
    return node;
  }
}
