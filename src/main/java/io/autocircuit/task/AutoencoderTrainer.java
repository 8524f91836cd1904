package io.autocircuit.task;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Trains small sparse autoencoders of a model's MLP outputs, and writes them in the layout of
 * SAELens.
 *
 * <p>The outputs are those on texts that the model itself samples, so that nothing but the model is
 * needed, and on prompts that are given. An autoencoder is {@code f = relu((x − b) E + e)}, {@code
 * x ≈ f W + b} with rows of W of length 1; the loss is {@code ‖x − x̂‖² / D + λ Σ f} of outputs
 * scaled to a mean square of 1 (Bricken et al. 2023, "Towards monosemanticity"); the optimizer is
 * Adam. All random numbers come from the seed: the same settings give the same bits on one machine.
 */
public final class AutoencoderTrainer {
  private static final double BETA_1 = 0.9;
  private static final double BETA_2 = 0.999;
  private static final double ADAM_EPS = 1e-8;
  private static final int SAMPLED_AT_ONCE = 64;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Transformer model;
  private final Settings settings;
  private final Placement place;

  /**
   * How to train.
   *
   * @param latents of each autoencoder; 0 for four times the width of the model
   * @param sequences how many texts the model samples
   * @param length tokens of each
   * @param steps of the optimizer
   * @param batchSize outputs per step
   * @param learningRate of Adam; falls to 0 over the last fifth
   * @param sparsity λ
   * @param seed of texts, weights and batches
   */
  public record Settings(
      int latents,
      int sequences,
      int length,
      int steps,
      int batchSize,
      double learningRate,
      double sparsity,
      long seed) {

    /**
     * Checks ranges.
     *
     * @param latents of each autoencoder; 0 for four times the width of the model
     * @param sequences how many texts the model samples
     * @param length tokens of each
     * @param steps of the optimizer
     * @param batchSize outputs per step
     * @param learningRate of Adam; falls to 0 over the last fifth
     * @param sparsity λ
     * @param seed of texts, weights and batches
     * @throws IllegalArgumentException naming the setting that is out of range
     */
    public Settings {
      if (latents < 0 || sequences < 1 || length < 1 || steps < 1 || batchSize < 1) {
        throw new IllegalArgumentException(
            "latents="
                + latents
                + ", sequences="
                + sequences
                + ", length="
                + length
                + ", steps="
                + steps
                + ", batchSize="
                + batchSize
                + "; give positive numbers (latents may be 0)");
      }
      if (!(learningRate > 0 && sparsity >= 0)) {
        throw new IllegalArgumentException(
            "learningRate="
                + learningRate
                + ", sparsity="
                + sparsity
                + "; give a positive rate, and a sparsity of 0 or more");
      }
    }

    /**
     * Settings for models of some hundred thousand weights.
     *
     * @return these settings
     */
    public static Settings standard() {
      return new Settings(0, 256, 64, 2000, 256, 2e-3, 0.02, 1);
    }
  }

  /**
   * What became of the autoencoder of a block.
   *
   * @param block which block
   * @param latents how many it has
   * @param explained 1 − mean square of what is not reconstructed / variance, on all outputs
   * @param active how many latents are active at a position, on average
   * @param used how many are active anywhere
   */
  public record Trained(int block, int latents, double explained, double active, int used) {}

  /** Is told about the work done. */
  @FunctionalInterface
  public interface Listener {
    /**
     * Called now and then.
     *
     * @param what is done
     * @param done so much of it
     * @param of so much
     */
    void accept(String what, int done, int of);
  }

  private AutoencoderTrainer(Transformer model, Settings settings) {
    this.model = model;
    this.settings = settings;
    this.place = model.placement();
  }

  /**
   * Trains an autoencoder for each block.
   *
   * @param directory where they are written: {@code blocks.B/cfg.json} and {@code
   *     sae_weights.safetensors}
   * @param model with MLPs, without autoencoders
   * @param kernels for its device
   * @param prompts texts beside those that the model samples; their first tokens begin those. With
   *     none a text begins with any token
   * @param settings how to train
   * @param listener is told about the work done
   * @return what became of them, by block
   * @throws DataException if the model has no MLPs, or a file cannot be written
   */
  public static List<Trained> trainTo(
      Path directory,
      Transformer model,
      Kernels kernels,
      List<TokenBatch> prompts,
      Settings settings,
      Listener listener) {
    if (model.config().attentionOnly() || model.autoencoders() != null) {
      throw new DataException(
          "model="
              + model.config().name()
              + (model.autoencoders() == null
                  ? " has no MLPs, whose outputs autoencoders take apart"
                  : " has autoencoders already")
              + "; give a model with MLPs");
    }
    AutoencoderTrainer trainer = new AutoencoderTrainer(model, settings);
    // the number of threads changes how libtorch sums
    try (NativeThreads used = NativeThreads.one();
        TensorScope scope = new TensorScope()) {
      List<TokenBatch> texts = trainer.texts(prompts, listener);
      texts.addAll(prompts);
      List<Trained> all = new ArrayList<>();
      PatchableModel patchable = PatchableModel.of(model, false, 0, OutputSlice.ALL, kernels);
      for (Stage stage : patchable.graph().stages()) {
        if (stage.kind() == Stage.Kind.MLP) {
          try (TensorScope inner = new TensorScope()) {
            all.add(trainer.block(directory, patchable, stage, texts, listener));
          }
        }
      }
      return all;
    }
  }

  /** Texts that the model samples. */
  private List<TokenBatch> texts(List<TokenBatch> prompts, Listener listener) {
    SplittableRandom random = new SplittableRandom(settings.seed());
    int length = Math.min(settings.length(), model.config().contextLength());
    List<Integer> starts = new ArrayList<>();
    for (TokenBatch p : prompts) {
      for (int b = 0; b < p.batchSize(); b++) {
        starts.add(p.ids()[b * p.length() + p.padding()[b]]);
      }
    }
    List<TokenBatch> texts = new ArrayList<>();
    for (int done = 0; done < settings.sequences(); done += SAMPLED_AT_ONCE) {
      listener.accept("sampling texts", done, settings.sequences());
      int count = Math.min(SAMPLED_AT_ONCE, settings.sequences() - done);
      int[][] ids = new int[count][1];
      for (int[] text : ids) {
        text[0] =
            starts.isEmpty()
                ? random.nextInt(model.config().vocabulary())
                : starts.get(random.nextInt(starts.size()));
      }
      for (int t = 1; t < length; t++) {
        ids = longer(ids, random);
      }
      texts.add(batch(ids));
    }
    return texts;
  }

  private static TokenBatch batch(int[][] ids) {
    int length = ids[0].length;
    int[] flat = new int[ids.length * length];
    for (int b = 0; b < ids.length; b++) {
      System.arraycopy(ids[b], 0, flat, b * length, length);
    }
    return new TokenBatch(flat, ids.length, length, new int[ids.length]);
  }

  /** The texts and one more token of each, drawn by the model's probabilities. */
  private int[][] longer(int[][] ids, SplittableRandom random) {
    try (TensorScope scope = new TensorScope()) {
      Tensor logits = model.logits(batch(ids), OutputSlice.LAST_SEQ).select(1, 0);
      int outputs = (int) logits.size(1);
      double[] p = Tensors.doubles(torch.softmax(logits, 1));
      int[][] more = new int[ids.length][];
      for (int b = 0; b < ids.length; b++) {
        double left = random.nextDouble();
        int token = 0;
        for (int v = 0; v < outputs; v++) {
          double each = p[b * outputs + v];
          token = each > 0 ? v : token; // rounding may leave a little over
          left -= each;
          if (left < 0) {
            break;
          }
        }
        more[b] = Arrays.copyOf(ids[b], ids[b].length + 1);
        more[b][ids[b].length] = Math.min(token, model.config().vocabulary() - 1);
      }
      return more;
    }
  }

  private Trained block(
      Path directory,
      PatchableModel patchable,
      Stage stage,
      List<TokenBatch> texts,
      Listener listener) {
    TensorVector parts = new TensorVector();
    for (TokenBatch tokens : texts) {
      try (TensorScope scope = new TensorScope()) {
        Tensor all = SourceOutputs.of(patchable, tokens).select(0, stage.firstWritten());
        for (int b = 0; b < tokens.batchSize(); b++) {
          long pad = tokens.padding()[b];
          Tensor text = all.select(0, b).narrow(0, pad, tokens.length() - pad).clone();
          scope.keep(text);
          parts.push_back(text);
        }
      }
    }
    Tensor x = torch.cat(parts, 0);
    double scale = Math.sqrt(x.mul(x).mean().item_double());
    scale = scale > 0 ? scale : 1;
    x.div_(new Scalar(scale));
    Weights w = new Weights(x, stage.block());
    for (int step = 0; step < settings.steps(); step++) {
      if (step % 100 == 0) {
        listener.accept("training block " + stage.block(), step, settings.steps());
      }
      try (TensorScope scope = new TensorScope()) {
        w.step(step);
      }
    }
    Trained trained = w.judge(stage.block());
    write(directory.resolve("blocks." + stage.block()), stage.block(), w, scale);
    return trained;
  }

  /** An autoencoder in training, of outputs that are scaled. */
  private final class Weights {
    final int d;
    final int k;
    private final Tensor x;
    private final SplittableRandom random;

    /** {@code [D,K]}, {@code [K]}, {@code [K,D]}, {@code [D]}. */
    final Tensor[] values;

    private final Tensor[] mean = new Tensor[4];
    private final Tensor[] square = new Tensor[4];

    Weights(Tensor x, int block) {
      this.x = x;
      this.d = (int) x.size(1);
      this.k = settings.latents() > 0 ? settings.latents() : 4 * d;
      this.random = new SplittableRandom(settings.seed() + 1 + block);
      float[] rows = new float[k * d];
      for (int i = 0; i < rows.length; i++) {
        rows[i] = (float) random.nextGaussian();
      }
      Tensor w = unit(place.tensor(rows, k, d));
      Tensor bias = x.mean(new long[] {0}, false, null);
      values = new Tensor[] {w.t().contiguous(), place.zeros(k), w, bias};
      for (int i = 0; i < values.length; i++) {
        mean[i] = torch.zeros_like(values[i]);
        square[i] = torch.zeros_like(values[i]);
      }
    }

    /** Rows of length 1. */
    private static Tensor unit(Tensor rows) {
      return rows.div_(rows.mul(rows).sum(new long[] {1}, true, null).sqrt_());
    }

    private Tensor encode(Tensor some) {
      return Products.addmm(values[1], some.sub(values[3]), values[0]).relu_();
    }

    private Tensor decode(Tensor f) {
      return Products.addmm(values[3], f, values[2]);
    }

    void step(int step) {
      int n = (int) Math.min(settings.batchSize(), x.size(0));
      long[] which = new long[n];
      for (int i = 0; i < n; i++) {
        which[i] = random.nextInt((int) x.size(0));
      }
      Tensor some = x.index_select(0, place.indices(which, n));
      Tensor f = encode(some);
      Tensor error = decode(f).sub_(some).mul_(new Scalar(2.0 / ((double) n * d)));
      Tensor h = Products.mm(error, values[2].t()).add_(new Scalar(settings.sparsity() / n));
      h.mul_(f.gt(new Scalar(0.0)));
      Tensor[] gradients = {
        Products.mm(some.sub(values[3]).t().contiguous(), h),
        h.sum(new long[] {0}, false, null),
        Products.mm(f.t().contiguous(), error),
        error
            .sum(new long[] {0}, false, null)
            .sub_(Products.mm(h, values[0].t()).sum(new long[] {0}, false, null))
      };
      double left = 1 - (double) step / settings.steps();
      double rate = settings.learningRate() * Math.min(1, 5 * left);
      double first = 1 - Math.pow(BETA_1, step + 1);
      double second = 1 - Math.pow(BETA_2, step + 1);
      for (int i = 0; i < values.length; i++) {
        mean[i].mul_(new Scalar(BETA_1)).add_(gradients[i].mul(new Scalar(1 - BETA_1)));
        square[i]
            .mul_(new Scalar(BETA_2))
            .add_(gradients[i].mul(gradients[i]).mul_(new Scalar(1 - BETA_2)));
        Tensor by = square[i].div(new Scalar(second)).sqrt_().add_(new Scalar(ADAM_EPS));
        values[i].sub_(mean[i].mul(new Scalar(rate / first)).div_(by));
      }
      unit(values[2]);
    }

    Trained judge(int block) {
      Tensor f = encode(x);
      Tensor rest = decode(f).sub_(x);
      Tensor centred = x.sub(x.mean(new long[] {0}, false, null));
      double lost = rest.mul(rest).sum().item_double();
      double variance = centred.mul(centred).sum().item_double();
      Tensor active = f.gt(new Scalar(0.0)).to(place.type());
      double count = active.sum().item_double() / x.size(0);
      int used = (int) active.amax(new long[] {0}, false).sum().item_double();
      return new Trained(block, k, variance > 0 ? 1 - lost / variance : 1, count, used);
    }
  }

  /** Writes an autoencoder of outputs that are not scaled. */
  private void write(Path directory, int block, Weights w, double scale) {
    Map<String, Safetensors.Array> tensors = new LinkedHashMap<>();
    // relu is homogeneous: with e and b times the scale, f is in the units of x
    tensors.put("W_enc", array(w.values[0], 1));
    tensors.put("b_enc", array(w.values[1], scale));
    tensors.put("W_dec", array(w.values[2], 1));
    tensors.put("b_dec", array(w.values[3], scale));
    ObjectNode config = JSON.createObjectNode();
    config.put("architecture", "standard");
    config.put("d_in", w.d);
    config.put("d_sae", w.k);
    config.put("activation_fn_str", "relu");
    config.put("apply_b_dec_to_input", true);
    config.put("normalize_activations", "none");
    config.put("hook_name", "blocks." + block + ".hook_mlp_out");
    config.put("model_name", model.config().name());
    config.put("dtype", "float32");
    try {
      Files.createDirectories(directory);
      Safetensors.write(directory.resolve("sae_weights.safetensors"), tensors, Map.of());
      String text = JSON.writerWithDefaultPrettyPrinter().writeValueAsString(config) + "\n";
      AtomicFile.write(directory.resolve("cfg.json"), text);
    } catch (IOException e) {
      throw new DataException("directory=" + directory + " cannot be written: " + e, e);
    }
  }

  private static Safetensors.Array array(Tensor t, double scale) {
    float[] values = Tensors.floats(t.contiguous());
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (values[i] * scale);
    }
    return new Safetensors.Array(t.shape(), values);
  }
}
