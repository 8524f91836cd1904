package io.autocircuit.experiment;

import java.util.Locale;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The type of the numbers that a model computes in. */
public enum Precision {
  /** 32 bits. */
  FLOAT32(ScalarType.Float),
  /** 64 bits. */
  FLOAT64(ScalarType.Double);

  private final ScalarType type;

  Precision(ScalarType type) {
    this.type = type;
  }

  /**
   * Libtorch's name for it.
   *
   * @return the type
   */
  public ScalarType type() {
    return type;
  }

  /**
   * Its name in files and on the command line.
   *
   * @return {@code float32} or {@code float64}
   */
  public String key() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * That of a model.
   *
   * @param type what its weights are
   * @return the precision
   */
  static Precision of(ScalarType type) {
    return type == ScalarType.Double ? FLOAT64 : FLOAT32;
  }
}
