package io.autocircuit.violations.report;

import org.bytedeco.pytorch.Tensor;

/** A report that cannot be made without libtorch. */
public interface HoldsATensor {
  /** A number on the page. */
  Tensor number();
}
