package io.autocircuit.experiment;

/**
 * A setting that is allowed, and does not fit the model or the prompts: more edges than the graph
 * has, more prompts than there are. The message names it, and says what to do.
 */
public final class UnfitSettingException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  /**
   * A setting that does not fit.
   *
   * @param cause what noticed it, whose message this takes
   */
  UnfitSettingException(IllegalArgumentException cause) {
    super(cause.getMessage(), cause);
  }
}
