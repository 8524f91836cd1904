package io.autocircuit.catalogue;

/** A catalogue that cannot be made: a jar on the class path registers what cannot be used. */
public final class CatalogueException extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  /**
   * Says what is wrong.
   *
   * @param message one line: what is wrong, and what to do
   * @param cause what showed it; null for none
   */
  public CatalogueException(String message, Throwable cause) {
    super(message, cause);
  }
}
