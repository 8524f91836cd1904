package io.autocircuit.benchmark;

import io.autocircuit.graph.UnknownNameException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** What grows from one cell of a grid to the next. */
public enum GrowthAxis {
  /** The model: its number of parameters. */
  MODEL("parameters"),
  /** The length of the prompts, in tokens. */
  LENGTH("tokens"),
  /** The number of prompts that are run together. */
  BATCH("prompts");

  private final String unit;

  GrowthAxis(String unit) {
    this.unit = unit;
  }

  /**
   * How options and files call it.
   *
   * @return lower case
   */
  public String key() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * What is counted along it.
   *
   * @return a noun
   */
  public String unit() {
    return unit;
  }

  /**
   * All keys.
   *
   * @return in the order of this enum
   */
  public static List<String> keys() {
    return Arrays.stream(values()).map(GrowthAxis::key).toList();
  }

  /**
   * The axis of that key.
   *
   * @param key in either case
   * @return the axis
   * @throws UnknownNameException if there is none
   */
  public static GrowthAxis of(String key) {
    return Arrays.stream(values())
        .filter(a -> a.key().equalsIgnoreCase(key.strip()))
        .findFirst()
        .orElseThrow(() -> new UnknownNameException("axis of the grid", key.strip(), keys()));
  }
}
