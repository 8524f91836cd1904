package io.autocircuit.data;

import io.autocircuit.tensor.DataException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What is wrong with prompts, gathered so that one message names all that is wrong: how many
 * prompts, the faults of the first ten, and what to do. The message stays short whatever the file
 * holds.
 */
final class Faults {
  private static final int LISTED = 10;
  private static final int LISTED_OF_ONE = 2;
  private static final int LONGEST_LIST = 1100;
  private static final int LONGEST_FAULT = 300;
  private static final int CURES = 3;

  private final String source;
  private final int prompts;
  private final List<String> what = new ArrayList<>();
  private final Set<Integer> faulty = new LinkedHashSet<>();
  private final Set<String> cures = new LinkedHashSet<>();
  private final Set<Integer> shown = new LinkedHashSet<>();
  private int ofPrompt;
  private int length;

  /** A fault of one prompt: what is wrong, and what to do. */
  static final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private final String cure;

    Fault(String what, String cure) {
      super(what, null, false, false);
      this.cure = cure;
    }

    /** As the one fault of a file. */
    DataException in(String source) {
      return new DataException("file=" + source + ": " + getMessage() + "; " + cure);
    }
  }

  /**
   * None yet.
   *
   * @param source the file, which the message begins with
   * @param prompts number of prompts that are looked at
   */
  Faults(String source, int prompts) {
    this.source = source;
    this.prompts = prompts;
  }

  /** Adds one. */
  void add(int prompt, String fault, String cure) {
    ofPrompt = faulty.add(prompt) ? 1 : ofPrompt + 1;
    if (faulty.size() <= LISTED && ofPrompt <= LISTED_OF_ONE && length < LONGEST_LIST) {
      shown.add(prompt);
      String cut = cut(fault, LONGEST_FAULT);
      what.add(cut);
      length += cut.length();
      if (cures.size() < CURES) {
        cures.add(cure);
      }
    }
  }

  /** Runs something for a prompt and adds the fault that it throws, if it does. */
  void during(int prompt, Runnable part) {
    try {
      part.run();
    } catch (Fault e) {
      add(prompt, e.getMessage(), e.cure);
    }
  }

  /**
   * Ends with all that was found.
   *
   * @throws DataException if anything was
   */
  void throwIfAny() {
    if (what.isEmpty()) {
      return;
    }
    String cure = String.join("; ", cures);
    if (what.size() == 1 && faulty.size() == 1) {
      throw new DataException("file=" + source + ": " + what.get(0) + "; " + cure);
    }
    int more = faulty.size() - shown.size();
    throw new DataException(
        String.format(
            "file=%s: %d of %d prompts cannot be used: %s%s; %s",
            source,
            faulty.size(),
            prompts,
            String.join("; ", what),
            more > 0 ? "; and " + more + " more prompts" : "",
            cure));
  }

  /** Untrusted text for a list: quoted, at most 40 characters. */
  static String quote(String text) {
    return DataException.quote(cut(text, 40));
  }

  /** Tokens for a list, the first ten of them. */
  static String tokens(List<String> spellings) {
    int shown = 10;
    return spellings.stream()
        .limit(shown)
        .map(Faults::quote)
        .collect(Collectors.joining(", ", "[", spellings.size() > shown ? ", …]" : "]"));
  }

  private static String cut(String text, int limit) {
    if (text.length() <= limit) {
      return text;
    }
    int end = Character.isHighSurrogate(text.charAt(limit - 1)) ? limit - 1 : limit;
    return text.substring(0, end) + "…";
  }
}
