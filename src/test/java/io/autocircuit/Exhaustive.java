package io.autocircuit;

import java.util.ArrayList;
import java.util.List;

/**
 * Whether tests of very many alike cases run them all, {@code -Dautocircuit.exhaustive=true}, or a
 * sample of them, which is what a build has time for.
 */
public final class Exhaustive {
  private Exhaustive() {}

  /**
   * Whether all cases are wanted.
   *
   * @return false unless asked for
   */
  public static boolean on() {
    return Boolean.getBoolean("autocircuit.exhaustive");
  }

  /**
   * All cases, or the first of every few.
   *
   * @param every how many cases one stands for
   */
  public static <T> List<T> sample(List<T> cases, int every) {
    List<T> some = new ArrayList<>();
    for (int i = 0; i < cases.size(); i += on() ? 1 : every) {
      some.add(cases.get(i));
    }
    return some;
  }
}
