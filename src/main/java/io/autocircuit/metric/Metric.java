package io.autocircuit.metric;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/** What is measured of a circuit's outputs. */
public enum Metric {
  /** KL(full model on clean ‖ circuit), in nats. */
  KL_DIV("kl_div", "KL divergence from the full model", true, true, true) {
    @Override
    double[] perPrompt(Tensor logits, Outputs full) {
      return Tensors.doubles(Divergence.kl(logits, full.clean()));
    }

    @Override
    double combine(double[] circuit, double[] fullModel) {
      return Math.max(0, mean(circuit));
    }
  },
  /** KL(full model on corrupt ‖ circuit), in nats. */
  CORRUPT_KL_DIV("corrupt_kl_div", "KL divergence from the corrupt run", true, true, false) {
    @Override
    double[] perPrompt(Tensor logits, Outputs full) {
      return Tensors.doubles(Divergence.kl(logits, full.corrupt()));
    }

    @Override
    double combine(double[] circuit, double[] fullModel) {
      return Math.max(0, mean(circuit));
    }
  },
  /** Mean logit of the answers. */
  ANSWER_LOGIT("answer_logit", "Answer logit", LogitFunction.LOGIT, Kind.VALUE),
  /** Mean logit of the wrong answers. */
  WRONG_ANSWER_LOGIT("wrong_answer_logit", "Wrong answer logit", LogitFunction.LOGIT, Kind.WRONG),
  /** Mean probability of the answers. */
  ANSWER_PROB("answer_prob", "Answer probability", LogitFunction.PROB, Kind.VALUE),
  /** Mean probability of the wrong answers. */
  WRONG_ANSWER_PROB(
      "wrong_answer_prob", "Wrong answer probability", LogitFunction.PROB, Kind.WRONG),
  /** Mean log-probability of the answers. */
  ANSWER_LOGPROB("answer_logprob", "Answer log-probability", LogitFunction.LOGPROB, Kind.VALUE),
  /** Mean log-probability of the wrong answers. */
  WRONG_ANSWER_LOGPROB(
      "wrong_answer_logprob", "Wrong answer log-probability", LogitFunction.LOGPROB, Kind.WRONG),
  /** Mean of answer minus wrong-answer logits. */
  LOGIT_DIFF("logit_diff", "Logit difference", LogitFunction.LOGIT, Kind.DIFFERENCE),
  /** Mean of answer minus wrong-answer probabilities. */
  PROB_DIFF("prob_diff", "Probability difference", LogitFunction.PROB, Kind.DIFFERENCE),
  /** Mean of answer minus wrong-answer log-probabilities. */
  LOGPROB_DIFF(
      "logprob_diff", "Log-probability difference", LogitFunction.LOGPROB, Kind.DIFFERENCE),
  /** 100 · mean logit difference / the full model's. */
  LOGIT_DIFF_PERCENT(
      "logit_diff_percent", "Logit difference recovered, %", LogitFunction.LOGIT, Kind.PERCENT),
  /** 100 · mean probability difference / the full model's. */
  PROB_DIFF_PERCENT(
      "prob_diff_percent", "Probability difference recovered, %", LogitFunction.PROB, Kind.PERCENT),
  /** 100 · mean log-probability difference / the full model's. */
  LOGPROB_DIFF_PERCENT(
      "logprob_diff_percent",
      "Log-probability difference recovered, %",
      LogitFunction.LOGPROB,
      Kind.PERCENT),
  /** Mean over prompts of 100 · logit difference / the full model's on that prompt. */
  LOGIT_DIFF_PERCENT_MEAN(
      "logit_diff_percent_mean",
      "Logit difference recovered, mean of ratios, %",
      LogitFunction.LOGIT,
      Kind.RATIOS),
  /** Share of prompts whose largest logit is the answer, in percent. */
  CORRECT_ANSWER_PERCENT("correct_answer_percent", "Correct answers, %", true, false, false) {
    @Override
    double[] perPrompt(Tensor logits, Outputs full) {
      return Answers.correct(logits, full.batch().answers());
    }

    @Override
    double combine(double[] circuit, double[] fullModel) {
      return 100 * mean(circuit);
    }

    @Override
    public Optional<String> inapplicable(List<PromptBatch> batches) {
      boolean one =
          batches.stream()
              .flatMap(b -> Arrays.stream(b.answers()).flatMap(Arrays::stream))
              .allMatch(a -> a.length == 1);
      return answersAreNumbers(batches)
          .or(() -> one ? Optional.empty() : Optional.of("needs exactly one answer per prompt"));
    }
  },
  /** Share of prompts whose answer has a larger logit than every wrong answer, in percent. */
  CORRECT_OVER_WRONG_PERCENT(
      "correct_answer_greater_than_incorrect_percent",
      "Answer above all wrong answers, %",
      true,
      false,
      false) {
    @Override
    double[] perPrompt(Tensor logits, Outputs full) {
      return Answers.correctOverWrong(logits, full.batch().answers(), full.batch().wrongAnswers());
    }

    @Override
    double combine(double[] circuit, double[] fullModel) {
      return 100 * mean(circuit);
    }

    @Override
    public Optional<String> inapplicable(List<PromptBatch> batches) {
      return answersAreNumbers(batches)
          .or(() -> wrongAnswersMissing(batches))
          .or(() -> CORRECT_ANSWER_PERCENT.inapplicable(batches));
    }
  };

  private enum Kind {
    VALUE,
    WRONG,
    DIFFERENCE,
    PERCENT,
    RATIOS
  }

  /**
   * The full model's outputs on a batch, which metrics compare with.
   *
   * @param batch the prompts and answers
   * @param clean sliced logits on the clean prompts, {@code [B,P,V]}
   * @param corrupt sliced logits on the corrupt prompts, {@code [B,P,V]}
   */
  public record Outputs(PromptBatch batch, Tensor clean, Tensor corrupt) {}

  private final String key;
  private final String title;
  private final boolean logX;
  private final boolean logY;
  private final boolean lowerIsBetter;
  private final LogitFunction function;
  private final Kind kind;

  Metric(String key, String title, boolean logX, boolean logY, boolean lowerIsBetter) {
    this.key = key;
    this.title = title;
    this.logX = logX;
    this.logY = logY;
    this.lowerIsBetter = lowerIsBetter;
    this.function = null;
    this.kind = null;
  }

  Metric(String key, String title, LogitFunction function, Kind kind) {
    this.key = key;
    this.title = title;
    this.logX = true;
    this.logY = false;
    this.lowerIsBetter = false;
    this.function = function;
    this.kind = kind;
  }

  /**
   * The metric of that key.
   *
   * @param key in any case
   * @throws UnknownNameException if there is none
   */
  public static Metric of(String key) {
    for (Metric m : values()) {
      if (m.key.equalsIgnoreCase(key)) {
        return m;
      }
    }
    throw new UnknownNameException(
        "metric", key, Arrays.stream(values()).map(Metric::key).toList());
  }

  /** Its name in results and on the command line. */
  public String key() {
    return key;
  }

  /** Its name for people. */
  public String title() {
    return title;
  }

  /** Whether curves have a logarithmic axis of edges. */
  public boolean logX() {
    return logX;
  }

  /** Whether curves have a logarithmic axis of values; only for metrics that are never negative. */
  public boolean logY() {
    return logY;
  }

  /** Whether smaller values are better. */
  public boolean lowerIsBetter() {
    return lowerIsBetter;
  }

  /** The value on each prompt, before {@link #combine}. */
  double[] perPrompt(Tensor logits, Outputs full) {
    Tensor v = function.apply(logits);
    int[][][] right = full.batch().answers();
    int[][][] wrong = full.batch().wrongAnswers();
    return Tensors.doubles(
        switch (kind) {
          case VALUE -> Answers.value(v, right);
          case WRONG -> Answers.value(v, wrong);
          case DIFFERENCE, PERCENT, RATIOS -> Answers.difference(v, right, wrong);
        });
  }

  /**
   * The metric's value.
   *
   * @param circuit the circuit's value on each prompt
   * @param fullModel the full model's (clean) value on each prompt
   */
  double combine(double[] circuit, double[] fullModel) {
    return switch (kind) {
      case VALUE, WRONG, DIFFERENCE -> mean(circuit);
      case PERCENT -> 100 * mean(circuit) / mean(fullModel);
      case RATIOS -> {
        double sum = 0;
        for (int i = 0; i < circuit.length; i++) {
          sum += 100 * circuit[i] / fullModel[i];
        }
        yield sum / circuit.length;
      }
    };
  }

  /** Why it cannot be computed on those prompts, if it cannot. */
  public Optional<String> inapplicable(List<PromptBatch> batches) {
    if (kind == null) {
      return Optional.empty();
    }
    return answersAreNumbers(batches)
        .or(() -> kind == Kind.VALUE ? Optional.empty() : wrongAnswersMissing(batches));
  }

  private static Optional<String> answersAreNumbers(List<PromptBatch> batches) {
    return batches.stream().anyMatch(b -> b.numbers() != null)
        ? Optional.of("looks up answers that are tokens, and these are numbers")
        : Optional.empty();
  }

  private static Optional<String> wrongAnswersMissing(List<PromptBatch> batches) {
    boolean missing =
        batches.stream()
            .flatMap(b -> Arrays.stream(b.wrongAnswers()))
            .anyMatch(p -> p.length == 0 || Arrays.stream(p).anyMatch(w -> w.length == 0));
    return missing ? Optional.of("needs wrong answers for every prompt") : Optional.empty();
  }

  private static double mean(double[] x) {
    return Arrays.stream(x).sum() / x.length;
  }
}
