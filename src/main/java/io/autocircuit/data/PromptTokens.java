package io.autocircuit.data;

import io.autocircuit.data.Faults.Fault;
import io.autocircuit.data.TokenizedPair.Numbers;
import io.autocircuit.data.Tokenizer.Encoded;
import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Turns a dataset into token ids: its prompts, its labels, and, by {@link AnswerReader}, answers.
 */
final class PromptTokens {
  /** The label of the position before the first that the file labels. */
  private static final String BOS_LABEL = "<|BOS|>";

  private final PromptDraft dataset;
  private final PromptLimits limits;
  private final Tokenizer tokenizer;
  private final AnswerReader answers;
  private final OptionalInt unknown;
  private final List<Integer> blank = new ArrayList<>();
  private final List<Integer> trailingSpace = new ArrayList<>();
  private final List<Integer> unknownWords = new ArrayList<>();
  private String firstBos;

  /**
   * Nothing tokenised yet.
   *
   * @param dataset those of its prompts that could be read are tokenised
   * @param limits what every pair is checked for; null for nothing
   */
  PromptTokens(
      PromptDraft dataset, Tokenizer tokenizer, MultiTokenAnswers several, PromptLimits limits) {
    this.dataset = dataset;
    this.limits = limits;
    this.tokenizer = tokenizer;
    this.unknown = tokenizer == null ? OptionalInt.empty() : UnknownToken.of(tokenizer);
    this.answers = new AnswerReader(tokenizer, several, unknown);
  }

  TokenizedDataset dataset() {
    List<PromptPair> prompts = dataset.prompts();
    long texts =
        prompts.stream().filter(p -> p != null && p.clean() instanceof Wording.Text).count();
    Faults faults = dataset.faults();
    List<TokenizedPair> pairs = new ArrayList<>();
    for (int i = 0; i < prompts.size(); i++) {
      int index = i;
      if (prompts.get(i) != null) {
        faults.during(i, () -> pairs.add(described(index, pair(index, faults))));
      }
    }
    faults.throwIfAny();
    if (pairs.isEmpty()) {
      dataset.dataset(); // says that there are none
    }
    int shift = tokenizer == null || texts == 0 ? 0 : tokenizer.leadingSpecialTokens();
    boolean named = !dataset.seqLabels().isEmpty() || !dataset.wordIdxs().isEmpty();
    if (named && shift > 0 && texts < prompts.size()) {
      throw new DataException(
          String.format(
              "file=%s: %d prompts are text and %d token ids, so seq_labels and word_idxs cannot"
                  + " fit both; give all prompts in one form",
              dataset.source(), texts, prompts.size() - texts));
    }
    List<String> labels = new ArrayList<>(dataset.seqLabels());
    if (!labels.isEmpty()) {
      labels.addAll(0, Collections.nCopies(shift, BOS_LABEL));
      labels.addAll(answers.commonLabels());
    }
    SortedMap<String, Integer> words = new TreeMap<>();
    dataset.wordIdxs().forEach((name, position) -> words.put(name, position + shift));
    return new TokenizedDataset(
        dataset.source(), pairs, labels, words, beginning(texts), remarks(prompts.size()));
  }

  /** One pair, whatever is wrong with it. To be asked for each in the order of the file. */
  ReadPair one(int i) {
    Faults faults = new Faults(dataset.source(), dataset.prompts().size());
    TokenizedPair[] read = new TokenizedPair[1];
    faults.during(i, () -> read[0] = described(i, pair(i, faults)));
    Set<PromptFinding> found = EnumSet.noneOf(PromptFinding.class);
    note(found, PromptFinding.BLANK, isLast(blank, i));
    note(found, PromptFinding.UNKNOWN_TOKEN, isLast(unknownWords, i));
    note(found, PromptFinding.SPACE_AT_END, isLast(trailingSpace, i));
    note(found, PromptFinding.READ_APART, answers.readApart(i));
    List<String> lines = faults.lines();
    if (lines.isEmpty()) {
      return new ReadPair(read[0], true, lines, found);
    }
    boolean several = faults.has(AnswerReader.SEVERAL_CURE);
    found.add(several ? PromptFinding.SEVERAL_TOKENS : PromptFinding.UNUSABLE);
    PromptPair given = dataset.prompts().get(i);
    TokenizedPair shown =
        new TokenizedPair(i, ids(given.clean()), ids(given.corrupt()), new int[0][], new int[0][]);
    return new ReadPair(shown, false, lines, found);
  }

  private static boolean isLast(List<Integer> which, int i) {
    return !which.isEmpty() && which.get(which.size() - 1) == i;
  }

  private static void note(Set<PromptFinding> found, PromptFinding finding, boolean is) {
    if (is) {
      found.add(finding);
    }
  }

  /** The tokens of a prompt as far as there are any, to be shown. */
  private int[] ids(Wording wording) {
    if (wording instanceof Wording.Ids tokens) {
      return tokens.ids();
    }
    try {
      return tokenizer != null && wording instanceof Wording.Text text
          ? tokenizer.encodePrompt(text.text()).ids()
          : new int[0];
    } catch (DataException refused) {
      return new int[0];
    }
  }

  private String beginning(long texts) {
    if (texts == 0) {
      return "prompts are token ids: no BOS is put before them";
    }
    String which = texts == dataset.prompts().size() ? "prompts" : texts + " prompts of text";
    return firstBos == null ? which + " begin without BOS" : which + " begin with BOS " + firstBos;
  }

  private List<String> remarks(int prompts) {
    List<String> remarks = new ArrayList<>(dataset.remarks());
    if (!blank.isEmpty()) {
      remarks.add(
          PromptNotices.line(
              blank.stream().distinct().toList(), prompts, PromptFinding.BLANK.text()));
    }
    if (!unknownWords.isEmpty()) {
      remarks.add(
          PromptNotices.line(
              unknownWords.stream().distinct().toList(),
              prompts,
              PromptFinding.UNKNOWN_TOKEN.text()));
    }
    if (!trailingSpace.isEmpty()) {
      remarks.add(PromptNotices.line(trailingSpace, prompts, PromptFinding.SPACE_AT_END.text()));
    }
    remarks.addAll(answers.remarks(prompts));
    return remarks;
  }

  /** With the pair's template and spans, which move along with the BOS before text. */
  private TokenizedPair described(int i, TokenizedPair read) {
    PromptPair given = dataset.prompts().get(i);
    if (read == null) {
      return null;
    }
    TokenizedPair pair = given.template().isEmpty() ? read : read.withTemplate(given.template());
    if (given.spans().isEmpty()) {
      return pair;
    }
    boolean text = given.clean() instanceof Wording.Text;
    int shift = tokenizer == null || !text ? 0 : tokenizer.leadingSpecialTokens();
    Map<String, int[]> spans = new LinkedHashMap<>();
    given
        .spans()
        .forEach(
            (name, positions) ->
                spans.put(name, Arrays.stream(positions).map(t -> t + shift).toArray()));
    return pair.withSpans(spans);
  }

  private TokenizedPair pair(int i, Faults faults) {
    PromptPair pair = dataset.prompts().get(i);
    String where = "prompts[" + i + "].";
    Encoded clean = prompt(pair.clean(), where + "clean", i);
    Encoded corrupt = prompt(pair.corrupt(), where + "corrupt", i);
    int length = Math.min(clean.ids().length, corrupt.ids().length);
    int positions = pair.answers().size();
    if (positions > length) {
      throw new Fault(
          String.format(
              "%sanswers has positions=%d, but the prompt has tokens=%d", where, positions, length),
          "give at most one list of answers per token");
    }
    if (pair.clean() instanceof Wording.Text text && endsInSpaceToken(text.text(), clean)) {
      trailingSpace.add(i);
    }
    if (Stream.concat(pair.answers().stream(), pair.wrongAnswers().stream())
        .flatMap(List::stream)
        .anyMatch(answer -> answer instanceof Wording.Value)) {
      return fits(
          new TokenizedPair(
              i,
              clean.ids(),
              corrupt.ids(),
              new int[positions][0],
              new int[positions][0],
              new Numbers(numbers(pair.answers(), where), numbers(pair.wrongAnswers(), where))),
          faults);
    }
    AnswerReader.Read read = null;
    try {
      read = answers.read(i, pair, clean, faults);
    } finally {
      if (read == null) {
        // what is wrong with the prompts is said as well
        fits(new TokenizedPair(i, clean.ids(), corrupt.ids(), new int[0][], new int[0][]), faults);
      }
    }
    return read == null
        ? null
        : fits(
            new TokenizedPair(
                i,
                read.behind(clean.ids()),
                read.behind(corrupt.ids()),
                read.answers(),
                read.wrongAnswers()),
            faults);
  }

  private TokenizedPair fits(TokenizedPair pair, Faults faults) {
    if (limits != null) {
      TokenizedDataset.fits(pair, limits, faults);
    }
    return pair;
  }

  private boolean endsInSpaceToken(String text, Encoded encoded) {
    return !text.isBlank()
        && Character.isWhitespace(text.charAt(text.length() - 1))
        && !Arrays.equals(tokenizer.encodePrompt(text.stripTrailing()).ids(), encoded.ids());
  }

  private static double[][] numbers(List<List<Wording>> positions, String where) {
    return positions.stream()
        .map(position -> position.stream().mapToDouble(answer -> number(answer, where)).toArray())
        .toArray(double[][]::new);
  }

  private static double number(Wording answer, String where) {
    if (answer instanceof Wording.Value number) {
      return number.value();
    }
    throw new Fault(
        where + "answers are numbers in part", "give numbers for all answers of a pair, or none");
  }

  private Encoded prompt(Wording wording, String where, int index) {
    Encoded encoded;
    if (wording instanceof Wording.Text text) {
      Tokenizer given = AnswerReader.needed(tokenizer, where, text);
      try {
        encoded = given.encodePrompt(text.text());
      } catch (DataException e) {
        throw RefusedText.at(where, text.text(), e);
      }
      int special = tokenizer.leadingSpecialTokens();
      if (text.text().isBlank() && encoded.ids().length > 0) {
        blank.add(index);
      }
      if (firstBos == null && special > 0 && encoded.spellings().size() >= special) {
        List<String> bos = encoded.spellings().subList(0, special);
        firstBos =
            special == 1
                ? Faults.quote(bos.get(0)) + " (id " + encoded.ids()[0] + ")"
                : Faults.tokens(bos);
      }
      if (unknown.isPresent() && contains(encoded.ids(), special, unknown.getAsInt())) {
        unknownWords.add(index);
      }
    } else if (wording instanceof Wording.Ids tokens) {
      encoded = new Encoded(tokens.ids().clone(), List.of());
    } else {
      throw new Fault(where + " is a number", "give a text or a list of token ids");
    }
    if (encoded.ids().length == 0) {
      throw new Fault(where + " has tokens=0", "give a prompt of at least one token");
    }
    return encoded;
  }

  private static boolean contains(int[] ids, int from, int wanted) {
    for (int i = from; i < ids.length; i++) {
      if (ids[i] == wanted) {
        return true;
      }
    }
    return false;
  }
}
