package io.autocircuit.task.dataset;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * What a model says to the prompts of a dataset, unpatched. Logits are kept for one batch at a time
 * only, so that memory does not grow with prompts and vocabulary together.
 */
public final class ModelAnswers {
  /** Prompts that are run together; no number depends on it but by rounding. */
  private static final int BATCH = 16;

  private final Transformer model;
  private final int choices;

  private ModelAnswers(Transformer model, int choices) {
    this.model = model;
    this.choices = choices;
  }

  /**
   * A token and what the model thinks of it.
   *
   * @param token its id
   * @param probability from 0 to 1
   * @param rank 1 for the likeliest
   */
  public record Choice(int token, double probability, int rank) {}

  /**
   * What the model says after one prompt of a pair. Of several answer positions numbers are means,
   * {@code right} and {@code top} hold at all of them, {@code rank} is the worst; choices, answers
   * and outputs are those of the last.
   *
   * @param probability the share of all answers together
   * @param right whether the likeliest answer is likelier than every wrong answer that is no answer
   *     too; true where there is none
   * @param top whether the likeliest token of the vocabulary is an answer
   * @param rank of the likeliest answer, 1 for the first of the vocabulary; 0 for numbers
   * @param difference mean logit of the answers, less that of the wrong answers; NaN where there is
   *     no wrong answer
   * @param squaredError the mean square of output less answer where answers are numbers; else NaN
   * @param choices the likeliest tokens
   * @param answers the answers
   * @param wrongAnswers the wrong answers
   * @param outputs what the model outputs where answers are numbers; else empty
   */
  public record Side(
      double probability,
      boolean right,
      boolean top,
      int rank,
      double difference,
      double squaredError,
      List<Choice> choices,
      List<Choice> answers,
      List<Choice> wrongAnswers,
      List<Double> outputs) {
    /**
     * Copies the lists.
     *
     * @param probability the share of all answers together
     * @param right whether the likeliest answer is likelier than every wrong answer
     * @param top whether the likeliest token of the vocabulary is an answer
     * @param rank of the likeliest answer
     * @param difference mean logit of the answers, less that of the wrong answers
     * @param squaredError the mean square of output less answer where answers are numbers
     * @param choices the likeliest tokens
     * @param answers the answers
     * @param wrongAnswers the wrong answers
     * @param outputs what the model outputs where answers are numbers
     */
    public Side {
      choices = List.copyOf(choices);
      answers = List.copyOf(answers);
      wrongAnswers = List.copyOf(wrongAnswers);
      outputs = List.copyOf(outputs);
    }
  }

  /**
   * What the model says to one pair.
   *
   * @param clean after the clean prompt
   * @param corrupt after the corrupt prompt
   */
  public record Said(Side clean, Side corrupt) {
    /**
     * The share of all answers together after the clean prompt.
     *
     * @return from 0 to 1
     */
    public double probability() {
      return clean.probability();
    }

    /**
     * Whether the model prefers an answer after the clean prompt.
     *
     * @return true too where there is no wrong answer
     */
    public boolean right() {
      return clean.right();
    }

    /**
     * Whether the likeliest token after the clean prompt is an answer.
     *
     * @return true if it is
     */
    public boolean top() {
      return clean.top();
    }

    /**
     * Mean logit of the answers less that of the wrong answers after the clean prompt.
     *
     * @return NaN where there is no wrong answer
     */
    public double difference() {
      return clean.difference();
    }

    /**
     * The same after the corrupt prompt.
     *
     * @return NaN where there is no wrong answer
     */
    public double corruptDifference() {
      return corrupt.difference();
    }

    /**
     * The mean square of output less answer after the clean prompt.
     *
     * @return NaN where answers are tokens
     */
    public double squaredError() {
      return clean.squaredError();
    }
  }

  /**
   * Runs the prompts.
   *
   * @param dataset that the model can read
   * @param model the model
   * @return what it says, in the order of the dataset, without choices
   */
  public static List<Said> of(TokenizedDataset dataset, Transformer model) {
    return of(dataset.prompts(), model, 0);
  }

  /**
   * Runs prompts.
   *
   * @param pairs that the model can read
   * @param model the model
   * @param choices how many of the likeliest tokens are listed
   * @return what it says, in the order of the pairs
   */
  public static List<Said> of(List<TokenizedPair> pairs, Transformer model, int choices) {
    ModelAnswers of = new ModelAnswers(model, choices);
    Side[] clean = of.sides(pairs, TokenizedPair::clean);
    Side[] corrupt = of.sides(pairs, TokenizedPair::corrupt);
    List<Said> said = new ArrayList<>();
    for (int i = 0; i < pairs.size(); i++) {
      said.add(new Said(clean[i], corrupt[i]));
    }
    return said;
  }

  private Side[] sides(List<TokenizedPair> pairs, Function<TokenizedPair, int[]> prompt) {
    Map<Integer, List<Integer>> byLength = new TreeMap<>();
    for (int i = 0; i < pairs.size(); i++) {
      byLength.computeIfAbsent(prompt.apply(pairs.get(i)).length, n -> new ArrayList<>()).add(i);
    }
    Side[] sides = new Side[pairs.size()];
    byLength.forEach(
        (length, rows) -> {
          for (int at = 0; at < rows.size(); at += BATCH) {
            run(pairs, rows.subList(at, Math.min(rows.size(), at + BATCH)), prompt, sides);
          }
        });
    return sides;
  }

  private void run(
      List<TokenizedPair> pairs,
      List<Integer> rows,
      Function<TokenizedPair, int[]> prompt,
      Side[] sides) {
    int length = prompt.apply(pairs.get(rows.get(0))).length;
    int[] ids = new int[rows.size() * length];
    int most = 1;
    for (int b = 0; b < rows.size(); b++) {
      TokenizedPair pair = pairs.get(rows.get(b));
      System.arraycopy(prompt.apply(pair), 0, ids, b * length, length);
      most = Math.max(most, pair.answers().length);
    }
    TokenBatch batch = new TokenBatch(ids, rows.size(), length, new int[rows.size()]);
    OutputSlice slice = most == 1 ? OutputSlice.LAST_SEQ : OutputSlice.ALL;
    int given = most == 1 ? 1 : length;
    float[] all;
    try (TensorScope scope = new TensorScope()) {
      all = Tensors.floats(model.logits(batch, slice));
    }
    int outputs = model.config().outputs();
    for (int b = 0; b < rows.size(); b++) {
      TokenizedPair pair = pairs.get(rows.get(b));
      int end = (b + 1) * given * outputs;
      int from = end - pair.answers().length * outputs;
      float[] logits = Arrays.copyOfRange(all, from, end);
      sides[rows.get(b)] = pair.numbers() == null ? side(pair, logits) : numbers(pair, logits);
    }
  }

  private Side numbers(TokenizedPair pair, float[] outputs) {
    int width = model.config().outputs();
    double[][] answers = pair.numbers().answers();
    double sum = 0;
    int n = 0;
    for (int p = 0; p < answers.length; p++) {
      for (double answer : answers[p]) {
        double error = outputs[p * width] - answer;
        sum += error * error;
        n++;
      }
    }
    List<Double> last =
        IntStream.range(outputs.length - width, outputs.length)
            .mapToObj(i -> (double) outputs[i])
            .toList();
    return new Side(
        Double.NaN, false, false, 0, Double.NaN, sum / n, List.of(), List.of(), List.of(), last);
  }

  private Side side(TokenizedPair pair, float[] all) {
    int outputs = model.config().outputs();
    int positions = pair.answers().length;
    double probability = 0;
    double difference = 0;
    boolean right = true;
    boolean top = true;
    int rank = 1;
    Distribution last = null;
    for (int p = 0; p < positions; p++) {
      float[] logits = Arrays.copyOfRange(all, p * outputs, (p + 1) * outputs);
      Distribution said = new Distribution(logits);
      int[] answers = pair.answers()[p];
      int[] wrong = pair.wrongAnswers()[p];
      probability += said.share(answers) / positions;
      double best = largest(logits, answers);
      int[] otherWrong = Arrays.stream(wrong).filter(w -> !contains(answers, w)).toArray();
      right &= otherWrong.length == 0 || best > largest(logits, otherWrong);
      top &= best >= said.highest;
      rank =
          Math.max(
              rank, 1 + (int) IntStream.range(0, outputs).filter(i -> logits[i] > best).count());
      difference += (mean(logits, answers) - mean(logits, wrong)) / positions;
      last = said;
    }
    Distribution end = last;
    return new Side(
        probability,
        right,
        top,
        rank,
        difference,
        Double.NaN,
        end.best(choices),
        choices == 0 ? List.of() : end.of(pair.answers()[positions - 1]),
        choices == 0 ? List.of() : end.of(pair.wrongAnswers()[positions - 1]),
        List.of());
  }

  /** Logits of one position, and the sum that makes probabilities of them. */
  private static final class Distribution {
    private final float[] logits;
    private final double highest;
    private final double all;

    Distribution(float[] logits) {
      this.logits = logits;
      float most = Float.NEGATIVE_INFINITY;
      for (float logit : logits) {
        most = Math.max(most, logit);
      }
      highest = most;
      double sum = 0;
      for (float logit : logits) {
        sum += Math.exp(logit - highest);
      }
      all = sum;
    }

    /** The probability of some tokens together. */
    double share(int[] tokens) {
      double some = 0;
      for (int token : Arrays.stream(tokens).distinct().toArray()) {
        some += Math.exp(logits[token] - highest);
      }
      return some / all;
    }

    /** The likeliest tokens; of equally likely ones the first. */
    List<Choice> best(int most) {
      int n = Math.min(most, logits.length);
      int[] tokens = new int[n];
      int found = 0;
      for (int t = 0; t < logits.length && n > 0; t++) {
        if (found < n || logits[t] > logits[tokens[found - 1]]) {
          int at = Math.min(found, n - 1);
          while (at > 0 && logits[t] > logits[tokens[at - 1]]) {
            tokens[at] = tokens[at - 1];
            at--;
          }
          tokens[at] = t;
          found = Math.min(n, found + 1);
        }
      }
      return of(tokens);
    }

    List<Choice> of(int... tokens) {
      return Arrays.stream(tokens)
          .distinct()
          .mapToObj(t -> new Choice(t, Math.exp(logits[t] - highest) / all, rank(t)))
          .toList();
    }

    private int rank(int token) {
      int above = 0;
      for (float logit : logits) {
        above += logit > logits[token] ? 1 : 0;
      }
      return 1 + above;
    }
  }

  private static boolean contains(int[] tokens, int wanted) {
    return Arrays.stream(tokens).anyMatch(t -> t == wanted);
  }

  private static double largest(float[] logits, int[] tokens) {
    return Arrays.stream(tokens).mapToDouble(t -> logits[t]).max().orElse(Double.NEGATIVE_INFINITY);
  }

  private static double mean(float[] logits, int[] tokens) {
    return Arrays.stream(tokens).mapToDouble(t -> logits[t]).average().orElse(Double.NaN);
  }
}
