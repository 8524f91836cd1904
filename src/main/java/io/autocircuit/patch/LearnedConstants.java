package io.autocircuit.patch;

import java.util.Objects;
import java.util.function.Function;

/**
 * Where the constants of {@link Ablation#OPTIMAL} come from: they are given, or learned when
 * something is first ablated to them. For use by several threads.
 */
public final class LearnedConstants {
  private final Function<Progress, SourceConstants> learn;
  private SourceConstants known;

  private LearnedConstants(SourceConstants known, Function<Progress, SourceConstants> learn) {
    this.known = known;
    this.learn = learn;
  }

  /**
   * Constants that are there.
   *
   * @param constants of every source of the model
   * @return gives them
   */
  public static LearnedConstants of(SourceConstants constants) {
    return new LearnedConstants(Objects.requireNonNull(constants, "constants"), null);
  }

  /**
   * Constants that are learned when they are first asked for, once.
   *
   * @param learn learns them, and says how far it is
   * @return gives what it gave
   */
  public static LearnedConstants whenNeeded(Function<Progress, SourceConstants> learn) {
    return new LearnedConstants(null, Objects.requireNonNull(learn, "learn"));
  }

  /**
   * The constants.
   *
   * @param progress told about the work done, where they are learned
   * @return always the same
   */
  public synchronized SourceConstants get(Progress progress) {
    if (known == null) {
      known = learn.apply(progress);
    }
    return known;
  }
}
