package io.autocircuit.experiment;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Entry;
import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.Columns;
import io.autocircuit.experiment.Marked.Field;
import io.autocircuit.experiment.Marked.Items;
import io.autocircuit.experiment.Marked.Scalar;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.metric.Metric;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.PatchType;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.prune.PruneContext;
import io.autocircuit.task.KnownCircuit;
import io.autocircuit.task.TaskProvider;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;

/** Makes an {@link ExperimentSpec} of a marked file, by {@link ExperimentFields}. */
final class ExperimentReader {
  private final Mistakes mistakes;
  private final ExperimentValues values;
  private final Catalogue<TaskProvider> tasks = TaskProvider.catalogue();
  private final Catalogue<PruneAlgorithmProvider> algorithms = PruneAlgorithmProvider.catalogue();

  /**
   * @param mistakes where to note what is wrong
   * @param folder where relative paths begin
   */
  ExperimentReader(Mistakes mistakes, Path folder) {
    this.mistakes = mistakes;
    this.values = new ExperimentValues(mistakes, folder, tasks, algorithms);
  }

  /**
   * Reads.
   *
   * @param file all of it
   * @param source its name
   * @return empty if there are mistakes, which are noted
   */
  Optional<ExperimentSpec> read(Marked file, String source) {
    Map<String, Field> found =
        values.fields(file, "the experiment", Optional.of(ExperimentFields.experimentNames()));
    Settings own = values.settings(ExperimentFields.EXPERIMENT, found);
    Settings options = values.settings(ExperimentFields.RUN, found);
    ExperimentGraphs graph = graph(found);
    Optional<EdgeCounts> sizes = sizes(own, found);
    List<ExperimentTask> whichTasks = items(file, found, ExperimentFields.TASKS, this::task);
    List<ExperimentAlgorithm> whichAlgorithms =
        items(file, found, ExperimentFields.ALGORITHMS, this::algorithm);
    ExperimentChecks checks = new ExperimentChecks(mistakes, values);
    Optional<ExperimentSpec.Completeness> completeness =
        Optional.ofNullable(found.get(ExperimentFields.COMPLETENESS)).map(checks::completeness);
    Optional<ExperimentSpec.Tests> tests =
        Optional.ofNullable(found.get(ExperimentFields.CIRCUIT_TESTS)).map(checks::tests);
    if (!mistakes.none()) {
      return Optional.empty();
    }
    Catalogue<Metric> metrics = Metric.catalogue();
    Catalogue<Ablation> ablations = Ablation.catalogue();
    return Optional.of(
        new ExperimentSpec(
            own.value("title").map(String.class::cast).orElseGet(() -> stem(source)),
            whichTasks,
            whichAlgorithms,
            texts(own, "ablations").stream().map(ablations::get).toList(),
            own.value("patch_types").isEmpty()
                ? List.of(PatchType.TREE_PATCH)
                : texts(own, "patch_types").stream().map(PatchType::of).toList(),
            sizes.orElseThrow(),
            texts(own, "metrics").stream().map(metrics::get).toList(),
            own.integers("seeds").stream().distinct().toList(),
            graph,
            options,
            own.flag("random_baseline"),
            completeness,
            tests));
  }

  /** The file's name without directories and extension. */
  private static String stem(String source) {
    String name = source.substring(Math.max(source.lastIndexOf('/'), source.lastIndexOf('\\')) + 1);
    int point = name.lastIndexOf('.');
    return point > 0 ? name.substring(0, point) : name;
  }

  private static List<String> texts(Settings settings, String name) {
    return settings.value(name).isEmpty()
        ? List.of()
        : settings.texts(name).stream().distinct().toList();
  }

  private Optional<EdgeCounts> sizes(Settings own, Map<String, Field> found) {
    List<String> texts = texts(own, ExperimentFields.EDGES);
    try {
      return Optional.of(EdgeCounts.parse(texts.isEmpty() ? List.of("auto") : texts));
    } catch (IllegalArgumentException e) {
      mistakes.add(found.get(ExperimentFields.EDGES).value().place(), "edges: " + e.getMessage());
      return Optional.empty();
    }
  }

  private ExperimentGraphs graph(Map<String, Field> found) {
    Field field = found.get(ExperimentFields.GRAPH);
    if (field == null) {
      return ExperimentGraphs.USUAL;
    }
    Map<String, Field> in =
        values.fields(
            field.value(), "graph", Optional.of(ExperimentFields.names(ExperimentFields.GRAPHS)));
    SortedMap<String, List<Object>> grid = values.grid(ExperimentFields.GRAPHS, in);
    ExperimentGraphs.unfit(grid).ifPresent(why -> mistakes.add(field.place(), why));
    return ExperimentGraphs.of(grid);
  }

  /** The items of a list that must be there; a single one may stand alone. */
  private <T> List<T> items(
      Marked file, Map<String, Field> found, String name, Function<Marked, Optional<T>> read) {
    Field field = found.get(name);
    List<T> all = new ArrayList<>();
    if (field == null) {
      boolean there =
          file instanceof Marked.Fields f
              && f.fields().stream().anyMatch(x -> x.name().equals(name));
      if (file instanceof Marked.Fields && !there) {
        mistakes.add(file.place(), "field \"" + name + "\" is missing; list at least one");
      }
      return all;
    }
    List<Marked> nodes =
        field.value() instanceof Items list ? list.items() : List.of(field.value());
    nodes.forEach(n -> read.apply(n).ifPresent(all::add));
    return all;
  }

  // ---- tasks

  private final Map<String, ExperimentTask> named = new HashMap<>();

  private Optional<ExperimentTask> task(Marked node) {
    if (!(node instanceof Marked.Fields)) {
      return key("task", node, tasks.keys()).map(key -> distinct(ExperimentTask.of(key), node));
    }
    Optional<TaskProvider> entry = entry("task", node, tasks::find);
    boolean unknown = entry.isEmpty() && has(node, "task");
    Map<String, Field> found =
        values.fields(
            node,
            "a task",
            unknown ? Optional.empty() : Optional.of(ExperimentFields.taskNames(settings(entry))));
    int before = mistakes.count();
    Settings own = values.settings(ExperimentFields.TASK, found);
    SortedMap<String, List<Object>> grid = values.grid(settings(entry), found);
    Settings options =
        values.settings(
            ExperimentFields.RUN, without(found, ExperimentFields.names(settings(entry))));
    ExperimentGraphs graph = graph(found);
    if (entry.isEmpty()
        && !unknown
        && (own.value("model").isEmpty() || own.value("dataset").isEmpty())) {
      mistakes.add(node.place(), "a task has no \"task\"; give a key, or a model and a dataset");
    }
    if (unknown || mistakes.count() > before) {
      return Optional.empty();
    }
    requireCircuit(entry, own, grid, found);
    Optional<Path> dataset = path(own, "dataset");
    String name =
        own.value("name")
            .map(String.class::cast)
            .orElseGet(
                () ->
                    entry.map(Entry::key).orElseGet(() -> stem(dataset.orElseThrow().toString())));
    return Optional.of(
        distinct(
            new ExperimentTask(
                name,
                entry.map(Entry::key),
                grid,
                path(own, "model"),
                dataset,
                columns(own, found),
                path(own, "official"),
                own.value("circuit").map(String.class::cast),
                graph,
                options),
            node));
  }

  /** The task; a mistake if another one that is not told from it by settings has its name. */
  private ExperimentTask distinct(ExperimentTask task, Marked node) {
    ExperimentTask other = named.putIfAbsent(task.name(), task);
    if (other != null
        && !new ExperimentTask(
                task.name(),
                task.key(),
                other.settings(),
                task.model(),
                task.dataset(),
                task.columns(),
                task.official(),
                task.circuit(),
                task.graph(),
                task.options())
            .equals(other)) {
      mistakes.add(
          node.place(), "name=" + task.name() + " names two tasks; give one of them another name");
    }
    return task;
  }

  private void requireCircuit(
      Optional<TaskProvider> entry,
      Settings own,
      SortedMap<String, List<Object>> grid,
      Map<String, Field> found) {
    Optional<Object> circuit = own.value("circuit");
    if (circuit.isEmpty() || circuit.get().equals(OfficialSource.NONE)) {
      return;
    }
    Marked node = found.get("circuit").value();
    for (String other : List.of("official", "dataset")) {
      if (own.value(other).isPresent()) {
        mistakes.add(
            node.place(),
            "circuit is given beside "
                + other
                + ", which brings none of the task's circuits;"
                + " leave one of them away");
        return;
      }
    }
    List<String> known = new ArrayList<>();
    try {
      entry.ifPresent(e -> known.addAll(circuits(e, grid)));
    } catch (IllegalArgumentException | DataException e) {
      mistakes.add(node.place(), "circuit=" + circuit.get() + ": " + e.getMessage());
      return;
    }
    known.add(OfficialSource.NONE);
    if (!known.contains(circuit.get())) {
      mistakes.add(
          node.place(),
          new UnknownNameException("circuit", (String) circuit.get(), known).getMessage());
    }
  }

  private Optional<Columns> columns(Settings own, Map<String, Field> found) {
    Optional<Object> text = own.value(ExperimentFields.COLUMNS);
    if (text.isEmpty()) {
      return Optional.empty();
    }
    Marked node = found.get(ExperimentFields.COLUMNS).value();
    if (own.value("dataset").isEmpty()) {
      mistakes.add(node.place(), "columns is given without dataset; give both");
    }
    try {
      return Optional.of(Columns.parse((String) text.get()));
    } catch (IllegalArgumentException | DataException e) {
      mistakes.add(node.place(), e.getMessage());
      return Optional.empty();
    }
  }

  /** The keys of the circuits that a task knows, with the first of each of its values. */
  private static List<String> circuits(TaskProvider task, SortedMap<String, List<Object>> grid) {
    Map<String, Object> first = new TreeMap<>();
    grid.forEach((name, some) -> first.put(name, some.get(0)));
    return task.circuits(Settings.of(task.settings(), first)).stream()
        .map(KnownCircuit::key)
        .toList();
  }

  private static Optional<Path> path(Settings own, String name) {
    return own.value(name).map(text -> Path.of((String) text));
  }

  // ---- algorithms

  private Optional<ExperimentAlgorithm> algorithm(Marked node) {
    if (!(node instanceof Marked.Fields)) {
      return algorithmKey(node);
    }
    boolean preset = has(node, "preset");
    Optional<PruneAlgorithmProvider> entry =
        preset
            ? entry("preset", node, algorithms::ofPreset)
            : entry("algorithm", node, algorithms::find);
    boolean unknown = entry.isEmpty() && (preset || has(node, "algorithm"));
    Map<String, Field> found =
        values.fields(
            node, "an algorithm", entry.map(e -> ExperimentFields.algorithmNames(e.settings())));
    int before = mistakes.count();
    Settings own = values.settings(ExperimentFields.ALGORITHM, found);
    if (entry.isEmpty() && !unknown) {
      mistakes.add(node.place(), "an algorithm has no \"algorithm\"; give a key, or a preset");
    }
    Optional<Object> key = own.value("algorithm");
    if (preset && entry.isPresent() && key.isPresent() && !key.get().equals(entry.get().key())) {
      mistakes.add(
          found.get("algorithm").value().place(),
          "algorithm="
              + key.get()
              + " has no such preset; it is one of algorithm="
              + entry.get().key());
    }
    SortedMap<String, List<Object>> grid = values.grid(settings(entry), found);
    if (entry.isEmpty() || mistakes.count() > before) {
      return Optional.empty();
    }
    PruneAlgorithmProvider made = entry.get();
    Optional<AvoidedEdges> avoid = avoid(made, own, found);
    ExperimentAlgorithm all =
        new ExperimentAlgorithm(
            made.key(),
            own.value("preset").map(name -> made.preset((String) name).key()),
            grid,
            avoid);
    requireMade(made, all, node);
    return mistakes.count() > before ? Optional.empty() : Optional.of(all);
  }

  /** An algorithm or a preset that stands alone. */
  private Optional<ExperimentAlgorithm> algorithmKey(Marked node) {
    boolean prefixed =
        node instanceof Scalar s
            && s.value() instanceof String text
            && Preset.named(text).isPresent();
    List<String> keys = prefixed ? List.of() : algorithms.keys();
    List<String> presets =
        prefixed
            ? algorithms.presetNames().stream().map(n -> Preset.PREFIX + n).toList()
            : algorithms.presetKeys();
    return key(
            prefixed ? "preset" : "algorithm",
            node,
            Stream.concat(keys.stream(), presets.stream()).toList())
        .map(this::byKey);
  }

  private ExperimentAlgorithm byKey(String key) {
    if (algorithms.find(key).isPresent()) {
      return ExperimentAlgorithm.of(key);
    }
    String name = Preset.named(key).orElse(key);
    return new ExperimentAlgorithm(
        algorithms.ofPreset(name).orElseThrow().key(),
        Optional.of(algorithms.preset(name).key()),
        new TreeMap<>());
  }

  private Optional<AvoidedEdges> avoid(
      PruneAlgorithmProvider entry, Settings own, Map<String, Field> found) {
    Optional<Integer> first =
        own.value(ExperimentFields.AVOID_EDGES).map(n -> Math.toIntExact((Long) n));
    Optional<Object> name = own.value(ExperimentFields.AVOID);
    if (name.isEmpty()) {
      first.ifPresent(
          n ->
              mistakes.add(
                  found.get(ExperimentFields.AVOID_EDGES).place(),
                  "avoid_edges="
                      + n
                      + " is given without avoid; name a file there, or leave it away"));
      return Optional.empty();
    }
    try {
      String text = (String) name.get();
      boolean official = text.equals(AvoidedEdges.OFFICIAL);
      Optional<AvoidedEdges> avoid =
          Optional.of(AvoidedEdges.of(official ? text : values.place(text), first));
      RunAlgorithms.requireAvoids(entry, avoid);
      return avoid;
    } catch (IllegalArgumentException e) { // also a path that is none
      mistakes.add(found.get(ExperimentFields.AVOID).place(), e.getMessage());
      return Optional.empty();
    }
  }

  /** Settings that do not go together are refused before the work. */
  private void requireMade(PruneAlgorithmProvider entry, ExperimentAlgorithm all, Marked node) {
    if (all.size() > ExperimentAlgorithm.MOST) {
      mistakes.add(
          node.place(),
          "algorithm="
              + all.key()
              + " has combinations="
              + all.size()
              + " of values, more than "
              + ExperimentAlgorithm.MOST
              + "; give fewer");
    } else {
      try {
        all.all(entry).stream()
            .filter(s -> !entry.needsOfficial(s))
            .forEach(s -> entry.create(s, PruneContext.STANDARD));
      } catch (IllegalArgumentException e) {
        mistakes.add(node.place(), "algorithm=" + all.key() + ": " + e.getMessage());
      }
    }
  }

  // ---- what tasks and algorithms share

  /** A key that stands alone. */
  private Optional<String> key(String kind, Marked node, Collection<String> known) {
    if (!(node instanceof Scalar s) || !(s.value() instanceof String text)) {
      mistakes.add(
          node.place(), kind + "=" + node.shown() + " is no key; give one, or names with values");
      return Optional.empty();
    }
    Optional<String> key = known.stream().filter(k -> k.equalsIgnoreCase(text)).findFirst();
    if (key.isEmpty()) {
      mistakes.add(node.place(), new UnknownNameException(kind, text, known).getMessage());
    }
    return key;
  }

  private static boolean has(Marked node, String name) {
    return field(node, name).isPresent();
  }

  private static Optional<Field> field(Marked node, String name) {
    return node instanceof Marked.Fields object
        ? object.fields().stream().filter(f -> f.name().equals(name)).findFirst()
        : Optional.empty();
  }

  /** The entry that a field names; what is wrong with it is noted where the field is read. */
  private static <E> Optional<E> entry(
      String name, Marked node, Function<String, Optional<E>> find) {
    return field(node, name)
        .filter(f -> f.value() instanceof Scalar s && s.value() instanceof String)
        .flatMap(f -> find.apply(((Scalar) f.value()).text().strip()));
  }

  private static List<Setting> settings(Optional<? extends Entry> entry) {
    return entry.<List<Setting>>map(Entry::settings).orElse(List.of());
  }

  private static Map<String, Field> without(Map<String, Field> found, Collection<String> names) {
    Map<String, Field> rest = new HashMap<>(found);
    rest.keySet().removeAll(names);
    return rest;
  }
}
