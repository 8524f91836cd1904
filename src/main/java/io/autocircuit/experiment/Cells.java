package io.autocircuit.experiment;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.experiment.RunSpec.Algorithm;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.PatchType;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.task.TaskProvider;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The cells of an experiment: every combination of its values, in the order task, seed, graph,
 * algorithm, ablation, patch type; what comes later changes first.
 *
 * <p>Of several seeds, a run that depends on none is there for the first only. A run depends on the
 * seed if its algorithm does, if its task's model or prompts do, or if the seed draws the prompts
 * that score and judge. An algorithm that needs a known circuit is left out where there is none.
 * Runs that are the same are there once, where they come first.
 */
public final class Cells {
  /** How many cells an experiment may have. */
  public static final int MOST = 100_000;

  static final String TASK = "task";
  static final String RANDOM = "random";
  private static final String ALGORITHM = "algorithm";
  private static final String LABEL = "label";
  private static final String PRESET = "preset";
  private static final String ABLATION = "ablation";
  private static final String PATCH_TYPE = "patch_type";
  private static final String SEED = "seed";
  private static final Pattern NEXT = Pattern.compile(",(?=\\s*[a-z][a-z0-9_.]*\\s*=)");

  private Cells() {}

  /** An algorithm with one value for each of its settings. */
  private record Chosen(
      String key,
      String label,
      SortedMap<String, String> coordinates,
      RunSpec.Scoring scoring,
      boolean followsAblation,
      boolean usesSeed,
      boolean needsOfficial) {}

  /** The cells of an experiment. */
  static List<Cell> of(ExperimentSpec e, Function<TaskProvider, ModelSource> models) {
    List<Chosen> algorithms = algorithms(e.algorithms(), e.randomBaseline());
    List<CellTasks.Chosen> tasks = new CellTasks(e, models).all();
    return expand(tasks, algorithms, e.ablations(), e.patchTypes(), e.seeds());
  }

  /**
   * The cells of one task's runs: every combination of algorithm, ablation, patch type and seed.
   *
   * @param base the run by any algorithm; its ablation and patch type are used where the lists are
   *     empty
   * @param task the name of its task
   * @param algorithms the algorithms; empty for the base's own scoring
   * @param ablations under which circuits are judged and, where an algorithm's score ablation is
   *     not given, edges are scored; empty for the base's, without influence on scoring
   * @param patchTypes what is ablated
   * @param seeds of all that is random; empty for the base's
   * @return the cells, in the order seed, algorithm, ablation, patch type
   * @throws DataException if there are too many
   */
  public static List<Cell> product(
      RunSpec base,
      String task,
      List<ExperimentAlgorithm> algorithms,
      List<Ablation> ablations,
      List<PatchType> patchTypes,
      List<Long> seeds) {
    SortedMap<String, String> coordinates = new TreeMap<>(Map.of(TASK, task));
    return expand(
        List.of(
            new CellTasks.Chosen(task, coordinates, base, Optional.empty(), List.of(base.graph()))),
        algorithms.isEmpty() ? List.of(own(base)) : algorithms(algorithms, false),
        ablations,
        patchTypes.isEmpty() ? List.of(base.judging().runs().patchType()) : patchTypes,
        seeds.isEmpty() ? List.of(base.seed()) : seeds);
  }

  private static Chosen own(RunSpec base) {
    if (base.scoring() instanceof Algorithm a) {
      PruneAlgorithmProvider entry = PruneAlgorithmProvider.catalogue().get(a.key());
      return chosen(entry, entry.title(), a, false, new TreeMap<>());
    }
    return new Chosen(
        "saved", "Saved scores", new TreeMap<>(), base.scoring(), false, false, false);
  }

  // ---- algorithms

  private static List<Chosen> algorithms(List<ExperimentAlgorithm> all, boolean baseline) {
    Catalogue<PruneAlgorithmProvider> catalogue = PruneAlgorithmProvider.catalogue();
    List<ExperimentAlgorithm> wanted = new ArrayList<>(all);
    if (baseline
        && catalogue.find(RANDOM).isPresent()
        && all.stream().noneMatch(a -> a.key().equals(RANDOM))) {
      wanted.add(ExperimentAlgorithm.of(RANDOM));
    }
    List<Chosen> chosen = new ArrayList<>();
    for (ExperimentAlgorithm a : wanted) {
      PruneAlgorithmProvider entry = catalogue.get(a.key());
      List<String> labelled = varying(wanted, entry, Optional.of(a.preset()));
      List<String> selecting = varying(wanted, entry, Optional.empty());
      String title = a.preset().map(p -> entry.preset(p).title()).orElse(entry.title());
      for (Map<String, Object> given : a.given(entry)) {
        Settings settings = Settings.of(entry.settings(), given);
        SortedMap<String, String> coordinates = new TreeMap<>();
        labelled.forEach(name -> coordinates.put(name, text(settings.value(name))));
        a.avoid().ifPresent(e -> coordinates.put(RunAlgorithms.AVOID, e.text()));
        String label = label(title, coordinates);
        selecting.forEach(name -> coordinates.put(name, text(settings.value(name))));
        a.preset().ifPresent(p -> coordinates.put(PRESET, p));
        boolean follows =
            entry.settings().stream()
                    .anyMatch(s -> s.name().equals(PruneAlgorithmProvider.SCORE_ABLATION))
                && !given.containsKey(PruneAlgorithmProvider.SCORE_ABLATION);
        Algorithm algorithm = new Algorithm(entry.key(), settings, a.avoid());
        chosen.add(chosen(entry, label, algorithm, follows, coordinates));
      }
    }
    return chosen;
  }

  private static Chosen chosen(
      PruneAlgorithmProvider entry,
      String label,
      Algorithm algorithm,
      boolean follows,
      SortedMap<String, String> coordinates) {
    return new Chosen(
        entry.key(),
        label,
        coordinates,
        algorithm,
        follows,
        entry.usesSeed(),
        entry.needsOfficial(algorithm.settings())
            || algorithm.avoid().orElse(null) instanceof AvoidedEdges.Official);
  }

  /** The settings whose values tell those of a key, or of a key and a preset, apart. */
  private static List<String> varying(
      List<ExperimentAlgorithm> all,
      PruneAlgorithmProvider entry,
      Optional<Optional<String>> preset) {
    return varying(
        all.stream()
            .filter(a -> a.key().equals(entry.key()))
            .filter(a -> preset.isEmpty() || a.preset().equals(preset.get()))
            .flatMap(a -> a.all(entry).stream())
            .toList());
  }

  /** The names of which these have different values. */
  static List<String> varying(List<Settings> all) {
    return all.get(0).declared().stream()
        .map(Setting::name)
        .filter(name -> all.stream().map(s -> s.value(name)).distinct().count() > 1)
        .toList();
  }

  /** A value as somebody would type it. */
  static String text(Optional<Object> value) {
    return value.map(Setting::text).orElse("none");
  }

  /** A name with values in parentheses for people; as it is without values. */
  static String label(String name, SortedMap<String, String> values) {
    if (values.isEmpty()) {
      return name;
    }
    String text =
        values.entrySet().stream()
            .map(v -> v.getKey().replace('_', ' ') + " " + v.getValue())
            .collect(Collectors.joining("; "));
    return name.endsWith(")")
        ? name.substring(0, name.length() - 1) + "; " + text + ")"
        : name + " (" + text + ")";
  }

  // ---- combinations

  /** One value of each axis; the last axis changes first. */
  static List<Map<String, Object>> combinations(Map<String, List<Object>> axes) {
    List<Map<String, Object>> all = List.of(Map.of());
    for (Map.Entry<String, List<Object>> axis : axes.entrySet()) {
      List<Map<String, Object>> longer = new ArrayList<>();
      for (Map<String, Object> some : all) {
        for (Object value : axis.getValue()) {
          Map<String, Object> more = new LinkedHashMap<>(some);
          more.put(axis.getKey(), value);
          longer.add(more);
        }
      }
      all = longer;
    }
    return all;
  }

  /** The product of numbers, or the largest number there is. */
  static long product(long... numbers) {
    long product = 1;
    for (long n : numbers) {
      if (n != 0 && product > Long.MAX_VALUE / n) {
        return Long.MAX_VALUE;
      }
      product *= n;
    }
    return product;
  }

  private static List<Cell> expand(
      List<CellTasks.Chosen> tasks,
      List<Chosen> algorithms,
      List<Ablation> ablations,
      List<PatchType> patchTypes,
      List<Long> seeds) {
    long graphs = tasks.stream().mapToLong(t -> t.graphs().size()).sum();
    long size =
        product(
            graphs,
            algorithms.size(),
            Math.max(1, ablations.size()),
            patchTypes.size(),
            seeds.size());
    if (size > MOST) {
      throw new DataException(
          "cells=" + size + " are more than " + MOST + "; give fewer values, or several files");
    }
    Map<String, Cell> cells = new LinkedHashMap<>();
    for (CellTasks.Chosen task : tasks) {
      for (long seed : seeds) {
        for (RunSpec.Graph graph : task.graphs()) {
          RunSpec base = task.base().withSeed(seed).withGraph(graph);
          for (Chosen a : algorithms) {
            boolean again = seed != seeds.get(0) && !a.usesSeed() && !usesSeed(base);
            boolean impossible = a.needsOfficial() && base.official().isEmpty();
            if (!impossible) {
              add(cells, task, base, a, ablations, patchTypes, again);
            }
          }
        }
      }
    }
    return List.copyOf(cells.values());
  }

  /** Whether the task's part of a run depends on the seed. */
  private static boolean usesSeed(RunSpec run) {
    PromptSplit split = run.prompts().split();
    boolean drawn = split.shuffle() && (split.train() > 0 || split.test() > 0);
    return drawn
        || run.model() instanceof ModelSource.Random
        || (run.model() instanceof ModelSource.OfTask m
            && m.task().entry().usesSeed(m.task().settings()))
        || run.prompts().source() instanceof PromptSource.Random
        || (run.prompts().source() instanceof PromptSource.OfTask p
            && p.task().entry().usesSeed(p.task().settings()));
  }

  /** Whether an algorithm can score prompts one by one. */
  private static boolean scoresPrompts(RunSpec.Scoring scoring) {
    return scoring instanceof Algorithm a
        && PruneAlgorithmProvider.catalogue().get(a.key()).scoresPrompts();
  }

  /**
   * @param again whether an earlier seed gives the same, but for constants that are learned
   */
  private static void add(
      Map<String, Cell> cells,
      CellTasks.Chosen task,
      RunSpec base,
      Chosen a,
      List<Ablation> ablations,
      List<PatchType> patchTypes,
      boolean again) {
    CircuitRuns usual = base.judging().runs();
    boolean each = base.graph().level() == Level.EDGE && scoresPrompts(a.scoring());
    int perPrompt = each ? base.judging().perPrompt() : 0;
    for (Ablation ablation : ablations.isEmpty() ? List.of(usual.ablation()) : ablations) {
      RunSpec.Scoring scoring =
          a.followsAblation() && !ablations.isEmpty() && a.scoring() instanceof Algorithm own
              ? new Algorithm(
                  own.key(),
                  own.settings().with(PruneAlgorithmProvider.SCORE_ABLATION, ablation),
                  own.avoid())
              : a.scoring();
      for (PatchType patchType : patchTypes) {
        RunSpec spec =
            base.withScoring(scoring)
                .withJudging(
                    base.judging()
                        .withRuns(new CircuitRuns(patchType, ablation, usual.reverseCleanCorrupt()))
                        .withPerPrompt(perPrompt));
        if (again && !spec.ablatesToConstants()) {
          continue;
        }
        Cell cell =
            new Cell(
                task.name(),
                a.key(),
                a.label(),
                coordinates(task, a, spec),
                task.refusal().isPresent() ? Optional.empty() : Optional.of(spec),
                task.refusal());
        cells.putIfAbsent(task.refusal().map(r -> task.name()).orElse("") + spec.json(), cell);
      }
    }
  }

  private static SortedMap<String, String> coordinates(
      CellTasks.Chosen task, Chosen a, RunSpec spec) {
    SortedMap<String, String> all = new TreeMap<>();
    all.put(ALGORITHM, a.key());
    all.put(LABEL, a.label());
    all.put(ABLATION, spec.judging().runs().ablation().key());
    all.put(PATCH_TYPE, spec.judging().runs().patchType().key());
    all.put(SEED, Long.toString(spec.seed()));
    if (task.graphs().stream().map(RunSpec.Graph::separateQkv).distinct().count() > 1) {
      all.put("separate_qkv", Boolean.toString(spec.graph().separateQkv()));
    }
    if (task.graphs().stream().map(RunSpec.Graph::keyValues).distinct().count() > 1) {
      all.put(GraphJson.KV, spec.graph().keyValues().key());
    }
    if (task.graphs().stream().map(RunSpec.Graph::tokenPositions).distinct().count() > 1) {
      all.put("token_positions", Boolean.toString(spec.graph().tokenPositions()));
    }
    if (task.graphs().stream().map(RunSpec.Graph::spans).distinct().count() > 1) {
      all.put("spans", Boolean.toString(spec.graph().spans()));
    }
    if (task.graphs().stream().map(RunSpec.Graph::form).distinct().count() > 1) {
      all.put("form", spec.graph().form().key());
    }
    if (task.graphs().stream().map(RunSpec.Graph::level).distinct().count() > 1) {
      all.put("level", spec.graph().level().key());
    }
    if (task.graphs().stream().map(RunSpec.Graph::autoencoders).distinct().count() > 1) {
      all.put(
          AutoencoderSource.FIELD,
          spec.graph().autoencoders().map(AutoencoderSource::text).orElse("none"));
    }
    all.putAll(task.coordinates());
    a.coordinates()
        .forEach(
            (name, value) -> all.merge(name, value, (old, same) -> old)); // names are taken once
    return all;
  }

  // ---- selecting

  /**
   * Some of the cells.
   *
   * @param cells all of them
   * @param filter coordinates that a cell must have, such as {@code
   *     task=induction,algorithm=ig|eap}; each {@code name=value}, parted by commas; several values
   *     of one name parted by {@code |}; a {@code *} in a value stands for any characters; case
   *     does not count
   * @return those that have them, in the same order; at least one
   * @throws IllegalArgumentException if a part of the filter is no {@code name=value}, no cell has
   *     a coordinate or a value of that name, or no cell has them all; the message has the nearest
   */
  public static List<Cell> only(List<Cell> cells, String filter) {
    List<Cell> some = cells;
    for (String part : NEXT.split(filter, -1)) {
      int equals = part.indexOf('=');
      if (equals < 1) {
        throw new IllegalArgumentException(
            "only=" + part + " is no name=value; give such as task=induction,algorithm=eap|ig");
      }
      String name = part.substring(0, equals).strip();
      List<Pattern> values =
          Stream.of(part.substring(equals + 1).split("\\|", -1))
              .map(value -> pattern(cells, name, value.strip()))
              .toList();
      some =
          some.stream()
              .filter(c -> c.coordinates().containsKey(name))
              .filter(
                  c ->
                      values.stream().anyMatch(v -> v.matcher(c.coordinates().get(name)).matches()))
              .toList();
    }
    if (some.isEmpty()) {
      throw new IllegalArgumentException(
          "only=" + filter + " selects none of cells=" + cells.size() + "; leave a part away");
    }
    return some;
  }

  /** What a value of a coordinate matches; refused if no cell has it. */
  private static Pattern pattern(List<Cell> cells, String name, String value) {
    TreeSet<String> names =
        cells.stream()
            .flatMap(c -> c.coordinates().keySet().stream())
            .collect(Collectors.toCollection(TreeSet::new));
    if (!names.contains(name)) {
      throw new UnknownNameException("coordinate", name, names);
    }
    TreeSet<String> known =
        cells.stream()
            .map(c -> c.coordinates().get(name))
            .filter(v -> v != null)
            .collect(Collectors.toCollection(TreeSet::new));
    Pattern pattern =
        Pattern.compile(
            Stream.of(value.split("\\*", -1)).map(Pattern::quote).collect(Collectors.joining(".*")),
            Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE);
    if (known.stream().noneMatch(v -> pattern.matcher(v).matches())) {
      throw new UnknownNameException(name, value, known);
    }
    return pattern;
  }
}
