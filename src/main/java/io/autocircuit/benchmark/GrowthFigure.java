package io.autocircuit.benchmark;

import java.util.List;

/**
 * What one kind of run took in one cell of a grid, beside what it must take by arithmetic.
 *
 * @param seconds median of the repetitions; NaN where nothing was measured
 * @param spread (largest − smallest) / median
 * @param peakBytes resident memory at its peak, everything that the run opens included, above that
 *     before it; NaN where nothing was measured, and on a device, whose memory that is not
 * @param operations multiplications and additions, by {@link OperationCount}
 * @param neededBytes what the run must hold at once, by {@link OperationCount}
 * @param leftOut why nothing was measured; null where something was
 */
public record GrowthFigure(
    double seconds,
    double spread,
    double peakBytes,
    double operations,
    double neededBytes,
    String leftOut) {

  /** The plain forward pass. */
  public static final String PLAIN = "plain";

  /** One evaluation with a random mask on every edge. */
  public static final String DENSE = "dense";

  /** One evaluation of a circuit of one in a hundred edges, from nothing. */
  public static final String CIRCUIT = "circuit_1pct";

  /** Edge attribution patching. */
  public static final String EAP = "eap";

  /** A step of ACDC, between edges spread evenly over the order. */
  public static final String ACDC = "acdc_step";

  /** All kinds of run, in the order in which they are measured. */
  public static final List<String> NAMES = List.of(PLAIN, CIRCUIT, DENSE, EAP, ACDC);

  /**
   * Nothing measured.
   *
   * @param reason why
   * @return a figure without numbers
   */
  public static GrowthFigure leftOut(String reason) {
    return new GrowthFigure(Double.NaN, Double.NaN, Double.NaN, Double.NaN, Double.NaN, reason);
  }

  /**
   * Whether there are numbers.
   *
   * @return false where it was left out
   */
  public boolean measured() {
    return leftOut == null;
  }
}
