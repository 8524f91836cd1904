package io.autocircuit.experiment;

import io.autocircuit.model.WeightType;
import java.util.Objects;

/**
 * The types of a model's numbers.
 *
 * @param precision what it computes in
 * @param weights how the matrices of its weights are stored; those of 16 bits are rounded, and
 *     computed with in {@code precision}
 */
public record NumberTypes(Precision precision, WeightType weights) {
  /** All float32. */
  public static final NumberTypes USUAL = of(Precision.FLOAT32);

  /**
   * Checks that nothing is null.
   *
   * @param precision what it computes in
   * @param weights how the matrices of its weights are stored
   */
  public NumberTypes {
    Objects.requireNonNull(precision, "precision");
    Objects.requireNonNull(weights, "weights");
  }

  /**
   * Weights that are not rounded.
   *
   * @param precision what the model computes in
   * @return with weights of the same type
   */
  public static NumberTypes of(Precision precision) {
    return new NumberTypes(precision, WeightType.FLOAT32);
  }
}
