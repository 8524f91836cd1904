package io.autocircuit.task.program;

import static io.autocircuit.task.program.SOp.INDICES;
import static io.autocircuit.task.program.SOp.TOKENS;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The programs of the library's tasks. */
public final class Programs {
  private static final int OPEN = 0;
  private static final int CLOSED = 1;

  private Programs() {}

  /** Some letters, then BOS. */
  private static List<String> vocabulary(String letters) {
    List<String> tokens = new ArrayList<>(Arrays.asList(letters.split("")));
    tokens.add(Program.BOS);
    return tokens;
  }

  private static List<String> firstLetters(int count) {
    return vocabulary("abcdefghijklmnopqrstuvwxyz".substring(0, count));
  }

  /**
   * The letters 1, 2, 3 in reverse order, as Tracr's library does it: the length is counted by a
   * head, two MLPs find the opposite place, a head fetches the letter from there.
   *
   * @return of 5 letters; ids as in AutoCircuit's prompts
   */
  public static Program reverse() {
    SOp length = Selector.everything().width("length");
    SOp distance = length.with("length-index", INDICES, (n, i) -> n - i);
    SOp opposite = distance.map("opposite", d -> d - 1);
    SOp output = Selector.select(INDICES, opposite, (k, q) -> k == q).aggregate("reverse", TOKENS);
    return new Program(
        "tracr-reverse", List.of("1", "2", "3", Program.BOS, Program.PAD), 5, output);
  }

  /**
   * The share of x among the letters up to each, itself included: Tracr's {@code frac_prevs}.
   *
   * @return of 5 of the letters w, x, y, z; ids as in AutoCircuit's prompts
   */
  public static Program xProportion() {
    SOp isX = TOKENS.number("is x", t -> t == 1 ? 1 : 0);
    SOp output = before().aggregate("proportion", isX);
    return new Program(
        "tracr-xproportion", List.of(Program.BOS, Program.PAD, "w", "x", "y", "z"), 5, output);
  }

  /** Each position and those before it. */
  private static Selector before() {
    return Selector.select(INDICES, INDICES, (k, q) -> k <= q);
  }

  /**
   * How often each letter occurs in the prompt.
   *
   * @param letters number of letters, 1 to 26
   * @param length letters of a prompt
   * @return 1 to {@code length} at each position
   */
  public static Program histogram(int letters, int length) {
    SOp output = sameLetter().width("count");
    return new Program("histogram", firstLetters(letters), length, output);
  }

  private static Selector sameLetter() {
    return Selector.select(TOKENS, TOKENS, (k, q) -> k == q);
  }

  /**
   * The letters in order. Each position counts the positions that come before it, which is where
   * its letter goes; equal letters keep their order.
   *
   * @param letters number of letters, 1 to 26
   * @param length letters of a prompt
   * @return a letter at each position
   */
  public static Program sort(int letters, int length) {
    SOp rank = TOKENS.with("rank", INDICES, (t, i) -> t * length + i);
    SOp place = Selector.select(rank, rank, (k, q) -> k < q).width("place");
    SOp output = Selector.select(place, INDICES, (k, q) -> k == q).aggregate("sorted", TOKENS);
    return new Program("sort", firstLetters(letters), length, output);
  }

  /**
   * How many brackets are open behind each position: those opened less those closed, which may be
   * negative. Two heads count.
   *
   * @param length brackets of a prompt
   * @return −{@code length} to {@code length} at each position
   */
  public static Program dyckDepth(int length) {
    SOp opened = upTo("opened", OPEN, length);
    SOp closed = upTo("closed", CLOSED, length);
    SOp output = opened.with("depth", closed, (o, c) -> o - c);
    return new Program("dyck-1-depth", vocabulary("()"), length, output);
  }

  /** How many letters of a kind there are up to each position; others stand behind all. */
  private static SOp upTo(String name, int letter, int length) {
    SOp at = TOKENS.with(name + " at", INDICES, (t, i) -> t == letter ? i : length);
    return Selector.select(at, INDICES, (k, q) -> k <= q).width(name);
  }

  /**
   * Whether the brackets up to each position are balanced, round and curly ones each for
   * themselves: as many closed as opened, and none closed before it was opened, now or earlier.
   *
   * @param length brackets of a prompt
   * @return 1 or 0 at each position
   */
  public static Program shuffleDyck(int length) {
    SOp round = balance("round", 0);
    SOp curly = balance("curly", 2);
    SOp state = round.with("state", curly, (a, b) -> Math.min(a, b) < 0 ? -1 : Math.max(a, b));
    SOp wrong = state.number("wrong", s -> s < 0 ? 1 : 0);
    SOp share = before().aggregate("share wrong", wrong);
    SOp failed = share.classify("failed", s -> s > 0 ? 1 : 0);
    SOp output = failed.with("balanced", state, (f, s) -> f == 0 && s == 0 ? 1 : 0);
    return new Program("shuffle-dyck", vocabulary("(){}"), length, output);
  }

  /** The sign of the number of open brackets of a kind behind each position. */
  private static SOp balance(String name, int open) {
    SOp step = TOKENS.number(name + " step", t -> t == open ? 1 : t == open + 1 ? -1 : 0);
    SOp mean = before().aggregate(name + " mean", step);
    return mean.classify(name, Math::signum);
  }

  /**
   * The letter that is most frequent in the prompt; of equally frequent ones the first in the
   * alphabet. The same at all positions.
   *
   * @param letters number of letters, 1 to 26
   * @param length letters of a prompt
   * @return a letter
   */
  public static Program mostFrequent(int letters, int length) {
    SOp count = sameLetter().width("count");
    SOp rank = count.with("rank", TOKENS, (n, t) -> n * letters + letters - 1 - t);
    SOp above = Selector.select(rank, rank, (k, q) -> k > q).width("above");
    SOp output = Selector.where(above, n -> n == 0).aggregate("most frequent", TOKENS);
    return new Program("most-frequent", firstLetters(letters), length, output);
  }

  /**
   * The share of opening brackets among those up to each position, less that of closing ones; there
   * is another letter beside them.
   *
   * @param length letters of a prompt
   * @return −1 to 1 at each position; 0 where the brackets are balanced
   */
  public static Program pairBalance(int length) {
    SOp opened =
        before().aggregate("share opened", TOKENS.number("is open", t -> t == OPEN ? 1 : 0));
    SOp closed =
        before().aggregate("share closed", TOKENS.number("is closed", t -> t == CLOSED ? 1 : 0));
    return new Program("pair-balance", vocabulary("()a"), length, opened.minus("balance", closed));
  }
}
