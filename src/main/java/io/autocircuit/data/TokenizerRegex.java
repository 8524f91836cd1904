package io.autocircuit.data;

import java.util.Set;

/**
 * Decides whether a regular expression of a {@code tokenizer.json} may run. The library's engine
 * backtracks: an expression such as {@code (a+)+$} takes exponential time, and after ten million
 * steps back at one place the engine gives up in a way that ends the process. So this class bounds,
 * from the expression alone, in how many ways a match can be tried at one place of a text, and
 * refuses what it does not know (back references, calls, conditions).
 */
final class TokenizerRegex {
  /** Characters of an expression; the longest in use, a list of letter ranges, has about 700. */
  static final int LONGEST = 4000;

  /** Groups within groups, and sets within sets. */
  static final int DEEPEST = 16;

  private static final int MOST_REPEATS = 1000;
  private static final int MOST_COPIES = 100_000;
  private static final int LONGEST_NAME = 40;

  /** Letters that stand, after a backslash, for a place. */
  private static final String ANCHORS = "bBAzZ";

  /** Letters that stand, after a backslash, for a character. */
  private static final String CHARACTERS = "sSdDwWhHnrtfvae";

  /** Expressions of wide use that are safe although the estimate is too coarse to tell. */
  private static final Set<String> KNOWN =
      Set.of(
          // cl100k_base and o200k_base as tiktoken writes them today
          "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+"
              + "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
          "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}+"
              + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");

  /**
   * What is known of a part.
   *
   * @param ways the most ways in which it can match at one place; a part after it that fails is
   *     tried again for each
   * @param effort the most steps back inside it
   * @param failing the most steps back inside it until it is known whether it matches at all
   * @param fails whether it can fail
   * @param least the fewest characters that it matches
   * @param most the most characters that it matches
   */
  private record Effort(
      double ways, double effort, double failing, boolean fails, long least, double most) {
    static final Effort NOTHING = new Effort(1, 0, 0, false, 0, 0);
    static final Effort CHARACTER = new Effort(1, 1, 1, true, 1, 1);
    static final Effort ANCHOR = new Effort(1, 1, 1, true, 0, 0);
  }

  /** A refusal; the message says what the expression has. */
  @SuppressWarnings("serial")
  static final class Refused extends Exception {
    Refused(String message) {
      super(message);
    }
  }

  private final String text;
  private final double textLength;
  private int at;

  private TokenizerRegex(String text, long textLength) {
    this.text = text;
    this.textLength = textLength;
  }

  /**
   * Checks an expression.
   *
   * @param textLength characters of the longest text that it will search
   * @param steps the most steps back at one place
   * @return the fewest characters that a match has
   * @throws Refused if it may not run
   */
  static long check(String regex, long textLength, double steps) throws Refused {
    if (regex.length() > LONGEST) {
      throw new Refused("length=" + regex.length() + " is more than the limit=" + LONGEST);
    }
    if (KNOWN.contains(regex)) {
      return 1;
    }
    TokenizerRegex parser = new TokenizerRegex(regex, textLength);
    if (regex.startsWith("(?i)") || regex.startsWith("(?m)")) {
      parser.at = 4;
    }
    Effort whole = parser.alternatives(0);
    if (parser.at < regex.length()) {
      throw new Refused("it has a ) without (");
    }
    if (!(whole.failing() <= steps)) {
      throw new Refused(
          "several of its repetitions can match the same text, which may take for ever");
    }
    return whole.least();
  }

  private boolean more() {
    return at < text.length();
  }

  private boolean next(String expected) {
    if (text.startsWith(expected, at)) {
      at += expected.length();
      return true;
    }
    return false;
  }

  private Effort alternatives(int depth) throws Refused {
    if (depth > DEEPEST) {
      throw new Refused("its groups are nested deeper than the limit=" + DEEPEST);
    }
    Effort sum = sequence(depth);
    while (next("|")) {
      Effort other = sequence(depth);
      sum =
          new Effort(
              sum.ways() + other.ways(),
              sum.effort() + other.effort() + 1,
              sum.failing() + other.failing() + 1,
              sum.fails() && other.fails(),
              Math.min(sum.least(), other.least()),
              Math.max(sum.most(), other.most()));
    }
    return sum;
  }

  /** Parts one after the other: each is tried for every way in which those before it match. */
  private Effort sequence(int depth) throws Refused {
    Effort sum = Effort.NOTHING;
    while (more() && text.charAt(at) != '|' && text.charAt(at) != ')') {
      Effort part = quantified(depth);
      double effort = sum.effort() + sum.ways() * part.effort();
      sum =
          new Effort(
              sum.ways() * part.ways(),
              effort,
              // What cannot fail leads to no step back before it.
              part.fails() ? sum.effort() + sum.ways() * part.failing() : sum.failing(),
              sum.fails() || part.fails(),
              sum.least() + part.least(),
              sum.most() + part.most());
    }
    return sum;
  }

  private Effort quantified(int depth) throws Refused {
    Effort part = atom(depth);
    long[] range = range();
    if (range == null) {
      return part;
    }
    boolean possessive = false;
    if (range.length == 2 && next("+")) {
      possessive = true;
    } else {
      boolean unusedLazy = next("?");
    }
    if (more() && range() != null) {
      throw new Refused("it has a quantifier right after a quantifier");
    }
    return repeated(part, range[0], range[1], possessive);
  }

  /**
   * A quantifier: its least and most (-1: no limit); a third element marks {@code {n,m}}, after
   * which {@code +} is another quantifier.
   */
  private long[] range() throws Refused {
    if (next("*")) {
      return new long[] {0, -1};
    }
    if (next("+")) {
      return new long[] {1, -1};
    }
    if (next("?")) {
      return new long[] {0, 1};
    }
    if (!more() || text.charAt(at) != '{') {
      return null;
    }
    int close = text.indexOf('}', at);
    String inside = close < 0 ? "" : text.substring(at + 1, close);
    if (!inside.matches("\\d+(,\\d*)?|,\\d+")) {
      return null; // a brace that stands for itself
    }
    if (inside.length() > 9) {
      throw new Refused("its repetition {" + inside.substring(0, 9) + "… is too long");
    }
    at = close + 1;
    int comma = inside.indexOf(',');
    String low = comma < 0 ? inside : inside.substring(0, comma);
    String high = comma < 0 ? inside : inside.substring(comma + 1);
    long least = low.isEmpty() ? 0 : Long.parseLong(low);
    long most = high.isEmpty() ? -1 : Long.parseLong(high);
    if (least > MOST_REPEATS || most > MOST_REPEATS || most >= 0 && most < least) {
      throw new Refused("its repetition {" + inside + "} is outside 0.." + MOST_REPEATS);
    }
    return new long[] {least, most, 0};
  }

  private Effort repeated(Effort part, long least, long most, boolean possessive) throws Refused {
    boolean unlimited = most < 0;
    if ((unlimited || most > 1) && part.least() == 0) {
      throw new Refused("it repeats something that can be empty");
    }
    if (part.least() * Math.max(least, most) > MOST_COPIES) {
      throw new Refused("its repetitions within repetitions are more than " + MOST_COPIES);
    }
    if (unlimited && part.ways() > 1) {
      throw new Refused("it repeats without limit what can itself match in several ways");
    }
    double times = unlimited ? textLength : most;
    double ways = 0;
    double power = 1;
    if (part.ways() == 1) {
      ways = times - least + 1;
    } else {
      for (long i = 0; i <= most && ways < 1e30; i++) {
        ways += i >= least ? power : 0;
        power *= part.ways();
      }
    }
    boolean fails = least > 0 && part.fails();
    double effort =
        part.effort() <= 1 ? 1 : part.effort() * Math.max(1, times) * (part.ways() == 1 ? 1 : ways);
    return new Effort(
        possessive ? 1 : Math.max(1, ways),
        effort,
        !fails ? 0 : least == 1 ? part.failing() : Math.max(effort, part.failing()),
        fails,
        part.least() * least,
        part.most() * times);
  }

  private Effort atom(int depth) throws Refused {
    char c = text.charAt(at++);
    if (c == '(') {
      return group(depth);
    }
    if (c == '[') {
      set(1);
      return Effort.CHARACTER;
    }
    if (c == '\\') {
      return escape();
    }
    if (c == '^' || c == '$') {
      return Effort.ANCHOR;
    }
    if (c == '*' || c == '+' || c == '?') {
      throw new Refused("it has a quantifier with nothing before it");
    }
    if (Character.isHighSurrogate(c) && more() && Character.isLowSurrogate(text.charAt(at))) {
      at++;
    }
    return Effort.CHARACTER;
  }

  private Effort group(int depth) throws Refused {
    boolean ahead = false;
    boolean behind = false;
    boolean atomic = false;
    if (next("?")) {
      if (next("=") || next("!")) {
        ahead = true;
      } else if (next("<=") || next("<!")) {
        behind = true;
      } else if (next(">")) {
        atomic = true;
      } else if (!next(":") && !next("i:") && !next("m:") && !next("-i:") && !next("-m:")) {
        throw new Refused("it has a group of an unknown kind");
      }
    }
    Effort body = alternatives(depth + 1);
    if (!next(")")) {
      throw new Refused("it has a ( without )");
    }
    if (behind && (body.least() != body.most() || body.ways() > 100)) {
      throw new Refused("it looks behind for something without fixed length");
    }
    if (ahead || behind) {
      double effort = Math.max(1, body.effort());
      return new Effort(1, effort, effort, true, 0, 0);
    }
    return atomic
        ? new Effort(1, body.effort(), body.effort(), body.fails(), body.least(), body.most())
        : body;
  }

  /** Skips a set of characters after its {@code [}. */
  private void set(int depth) throws Refused {
    if (depth > DEEPEST) {
      throw new Refused("its sets are nested deeper than the limit=" + DEEPEST);
    }
    boolean unusedNegated = next("^");
    boolean unusedLiteral = next("]");
    while (more()) {
      char c = text.charAt(at++);
      if (c == ']') {
        return;
      }
      if (c == '[') {
        int colon = text.indexOf(":]", at);
        if (text.startsWith(":", at) && colon > 0 && colon - at <= LONGEST_NAME) {
          at = colon + 2;
        } else {
          set(depth + 1);
        }
      } else if (c == '\\') {
        escape();
      }
    }
    throw new Refused("it has a [ without ]");
  }

  private Effort escape() throws Refused {
    if (!more()) {
      throw new Refused("it ends in a \\");
    }
    char c = text.charAt(at++);
    if (ANCHORS.indexOf(c) >= 0) {
      return Effort.ANCHOR;
    }
    if (c == 'p' || c == 'P') {
      braces("property");
    } else if (c == 'x' && more() && text.charAt(at) == '{') {
      braces("character code");
    } else if (c == 'x' || c == 'u') {
      digits(c == 'x' ? 2 : 4);
    } else if (CHARACTERS.indexOf(c) < 0 && Character.isLetterOrDigit(c)) {
      throw new Refused("it has \\" + (c < 128 ? c : '?') + ", which is not accepted");
    }
    return Effort.CHARACTER;
  }

  private void braces(String what) throws Refused {
    int close = text.indexOf('}', at);
    if (!more()
        || text.charAt(at) != '{'
        || close < 0
        || close - at > LONGEST_NAME
        || !text.substring(at + 1, close).matches("\\^?[A-Za-z0-9_ -]+")) {
      throw new Refused("it has a damaged " + what);
    }
    at = close + 1;
  }

  private void digits(int count) throws Refused {
    for (int i = 0; i < count; i++, at++) {
      if (!more() || Character.digit(text.charAt(at), 16) < 0) {
        throw new Refused("it has a damaged character code");
      }
    }
  }
}
