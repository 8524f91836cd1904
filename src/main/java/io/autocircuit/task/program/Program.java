package io.autocircuit.task.program;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * A program: what a model that it is compiled to computes at every position but the first, which is
 * BOS.
 *
 * @param name of the model
 * @param vocabulary the tokens by id; {@value #BOS} and {@value #PAD} are no letters
 * @param length the number of tokens of a prompt, BOS not counted
 * @param output what the model says
 */
public record Program(String name, List<String> vocabulary, int length, SOp output) {
  /** Begins every prompt. */
  public static final String BOS = "BOS";

  /** An id that some vocabularies have, and no prompt. */
  public static final String PAD = "PAD";

  /**
   * Checks the vocabulary.
   *
   * @param name of the model
   * @param vocabulary the tokens by id
   * @param length at least 1
   * @param output what the model says
   * @throws IllegalArgumentException if there is no BOS, no letter, a token twice, or no position
   */
  public Program {
    vocabulary = List.copyOf(vocabulary);
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(output, "output");
    boolean once = vocabulary.stream().distinct().count() == vocabulary.size();
    if (!once || !vocabulary.contains(BOS) || letters(vocabulary).length == 0 || length < 1) {
      throw new IllegalArgumentException(
          "vocabulary="
              + vocabulary
              + ", length="
              + length
              + "; give BOS and letters, each once, and at least one position");
    }
  }

  private static int[] letters(List<String> vocabulary) {
    int[] ids = new int[vocabulary.size()];
    int n = 0;
    for (int id = 0; id < ids.length; id++) {
      String token = vocabulary.get(id);
      if (!token.equals(BOS) && !token.equals(PAD)) {
        ids[n++] = id;
      }
    }
    return Arrays.copyOf(ids, n);
  }

  /**
   * The ids of the letters: the token of number i, as a program counts, is {@code letters()[i]}.
   *
   * @return ascending
   */
  public int[] letters() {
    return letters(vocabulary);
  }

  /**
   * A prompt of some letters.
   *
   * @param letters by number among the letters
   * @return their ids, BOS before them
   */
  public int[] prompt(int[] letters) {
    int[] ids = new int[letters.length + 1];
    int[] known = letters();
    ids[0] = vocabulary.indexOf(BOS);
    for (int i = 0; i < letters.length; i++) {
      ids[i + 1] = known[letters[i]];
    }
    return ids;
  }

  /**
   * Runs the program as RASP defines it, on plain lists, without weights.
   *
   * @param letters by number among the letters, {@link #length} of them
   * @return the output at each position; NaN where it has no value
   * @throws IllegalStateException if the program breaks the rules of {@link Selector#aggregate} on
   *     this input
   */
  public double[] run(int[] letters) {
    return new Interpreter(letters).values(output);
  }

  /** The values of one prompt; NaN stands for no value. */
  private static final class Interpreter {
    private final int[] letters;
    private final Map<SOp, double[]> known = new HashMap<>();

    Interpreter(int[] letters) {
      this.letters = letters;
    }

    double[] values(SOp op) {
      double[] there = known.get(op);
      if (there == null) {
        there = new double[letters.length];
        for (int q = 0; q < there.length; q++) {
          there[q] = value(op, q);
        }
        known.put(op, there);
      }
      return there;
    }

    private double value(SOp op, int q) {
      if (op instanceof SOp.Tokens) {
        return letters[q];
      } else if (op instanceof SOp.Indices) {
        return q;
      } else if (op instanceof SOp.Mapped m) {
        double x = values(m.of())[q];
        return Double.isNaN(x) ? none(op) : m.function().applyAsDouble(x);
      } else if (op instanceof SOp.Paired p) {
        double x = values(p.left())[q];
        double y = values(p.right())[q];
        return Double.isNaN(x + y) ? none(op) : p.function().applyAsDouble(x, y);
      } else if (op instanceof SOp.Combined c) {
        return c.leftFactor() * values(c.left())[q] + c.rightFactor() * values(c.right())[q];
      } else if (op instanceof SOp.Width w) {
        return selected(w.selector(), q).size();
      }
      return mean((SOp.Aggregate) op, q);
    }

    /** A number that is not there is 0: nothing is written along its direction. */
    private static double none(SOp op) {
      return op.numerical() ? 0 : Double.NaN;
    }

    private double mean(SOp.Aggregate a, int q) {
      List<Integer> which = selected(a.selector(), q);
      double[] values = values(a.values());
      if (which.isEmpty()) {
        if (a.orNone()) {
          return none(a);
        }
        throw new IllegalStateException(
            "aggregate="
                + a.name()
                + " selects nothing at position="
                + q
                + "; use aggregateOrNone");
      }
      double[] chosen = which.stream().mapToDouble(k -> values[k]).toArray();
      if (a.numerical()) {
        return Arrays.stream(chosen).sum() / chosen.length;
      }
      if (Arrays.stream(chosen).mapToObj(Double::valueOf).distinct().count() > 1) {
        throw new IllegalStateException(
            "aggregate="
                + a.name()
                + " selects different categories="
                + Arrays.toString(chosen)
                + " at position="
                + q
                + "; select one, or aggregate numbers");
      }
      return chosen[0];
    }

    private List<Integer> selected(Selector selector, int q) {
      Optional<double[]> keys = selector.keys().map(this::values);
      double query = selector.queries().map(o -> values(o)[q]).orElse(0.0);
      List<Integer> which = new ArrayList<>();
      for (int k = 0; k < letters.length; k++) {
        double key = keys.isPresent() ? keys.get()[k] : 0;
        if (!Double.isNaN(key + query) && selector.predicate().test((int) key, (int) query)) {
          which.add(k);
        }
      }
      return which;
    }
  }
}
