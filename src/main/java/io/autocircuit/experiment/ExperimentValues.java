package io.autocircuit.experiment;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.experiment.Marked.Field;
import io.autocircuit.experiment.Marked.Items;
import io.autocircuit.experiment.Marked.Scalar;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.Suggestions;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.metric.Metric;
import io.autocircuit.patch.Ablation;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.task.TaskProvider;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/** Reads values of settings from a marked file; what is wrong is noted with its place. */
final class ExperimentValues {
  private static final Optional<Object> WRONG = Optional.empty();

  private final Mistakes mistakes;
  private final Path folder;

  /** The keys that there are, by what lists them. */
  private final Map<String, List<String>> keys;

  /**
   * @param mistakes where to note what is wrong
   * @param folder where relative paths begin
   */
  ExperimentValues(
      Mistakes mistakes,
      Path folder,
      io.autocircuit.catalogue.Catalogue<TaskProvider> tasks,
      io.autocircuit.catalogue.Catalogue<PruneAlgorithmProvider> algorithms) {
    this.mistakes = mistakes;
    this.folder = folder;
    this.keys =
        Map.of(
            "tasks", tasks.keys(),
            "algorithms", algorithms.keys(),
            "presets", algorithms.presetNames(),
            "ablations", Ablation.catalogue().keys(),
            "metrics", Metric.catalogue().keys());
  }

  /**
   * The fields of an object; those that are unknown, given twice or hold nothing are mistakes and
   * left out.
   *
   * @param node what should be names with values
   * @param what it is, for messages
   * @param known the names of its fields; empty where they cannot be known
   */
  Map<String, Field> fields(Marked node, String what, Optional<Collection<String>> known) {
    Map<String, Field> found = new LinkedHashMap<>();
    if (!(node instanceof Marked.Fields object)) {
      mistakes.add(
          node.place(), what + "=" + node.shown() + " has no fields; give names with values");
      return found;
    }
    for (Field f : object.fields()) {
      if (known.isPresent() && !known.get().contains(f.name())) {
        mistakes.add(
            f.place(),
            "unknown field "
                + DataException.quote(f.name())
                + " of "
                + what
                + ": "
                + Suggestions.among(f.name(), known.get()));
      } else if (found.containsKey(f.name())) {
        mistakes.add(
            f.place(), "field " + DataException.quote(f.name()) + " is given twice; keep one");
      } else if (f.value() instanceof Scalar s && s.value() == null) {
        mistakes.add(f.place(), shownName(f.name()) + " has no value; give one, or leave it away");
      } else if (f.value() instanceof Items list && list.items().isEmpty()) {
        mistakes.add(
            f.value().place(),
            shownName(f.name()) + "=[] is an empty list; give at least one, or leave it away");
      } else {
        found.put(f.name(), f);
      }
    }
    return found;
  }

  private static String shownName(String name) {
    return DataException.printable(name, 60);
  }

  /** The values that are given of a table, without defaults. */
  Map<String, Object> given(List<Setting> table, Map<String, Field> found) {
    Map<String, Object> values = new HashMap<>();
    for (Setting s : table) {
      Field f = found.get(s.name());
      if (f != null) {
        value(s, f.value()).ifPresent(v -> values.put(s.name(), v));
      }
    }
    return values;
  }

  /** The values that are given of a table, with defaults. */
  Settings settings(List<Setting> table, Map<String, Field> found) {
    return Settings.of(table, given(table, found));
  }

  /** The values that are given of a table, of which lists span a grid. */
  SortedMap<String, List<Object>> grid(List<Setting> table, Map<String, Field> found) {
    SortedMap<String, List<Object>> grid = new TreeMap<>();
    for (Setting s : table) {
      Field f = found.get(s.name());
      if (f != null) {
        List<Object> values = new ArrayList<>();
        for (Marked node : axis(s.type(), f.value())) {
          value(s, node).filter(v -> !values.contains(v)).ifPresent(values::add);
        }
        if (!values.isEmpty()) {
          grid.put(s.name(), values);
        }
      }
    }
    return grid;
  }

  /** The values of an axis: of a setting that takes lists itself, a list of lists. */
  private static List<Marked> axis(SettingType type, Marked node) {
    boolean several =
        node instanceof Items list
            && (!(type instanceof SettingType.Several)
                || list.items().stream().anyMatch(Items.class::isInstance));
    return several ? ((Items) node).items() : List.of(node);
  }

  /** The canonical value; empty if it is wrong, which is noted. */
  Optional<Object> value(Setting s, Marked node) {
    if (!(s.type() instanceof SettingType.Several several)) {
      return single(s, node);
    }
    List<Marked> nodes = node instanceof Items list ? list.items() : List.of(node);
    Setting element = Setting.optional(s.name(), several.element(), s.meaning());
    List<Object> values = new ArrayList<>();
    nodes.forEach(n -> single(element, n).ifPresent(values::add));
    if (nodes.isEmpty()) {
      mistakes.add(node.place(), s.name() + "=[] is an empty list; give at least one");
    }
    return values.size() < nodes.size() || values.isEmpty() ? WRONG : Optional.of(values);
  }

  private Optional<Object> single(Setting s, Marked node) {
    if (!(node instanceof Scalar scalar) || scalar.value() == null) {
      mistakes.add(
          node.place(),
          s.name()
              + "="
              + node.shown()
              + " is no "
              + s.type().key()
              + "; give "
              + s.type().wanted());
      return WRONG;
    }
    boolean size = s.name().equals(ExperimentFields.EDGES);
    try {
      Object value = s.check(size ? scalar.text() : scalar.value());
      if (s.type() instanceof SettingType.Key key) {
        requireKey(key, (String) value);
      }
      return Optional.of(s.type() instanceof SettingType.File ? place((String) value) : value);
    } catch (InvalidPathException e) {
      mistakes.add(node.place(), s.name() + "=" + node.shown() + " is no path; give one");
    } catch (IllegalArgumentException e) {
      mistakes.add(node.place(), e.getMessage());
    }
    return WRONG;
  }

  /** A path of the file, which begins at its directory. */
  String place(String path) {
    return folder.resolve(path).toString();
  }

  private void requireKey(SettingType.Key type, String key) {
    List<String> known = keys.get(type.catalogue());
    if (known != null && known.stream().noneMatch(k -> k.equalsIgnoreCase(key))) {
      throw new UnknownNameException(name(type.catalogue()), key, known);
    }
  }

  /** The singular. */
  private static String name(String catalogue) {
    return catalogue.substring(0, catalogue.length() - 1);
  }
}
