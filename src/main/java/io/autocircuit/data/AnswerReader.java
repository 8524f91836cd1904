package io.autocircuit.data;

import io.autocircuit.data.Faults.Fault;
import io.autocircuit.data.Tokenizer.Encoded;
import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * The tokens of answers. All answers and wrong answers of a pair are read in one way, so that a
 * word with a space before it is never compared with one without:
 *
 * <ol>
 *   <li>as what they add to the text of their clean prompt, if that is one token for each;
 *   <li>else alone, if that is one token for each;
 *   <li>else, if several tokens are allowed, in the first of these two ways that works for all.
 * </ol>
 */
final class AnswerReader {
  /** What to do about answers of several tokens. */
  static final String SEVERAL_CURE =
      "choose an answer of one token (mind the leading space), or --multi-token-answers"
          + " first_differing";

  private final Tokenizer tokenizer;
  private final MultiTokenAnswers several;
  private final OptionalInt unknown;
  private final boolean marksWords;
  private final List<Integer> apart = new ArrayList<>();
  private final List<Integer> differing = new ArrayList<>();
  private final TreeSet<Integer> shared = new TreeSet<>();
  private String apartExample;
  private List<String> sharedSpellings = List.of();

  /**
   * Nothing read yet.
   *
   * @param tokenizer may be null where there is no text
   * @param unknown the id of the unknown token, if the vocabulary has one
   */
  AnswerReader(Tokenizer tokenizer, MultiTokenAnswers several, OptionalInt unknown) {
    this.tokenizer = tokenizer;
    this.several = several;
    this.unknown = unknown;
    this.marksWords = tokenizer != null && marked("a", tokenizer.encodeAnswer("a"));
  }

  /** Whether the tokenizer put the space of a new word before a text that begins with none. */
  private static boolean marked(String text, Encoded encoded) {
    if (text.isEmpty() || Character.isWhitespace(text.charAt(0)) || encoded.spellings().isEmpty()) {
      return false;
    }
    char begin = encoded.spellings().get(0).isEmpty() ? ' ' : encoded.spellings().get(0).charAt(0);
    // the space as SentencePiece and as byte-level vocabularies spell it
    return (begin == '\u2581' || begin == '\u0120') && text.charAt(0) != begin;
  }

  /**
   * Answers as tokens.
   *
   * @param shared tokens to be put behind both prompts
   */
  record Read(int[][] answers, int[][] wrongAnswers, int[] shared) {
    int[] behind(int[] prompt) {
      int[] all = Arrays.copyOf(prompt, prompt.length + shared.length);
      System.arraycopy(shared, 0, all, prompt.length, shared.length);
      return all;
    }
  }

  /** A prompt of text and its tokens. */
  private record Before(Wording.Text text, Encoded tokens) {}

  /**
   * One answer and the ways to read it.
   *
   * @param before the prompt that it continues; null where it is read alone
   */
  private record Candidate(
      String where,
      Wording wording,
      Encoded alone,
      Encoded continued,
      boolean wrong,
      Before before) {
    boolean isText() {
      return wording instanceof Wording.Text;
    }

    String text() {
      return ((Wording.Text) wording).text();
    }
  }

  /**
   * Reads the answers of a pair.
   *
   * @param clean its clean prompt, tokenised
   * @param faults gets what is wrong with single answers
   * @return null if something was wrong
   */
  Read read(int index, PromptPair pair, Encoded clean, Faults faults) {
    String where = "prompts[" + index + "].";
    int positions = pair.answers().size();
    int[][] right = new int[positions][];
    int[][] wrong = new int[positions][];
    int[] behind = new int[0];
    boolean fine = true;
    for (int p = 0; p < positions; p++) {
      String at = positions == 1 ? "" : "[" + p + "]";
      List<Candidate> all = new ArrayList<>();
      Before before =
          positions == 1 && pair.clean() instanceof Wording.Text text
              ? new Before(text, clean)
              : null;
      add(all, pair.answers().get(p), where + "answers" + at, false, before);
      add(all, pair.wrongAnswers().get(p), where + "wrong_answers" + at, true, before);
      List<Encoded> tokens =
          before != null && continues(pair, all)
              ? continued(index, all, faults)
              : alone(index, all, faults);
      if (tokens == null) {
        fine = false;
        continue;
      }
      int skip = 0;
      if (tokens.stream().anyMatch(t -> t.ids().length > 1)) {
        skip = parting(index, all, tokens, positions, faults);
        if (skip < 0) {
          fine = false;
          continue;
        }
        behind = Arrays.copyOf(tokens.get(0).ids(), skip);
        sharedSpellings = tokens.get(0).spellings().subList(0, skip);
      }
      int n = pair.answers().get(p).size();
      right[p] = at(tokens.subList(0, n), skip);
      wrong[p] = at(tokens.subList(n, tokens.size()), skip);
      fine &= known(index, all, right[p], wrong[p], faults);
    }
    shared.add(behind.length);
    return fine ? new Read(right, wrong, behind) : null;
  }

  private static int[] at(List<Encoded> tokens, int skip) {
    int[] ids = tokens.stream().mapToInt(t -> t.ids()[skip]).toArray();
    // answers of several tokens may begin with the same one
    boolean single = tokens.stream().allMatch(t -> t.ids().length == 1);
    return single ? ids : Arrays.stream(ids).distinct().toArray();
  }

  private void add(
      List<Candidate> all, List<Wording> answers, String where, boolean wrong, Before before) {
    for (int a = 0; a < answers.size(); a++) {
      Wording wording = answers.get(a);
      String name = where + "[" + a + "]";
      if (wording instanceof Wording.Text text) {
        if (text.text().isEmpty()) {
          throw new Fault(name + "=\"\" is empty", "give a token");
        }
        Tokenizer given = needed(tokenizer, name, text);
        try {
          Encoded alone = given.encodeAnswer(text.text());
          Encoded continued = before == null ? null : continuation(before, text.text());
          all.add(new Candidate(name, wording, alone, continued, wrong, before));
        } catch (DataException e) {
          throw RefusedText.at(name, text.text(), e);
        }
      } else {
        int[] ids = ((Wording.Ids) wording).ids();
        List<String> spellings = Arrays.stream(ids).mapToObj(String::valueOf).toList();
        Encoded given = new Encoded(ids, spellings);
        all.add(new Candidate(name, wording, given, given, wrong, before));
      }
    }
  }

  /** What an answer adds to its prompt; null if the prompt's own tokens change with it. */
  private Encoded continuation(Before before, String answer) {
    Encoded whole = tokenizer.encodePrompt(before.text().text() + answer);
    int[] prompt = before.tokens().ids();
    int length = prompt.length;
    // an unknown word stays unknown whatever is joined to it
    boolean kept =
        (unknown.isEmpty() || prompt[length - 1] != unknown.getAsInt())
            && whole.ids().length >= length
            && Arrays.equals(whole.ids(), 0, length, prompt, 0, length);
    if (!kept) {
      return null;
    }
    int n = whole.spellings().size();
    return new Encoded(
        Arrays.copyOfRange(whole.ids(), length, whole.ids().length),
        whole.spellings().subList(Math.min(length, n), n));
  }

  private static boolean all(
      List<Candidate> all, Function<Candidate, Encoded> way, boolean single) {
    return all.stream()
        .map(way)
        .allMatch(t -> t != null && (single ? t.ids().length == 1 : t.ids().length > 0));
  }

  private static List<Encoded> tokens(List<Candidate> all, Function<Candidate, Encoded> way) {
    return all.stream().map(way).toList();
  }

  /**
   * Whether there is text to continue. Behind none, an answer that begins with a space is a word,
   * as behind token ids: tokenizers that put a space before a text would see two.
   */
  private static boolean continues(PromptPair pair, List<Candidate> all) {
    return !((Wording.Text) pair.clean()).text().isEmpty()
        || all(all, Candidate::continued, true)
        || all.stream().noneMatch(c -> c.isText() && Character.isWhitespace(c.text().charAt(0)));
  }

  /** Answers behind text. */
  private List<Encoded> continued(int index, List<Candidate> all, Faults faults) {
    if (all(all, Candidate::continued, true)) {
      return tokens(all, Candidate::continued);
    }
    boolean joined =
        all.stream()
            .anyMatch(c -> c.isText() && c.continued() == null && marked(c.text(), c.alone()));
    if (all(all, Candidate::alone, true) && !joined) {
      return apart(index, all);
    }
    if (several == MultiTokenAnswers.FIRST_DIFFERING) {
      if (all(all, Candidate::continued, false)) {
        return tokens(all, Candidate::continued);
      }
      if (all(all, Candidate::alone, false) && !joined) {
        return apart(index, all);
      }
    }
    for (Candidate c : all) {
      if (c.continued() != null && c.continued().ids().length == 1) {
        continue;
      }
      if (c.isText() && c.continued() == null && marked(c.text(), c.alone())) {
        faults.add(
            index,
            String.format(
                "%s=%s joins with the end of its prompt, and alone it is another word: %s",
                c.where(), Faults.quote(c.text()), Faults.tokens(c.alone().spellings())),
            "begin the answer with a space, or end the prompt where a word ends");
      } else {
        severalTokens(index, c, faults);
      }
    }
    return null;
  }

  private List<Encoded> apart(int index, List<Candidate> all) {
    for (Candidate c : all) {
      if (c.isText() && marked(c.text(), c.alone())) {
        if (apart.isEmpty()) {
          apartExample =
              String.format(
                  "%s=%s as %s",
                  c.where(), Faults.quote(c.text()), Faults.tokens(c.alone().spellings()));
        }
        if (apart.isEmpty() || apart.get(apart.size() - 1) != index) {
          apart.add(index);
        }
      }
    }
    return tokens(all, Candidate::alone);
  }

  /** Answers behind token ids, or for several positions. */
  private List<Encoded> alone(int index, List<Candidate> all, Faults faults) {
    boolean fine = true;
    List<Encoded> tokens = new ArrayList<>();
    for (Candidate c : all) {
      Encoded alone = c.alone();
      if (c.isText() && marksWords && !c.text().isEmpty()) {
        if (!Character.isWhitespace(c.text().charAt(0))) {
          faults.add(
              index,
              String.format(
                  "%s=%s leaves open whether it begins a word: alone it is %s, within a word"
                      + " another token",
                  c.where(), Faults.quote(c.text()), Faults.tokens(alone.spellings())),
              "begin it with a space if it does, or give its token id");
          fine = false;
          continue;
        }
        if (alone.ids().length != 1) {
          // the tokenizer put its own space before ours
          alone = tokenizer.encodeAnswer(c.text().substring(1));
        }
      }
      boolean usable =
          several == MultiTokenAnswers.FIRST_DIFFERING
              ? alone.ids().length > 0
              : alone.ids().length == 1;
      if (!usable) {
        severalTokens(index, c, faults);
        fine = false;
      }
      tokens.add(alone);
    }
    return fine ? tokens : null;
  }

  private void severalTokens(int index, Candidate c, Faults faults) {
    Encoded shown =
        c.continued() != null && c.continued().ids().length <= c.alone().ids().length
            ? c.continued()
            : c.alone();
    String text =
        c.isText() ? Faults.quote(c.text()) : Arrays.toString(((Wording.Ids) c.wording()).ids());
    faults.add(
        index,
        String.format(
            "%s=%s is not one token but %d: %s%s",
            c.where(), text, shown.ids().length, Faults.tokens(shown.spellings()), otherwise(c)),
        SEVERAL_CURE);
  }

  /** What of an answer of several tokens would be one: it with a space before it, or without. */
  private String otherwise(Candidate c) {
    if (!c.isText()) {
      return "";
    }
    boolean spaced = c.text().startsWith(" ");
    String other = spaced ? c.text().substring(1) : " " + c.text();
    try {
      return !other.isBlank() && isOne(c.before(), other)
          ? " (" + Faults.quote(other) + ", with" + (spaced ? "out" : "") + " the space, is one)"
          : "";
    } catch (DataException tooLong) {
      return "";
    }
  }

  /** Whether a text would be read as one token that the vocabulary has. */
  private boolean isOne(Before before, String text) {
    Encoded tokens = before == null ? null : continuation(before, text);
    if (tokens == null || tokens.ids().length != 1) {
      if (marksWords && (before != null || !text.startsWith(" "))) {
        return false; // alone it would be another word
      }
      tokens = tokenizer.encodeAnswer(marksWords ? text.substring(1) : text);
    }
    return tokens.ids().length == 1 && (unknown.isEmpty() || tokens.ids()[0] != unknown.getAsInt());
  }

  /**
   * At which token answers and wrong answers part.
   *
   * @return -1 if they do not, or at different ones
   */
  private int parting(
      int index, List<Candidate> all, List<Encoded> tokens, int positions, Faults faults) {
    if (positions > 1) {
      for (int a = 0; a < all.size(); a++) {
        if (tokens.get(a).ids().length > 1) {
          severalTokens(index, all.get(a), faults);
        }
      }
      return -1;
    }
    differing.add(index);
    boolean comparable = all.stream().anyMatch(Candidate::wrong);
    int skip = comparable ? common(tokens) : 0;
    for (int a = 0; a < all.size(); a++) {
      for (int b = 0; b < all.size(); b++) {
        int[] right = tokens.get(a).ids();
        int[] wrong = tokens.get(b).ids();
        if (!all.get(a).wrong()
            && all.get(b).wrong()
            && (right.length <= skip || wrong.length <= skip || right[skip] == wrong[skip])) {
          faults.add(
              index,
              String.format(
                  "%s=%s and %s=%s do not part at the token where all answers do: %s, %s",
                  all.get(a).where(),
                  shown(all.get(a)),
                  all.get(b).where(),
                  shown(all.get(b)),
                  Faults.tokens(tokens.get(a).spellings()),
                  Faults.tokens(tokens.get(b).spellings())),
              "choose answers that differ from all wrong answers at one token");
          return -1;
        }
      }
    }
    return skip;
  }

  private static String shown(Candidate c) {
    return c.isText() ? Faults.quote(c.text()) : Arrays.toString(((Wording.Ids) c.wording()).ids());
  }

  /** How many tokens all begin with. */
  private static int common(List<Encoded> tokens) {
    int[] first = tokens.get(0).ids();
    int length = first.length;
    for (Encoded t : tokens) {
      int differs = Arrays.mismatch(first, t.ids());
      length = Math.min(length, differs < 0 ? length : differs);
    }
    return length;
  }

  /** Whether all ids are tokens that the vocabulary has for them. */
  private boolean known(int index, List<Candidate> all, int[] right, int[] wrong, Faults faults) {
    if (unknown.isEmpty()) {
      return true;
    }
    boolean fine = true;
    int lacking = unknown.getAsInt();
    boolean any =
        IntStream.concat(Arrays.stream(right), Arrays.stream(wrong)).anyMatch(id -> id == lacking);
    for (Candidate c : all) {
      if (any && c.isText() && Arrays.stream(c.alone().ids()).anyMatch(id -> id == lacking)) {
        faults.add(
            index,
            c.where() + "=" + Faults.quote(c.text()) + " is not in the vocabulary of the tokenizer",
            "choose an answer that the model can say");
        fine = false;
      }
    }
    return fine;
  }

  /** Labels of the tokens behind the prompts, where there are as many behind each. */
  List<String> commonLabels() {
    return shared.size() == 1 ? sharedSpellings : List.of();
  }

  /** What had to be decided. */
  List<String> remarks(int prompts) {
    List<String> remarks = new ArrayList<>();
    if (!apart.isEmpty()) {
      remarks.add(
          PromptNotices.line(
              apart,
              prompts,
              "answers that do not continue the text as one token are read as words of their own,"
                  + " after a space ("
                  + apartExample
                  + "); begin them with the space to say so"));
    }
    if (!differing.isEmpty()) {
      remarks.add(
          PromptNotices.line(
              differing,
              prompts,
              "answers of several tokens; the first token at which answers and wrong answers differ"
                  + " is looked at"
                  + (shared.last() > 0
                      ? ", and up to " + shared.last() + " that they share are put behind prompts"
                      : "")));
    }
    return remarks;
  }

  /** Whether answers of a pair were read as words of their own. */
  boolean readApart(int index) {
    return !apart.isEmpty() && apart.get(apart.size() - 1) == index;
  }

  static Tokenizer needed(Tokenizer tokenizer, String where, Wording.Text text) {
    if (tokenizer == null) {
      throw new Fault(
          where + "=" + Faults.quote(text.text()) + " is text and there is no tokenizer",
          "put the model's tokenizer.json beside its weights (from tokenizer.model, or vocab.json and"
              + " merges.txt, Python makes it: AutoTokenizer.from_pretrained(DIR)"
              + ".save_pretrained(DIR)), or give token ids");
    }
    return tokenizer;
  }
}
