package io.autocircuit.patch;

import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/** Told how far a long computation has come. */
@FunctionalInterface
public interface Progress {
  /** Ignores everything. */
  Progress SILENT = (what, done, total) -> {};

  /**
   * Reports.
   *
   * @param what what is counted, in a word or two: {@code gradient passes}, say
   * @param done finished steps
   * @param total all steps
   */
  void update(String what, long done, long total);

  /**
   * Says what the user should know of the result. A discovery has it among its notices.
   *
   * @param notice one sentence
   */
  default void note(String notice) {}

  /**
   * A progress that hands notes on to somebody else.
   *
   * @param notes is given what is noted
   * @return a progress for the computation; updates are told to this
   */
  default Progress noting(Consumer<String> notes) {
    Progress updates = this;
    return new Progress() {
      @Override
      public void update(String what, long done, long total) {
        updates.update(what, done, total);
      }

      @Override
      public void note(String notice) {
        notes.accept(notice);
      }
    };
  }

  /**
   * A progress that ends the computation when it is no longer wanted: it throws a {@link
   * CancellationException} out of it, at its next step. Nothing of the computation is left; model
   * and prompts can be used again.
   *
   * @param progress what is told as long as it is wanted
   * @param cancelled asked before every step, perhaps by several threads: {@code
   *     Thread.currentThread()::isInterrupted}, say, or a flag
   * @return a progress for the computation
   */
  static Progress cancellable(Progress progress, BooleanSupplier cancelled) {
    Progress updates =
        (what, done, total) -> {
          if (cancelled.getAsBoolean()) {
            throw new CancellationException("cancelled at " + what + " " + done + " of " + total);
          }
          progress.update(what, done, total);
        };
    return updates.noting(progress::note);
  }
}
