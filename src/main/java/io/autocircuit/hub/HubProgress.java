package io.autocircuit.hub;

/** Hears how far a download is. */
@FunctionalInterface
public interface HubProgress {
  /** Says nothing. */
  HubProgress SILENT = (what, done, total) -> {};

  /**
   * More has been received.
   *
   * @param what the file
   * @param done bytes that are there
   * @param total bytes that it has
   */
  void update(String what, long done, long total);

  /**
   * Something takes longer than it should, such as a wait that the server asks for.
   *
   * @param text one line
   */
  default void note(String text) {}
}
