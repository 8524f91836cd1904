package io.autocircuit.cli;

import io.autocircuit.benchmark.GrowthAxis;
import io.autocircuit.benchmark.GrowthCell;
import io.autocircuit.benchmark.GrowthFigure;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.TransformerConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;

/** Options of {@code bench --grid}. */
final class GridOptions {
  private static final String ALL = "all";

  /** Prompts and tokens along the model axis, unless told otherwise. */
  private static final int MODEL_BATCH = 8;

  private static final int MODEL_LENGTH = 32;

  /** Prompts along the length axis, unless told otherwise. */
  private static final int LENGTH_BATCH = 4;

  /** Tokens along the batch axis, unless told otherwise. */
  private static final int BATCH_LENGTH = 16;

  @Option(
      names = "--grid",
      split = ",",
      paramLabel = "AXIS",
      description = {
        "Measure instead how time and memory grow: with the model, with the length of the prompts,"
            + " with the batch; or all. --batch, --seq and --shape say what does not grow; by"
            + " default 8 prompts of 32 tokens, 4 prompts, 16 tokens, gpt2-small."
      })
  List<String> axes = List.of();

  @Option(
      names = "--shapes",
      split = ",",
      paramLabel = "SHAPE",
      defaultValue = "pythia-70m,gpt2-small,gpt2-medium,gpt2-large,tinyllama",
      description = "Models of the grid (default: ${DEFAULT-VALUE}).")
  List<String> shapes = List.of();

  @Option(
      names = "--lengths",
      split = ",",
      paramLabel = "T",
      defaultValue = "16,64,256,1024",
      description = "Tokens of the grid's prompts (default: ${DEFAULT-VALUE}).")
  List<Integer> lengths = List.of();

  @Option(
      names = "--batches",
      split = ",",
      paramLabel = "N",
      defaultValue = "1,4,16,64,256",
      description = "Numbers of the grid's prompts (default: ${DEFAULT-VALUE}).")
  List<Integer> batches = List.of();

  @Option(
      names = "--figures",
      split = ",",
      paramLabel = "NAME",
      description =
          "What the grid measures: plain, circuit_1pct, dense, eap, acdc_step. Default: all.")
  private List<String> figures = List.of();

  @Option(
      names = "--max-seconds",
      paramLabel = "N",
      description =
          "Begin nothing that would end later. What is left out is measured when the command is"
              + " given again with the same --json file. Default: no limit.")
  Double seconds;

  @Option(names = "--plot", paramLabel = "FILE", description = "Draw the grid as an SVG picture.")
  Path plot;

  /** Options of the other figures. */
  static final List<String> NOT_WITH =
      List.of("--model", "--busy", "--memory", "--dataset", "--methods");

  /** Options of the grid alone. */
  static final List<String> ONLY_WITH =
      List.of("--shapes", "--lengths", "--batches", "--figures", "--max-seconds", "--plot");

  boolean wanted() {
    return !axes.isEmpty();
  }

  /** What is measured, in the order of measurement. */
  List<String> figures() {
    for (String name : figures) {
      if (!GrowthFigure.NAMES.contains(name)) {
        throw new UnknownNameException("figure of the grid", name, GrowthFigure.NAMES);
      }
    }
    return figures.isEmpty()
        ? GrowthFigure.NAMES
        : GrowthFigure.NAMES.stream().filter(figures::contains).toList();
  }

  /** Where measurements shall be made, without figures. */
  List<GrowthCell> places(String shape, Integer batch, Integer length) {
    boolean all = axes.stream().anyMatch(a -> a.equalsIgnoreCase(ALL));
    Set<GrowthAxis> wanted =
        axes.stream()
            .filter(a -> !a.equalsIgnoreCase(ALL))
            .map(GrowthAxis::of)
            .collect(Collectors.toSet());
    List<GrowthCell> places = new ArrayList<>();
    for (GrowthAxis axis : GrowthAxis.values()) {
      if (all || wanted.contains(axis)) {
        places.addAll(places(axis, shape, batch, length));
      }
    }
    return places;
  }

  private List<GrowthCell> places(GrowthAxis axis, String shape, Integer batch, Integer length) {
    return switch (axis) {
      case MODEL ->
          shapes.stream()
              .distinct()
              .map(s -> place(axis, s, or(batch, MODEL_BATCH), or(length, MODEL_LENGTH)))
              .sorted(Comparator.comparingDouble(GrowthCell::at))
              .toList();
      case LENGTH ->
          lengths.stream()
              .distinct()
              .sorted()
              .map(t -> place(axis, shape, or(batch, LENGTH_BATCH), t))
              .toList();
      case BATCH ->
          batches.stream()
              .distinct()
              .sorted()
              .map(b -> place(axis, shape, b, or(length, BATCH_LENGTH)))
              .toList();
    };
  }

  private static int or(Integer value, int usual) {
    return value == null ? usual : value;
  }

  private static GrowthCell place(GrowthAxis axis, String shape, int batch, int length) {
    TransformerConfig config = RandomModels.shape(shape);
    if (length > config.contextLength()) {
      throw new IllegalArgumentException(
          "tokens="
              + length
              + " exceed the context length="
              + config.contextLength()
              + " of shape="
              + config.name()
              + "; give shorter --lengths or --seq");
    }
    return new GrowthCell(axis, config.name(), config.parameters(), batch, length, Map.of());
  }
}
