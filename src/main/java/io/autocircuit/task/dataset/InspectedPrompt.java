package io.autocircuit.task.dataset;

import io.autocircuit.data.PromptFinding;
import io.autocircuit.data.TokenizedPair;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A prompt pair as its model sees it.
 *
 * @param pair its tokens; of one that cannot be used its prompts as far as they can be read
 * @param columns its prompts side by side
 * @param texts what each token of it says that is shown, by id
 * @param said what the model says; empty where no model was asked, or the pair cannot be used
 * @param faults why it cannot be used, one line each
 * @param findings what makes it useless, or looks like a mistake
 */
public record InspectedPrompt(
    TokenizedPair pair,
    List<TokenAlignment.Column> columns,
    Map<Integer, String> texts,
    Optional<ModelAnswers.Said> said,
    List<String> faults,
    Set<PromptFinding> findings) {
  /**
   * Copies the collections.
   *
   * @param pair its tokens
   * @param columns its prompts side by side
   * @param texts what each token of it says, by id
   * @param said what the model says
   * @param faults why it cannot be used
   * @param findings what makes it useless, or looks like a mistake
   */
  public InspectedPrompt {
    columns = List.copyOf(columns);
    texts = Collections.unmodifiableMap(new LinkedHashMap<>(texts));
    faults = List.copyOf(faults);
    Set<PromptFinding> copy = EnumSet.noneOf(PromptFinding.class);
    copy.addAll(findings);
    findings = Collections.unmodifiableSet(copy);
  }

  /**
   * Its number in the file.
   *
   * @return from 0
   */
  public int index() {
    return pair.index();
  }

  /**
   * What a token of it says.
   *
   * @param id a token that is shown
   * @return its text in which everything can be seen, or its id
   */
  public String text(int id) {
    return texts.getOrDefault(id, String.valueOf(id));
  }

  /**
   * How many places differ.
   *
   * @return columns that do not have the same token twice
   */
  public int differing() {
    return (int) columns.stream().filter(c -> !c.same()).count();
  }
}
