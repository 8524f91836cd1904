package io.autocircuit.metric;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Entry;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.objective.LogitFunction;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/**
 * What is measured of a circuit's outputs: a number for each prompt ({@link #perPrompt}), and one
 * for a circuit ({@link #combine}).
 *
 * <p>A metric of one's own may be given to a discovery as it is. If its class has a public
 * constructor without arguments and is named in {@code
 * META-INF/services/io.autocircuit.metric.Metric} of a jar on the class path, it is in the
 * catalogue too: {@code --metrics} knows it, it is listed, and it is measured wherever all metrics
 * are.
 */
// no deadlock: nothing but this interface makes the classes of its constants
@SuppressWarnings("ClassInitializationDeadlock")
public interface Metric extends Entry {
  /** KL(full model on clean ‖ circuit), in nats. */
  Metric KL_DIV = new DivergenceMetric(false);

  /** KL(full model on corrupt ‖ circuit), in nats. */
  Metric CORRUPT_KL_DIV = new DivergenceMetric(true);

  /** Mean logit of the answers. */
  Metric ANSWER_LOGIT =
      new AnswerMetric(
          "answer_logit",
          "Answer logit",
          "mean logit of the answers",
          LogitFunction.LOGIT,
          AnswerMetric.Kind.VALUE);

  /** Mean logit of the wrong answers. */
  Metric WRONG_ANSWER_LOGIT =
      new AnswerMetric(
          "wrong_answer_logit",
          "Wrong answer logit",
          "mean logit of the wrong answers",
          LogitFunction.LOGIT,
          AnswerMetric.Kind.WRONG);

  /** Mean probability of the answers. */
  Metric ANSWER_PROB =
      new AnswerMetric(
          "answer_prob",
          "Answer probability",
          "mean probability of the answers",
          LogitFunction.PROB,
          AnswerMetric.Kind.VALUE);

  /** Mean probability of the wrong answers. */
  Metric WRONG_ANSWER_PROB =
      new AnswerMetric(
          "wrong_answer_prob",
          "Wrong answer probability",
          "mean probability of the wrong answers",
          LogitFunction.PROB,
          AnswerMetric.Kind.WRONG);

  /** Mean log-probability of the answers. */
  Metric ANSWER_LOGPROB =
      new AnswerMetric(
          "answer_logprob",
          "Answer log-probability",
          "mean log-probability of the answers, in nats",
          LogitFunction.LOGPROB,
          AnswerMetric.Kind.VALUE);

  /** Mean log-probability of the wrong answers. */
  Metric WRONG_ANSWER_LOGPROB =
      new AnswerMetric(
          "wrong_answer_logprob",
          "Wrong answer log-probability",
          "mean log-probability of the wrong answers, in nats",
          LogitFunction.LOGPROB,
          AnswerMetric.Kind.WRONG);

  /** Mean of answer minus wrong-answer logits. */
  Metric LOGIT_DIFF =
      new AnswerMetric(
          "logit_diff",
          "Logit difference",
          "mean of answer minus wrong-answer logits",
          LogitFunction.LOGIT,
          AnswerMetric.Kind.DIFFERENCE);

  /** Mean of answer minus wrong-answer probabilities. */
  Metric PROB_DIFF =
      new AnswerMetric(
          "prob_diff",
          "Probability difference",
          "mean of answer minus wrong-answer probabilities",
          LogitFunction.PROB,
          AnswerMetric.Kind.DIFFERENCE);

  /** Mean of answer minus wrong-answer log-probabilities. */
  Metric LOGPROB_DIFF =
      new AnswerMetric(
          "logprob_diff",
          "Log-probability difference",
          "mean of answer minus wrong-answer log-probabilities, in nats",
          LogitFunction.LOGPROB,
          AnswerMetric.Kind.DIFFERENCE);

  /** 100 · mean logit difference / the full model's. */
  Metric LOGIT_DIFF_PERCENT =
      new AnswerMetric(
          "logit_diff_percent",
          "Logit difference recovered, %",
          "mean logit difference over the full model's, in percent",
          LogitFunction.LOGIT,
          AnswerMetric.Kind.PERCENT);

  /** 100 · mean probability difference / the full model's. */
  Metric PROB_DIFF_PERCENT =
      new AnswerMetric(
          "prob_diff_percent",
          "Probability difference recovered, %",
          "mean probability difference over the full model's, in percent",
          LogitFunction.PROB,
          AnswerMetric.Kind.PERCENT);

  /** 100 · mean log-probability difference / the full model's. */
  Metric LOGPROB_DIFF_PERCENT =
      new AnswerMetric(
          "logprob_diff_percent",
          "Log-probability difference recovered, %",
          "mean log-probability difference over the full model's, in percent",
          LogitFunction.LOGPROB,
          AnswerMetric.Kind.PERCENT);

  /** Mean over prompts of 100 · logit difference / the full model's on that prompt. */
  Metric LOGIT_DIFF_PERCENT_MEAN =
      new AnswerMetric(
          "logit_diff_percent_mean",
          "Logit difference recovered, mean of ratios, %",
          "mean over prompts of the logit difference over the full model's there, in percent",
          LogitFunction.LOGIT,
          AnswerMetric.Kind.RATIOS);

  /** Share of prompts whose largest logit is the answer, in percent. */
  Metric CORRECT_ANSWER_PERCENT = new CorrectAnswers(false);

  /** Share of prompts whose answer has a larger logit than every wrong answer, in percent. */
  Metric CORRECT_OVER_WRONG_PERCENT = new CorrectAnswers(true);

  /** Jensen–Shannon divergence of circuit and full model on clean, in nats. */
  Metric JS_DIV = new JensenShannon();

  /** Share of prompts whose answer is among the 5 largest logits, in percent. */
  Metric ANSWER_TOP5_PERCENT = new TokenMatches(false);

  /** Share of prompts whose largest logit is the full model's, in percent. */
  Metric EXACT_MATCH_PERCENT = new TokenMatches(true);

  /** Mean squared difference of outputs and answers that are numbers. */
  Metric ANSWER_MSE = new SquaredError();

  /**
   * The full model's outputs on a batch, which metrics compare with.
   *
   * @param batch the prompts and answers
   * @param clean sliced logits on the clean prompts, {@code [B,P,V]}
   * @param corrupt sliced logits on the corrupt prompts, {@code [B,P,V]}
   */
  record Outputs(PromptBatch batch, Tensor clean, Tensor corrupt) {}

  /**
   * The library's own metrics, without those that other jars register.
   *
   * @return in the order of a listing
   */
  static List<Metric> standard() {
    return List.of(
        KL_DIV,
        CORRUPT_KL_DIV,
        ANSWER_LOGIT,
        WRONG_ANSWER_LOGIT,
        ANSWER_PROB,
        WRONG_ANSWER_PROB,
        ANSWER_LOGPROB,
        WRONG_ANSWER_LOGPROB,
        LOGIT_DIFF,
        PROB_DIFF,
        LOGPROB_DIFF,
        LOGIT_DIFF_PERCENT,
        PROB_DIFF_PERCENT,
        LOGPROB_DIFF_PERCENT,
        LOGIT_DIFF_PERCENT_MEAN,
        CORRECT_ANSWER_PERCENT,
        CORRECT_OVER_WRONG_PERCENT,
        JS_DIV,
        ANSWER_TOP5_PERCENT,
        EXACT_MATCH_PERCENT,
        ANSWER_MSE);
  }

  /**
   * All metrics that there are: the library's, then those that other jars register.
   *
   * @return a new catalogue
   */
  static Catalogue<Metric> catalogue() {
    return Catalogue.load("metric", Metric.class, standard());
  }

  /**
   * The entries of the {@link #catalogue}.
   *
   * @return in order
   */
  static List<Metric> all() {
    return catalogue().entries();
  }

  /**
   * The metric of that key in the {@link #catalogue}.
   *
   * @param key in any case
   * @return the metric
   * @throws UnknownNameException if there is none
   */
  static Metric of(String key) {
    return catalogue().get(key);
  }

  /**
   * Whether curves have a logarithmic axis of edges.
   *
   * @return true unless overridden
   */
  default boolean logX() {
    return true;
  }

  /**
   * Whether curves have a logarithmic axis of values; only for metrics that are never negative.
   *
   * @return false unless overridden
   */
  default boolean logY() {
    return false;
  }

  /**
   * Whether smaller values are better.
   *
   * @return false unless overridden
   */
  default boolean lowerIsBetter() {
    return false;
  }

  /**
   * Whether it is about answers that are numbers. Such a metric is not mentioned where answers are
   * tokens and nobody asked for it.
   *
   * @return false unless overridden
   */
  default boolean ofNumbers() {
    return false;
  }

  /**
   * The value on each prompt, before {@link #combine}. Called once for the full model, with its own
   * clean logits, and once for each circuit; by several threads at a time. Tensors made in it are
   * freed after it.
   *
   * @param logits sliced logits to judge, {@code [B,P,V]}
   * @param full the prompts, and the full model's logits on them
   * @return B numbers, in the prompts' order
   */
  double[] perPrompt(Tensor logits, Outputs full);

  /**
   * The circuit's value, from those of all prompts.
   *
   * @param circuit the circuit's value on each prompt
   * @param fullModel the full model's (clean) value on each prompt
   * @return the mean of the circuit's values unless overridden
   */
  default double combine(double[] circuit, double[] fullModel) {
    return Arrays.stream(circuit).sum() / circuit.length;
  }

  /**
   * Why it cannot be computed on prompts, if it cannot.
   *
   * @param batches the prompts
   * @return the rest of a sentence that begins with the metric, such as {@code needs wrong answers
   *     for every prompt}; empty unless overridden
   */
  default Optional<String> inapplicable(List<PromptBatch> batches) {
    return Optional.empty();
  }
}
