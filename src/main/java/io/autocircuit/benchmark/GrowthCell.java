package io.autocircuit.benchmark;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A cell of a grid: a model, and the prompts that it is run on.
 *
 * @param axis what differs between it and its neighbours
 * @param shape of the model, which has random weights
 * @param parameters of the model
 * @param batch number of prompts
 * @param length tokens of each prompt
 * @param figures what was measured, by the names of {@link GrowthFigure#NAMES}
 */
public record GrowthCell(
    GrowthAxis axis,
    String shape,
    long parameters,
    int batch,
    int length,
    Map<String, GrowthFigure> figures) {

  /**
   * Makes the figures unmodifiable.
   *
   * @param axis what differs between it and its neighbours
   * @param shape of the model
   * @param parameters at least 1
   * @param batch at least 1
   * @param length at least 2
   * @param figures may be empty
   * @throws IllegalArgumentException if a size is too small
   */
  public GrowthCell {
    if (parameters < 1 || batch < 1 || length < 2) {
      throw new IllegalArgumentException(
          "parameters="
              + parameters
              + ", batch="
              + batch
              + ", length="
              + length
              + " out of range; give at least one prompt of two tokens");
    }
    figures = Collections.unmodifiableMap(new LinkedHashMap<>(figures));
  }

  /**
   * Where it is on its axis.
   *
   * @return parameters, tokens or prompts
   */
  public double at() {
    return switch (axis) {
      case MODEL -> parameters;
      case LENGTH -> length;
      case BATCH -> batch;
    };
  }

  /**
   * Whether it is the same place, whatever was measured there.
   *
   * @param other another cell
   * @return true if axis, model and prompts agree
   */
  public boolean samePlace(GrowthCell other) {
    return axis == other.axis
        && shape.equals(other.shape)
        && batch == other.batch
        && length == other.length;
  }

  /**
   * The same place with figures.
   *
   * @param measured by name
   * @return a new cell
   */
  public GrowthCell with(Map<String, GrowthFigure> measured) {
    return new GrowthCell(axis, shape, parameters, batch, length, measured);
  }
}
