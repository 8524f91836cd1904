package io.autocircuit.cli;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Entry;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.task.TaskProvider;
import io.autocircuit.task.dataset.DatasetGenerator;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgGroupSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;

/**
 * The options that the settings of a catalogue's entries make. Entries whose settings have the same
 * name share an option; its value is what the chosen one takes.
 *
 * @param <E> the kind of entry
 */
final class EntryOptions<E extends Entry> {
  private final Catalogue<E> entries;

  /** By the option's name, in order. */
  private final Map<String, List<Declared>> options = new LinkedHashMap<>();

  /** A setting of an entry. */
  private record Declared(Entry entry, Setting setting) {}

  /**
   * Names the options.
   *
   * @param entries whose settings are options
   * @param fixed the keys of those whose settings the command has options for already
   * @param taken names of the command's other options; a setting of such a name is called {@code
   *     --ENTRY-SETTING}
   */
  EntryOptions(Catalogue<E> entries, Set<String> fixed, Set<String> taken) {
    this.entries = entries;
    for (E e : entries) {
      if (fixed.contains(e.key())) {
        continue;
      }
      for (Setting s : e.settings()) {
        String name =
            taken.contains(s.option())
                ? "--" + e.key() + "-" + s.option().substring(2)
                : s.option();
        options.computeIfAbsent(name, n -> new ArrayList<>()).add(new Declared(e, s));
      }
    }
  }

  /** Adds the options of algorithms and tasks to {@code discover}. */
  static final class Adder implements CommandLine.IModelTransformer {
    @Override
    public CommandSpec transform(CommandSpec spec) {
      DiscoverCommand command = (DiscoverCommand) spec.userObject();
      command.tasks =
          new EntryOptions<>(
              TaskProvider.catalogue(), RunOptions.FIXED_TASKS, spec.optionsMap().keySet());
      command.tasks.add(spec, "tasks", DiscoverOptions.TASKS);
      command.algorithms =
          new EntryOptions<>(
              PruneAlgorithmProvider.catalogue(), Set.of(), spec.optionsMap().keySet());
      command.algorithms.add(spec, "algorithms", DiscoverOptions.ALGORITHMS);
      return spec;
    }
  }

  /** Adds the options of tasks to {@code inspect}. */
  static final class InspectAdder implements CommandLine.IModelTransformer {
    @Override
    public CommandSpec transform(CommandSpec spec) {
      InspectCommand command = (InspectCommand) spec.userObject();
      command.tasks =
          new EntryOptions<>(TaskProvider.catalogue(), Set.of(), spec.optionsMap().keySet());
      command.tasks.add(spec, "tasks", DiscoverOptions.TASKS);
      return spec;
    }
  }

  /** Adds the options of the generators to {@code dataset generate}. */
  static final class GeneratorAdder implements CommandLine.IModelTransformer {
    @Override
    public CommandSpec transform(CommandSpec spec) {
      DatasetGenerateCommand command = (DatasetGenerateCommand) spec.userObject();
      command.generators =
          new EntryOptions<>(DatasetGenerator.catalogue(), Set.of(), spec.optionsMap().keySet());
      command.generators.add(spec, "datasets", DatasetGenerateCommand.SETTINGS);
      return spec;
    }
  }

  private void add(CommandSpec spec, String what, int order) {
    if (!options.isEmpty()) {
      ArgGroupSpec.Builder group =
          ArgGroupSpec.builder()
              .validate(false)
              .order(order)
              .heading("%nSettings of the " + what + ":%n");
      options.forEach((name, declared) -> group.addArg(option(name, declared)));
      spec.addArgGroup(group.build());
    }
  }

  /** The keys, for the help of {@code --algorithm}. */
  static final class Algorithms implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return PruneAlgorithmProvider.catalogue().keys().iterator();
    }
  }

  /** The keys, for the completion of {@code --preset}. */
  static final class Presets implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return PruneAlgorithmProvider.catalogue().presetKeys().iterator();
    }
  }

  /** The keys, for the help of {@code --task}. */
  static final class Tasks implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return TaskProvider.catalogue().keys().iterator();
    }
  }

  /** The keys, for the help of {@code dataset generate}. */
  static final class Generators implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return DatasetGenerator.catalogue().keys().iterator();
    }
  }

  private static OptionSpec option(String name, List<Declared> declared) {
    OptionSpec.Builder option = OptionSpec.builder(name).description(escaped(help(declared)));
    boolean flag = declared.stream().anyMatch(d -> d.setting().type() instanceof SettingType.Flag);
    boolean plain =
        declared.stream().allMatch(d -> d.setting().defaultValue().equals(Optional.of(false)));
    if (plain) {
      return option.type(boolean.class).arity("0").build();
    }
    SettingType first = declared.get(0).setting().type();
    option.paramLabel(label(first));
    if (first instanceof SettingType.Several) {
      return option.type(List.class).auxiliaryTypes(String.class).arity("1").build();
    }
    option.type(String.class);
    return flag ? option.arity("0..1").fallbackValue("true").build() : option.arity("1").build();
  }

  private static String label(SettingType type) {
    if (type instanceof SettingType.Several several) {
      return label(several.element()) + "[,…]";
    }
    return switch (type.key()) {
      case "integer" -> "N";
      case "number" -> "X";
      case "boolean" -> "BOOL";
      case "file" -> "FILE";
      case "text" -> "TEXT";
      default -> "NAME";
    };
  }

  /** What each group of algorithms that mean the same by it says. */
  private static String help(List<Declared> declared) {
    Map<String, List<String>> keys = new LinkedHashMap<>();
    for (Declared d : declared) {
      keys.computeIfAbsent(d.setting().help(), h -> new ArrayList<>()).add(d.entry().key());
    }
    List<String> parts = new ArrayList<>();
    keys.forEach((help, who) -> parts.add(String.join(", ", who) + ": " + help));
    return String.join("; ", parts) + ".";
  }

  /** Text that the help shows as it is. */
  private static String escaped(String text) {
    return text.replace("%", "%%").replace("${", "$${").replace("@|", "@ |");
  }

  /** The entries that there are. */
  Catalogue<E> entries() {
    return entries;
  }

  /**
   * The settings of an entry, as the command line gives them. Those of others are checked too.
   *
   * @param others values of settings whose options are not given
   * @throws IllegalArgumentException if a value is not allowed
   */
  Settings settings(E entry, ParseResult given, Map<String, Object> others) {
    Map<String, Object> values = new HashMap<>(others);
    values.keySet().retainAll(entry.settings().stream().map(Setting::name).toList());
    values.putAll(given(entry, given));
    return Settings.of(entry.settings(), values);
  }

  /**
   * The values of an entry's settings that the command line gives. Those of others are checked too.
   *
   * @return canonical values by name
   * @throws IllegalArgumentException if a value is not allowed
   */
  Map<String, Object> given(E entry, ParseResult given) {
    Map<String, Object> values = new HashMap<>();
    options.forEach(
        (name, declared) -> {
          if (given.hasMatchedOption(name)) {
            String text = text(given, name);
            declared.stream()
                .filter(d -> d.entry() == entry)
                .findFirst()
                .ifPresentOrElse(
                    d -> values.put(d.setting().name(), d.setting().parse(name, text)),
                    () -> requireMeaning(name, text, declared));
          }
        });
    return values;
  }

  /** What was typed; items of a list may be given one after another. */
  private static String text(ParseResult given, String name) {
    Object value = given.matchedOption(name).getValue();
    return value instanceof List<?> items
        ? String.join(",", items.stream().map(String::valueOf).toList())
        : String.valueOf(value);
  }

  /** That every option that is given is allowed for one of its entries. */
  void requireAllowed(ParseResult given) {
    options.forEach(
        (name, declared) -> {
          if (given.hasMatchedOption(name)) {
            requireMeaning(name, text(given, name), declared);
          }
        });
  }

  /** That the value of an option is allowed for one of the entries that have it. */
  private static void requireMeaning(String name, String text, List<Declared> declared) {
    IllegalArgumentException first = null;
    for (Declared d : declared) {
      try {
        d.setting().parse(name, text);
        return;
      } catch (IllegalArgumentException e) {
        first = first == null ? e : first;
      }
    }
    throw first;
  }

  /**
   * A sentence for each option that was given but belongs to other entries.
   *
   * @param chosen the chosen one; null for none
   * @param name what it is called
   */
  List<String> unused(E chosen, String name, ParseResult given) {
    List<String> notes = new ArrayList<>();
    options.forEach(
        (option, declared) -> {
          if (given.hasMatchedOption(option)
              && declared.stream().noneMatch(d -> d.entry() == chosen)) {
            notes.add(
                option
                    + " has no effect on "
                    + name
                    + "; it belongs to "
                    + String.join(", ", declared.stream().map(d -> d.entry().key()).toList()));
          }
        });
    return notes;
  }
}
