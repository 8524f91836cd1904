package io.autocircuit.experiment;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.prune.PruneAlgorithmProvider;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * An algorithm of an {@link ExperimentSpec}, with every combination of the values that its settings
 * have.
 *
 * @param key of the catalogue's algorithm
 * @param preset the key of its preset; empty for none
 * @param settings values by name, at least one each, in canonical form; several span a grid. Those
 *     that are not there have the preset's, or their defaults
 * @param avoid edges that it keeps out of its circuits; empty for none
 */
public record ExperimentAlgorithm(
    String key,
    Optional<String> preset,
    SortedMap<String, List<Object>> settings,
    Optional<AvoidedEdges> avoid) {

  /** How many combinations one may have. */
  static final int MOST = 10_000;

  /**
   * Keeps unmodifiable copies.
   *
   * @param key of the catalogue's algorithm
   * @param preset the key of its preset; empty for none
   * @param settings values by name
   * @param avoid edges that it keeps out of its circuits; empty for none
   */
  public ExperimentAlgorithm {
    Objects.requireNonNull(key, "key");
    Objects.requireNonNull(preset, "preset");
    Objects.requireNonNull(avoid, "avoid");
    settings = ExperimentTask.grid(settings);
  }

  /**
   * An algorithm that avoids nothing.
   *
   * @param key of the catalogue's algorithm
   * @param preset the key of its preset; empty for none
   * @param settings values by name
   */
  public ExperimentAlgorithm(
      String key, Optional<String> preset, SortedMap<String, List<Object>> settings) {
    this(key, preset, settings, Optional.empty());
  }

  /**
   * An algorithm with its defaults.
   *
   * @param key its key
   * @return the algorithm
   */
  public static ExperimentAlgorithm of(String key) {
    return of(key, Map.of());
  }

  /**
   * An algorithm with some values.
   *
   * @param key its key
   * @param given one canonical value for each setting that is given
   * @return the algorithm
   */
  public static ExperimentAlgorithm of(String key, Map<String, ?> given) {
    SortedMap<String, List<Object>> settings = new TreeMap<>();
    given.forEach((name, value) -> settings.put(name, List.of(value)));
    return new ExperimentAlgorithm(key, Optional.empty(), settings);
  }

  /**
   * How many combinations its values have.
   *
   * @return at least 1; the largest number there is, where they are more
   */
  long size() {
    return Cells.product(settings.values().stream().mapToLong(List::size).toArray());
  }

  /**
   * What is given in each combination: the preset's values too. The setting that is declared last
   * changes first.
   */
  List<Map<String, Object>> given(PruneAlgorithmProvider entry) {
    Map<String, List<Object>> axes = new LinkedHashMap<>();
    Map<String, Object> usual =
        preset
            .<Map<String, Object>>map(p -> entry.preset(p).valuesOf(entry))
            .orElse(new TreeMap<>());
    for (Setting s : entry.settings()) {
      if (settings.containsKey(s.name())) {
        axes.put(s.name(), settings.get(s.name()));
      } else if (usual.containsKey(s.name())) {
        axes.put(s.name(), List.of(usual.get(s.name())));
      }
    }
    return Cells.combinations(axes);
  }

  /** All settings of each combination. */
  List<Settings> all(PruneAlgorithmProvider entry) {
    List<Settings> all = new ArrayList<>();
    given(entry).forEach(g -> all.add(Settings.of(entry.settings(), g)));
    return all;
  }
}
