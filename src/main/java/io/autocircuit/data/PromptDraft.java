package io.autocircuit.data;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SortedMap;

/**
 * A prompt file as far as it could be read.
 *
 * @param prompts the pairs in the order of the file, null where one has faults
 * @param faults theirs
 */
record PromptDraft(
    String source,
    List<PromptPair> prompts,
    List<String> seqLabels,
    SortedMap<String, Integer> wordIdxs,
    List<String> remarks,
    Faults faults) {

  /** Copies the pairs. */
  PromptDraft {
    prompts = Collections.unmodifiableList(new ArrayList<>(prompts));
  }

  /** A dataset, which has no faults so far. */
  static PromptDraft of(PromptDataset dataset) {
    return new PromptDraft(
        dataset.source(),
        dataset.prompts(),
        dataset.seqLabels(),
        dataset.wordIdxs(),
        dataset.remarks(),
        new Faults(dataset.source(), dataset.prompts().size()));
  }

  /**
   * The dataset.
   *
   * @throws io.autocircuit.files.DataException if there are faults, or no prompts
   */
  PromptDataset dataset() {
    faults.throwIfAny();
    return new PromptDataset(source, prompts, seqLabels, wordIdxs, remarks);
  }
}
