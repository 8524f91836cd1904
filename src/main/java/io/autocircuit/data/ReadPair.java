package io.autocircuit.data;

import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * One pair of a dataset as token ids, usable or not.
 *
 * @param pair the pair; of one that is not usable its prompts as far as they can be read, without
 *     answers
 * @param usable whether a run would take it
 * @param faults what is wrong with one that is not usable, and what to do, one line each
 * @param findings what reading it noticed; not yet {@link PromptFinding#of}
 */
public record ReadPair(
    TokenizedPair pair, boolean usable, List<String> faults, Set<PromptFinding> findings) {
  /**
   * Copies the collections.
   *
   * @param pair the pair
   * @param usable whether a run would take it
   * @param faults what is wrong with one that is not usable
   * @param findings what reading it noticed
   */
  public ReadPair {
    faults = List.copyOf(faults);
    Set<PromptFinding> copy = EnumSet.noneOf(PromptFinding.class);
    copy.addAll(findings);
    findings = Collections.unmodifiableSet(copy);
  }
}
