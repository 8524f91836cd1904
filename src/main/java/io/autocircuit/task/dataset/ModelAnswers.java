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

/** What a model says to the prompts of a dataset, unpatched. */
public final class ModelAnswers {
  /** Prompts that are run together; no number depends on it but by rounding. */
  private static final int BATCH = 16;

  private final Transformer model;

  private ModelAnswers(Transformer model) {
    this.model = model;
  }

  /**
   * What the model says to one pair. Of several answer positions the means, and {@code right} and
   * {@code top} hold at all of them.
   *
   * @param probability the share of all answers together after the clean prompt
   * @param right whether the likeliest answer is likelier than every wrong answer that is no answer
   *     too; true where there is none
   * @param top whether the likeliest token of the vocabulary is an answer
   * @param difference mean logit of the answers, less that of the wrong answers, after the clean
   *     prompt; NaN where there is no wrong answer
   * @param corruptDifference the same after the corrupt prompt
   * @param squaredError the mean square of output less answer where answers are numbers; else NaN
   */
  public record Said(
      double probability,
      boolean right,
      boolean top,
      double difference,
      double corruptDifference,
      double squaredError) {}

  /**
   * Runs the prompts.
   *
   * @param dataset that the model can read
   * @param model the model
   * @return what it says, in the order of the dataset
   */
  public static List<Said> of(TokenizedDataset dataset, Transformer model) {
    ModelAnswers of = new ModelAnswers(model);
    List<float[]> clean = of.logits(dataset.prompts(), TokenizedPair::clean);
    List<float[]> corrupt = of.logits(dataset.prompts(), TokenizedPair::corrupt);
    List<Said> said = new ArrayList<>();
    for (int i = 0; i < dataset.size(); i++) {
      said.add(of.said(dataset.prompts().get(i), clean.get(i), corrupt.get(i)));
    }
    return said;
  }

  /** Logits at the answer positions of each prompt, {@code [positions · outputs]}. */
  private List<float[]> logits(List<TokenizedPair> pairs, Function<TokenizedPair, int[]> prompt) {
    Map<Integer, List<Integer>> byLength = new TreeMap<>();
    for (int i = 0; i < pairs.size(); i++) {
      byLength.computeIfAbsent(prompt.apply(pairs.get(i)).length, n -> new ArrayList<>()).add(i);
    }
    float[][] logits = new float[pairs.size()][];
    byLength.forEach(
        (length, rows) -> {
          for (int at = 0; at < rows.size(); at += BATCH) {
            run(pairs, rows.subList(at, Math.min(rows.size(), at + BATCH)), prompt, logits);
          }
        });
    return Arrays.asList(logits);
  }

  private void run(
      List<TokenizedPair> pairs,
      List<Integer> rows,
      Function<TokenizedPair, int[]> prompt,
      float[][] logits) {
    int length = prompt.apply(pairs.get(rows.get(0))).length;
    int[] ids = new int[rows.size() * length];
    int most = 1;
    for (int b = 0; b < rows.size(); b++) {
      TokenizedPair pair = pairs.get(rows.get(b));
      System.arraycopy(prompt.apply(pair), 0, ids, b * length, length);
      most = Math.max(most, positions(pair));
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
      int end = (b + 1) * given * outputs;
      int wanted = positions(pairs.get(rows.get(b))) * outputs;
      logits[rows.get(b)] = Arrays.copyOfRange(all, end - wanted, end);
    }
  }

  private static int positions(TokenizedPair pair) {
    return pair.numbers() == null ? pair.answers().length : pair.numbers().answers().length;
  }

  private Said said(TokenizedPair pair, float[] clean, float[] corrupt) {
    int outputs = model.config().outputs();
    int positions = positions(pair);
    if (pair.numbers() != null) {
      double sum = 0;
      int n = 0;
      for (int p = 0; p < positions; p++) {
        for (double answer : pair.numbers().answers()[p]) {
          double error = clean[p * outputs] - answer;
          sum += error * error;
          n++;
        }
      }
      return new Said(Double.NaN, false, false, Double.NaN, Double.NaN, sum / n);
    }
    double probability = 0;
    double difference = 0;
    double corruptDifference = 0;
    boolean right = true;
    boolean top = true;
    for (int p = 0; p < positions; p++) {
      float[] logits = Arrays.copyOfRange(clean, p * outputs, (p + 1) * outputs);
      float[] others = Arrays.copyOfRange(corrupt, p * outputs, (p + 1) * outputs);
      int[] answers = pair.answers()[p];
      int[] wrong = pair.wrongAnswers()[p];
      probability += share(logits, answers) / positions;
      double best = largest(logits, answers);
      int[] otherWrong = Arrays.stream(wrong).filter(w -> !contains(answers, w)).toArray();
      right &= otherWrong.length == 0 || best > largest(logits, otherWrong);
      float highest = Float.NEGATIVE_INFINITY;
      for (float logit : logits) {
        highest = Math.max(highest, logit);
      }
      top &= best >= highest;
      difference += (mean(logits, answers) - mean(logits, wrong)) / positions;
      corruptDifference += (mean(others, answers) - mean(others, wrong)) / positions;
    }
    return new Said(probability, right, top, difference, corruptDifference, Double.NaN);
  }

  /** The probability of some tokens together. */
  private static double share(float[] logits, int[] tokens) {
    double highest = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      highest = Math.max(highest, logit);
    }
    double all = 0;
    for (float logit : logits) {
      all += Math.exp(logit - highest);
    }
    double some = 0;
    for (int token : Arrays.stream(tokens).distinct().toArray()) {
      some += Math.exp(logits[token] - highest);
    }
    return some / all;
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
