package io.autocircuit.task;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.PromptPair;
import io.autocircuit.data.Wording;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;

/**
 * Prompt pairs that ask for induction, for models trained by {@link InductionModelTrainer}.
 *
 * <p>The clean prompt is {@code BOS … A B … X C … A} with the answer B and the wrong answer C; the
 * pair (X, C) may also come first. The corrupt prompt has the first A and X exchanged, {@code BOS …
 * X B … A C … A}, so that induction says C. B, C and the last token stay, and so does every
 * position's token but two: what changes is only which token came <em>before</em> B and C. All
 * other tokens are distinct, and the places are random.
 */
public final class InductionPrompts {
  /** Room for BOS, two pairs and the last token. */
  private static final int SHORTEST = 6;

  private InductionPrompts() {}

  /**
   * Draws prompt pairs as token ids.
   *
   * @param prompts number of pairs, at least 1
   * @param length tokens of each prompt, BOS (token 0) included, at least 6
   * @param vocab tokens of the model, at least {@code length}
   * @param seed the same seed gives the same pairs
   * @return the pairs
   * @throws IllegalArgumentException if a number is out of range
   */
  public static PromptDataset generate(int prompts, int length, int vocab, long seed) {
    if (prompts < 1) {
      throw new IllegalArgumentException("prompts=" + prompts + "; give at least 1");
    }
    if (length < SHORTEST) {
      throw new IllegalArgumentException("length=" + length + "; give at least " + SHORTEST);
    }
    if (vocab < length) {
      throw new IllegalArgumentException(
          "vocab=" + vocab + " is less than length=" + length + "; tokens must be distinct");
    }
    SplittableRandom random = new SplittableRandom(seed);
    List<PromptPair> pairs = new ArrayList<>();
    for (int i = 0; i < prompts; i++) {
      pairs.add(pair(length, vocab, random));
    }
    return new PromptDataset("induction", pairs, List.of(), new TreeMap<>());
  }

  private static PromptPair pair(int length, int vocab, SplittableRandom random) {
    int[] bag = new int[vocab - 1];
    InductionSequences.shuffledTokens(bag, random);
    int[] clean = new int[length];
    clean[0] = InductionSequences.BOS;
    System.arraycopy(bag, 0, clean, 1, length - 2);
    // Two places for a pair among the positions 1 … length − 2, not overlapping.
    int early = 1 + random.nextInt(length - 5);
    int late = early + 2 + random.nextInt(length - 4 - early);
    boolean answerFirst = random.nextBoolean();
    int asked = answerFirst ? early : late;
    int other = answerFirst ? late : early;
    clean[length - 1] = clean[asked];
    int[] corrupt = clean.clone();
    corrupt[asked] = clean[other];
    corrupt[other] = clean[asked];
    return new PromptPair(
        new Wording.Ids(clean),
        new Wording.Ids(corrupt),
        List.of(List.of(token(clean[asked + 1]))),
        List.of(List.of(token(clean[other + 1]))));
  }

  /**
   * Names the positions that matter: {@code asked}, where the last token stood before; {@code
   * answer} behind it; {@code other}, and {@code wrong} behind that; {@code end}.
   *
   * @param dataset pairs of this kind
   * @return the same pairs with spans
   */
  public static PromptDataset spanned(PromptDataset dataset) {
    return new PromptDataset(
        dataset.source(),
        dataset.prompts().stream().map(InductionPrompts::spanned).toList(),
        dataset.seqLabels(),
        dataset.wordIdxs(),
        dataset.remarks());
  }

  private static PromptPair spanned(PromptPair pair) {
    int[] ids = ((Wording.Ids) pair.clean()).ids();
    int asked = position(ids, ids[ids.length - 1]);
    int wrong = position(ids, ((Wording.Ids) pair.wrongAnswers().get(0).get(0)).ids()[0]);
    Map<String, int[]> spans = new LinkedHashMap<>();
    spans.put("asked", new int[] {asked});
    spans.put("answer", new int[] {asked + 1});
    spans.put("other", new int[] {wrong - 1});
    spans.put("wrong", new int[] {wrong});
    spans.put("end", new int[] {ids.length - 1});
    return pair.withSpans(spans);
  }

  private static int position(int[] ids, int token) {
    int at = 0;
    while (ids[at] != token) {
      at++;
    }
    return at;
  }

  private static Wording token(int id) {
    return new Wording.Ids(new int[] {id});
  }

  /**
   * Writes prompt pairs of token ids with answers for the last position as JSON in AutoCircuit's
   * schema, one pair a line, whole or not at all.
   *
   * @param file where to
   * @param dataset the pairs
   * @throws IllegalArgumentException if a prompt or an answer is text, or answers are per position
   * @throws DataException if the file cannot be written
   */
  public static void write(Path file, PromptDataset dataset) {
    StringBuilder json = new StringBuilder("{\"prompts\": [");
    String separator = "\n";
    for (PromptPair pair : dataset.prompts()) {
      json.append(separator).append(json(pair));
      separator = ",\n";
    }
    AtomicFile.write(file, json.append("\n]}\n").toString());
  }

  private static ObjectNode json(PromptPair pair) {
    ObjectNode node = new ObjectMapper().createObjectNode();
    ids(pair.clean(), node.putArray("clean"));
    ids(pair.corrupt(), node.putArray("corrupt"));
    answers(pair.answers(), node.putArray("answers"));
    answers(pair.wrongAnswers(), node.putArray("wrong_answers"));
    return node;
  }

  private static void answers(List<List<Wording>> positions, ArrayNode into) {
    if (positions.size() != 1) {
      throw new IllegalArgumentException(
          "answer positions=" + positions.size() + "; give answers for the last position only");
    }
    positions.get(0).forEach(answer -> ids(answer, into));
  }

  private static void ids(Wording wording, ArrayNode into) {
    if (!(wording instanceof Wording.Ids tokens)) {
      throw new IllegalArgumentException("prompt=" + wording + " is text; give token ids");
    }
    for (int id : tokens.ids()) {
      into.add(id);
    }
  }
}
