package io.autocircuit.objective;

import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Answer values, differences and accuracies, one number per prompt. */
public final class Answers {
  private Answers() {}

  /**
   * The mean value of each prompt's answers.
   *
   * @param values {@code [B,P,V]}
   * @param answers {@code [B][1 or P][n]}; n may differ between prompts
   * @return {@code [B]}; differentiable
   * @throws IllegalArgumentException if a prompt has no answer or the positions do not fit
   */
  public static Tensor value(Tensor values, int[][][] answers) {
    long b = values.size(0);
    long p = values.size(1);
    long v = values.size(2);
    int n = 0;
    for (int[][] prompt : answers) {
      for (int[] position : prompt) {
        n += position.length;
      }
    }
    long[] entries = new long[n];
    long[] prompts = new long[n];
    float[] weights = new float[n];
    int i = 0;
    for (int row = 0; row < answers.length; row++) {
      int positions = answers[row].length;
      requirePositions(positions, p, row);
      for (int t = 0; t < positions; t++) {
        if (answers[row][t].length == 0) {
          throw new IllegalArgumentException(
              "prompt="
                  + row
                  + " of the batch has no answer at position="
                  + t
                  + "; give at least one");
        }
        long position = positions == 1 ? p - 1 : t;
        for (int token : answers[row][t]) {
          if (token < 0 || token >= v) {
            throw new IllegalArgumentException(
                "answer token=" + token + " outside the outputs 0.." + (v - 1));
          }
          entries[i] = (row * p + position) * v + token;
          prompts[i] = row;
          weights[i] = 1f / ((float) answers[row][t].length * positions);
          i++;
        }
      }
    }
    Placement place = Placement.of(values);
    Tensor picked = values.reshape(-1).gather(0, place.indices(entries, n));
    return place
        .zeros(b)
        .scatter_add(0, place.indices(prompts, n), picked.mul(place.tensor(weights, n)));
  }

  /**
   * Mean of the answers minus mean of the wrong answers, {@code [B]}; differentiable.
   *
   * @param values {@code [B,P,V]}, logits or a function of them
   * @param answers tokens by prompt and position, {@code [B][P][…]}
   * @param wrongAnswers tokens by prompt and position, {@code [B][P][…]}
   * @return {@code [B]}, in the current scope
   */
  public static Tensor difference(Tensor values, int[][][] answers, int[][][] wrongAnswers) {
    return value(values, answers).sub(value(values, wrongAnswers));
  }

  /**
   * Whether the largest value is the answer: 1 or 0, averaged over positions, {@code [B]}.
   *
   * @param values {@code [B,P,V]}, logits or a function of them
   * @param answers tokens by prompt and position, {@code [B][P][…]}; one for each position
   * @return a share from 0 to 1 for each prompt
   * @throws IllegalArgumentException if a prompt has more than one answer
   */
  public static double[] correct(Tensor values, int[][][] answers) {
    int p = (int) values.size(1);
    double[] best =
        Tensors.doubles(torch.argmax(values, new org.bytedeco.pytorch.LongOptional(-1), false));
    double[] out = new double[answers.length];
    for (int row = 0; row < answers.length; row++) {
      int positions = answers[row].length;
      requirePositions(positions, p, row);
      for (int t = 0; t < positions; t++) {
        if (answers[row][t].length != 1) {
          throw new IllegalArgumentException(
              "prompt="
                  + row
                  + " has answers="
                  + answers[row][t].length
                  + "; accuracy over the vocabulary needs exactly one");
        }
        int position = positions == 1 ? p - 1 : t;
        out[row] += best[row * p + position] == answers[row][t][0] ? 1.0 / positions : 0;
      }
    }
    return out;
  }

  /**
   * Whether the answer is among the largest values: 1 or 0, averaged over positions, {@code [B]}.
   * Of equal values it is the first.
   *
   * @param values {@code [B,P,V]}, logits or a function of them
   * @param answers tokens by prompt and position, {@code [B][P][…]}; the first of each counts
   * @param best so many largest values
   * @return a share from 0 to 1 for each prompt
   */
  public static double[] among(Tensor values, int[][][] answers, int best) {
    int p = (int) values.size(1);
    int v = (int) values.size(2);
    double[] all = Tensors.doubles(values);
    double[] out = new double[answers.length];
    for (int row = 0; row < answers.length; row++) {
      int positions = answers[row].length;
      requirePositions(positions, p, row);
      for (int t = 0; t < positions; t++) {
        int base = (row * p + (positions == 1 ? p - 1 : t)) * v;
        double answer = all[base + answers[row][t][0]];
        int larger = 0;
        for (int i = 0; i < v; i++) {
          larger += all[base + i] <= answer ? 0 : 1; // an answer that is no number is above none
        }
        out[row] += larger < best ? 1.0 / positions : 0;
      }
    }
    return out;
  }

  /**
   * Whether the first answer's value is at least that of every wrong answer: 1 or 0, averaged over
   * positions, {@code [B]}. A tie counts as correct.
   *
   * @param values {@code [B,P,V]}, logits or a function of them
   * @param answers tokens by prompt and position, {@code [B][P][…]}
   * @param wrongAnswers tokens by prompt and position, {@code [B][P][…]}
   * @return a share from 0 to 1 for each prompt
   */
  public static double[] correctOverWrong(
      Tensor values, int[][][] answers, int[][][] wrongAnswers) {
    int p = (int) values.size(1);
    int v = (int) values.size(2);
    double[] all = Tensors.doubles(values);
    double[] out = new double[answers.length];
    for (int row = 0; row < answers.length; row++) {
      int positions = answers[row].length;
      requirePositions(positions, p, row);
      for (int t = 0; t < positions; t++) {
        int base = (row * p + (positions == 1 ? p - 1 : t)) * v;
        boolean correct = true;
        for (int wrong : wrongAnswers[row][t]) {
          correct &= all[base + answers[row][t][0]] >= all[base + wrong];
        }
        out[row] += correct ? 1.0 / positions : 0;
      }
    }
    return out;
  }

  /**
   * The mean squared difference of outputs and numbers, over positions and outputs.
   *
   * @param values outputs, {@code [B,P,V]}
   * @param answers what they should be, {@code [B][1 or P][1 or V]}; broadcast
   * @return {@code [B]}; differentiable
   * @throws IllegalArgumentException if the shapes do not fit
   */
  public static Tensor squaredError(Tensor values, double[][][] answers) {
    int b = answers.length;
    int positions = answers[0].length;
    int n = answers[0][0].length;
    boolean fits =
        (n == 1 || n == values.size(2))
            && (positions == 1 || values.size(1) == 1 || positions == values.size(1));
    if (!fits) {
      throw new IllegalArgumentException(
          "mean squared error compares outputs="
              + values.size(2)
              + " at positions="
              + values.size(1)
              + " with answers="
              + n
              + " at positions="
              + positions
              + "; give one answer, or one for each output, at one position or at each");
    }
    double[] target = new double[b * positions * n];
    for (int i = 0; i < b; i++) {
      for (int t = 0; t < positions; t++) {
        if (answers[i].length != positions || answers[i][t].length != n) {
          throw new IllegalArgumentException(
              "mean squared error needs the same number of answers for every prompt");
        }
        for (int a = 0; a < n; a++) {
          target[(i * positions + t) * n + a] = answers[i][t][a];
        }
      }
    }
    Tensor d = values.sub(Placement.of(values).tensor(target, b, positions, n));
    return d.mul(d).mean(new long[] {1, 2}, false, null);
  }

  private static void requirePositions(int positions, long sliced, int row) {
    if (positions != 1 && positions != sliced) {
      throw new IllegalArgumentException(
          "prompt="
              + row
              + " has answers for positions="
              + positions
              + " but the output slice has positions="
              + sliced
              + "; give answers for one position or for each of the slice");
    }
  }
}
