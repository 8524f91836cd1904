package io.autocircuit.data;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * What makes a prompt pair useless, or looks like a mistake. The first ones follow from its tokens,
 * the last ones from what a model says.
 */
public enum PromptFinding {
  /** The pair cannot be read; a run would refuse it. */
  UNUSABLE("unusable", "a run would refuse it"),
  /** An answer has several tokens. */
  SEVERAL_TOKENS(
      "several-tokens", "an answer is not one token; choose another, or --multi-token-answers"),
  /** All answers are wrong answers. */
  SAME_ANSWERS(
      "answers-equal",
      "the wrong answers equal the answers, so that no difference between them can be seen;"
          + " check wrong_answers"),
  /** Some answers are wrong answers. */
  SHARED_ANSWER("answer-is-wrong", "an answer is a wrong answer too; check wrong_answers"),
  /** Both prompts are the same. */
  SAME_PROMPTS(
      "prompts-equal", "clean equals corrupt, so that ablation changes nothing; leave them out"),
  /** The prompts are the same up to a position that has answers. */
  SAME_UP_TO_ANSWER(
      "equal-up-to-answer",
      "clean and corrupt are equal up to a position that has answers, so that ablation changes"
          + " nothing there; look at later positions"),
  /** The prompts are the same up to the last token. */
  SAME_UP_TO_END(
      "equal-up-to-end",
      "clean and corrupt are equal up to the last token, so that nothing that is moved between"
          + " positions differs; choose corrupt prompts that differ earlier"),
  /** The prompts have different numbers of tokens. */
  LENGTHS_DIFFER(
      "lengths-differ", "clean and corrupt differ in length; make them equally long, or --pad"),
  /** The pair is there already. */
  REPEATED("repeated", "the same pair as an earlier one; leave it out"),
  /** A text is empty. */
  BLANK("blank", "a text is empty, so that nothing but its BOS is read; check the file"),
  /** The clean text ends in white space. */
  SPACE_AT_END(
      "space-at-end",
      "the clean text ends in white space, which most tokenizers put before the next word instead;"
          + " end it without, and begin the answers with the space"),
  /** A text holds what the vocabulary lacks. */
  UNKNOWN_TOKEN(
      "unknown-token",
      "the text holds what the vocabulary lacks, read as one unknown token; is this the model's own"
          + " tokenizer?"),
  /** Answers do not continue the text. */
  READ_APART(
      "read-apart",
      "answers that do not continue the text as one token are read as words of their own, after a"
          + " space; begin them with the space to say so"),
  /** The prompt does not begin with the model's BOS. */
  BOS_MISSING("bos-missing", "a prompt does not begin with the model's BOS; --bos auto puts it"),
  /** The prompt begins with the model's BOS twice. */
  BOS_DOUBLED("bos-doubled", "a prompt begins with two BOS; take one out of the file"),
  /** A wrong answer is likelier than every answer. */
  MODEL_WRONG(
      "model-wrong",
      "the model prefers a wrong answer after the clean prompt; 'dataset filter --top' leaves them out"),
  /** After the corrupt prompt the answer is as likely. */
  CORRUPT_AS_GOOD(
      "corrupt-as-good",
      "after the corrupt prompt the model prefers the answer as strongly as after the clean one; is"
          + " the corrupt prompt another?");

  private final String key;
  private final String text;

  PromptFinding(String key, String text) {
    this.key = key;
    this.text = text;
  }

  /**
   * Its name in files.
   *
   * @return lower case, words joined by dashes
   */
  public String key() {
    return key;
  }

  /**
   * What it is, and what to do about it.
   *
   * @return a sentence without a full stop
   */
  public String text() {
    return text;
  }

  /**
   * What is found in a pair by its tokens alone, but for whether it is repeated.
   *
   * @param pair the pair
   * @return none if nothing is wrong
   */
  public static Set<PromptFinding> of(TokenizedPair pair) {
    Set<PromptFinding> found = EnumSet.noneOf(PromptFinding.class);
    if (sameAnswers(pair)) {
      found.add(SAME_ANSWERS);
    } else if (sharedAnswer(pair)) {
      found.add(SHARED_ANSWER);
    }
    int[] clean = pair.clean();
    int[] corrupt = pair.corrupt();
    int differs = Arrays.mismatch(clean, corrupt);
    if (differs < 0) {
      found.add(SAME_PROMPTS);
    } else if (clean.length != corrupt.length) {
      found.add(LENGTHS_DIFFER);
    } else if (clean.length - pair.answers().length < differs) {
      found.add(SAME_UP_TO_ANSWER);
    } else if (differs == clean.length - 1 && differs > 0) {
      found.add(SAME_UP_TO_END);
    }
    return found;
  }

  private static boolean sameAnswers(TokenizedPair pair) {
    return IntStream.range(0, pair.answers().length)
        .allMatch(
            t ->
                pair.wrongAnswersAt(t).length > 0
                    && Arrays.equals(pair.answersAt(t), pair.wrongAnswersAt(t)));
  }

  private static boolean sharedAnswer(TokenizedPair pair) {
    // at some positions of a sequence right and wrong may agree; at the only one they must not
    return pair.answers().length == 1
        && Arrays.stream(pair.answersAt(0))
            .anyMatch(answer -> Arrays.binarySearch(pair.wrongAnswersAt(0), answer) >= 0);
  }
}
