package io.autocircuit.task.dataset;

import io.autocircuit.data.PromptPair;
import io.autocircuit.data.Wording;
import io.autocircuit.task.dataset.Frame.Filled;
import java.util.List;

/**
 * A pair as it was drawn.
 *
 * @param clean the clean prompt
 * @param corrupt the corrupt prompt
 * @param answers with the space that they begin with
 * @param wrongAnswers the same
 */
record Draft(Filled clean, Filled corrupt, List<String> answers, List<String> wrongAnswers) {
  PromptPair pair() {
    return new PromptPair(
        new Wording.Text(clean.text()),
        new Wording.Text(corrupt.text()),
        List.of(texts(answers)),
        List.of(texts(wrongAnswers)));
  }

  private static List<Wording> texts(List<String> texts) {
    return texts.stream().map(t -> (Wording) new Wording.Text(t)).toList();
  }
}
