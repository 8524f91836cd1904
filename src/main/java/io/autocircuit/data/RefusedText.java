package io.autocircuit.data;

import io.autocircuit.files.DataException;

/**
 * Why a tokenizer does not take a text: the cause of its exception, for readers of prompts, who
 * know where that text stands.
 */
final class RefusedText extends RuntimeException {
  private static final long serialVersionUID = 1L;
  private final String cure;

  private RefusedText(String why, String cure, Throwable cause) {
    super(why, cause, false, false);
    this.cure = cure;
  }

  /**
   * The exception of a tokenizer.
   *
   * @param file the tokenizer's
   * @param text what it does not take
   * @param why what is wrong with it, as the end of a sentence that begins with the text
   * @param cure what to do
   * @param cause may be null
   */
  static DataException of(Object file, String text, String why, String cure, Throwable cause) {
    return new DataException(
        "file=" + file + ": text=" + DataException.quote(text) + " " + why + "; " + cure,
        new RefusedText(why, cure, cause));
  }

  /** As the fault of a prompt if the text is what is wrong, else as it is. */
  static RuntimeException at(String where, String text, DataException e) {
    return e.getCause() instanceof RefusedText refused
        ? new Faults.Fault(
            where + "=" + Faults.quote(text) + " " + refused.getMessage(), refused.cure)
        : e;
  }
}
