package io.autocircuit.task.dataset;

import java.util.List;

/**
 * What a generator left out, for one reason.
 *
 * @param what words or pairs, and why, in a sentence without a full stop: {@code names that are not
 *     one token}
 * @param count how many
 * @param examples the first few of them
 */
public record Dropped(String what, int count, List<String> examples) {
  /** How many examples are kept. */
  static final int EXAMPLES = 8;

  /**
   * Copies the examples.
   *
   * @param what words or pairs, and why
   * @param count how many
   * @param examples the first few of them
   */
  public Dropped {
    examples = List.copyOf(examples.subList(0, Math.min(EXAMPLES, examples.size())));
  }

  /**
   * For people, on one line.
   *
   * @return such as {@code names that are not one token: 12 (Leonardo, …)}
   */
  @Override
  public String toString() {
    String shown = String.join(", ", examples) + (examples.size() < count ? ", …" : "");
    return what + ": " + count + (examples.isEmpty() ? "" : " (" + shown + ")");
  }
}
