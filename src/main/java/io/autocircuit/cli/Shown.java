package io.autocircuit.cli;

import io.autocircuit.data.Wording;
import java.util.Arrays;

/** Parts of prompts as people read them, each on one line. */
final class Shown {
  private Shown() {}

  /** A prompt or an answer. */
  static String prompt(Wording wording) {
    if (wording instanceof Wording.Text text) {
      return quoted(text.text());
    }
    return wording instanceof Wording.Ids tokens
        ? Arrays.toString(tokens.ids())
        : String.valueOf(((Wording.Value) wording).value());
  }

  /** A text. */
  static String quoted(String text) {
    return '"' + text.replace("\n", "\\n") + '"';
  }
}
