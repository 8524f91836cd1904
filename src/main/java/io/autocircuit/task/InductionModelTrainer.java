package io.autocircuit.task;

import io.autocircuit.data.PromptDataset;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import io.autocircuit.files.FileSet;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Trains the embedded default model: a small attention-only transformer on random sequences with a
 * repeated block ({@link InductionSequences}), until it has induction heads.
 *
 * <p>The textbook circuit is: a <em>previous-token head</em> in the first block writes at every
 * position which token came before; an <em>induction head</em> in the second looks, from a token,
 * for the position whose previous token it is (through its keys), and predicts the token found
 * there. Other circuits solve the same task: heads of the first block may find the earlier
 * occurrence and pass on its <em>position</em>, so that the second block's queries ask for the next
 * one. Which of them is learnt depends on the initial embeddings: position embeddings of the usual
 * size led to the others, large ones ({@link Settings#positionScale}) to the textbook's.
 *
 * <p>The loss is the cross entropy at predictable tokens only; the optimizer is AdamW with a linear
 * warm-up and a linear decay over the second half. Weights and data come from {@link
 * SplittableRandom}s seeded by {@link Settings#seed}, none from libtorch's global generator.
 * libtorch and OpenBLAS are held to one thread meanwhile (for this size faster than two, and their
 * thread count changes rounding), so the same settings give the same bits on one machine; another
 * processor's matrix kernels may round otherwise.
 */
public final class InductionModelTrainer {
  private static final double BETA_1 = 0.9;
  private static final double BETA_2 = 0.98;
  private static final double ADAM_EPS = 1e-8;
  private static final int REPORT_EVERY = 50;

  private InductionModelTrainer() {}

  /**
   * The model's shape and how to train it.
   *
   * @param layers blocks
   * @param heads heads per block
   * @param dModel width of the residual stream
   * @param dHead width of a head
   * @param vocab tokens; token 0 begins every sequence. More than {@code context}
   * @param context longest sequence, at least 4
   * @param steps optimizer steps
   * @param batchSize sequences per step
   * @param learningRate AdamW's highest step size
   * @param weightDecay AdamW's decoupled decay, multiplied by the step size
   * @param warmup steps over which the step size grows
   * @param tokenScale initial token embedding in units of {@code 1/√dModel}
   * @param positionScale initial position embedding in units of {@code 1/√dModel}
   * @param seed of the initial weights and the data
   */
  public record Settings(
      int layers,
      int heads,
      int dModel,
      int dHead,
      int vocab,
      int context,
      int steps,
      int batchSize,
      double learningRate,
      double weightDecay,
      int warmup,
      double tokenScale,
      double positionScale,
      long seed) {

    /**
     * Checks ranges.
     *
     * @param layers blocks
     * @param heads heads per block
     * @param dModel width of the residual stream
     * @param dHead width of a head
     * @param vocab tokens; token 0 begins every sequence. More than {@code context}
     * @param context longest sequence, at least 4
     * @param steps optimizer steps
     * @param batchSize sequences per step
     * @param learningRate AdamW's highest step size
     * @param weightDecay AdamW's decoupled decay, multiplied by the step size
     * @param warmup steps over which the step size grows
     * @param tokenScale initial token embedding in units of {@code 1/√dModel}
     * @param positionScale initial position embedding in units of {@code 1/√dModel}
     * @param seed of the initial weights and the data
     * @throws IllegalArgumentException naming the setting that is out of range
     */
    public Settings {
      atLeast("layers", layers, 1);
      atLeast("heads", heads, 1);
      atLeast("dModel", dModel, 2);
      atLeast("dHead", dHead, 1);
      atLeast("context", context, 4);
      atLeast("vocab", vocab, context + 1);
      atLeast("steps", steps, 1);
      atLeast("batchSize", batchSize, 1);
      atLeast("warmup", warmup, 1);
      positive("learningRate", learningRate);
      positive("tokenScale", tokenScale);
      positive("positionScale", positionScale);
      if (!(weightDecay >= 0 && weightDecay * learningRate < 1)) {
        throw new IllegalArgumentException(
            "weightDecay=" + weightDecay + "; give a value from 0 to below 1/learningRate");
      }
    }

    /**
     * The settings of the embedded default model.
     *
     * @return these settings
     */
    public static Settings standard() {
      return new Settings(2, 4, 64, 16, 64, 24, 2000, 32, 3e-3, 0.3, 100, 2, 6, 1);
    }

    /**
     * These settings with another seed.
     *
     * @param newSeed the seed
     * @return the settings with it
     */
    public Settings withSeed(long newSeed) {
      return new Settings(
          layers,
          heads,
          dModel,
          dHead,
          vocab,
          context,
          steps,
          batchSize,
          learningRate,
          weightDecay,
          warmup,
          tokenScale,
          positionScale,
          newSeed);
    }

    private static void atLeast(String name, int value, int least) {
      if (value < least) {
        throw new IllegalArgumentException(name + "=" + value + "; give at least " + least);
      }
    }

    private static void positive(String name, double value) {
      if (!(value > 0 && value < Double.POSITIVE_INFINITY)) {
        throw new IllegalArgumentException(name + "=" + value + "; give a positive number");
      }
    }

    private AttentionOnlyNetwork network() {
      return new AttentionOnlyNetwork(layers, heads, dModel, dHead, vocab, context);
    }
  }

  /**
   * How far training is.
   *
   * @param step steps done
   * @param steps steps in all
   * @param loss cross entropy in nats of this step's predictable tokens
   */
  public record Progress(int step, int steps, double loss) {}

  /**
   * What a model does on sequences it was not trained on. Means over all predictable tokens; an
   * attention score of 1 means all attention goes where the name says.
   *
   * @param loss cross entropy in nats
   * @param accuracy share of predictable tokens that get the highest logit
   * @param previousToken attention from each position (from the third on) to the one before, {@code
   *     [layers][heads]}
   * @param induction attention from a predictable token's predecessor to the earlier occurrence of
   *     that token, {@code [layers][heads]}
   */
  public record Evaluation(
      double loss, double accuracy, double[][] previousToken, double[][] induction) {}

  /**
   * A trained model.
   *
   * @param settings what made it
   * @param weights by TransformerLens's names and in its shapes, processed as it does by default
   * @param finalLoss cross entropy in nats at the last step
   * @param heldOut behaviour on sequences not trained on
   */
  public record Result(
      Settings settings,
      Map<String, Safetensors.Array> weights,
      double finalLoss,
      Evaluation heldOut) {

    /**
     * Writes {@code config.json} and {@code model.safetensors}, each whole or not at all.
     *
     * @param directory made if it does not exist
     * @throws DataException if it cannot be written
     */
    public void write(Path directory) {
      try {
        Files.createDirectories(directory);
      } catch (IOException e) {
        throw new DataException(
            "directory=" + directory + " cannot be made; choose a writable place", e);
      }
      Safetensors.write(directory.resolve("model.safetensors"), weights, Map.of("format", "pt"));
      AtomicFile.write(
          directory.resolve("config.json"),
          InductionModelFiles.config(settings).toPrettyString() + "\n");
    }
  }

  /**
   * Trains a model.
   *
   * @param settings the shape of the model, and how it is trained
   * @param progress told about the first, the last and every 50th step
   * @return the weights and how good they are
   */
  @SuppressWarnings("try") // a scope is held, not read
  public static Result train(Settings settings, Consumer<Progress> progress) {
    AttentionOnlyNetwork network = settings.network();
    SplittableRandom root = new SplittableRandom(settings.seed);
    SplittableRandom initial = root.split();
    SplittableRandom data = root.split();
    SplittableRandom heldOut = root.split();
    try (NativeThreads threads = NativeThreads.one();
        TensorScope scope = new TensorScope()) {
      Tensor flat =
          torch.tensor(network.initial(initial, settings.tokenScale, settings.positionScale));
      Tensor mean = torch.zeros_like(flat);
      Tensor square = torch.zeros_like(flat);
      double loss = Double.NaN;
      for (int step = 1; step <= settings.steps; step++) {
        loss = step(settings, network, flat, mean, square, step, data);
        if (step == 1 || step == settings.steps || step % REPORT_EVERY == 0) {
          progress.accept(new Progress(step, settings.steps, loss));
        }
      }
      float[] values = new float[network.size()];
      new FloatPointer(flat.data_ptr_float()).get(values);
      Map<String, Safetensors.Array> weights =
          InductionModelFiles.processed(network, InductionModelFiles.split(network, values));
      InductionSequences.Batch unseen =
          InductionSequences.draw(512, settings.context, settings.vocab, heldOut);
      return new Result(settings, weights, loss, evaluate(network, weights, unseen));
    }
  }

  /**
   * Makes a directory that is a whole task: trains a model and writes it ({@link Result#write})
   * with its prompt pairs, {@code prompts.json}, all together ({@link FileSet}). With the standard
   * settings, 64 prompts of 16 tokens this is the embedded default.
   *
   * @param directory made if it does not exist
   * @param settings the shape of the model, and how it is trained
   * @param prompts number of prompt pairs
   * @param promptLength tokens of each, at most the model's context
   * @param progress as in {@link #train}
   * @return the weights and how good they are
   * @throws IllegalArgumentException if a number is out of range, before training
   * @throws DataException if the directory cannot be written
   */
  public static Result trainTo(
      Path directory,
      Settings settings,
      int prompts,
      int promptLength,
      Consumer<Progress> progress) {
    if (promptLength > settings.context) {
      throw new IllegalArgumentException(
          String.format(
              "promptLength=%d is over the model's context=%d; ask for shorter prompts",
              promptLength, settings.context));
    }
    PromptDataset dataset =
        InductionPrompts.generate(prompts, promptLength, settings.vocab, settings.seed);
    Result result = train(settings, progress);
    try {
      Files.createDirectories(directory);
      new FileSet(directory, List.of("config.json", "model.safetensors", "prompts.json"))
          .replace(
              fresh -> {
                result.write(fresh);
                InductionPrompts.write(fresh.resolve("prompts.json"), dataset);
              });
    } catch (IOException e) {
      throw new DataException(
          "directory=" + directory + " cannot be written (" + e + "); choose another", e);
    }
    return result;
  }

  /**
   * Judges weights on newly drawn sequences.
   *
   * @param settings the shape of the model
   * @param weights by TransformerLens's names
   * @param sequences how many to draw
   * @param seed of the sequences
   * @return how good the weights are
   */
  public static Evaluation evaluate(
      Settings settings, Map<String, Safetensors.Array> weights, int sequences, long seed) {
    InductionSequences.Batch batch =
        InductionSequences.draw(
            sequences, settings.context, settings.vocab, new SplittableRandom(seed));
    return evaluate(settings.network(), weights, batch);
  }

  // ---- training ----

  /** One step of AdamW, in place on {@code flat}, {@code mean} and {@code square}. */
  @SuppressWarnings("try") // a scope is held, not read
  private static double step(
      Settings settings,
      AttentionOnlyNetwork network,
      Tensor flat,
      Tensor mean,
      Tensor square,
      int step,
      SplittableRandom data) {
    InductionSequences.Batch batch =
        InductionSequences.draw(settings.batchSize, settings.context, settings.vocab, data);
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> leaves = new LinkedHashMap<>();
      network
          .views(flat)
          .forEach((name, view) -> leaves.put(name, view.detach().requires_grad_(true)));
      Tensor loss = loss(batch, run(network, leaves, batch).logits());
      loss.backward();
      Tensor[] gradients =
          leaves.values().stream().map(leaf -> leaf.grad().reshape(-1)).toArray(Tensor[]::new);
      Tensor gradient = torch.cat(new TensorVector(gradients));
      mean.mul_(new Scalar(BETA_1)).add_(gradient, new Scalar(1 - BETA_1));
      square.mul_(new Scalar(BETA_2)).addcmul_(gradient, gradient, new Scalar(1 - BETA_2));
      Tensor scale =
          square.div(new Scalar(1 - Math.pow(BETA_2, step))).sqrt().add(new Scalar(ADAM_EPS));
      double rate = learningRate(settings, step);
      flat.mul_(new Scalar(1 - rate * settings.weightDecay));
      flat.addcdiv_(mean, scale, new Scalar(-rate / (1 - Math.pow(BETA_1, step))));
      return loss.item_double();
    }
  }

  /** Grows over the warm-up, falls to zero over the second half. */
  private static double learningRate(Settings settings, int step) {
    double growth = step / (double) settings.warmup;
    double decay = (settings.steps - step + 1) / (0.5 * settings.steps);
    return settings.learningRate * Math.min(1, Math.min(growth, decay));
  }

  private static AttentionOnlyNetwork.Output run(
      AttentionOnlyNetwork network, Map<String, Tensor> weights, InductionSequences.Batch batch) {
    Tensor ids = torch.tensor(batch.ids()).view(batch.rows(), batch.length());
    return network.forward(weights, ids, torch.tensor(batch.queries()));
  }

  private static Tensor loss(InductionSequences.Batch batch, Tensor logits) {
    return torch.cross_entropy_loss(logits, torch.tensor(batch.targets()));
  }

  // ---- evaluation ----

  @SuppressWarnings("try") // a scope is held, not read
  private static Evaluation evaluate(
      AttentionOnlyNetwork network,
      Map<String, Safetensors.Array> weights,
      InductionSequences.Batch batch) {
    try (NativeThreads threads = NativeThreads.one();
        TensorScope scope = new TensorScope()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      weights.forEach(
          (name, array) -> tensors.put(name, torch.tensor(array.data()).view(array.shape())));
      AttentionOnlyNetwork.Output output = run(network, tensors, batch);
      Tensor best = output.logits().argmax(new LongOptional(1), false);
      double accuracy =
          best.eq(torch.tensor(batch.targets())).to(torch.ScalarType.Double).mean().item_double();
      double[][] previous = new double[network.layers()][network.heads()];
      double[][] induction = new double[network.layers()][network.heads()];
      for (int layer = 0; layer < network.layers(); layer++) {
        Tensor pattern = output.patterns().get(layer).contiguous();
        float[] attention = new float[Math.toIntExact(pattern.numel())];
        new FloatPointer(pattern.data_ptr_float()).get(attention);
        for (int head = 0; head < network.heads(); head++) {
          Attention of = new Attention(attention, network.heads(), head, batch.length());
          previous[layer][head] = of.toPrevious(batch);
          induction[layer][head] = of.toSources(batch);
        }
      }
      return new Evaluation(
          loss(batch, output.logits()).item_double(), accuracy, previous, induction);
    }
  }

  /** One head's part of a pattern {@code [rows, heads, length, length]}. */
  private record Attention(float[] pattern, int heads, int head, int length) {
    private double at(int row, int from, int to) {
      return pattern[((row * heads + head) * length + from) * length + to];
    }

    private double toPrevious(InductionSequences.Batch batch) {
      double sum = 0;
      for (int row = 0; row < batch.rows(); row++) {
        for (int t = 2; t < length; t++) {
          sum += at(row, t, t - 1);
        }
      }
      return sum / ((double) batch.rows() * (length - 2));
    }

    private double toSources(InductionSequences.Batch batch) {
      double sum = 0;
      for (int q = 0; q < batch.queries().length; q++) {
        int row = (int) (batch.queries()[q] / length);
        int from = (int) (batch.queries()[q] % length);
        sum += at(row, from, batch.sources()[q]);
      }
      return sum / batch.queries().length;
    }
  }
}
