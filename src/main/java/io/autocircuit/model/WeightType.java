package io.autocircuit.model;

import java.util.Locale;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * How the matrices of a model's weights are stored: attention's, the MLPs', embedding, positions
 * and unembedding. Vectors (biases, scales) always have the type that is computed in.
 *
 * <p>A type of 16 bits takes half of float32's memory. Weights are rounded to it once, to the
 * nearest number and of two to the one whose last bit is 0, after {@link WeightProcessing}; then
 * they are computed with as they are, in float32 or float64. So a model gives the bits that one
 * with float32 storage gives whose weights are those rounded numbers. Weights that a checkpoint has
 * in the same type are not rounded at all where no processing changes them.
 */
public enum WeightType {
  /** What is computed in: no rounding. */
  FLOAT32(ScalarType.Float),
  /** The upper half of a float32: 8 bits of precision, float32's range. */
  BFLOAT16(ScalarType.BFloat16),
  /** IEEE binary16: 11 bits of precision, up to 65504, and fewer bits below 6.1e-5. */
  FLOAT16(ScalarType.Half);

  private final ScalarType narrow;

  WeightType(ScalarType narrow) {
    this.narrow = narrow;
  }

  /**
   * Its name in files and on the command line.
   *
   * @return {@code float32}, {@code bfloat16} or {@code float16}
   */
  public String key() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The type of stored matrices.
   *
   * @param computed what is computed in
   * @return {@code computed} without 16 bits
   */
  ScalarType stored(ScalarType computed) {
    return this == FLOAT32 ? computed : narrow;
  }
}
