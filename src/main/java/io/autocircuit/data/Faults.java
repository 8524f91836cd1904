package io.autocircuit.data;

import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What is wrong with prompts, gathered so that one message names all that is wrong: how many
 * prompts, the first faults of each kind, and what to do about that kind. The message stays short
 * whatever the file holds.
 */
final class Faults {
  private static final int LISTED = 10;
  private static final int LISTED_OF_ONE = 2;
  private static final int LONGEST_LIST = 1100;
  private static final int LONGEST_FAULT = 300;
  private static final int KINDS = 6;

  private final String source;
  private final int prompts;
  private final BitSet faulty = new BitSet();
  private final Map<String, Kind> kinds = new LinkedHashMap<>();

  /** Faults that one thing cures. */
  private static final class Kind {
    private final BitSet faulty = new BitSet();
    private final List<Listed> listed = new ArrayList<>();
    private int ofPrompt;

    void add(int prompt, String what) {
      ofPrompt = faulty.get(prompt) ? ofPrompt + 1 : 1;
      faulty.set(prompt);
      if (faulty.cardinality() <= LISTED && ofPrompt <= LISTED_OF_ONE) {
        listed.add(new Listed(prompt, cut(what, LONGEST_FAULT)));
      }
    }

    /** The first faults, at most some prompts and characters of them, and how many more. */
    String list(int atMost, int longest) {
      BitSet shown = new BitSet();
      List<String> parts = new ArrayList<>();
      int length = 0;
      for (Listed fault : listed) {
        if (length < longest && (shown.get(fault.prompt()) || shown.cardinality() < atMost)) {
          shown.set(fault.prompt());
          parts.add(fault.what());
          length += fault.what().length();
        }
      }
      int more = faulty.cardinality() - shown.cardinality();
      if (more > 0) {
        parts.add("and " + more + (more == 1 ? " more prompt" : " more prompts"));
      }
      return String.join("; ", parts);
    }
  }

  private record Listed(int prompt, String what) {}

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
    faulty.set(prompt);
    kinds.computeIfAbsent(cure, c -> new Kind()).add(prompt, fault);
  }

  /** Runs something for a prompt and adds the fault that it throws, if it does. */
  void during(int prompt, Runnable part) {
    try {
      part.run();
    } catch (Fault e) {
      add(prompt, e.getMessage(), e.cure);
    }
  }

  /** What is wrong, each with what to do about it. */
  List<String> lines() {
    return kinds.entrySet().stream()
        .flatMap(k -> k.getValue().listed.stream().map(f -> f.what() + "; " + k.getKey()))
        .toList();
  }

  /** Whether anything was found that this cures. */
  boolean has(String cure) {
    return kinds.containsKey(cure);
  }

  /**
   * Ends with all that was found.
   *
   * @throws DataException if anything was
   */
  void throwIfAny() {
    if (faulty.isEmpty()) {
      return;
    }
    String begin = "file=" + source + ": ";
    String count = faulty.cardinality() + " of " + prompts + " prompts cannot be used: ";
    if (kinds.size() == 1) {
      Map.Entry<String, Kind> only = kinds.entrySet().iterator().next();
      throw new DataException(
          begin
              + (only.getValue().listed.size() == 1 && faulty.cardinality() == 1 ? "" : count)
              + only.getValue().list(LISTED, LONGEST_LIST)
              + "; "
              + only.getKey());
    }
    int shown = Math.min(kinds.size(), KINDS);
    List<String> groups = new ArrayList<>();
    BitSet others = (BitSet) faulty.clone();
    for (Map.Entry<String, Kind> kind : kinds.entrySet()) {
      if (groups.size() < shown) {
        others.andNot(kind.getValue().faulty);
        groups.add(
            String.format(
                "(%d) %s; %s",
                groups.size() + 1,
                kind.getValue().list(Math.max(2, LISTED / shown), LONGEST_LIST / shown),
                kind.getKey()));
      }
    }
    int more = others.cardinality();
    throw new DataException(
        begin
            + count
            + String.join(" ", groups)
            + (more > 0 ? " and " + more + " more prompts with other faults" : ""));
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
