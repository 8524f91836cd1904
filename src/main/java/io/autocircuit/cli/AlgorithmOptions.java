package io.autocircuit.cli;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.prune.PruneAlgorithmProvider;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgGroupSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;

/**
 * The options that the settings of the catalogue's algorithms make. Algorithms whose settings have
 * the same name share an option; its value is what the chosen one takes.
 */
final class AlgorithmOptions {
  private static final String ABLATION = PruneAlgorithmProvider.SCORE_ABLATION;

  private final Catalogue<PruneAlgorithmProvider> algorithms;

  /** By the option's name, in order. */
  private final Map<String, List<Declared>> options = new LinkedHashMap<>();

  /** A setting of an algorithm. */
  private record Declared(PruneAlgorithmProvider algorithm, Setting setting) {}

  /**
   * Names the options.
   *
   * @param taken names of the command's other options; a setting of such a name is called {@code
   *     --ALGORITHM-SETTING}
   */
  AlgorithmOptions(Catalogue<PruneAlgorithmProvider> algorithms, Set<String> taken) {
    this.algorithms = algorithms;
    for (PruneAlgorithmProvider a : algorithms) {
      for (Setting s : a.settings()) {
        String name =
            taken.contains(s.option())
                ? "--" + a.key() + "-" + s.option().substring(2)
                : s.option();
        options.computeIfAbsent(name, n -> new ArrayList<>()).add(new Declared(a, s));
      }
    }
  }

  /** Adds the options to {@code discover}. */
  static final class Adder implements CommandLine.IModelTransformer {
    @Override
    public CommandSpec transform(CommandSpec spec) {
      AlgorithmOptions options =
          new AlgorithmOptions(PruneAlgorithmProvider.catalogue(), spec.optionsMap().keySet());
      ArgGroupSpec.Builder group =
          ArgGroupSpec.builder()
              .validate(false)
              .order(DiscoverOptions.SETTINGS)
              .heading("%nSettings of the algorithms:%n");
      options.options.forEach((name, declared) -> group.addArg(option(name, declared)));
      spec.addArgGroup(group.build());
      ((DiscoverCommand) spec.userObject()).options = options;
      return spec;
    }
  }

  /** The keys, for the help of {@code --algorithm}. */
  static final class Keys implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return PruneAlgorithmProvider.catalogue().keys().iterator();
    }
  }

  private static OptionSpec option(String name, List<Declared> declared) {
    OptionSpec.Builder option = OptionSpec.builder(name).description(escaped(help(declared)));
    boolean flag = declared.stream().anyMatch(d -> d.setting().type() instanceof SettingType.Flag);
    boolean plain =
        declared.stream()
            .allMatch(d -> d.setting().defaultValue().equals(java.util.Optional.of(false)));
    if (plain) {
      return option.type(boolean.class).arity("0").build();
    }
    option.type(String.class).paramLabel(label(declared.get(0).setting().type()));
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
      keys.computeIfAbsent(d.setting().help(), h -> new ArrayList<>()).add(d.algorithm().key());
    }
    List<String> parts = new ArrayList<>();
    keys.forEach((help, who) -> parts.add(String.join(", ", who) + ": " + help));
    return String.join("; ", parts) + ".";
  }

  /** Text that the help shows as it is. */
  private static String escaped(String text) {
    return text.replace("%", "%%").replace("${", "$${").replace("@|", "@ |");
  }

  /** The algorithms that there are. */
  Catalogue<PruneAlgorithmProvider> algorithms() {
    return algorithms;
  }

  /** Whether an option is a setting of algorithms. */
  boolean contains(String option) {
    return options.containsKey(option);
  }

  /**
   * The settings of an algorithm, as the command line gives them. Those of others are checked too.
   *
   * @param ablation what the setting {@value PruneAlgorithmProvider#SCORE_ABLATION} is where its
   *     option is not given; null for its default
   * @throws IllegalArgumentException if a value is not allowed
   */
  Settings settings(PruneAlgorithmProvider algorithm, ParseResult given, String ablation) {
    Map<String, Object> values = new HashMap<>();
    if (ablation != null
        && algorithm.settings().stream().anyMatch(s -> s.name().equals(ABLATION))) {
      values.put(ABLATION, ablation);
    }
    options.forEach(
        (name, declared) -> {
          if (given.hasMatchedOption(name)) {
            String text = String.valueOf(given.matchedOption(name).<Object>getValue());
            declared.stream()
                .filter(d -> d.algorithm() == algorithm)
                .findFirst()
                .ifPresentOrElse(
                    d -> values.put(d.setting().name(), d.setting().parse(name, text)),
                    () -> requireMeaning(name, text, declared));
          }
        });
    return Settings.of(algorithm.settings(), values);
  }

  /** That every option that is given is allowed for one of its algorithms. */
  void requireAllowed(ParseResult given) {
    options.forEach(
        (name, declared) -> {
          if (given.hasMatchedOption(name)) {
            requireMeaning(
                name, String.valueOf(given.matchedOption(name).<Object>getValue()), declared);
          }
        });
  }

  /** That the value of an option is allowed for one of the algorithms that have it. */
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
   * A sentence for each option that was given but belongs to other algorithms.
   *
   * @param algorithm the chosen one; null for saved scores
   */
  List<String> unused(PruneAlgorithmProvider algorithm, ParseResult given) {
    List<String> notes = new ArrayList<>();
    options.forEach(
        (name, declared) -> {
          if (given.hasMatchedOption(name)
              && declared.stream().noneMatch(d -> d.algorithm() == algorithm)) {
            notes.add(
                name
                    + " has no effect on "
                    + (algorithm == null ? "saved scores" : algorithm.key())
                    + "; it belongs to "
                    + String.join(", ", declared.stream().map(d -> d.algorithm().key()).toList()));
          }
        });
    return notes;
  }
}
